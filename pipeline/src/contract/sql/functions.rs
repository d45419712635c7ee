//! Functions whose result is not a function of the rows alone.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArgumentClause, FunctionArguments, ObjectNamePart, WindowSpec, WindowType,
};

use super::name_of;

/// The name of a function, lower case.
pub(super) fn name(function: &Function) -> String {
    function
        .name
        .0
        .last()
        .and_then(ObjectNamePart::as_ident)
        .map(name_of)
        .unwrap_or_default()
        .to_lowercase()
}

/// Whether a function gives another value each time.
pub(super) fn is_volatile(name: &str) -> bool {
    let clock = [
        "now",
        "today",
        "current_date",
        "current_time",
        "current_timestamp",
        "localtime",
        "localtimestamp",
    ];
    let chance = ["random", "rand", "uuid", "gen_random_uuid"];
    clock.contains(&name) || chance.contains(&name)
}

/// Whether a function makes one value of many rows.
pub(super) fn is_aggregate(name: &str) -> bool {
    let exact = [
        "array_agg",
        "string_agg",
        "listagg",
        "any_value",
        "first_value",
        "last_value",
        "nth_value",
        "grouping",
        "bit_and",
        "bit_or",
        "bit_xor",
        "bool_and",
        "bool_or",
        "count",
        "max",
        "median",
        "min",
        "sum",
    ];
    exact.contains(&name) || is_float_aggregate(name)
}

/// Whether an aggregate adds up floating point, so that its result depends on the order of the rows.
pub(super) fn is_float_aggregate(name: &str) -> bool {
    let families = [
        "approx_",
        "avg",
        "mean",
        "stddev",
        "var",
        "covar",
        "corr",
        "regr_",
        "percentile",
    ];
    families.iter().any(|family| name.starts_with(family))
}

/// Whether the result of an aggregate or window function depends on the order of the rows.
pub(super) fn needs_order(name: &str) -> bool {
    let ordered = [
        "array_agg",
        "string_agg",
        "listagg",
        "any_value",
        "first_value",
        "last_value",
        "nth_value",
        "row_number",
        "ntile",
        "lag",
        "lead",
    ];
    ordered.contains(&name)
}

/// The window of a function, where it is written out.
pub(super) fn window(function: &Function) -> Option<&WindowSpec> {
    match &function.over {
        Some(WindowType::WindowSpec(window)) if window.window_name.is_none() => Some(window),
        _ => None,
    }
}

/// Whether a function says in which order it takes the rows.
pub(super) fn is_ordered(function: &Function) -> bool {
    let clause = match &function.args {
        FunctionArguments::List(list) => list
            .clauses
            .iter()
            .any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(order) if !order.is_empty())),
        _ => false,
    };
    let window = window(function).is_some_and(|window| !window.order_by.is_empty());
    clause || window || !function.within_group.is_empty()
}

/// The function that an expression calls.
pub(super) fn called(expr: &Expr) -> Option<(&Function, String)> {
    match expr {
        Expr::Function(function) => Some((function, name(function))),
        _ => None,
    }
}
