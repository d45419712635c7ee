//! Whether what an aggregate or a window gives is a function of the rows, whatever their order.

use datafusion::common::Column;
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition,
};

use super::known::{Ids, Known, Relation};
use super::place;
use super::walk::Walk;
use crate::contract::diagnostic::Code;

/// Most columns that are named in advice.
const NAMED: usize = 8;

/// How a function looks at rows.
enum Looks {
    /// At all of them: counts, and sums and bits of exact numbers.
    AtAll,
    /// At the least or the greatest.
    AtExtremes,
    /// At one after the other.
    InOrder,
    /// At those that are alike in its order as at one.
    AtPeers,
    /// In a way that is inexact, or not known.
    Otherwise,
}

fn looks(function: &str) -> Looks {
    match function {
        "count" | "sum" | "bool_and" | "bool_or" | "bit_and" | "bit_or" | "bit_xor" | "median" => {
            Looks::AtAll
        }
        "min" | "max" => Looks::AtExtremes,
        "array_agg" | "string_agg" | "any_value" | "first_value" | "last_value" | "nth_value"
        | "row_number" | "ntile" | "lag" | "lead" => Looks::InOrder,
        "rank" | "dense_rank" | "percent_rank" | "cume_dist" => Looks::AtPeers,
        _ => Looks::Otherwise,
    }
}

/// The window function of a column of a window.
pub(super) fn window_of(expr: &Expr) -> Option<&WindowFunction> {
    match expr {
        Expr::Alias(alias) => window_of(&alias.expr),
        Expr::WindowFunction(call) => Some(call),
        _ => None,
    }
}

/// Reports why an aggregate over groups of rows is not exact. True where it gives numbers that are neither NaN nor a
/// negative zero.
pub(super) fn aggregate(
    walk: &mut Walk<'_>,
    expr: &Expr,
    by: &Ids,
    rows: &Relation,
    input: &LogicalPlan,
) -> bool {
    let call = match expr {
        Expr::Alias(alias) => return aggregate(walk, &alias.expr, by, rows, input),
        Expr::AggregateFunction(call) => call,
        _ => return false,
    };
    let name = call.func.name();
    let args = &call.params.args;
    match looks(name) {
        Looks::InOrder => {
            let order = Order::of(walk, &call.params.order_by, by, rows, input);
            let values = |arg: &Expr| {
                let columns = arg.column_refs();
                order.has(arg) || columns.iter().all(|column| order.settles(column, rows, input))
            };
            let is_settled = rows.is_settled_by(&order.values) || args.iter().all(values);
            // Of rows that are one or alike any will do, and nothing else is meant without an order.
            let is_meant = name == "any_value" || !order.by.is_empty();
            if !(is_settled && is_meant) {
                order.tell(walk, name, rows, input, args);
            } else if let Some(twice) = order.twice() {
                // The engine breaks off there.
                let message = format!("the ORDER BY of {name} names {twice} twice");
                let at = place(twice.column_refs(), input);
                walk.add(Code::SqlPlan, message, "name it once", at);
            }
            false
        }
        _ => is_exact(walk, name, args, rows, input),
    }
}

/// Reports why a window function is not exact; true as for [`aggregate`].
pub(super) fn window(
    walk: &mut Walk<'_>,
    call: &WindowFunction,
    by: &Ids,
    rows: &Relation,
    input: &LogicalPlan,
) -> bool {
    let params = &call.params;
    let name = call.fun.name();
    let is_ordered = match looks(name) {
        Looks::AtPeers => return false,
        Looks::InOrder => true,
        _ => {
            matches!(call.fun, WindowFunctionDefinition::AggregateUDF(_)) && counts_rows(&params.window_frame)
        }
    };
    if is_ordered {
        let order = Order::of(walk, &params.order_by, by, rows, input);
        if order.by.is_empty() || !rows.is_settled_by(&order.values) {
            order.tell(walk, name, rows, input, &params.args);
        }
    }
    match looks(name) {
        Looks::InOrder => false,
        _ => is_exact(walk, name, &params.args, rows, input),
    }
}

/// Whether a frame ends between rows that are alike.
fn counts_rows(frame: &WindowFrame) -> bool {
    let is_open = |bound: &WindowFrameBound| bound.is_unbounded();
    frame.units == WindowFrameUnits::Rows && !(is_open(&frame.start_bound) && is_open(&frame.end_bound))
}

/// Reports an aggregate whose result depends on the order in which values are added or compared; true where the result
/// is neither NaN nor a negative zero.
fn is_exact(walk: &mut Walk<'_>, name: &str, args: &[Expr], rows: &Relation, input: &LogicalPlan) -> bool {
    let schema = input.schema();
    let is_float = |arg: &Expr| arg.get_type(schema).is_ok_and(|ty| ty.is_floating());
    let floats: Vec<Known> = args
        .iter()
        .filter(|arg| is_float(arg))
        .map(|arg| walk.known(arg, schema, rows))
        .collect();
    let (message, help) = match looks(name) {
        Looks::AtAll if name != "sum" || floats.is_empty() => return false,
        Looks::AtAll => {
            let message = format!("a {name} of floating point depends on the order of rows");
            (message, "cast to decimal first")
        }
        Looks::AtExtremes if floats.iter().all(|column| column.is_tame) => return true,
        Looks::AtExtremes => {
            let message = format!(
                "{name} of computed floating point depends on the order of rows where it is NaN or -0"
            );
            (message, "cast to decimal first")
        }
        _ => {
            let message = format!("{name} depends on the order in which floating point is added");
            (message, "use sum and count of int or decimal")
        }
    };
    let at = place(args.iter().flat_map(Expr::column_refs), input);
    walk.add(Code::SqlUnordered, message, help, at);
    false
}

/// What rows are ordered by within their group.
struct Order<'a> {
    by: &'a [Sort],
    /// Numbers of the values that rows which nothing puts in an order have alike.
    values: Ids,
}

impl<'a> Order<'a> {
    fn of(walk: &mut Walk<'_>, by: &'a [Sort], group: &Ids, rows: &Relation, input: &LogicalPlan) -> Self {
        let ids = by
            .iter()
            .map(|sort| walk.known(&sort.expr, input.schema(), rows).id);
        Self {
            by,
            values: group.iter().copied().chain(ids).collect(),
        }
    }

    fn has(&self, expr: &Expr) -> bool {
        self.by.iter().any(|sort| sort.expr == *expr)
    }

    /// What it names for a second time.
    fn twice(&self) -> Option<&Expr> {
        let mut sorts = self.by.iter().enumerate();
        let again = sorts.find(|(at, sort)| self.by[..*at].iter().any(|before| before.expr == sort.expr));
        again.map(|(_, sort)| &sort.expr)
    }

    /// Whether rows that nothing puts in an order have the same value in a column.
    fn settles(&self, column: &Column, rows: &Relation, input: &LogicalPlan) -> bool {
        let index = input.schema().maybe_index_of_column(column);
        let known = index.and_then(|index| rows.columns.get(index));
        known.is_some_and(|known| self.values.contains(&known.id))
    }

    fn tell(&self, walk: &mut Walk<'_>, name: &str, rows: &Relation, input: &LogicalPlan, args: &[Expr]) {
        let missing = rows.missing(&self.values);
        let columns = input.schema().columns();
        let mut seen = Ids::new();
        let named = rows.columns.iter().zip(&columns);
        let named = named.filter(|(known, _)| missing.contains(&known.id) && seen.insert(known.id));
        let mut names: Vec<String> = named.map(|(_, column)| column.flat_name()).collect();
        let more = if names.len() > NAMED { ", …" } else { "" };
        names.truncate(NAMED);
        let names = names.join(", ") + more;
        let (message, help) = if self.by.is_empty() {
            let message = format!("{name} without ORDER BY depends on the order of rows");
            (message, format!("add ORDER BY {names}"))
        } else {
            let order: Vec<_> = self.by.iter().map(|sort| sort.expr.to_string()).collect();
            let message = format!(
                "{name} depends on the order of rows that are alike in {}",
                order.join(", ")
            );
            (message, format!("end its ORDER BY with {names}"))
        };
        let sorts = self.by.iter().map(|sort| &sort.expr);
        let at = place(sorts.chain(args).flat_map(Expr::column_refs), input);
        walk.add(Code::SqlUnordered, message, &help, at);
    }
}
