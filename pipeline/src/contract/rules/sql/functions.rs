//! Functions whose result is not a function of the rows alone.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::Volatility;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArgumentClause, FunctionArguments, ObjectNamePart, WindowSpec, WindowType,
};

use super::names::name_of;

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

/// Whether a function gives another value each time: by the name that SQL has for it, or as the engine says.
pub(super) fn is_volatile(name: &str) -> bool {
    static VOLATILE: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let functions = SessionStateDefaults::default_scalar_functions();
        let volatile = functions
            .iter()
            .filter(|function| function.signature().volatility != Volatility::Immutable);
        let names = volatile.flat_map(|function| with_aliases(function.name(), function.aliases()));
        names.chain(CLOCK.map(str::to_owned)).collect()
    });
    VOLATILE.contains(name)
}

/// Words for the time that are no functions of the engine, or have another name there.
const CLOCK: [&str; 6] = [
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "gen_random_uuid",
];

/// Whether a function makes one value of many rows.
pub(super) fn is_aggregate(name: &str) -> bool {
    static AGGREGATES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let functions = SessionStateDefaults::default_aggregate_functions();
        let names = functions
            .iter()
            .flat_map(|function| with_aliases(function.name(), function.aliases()));
        names.map(|name| name.to_lowercase()).collect()
    });
    AGGREGATES.contains(name)
}

fn with_aliases(name: &str, aliases: &[String]) -> Vec<String> {
    aliases.iter().cloned().chain([name.to_owned()]).collect()
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
