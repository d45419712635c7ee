//! The columns that a SELECT gives.

use datafusion::sql::sqlparser::ast::{Expr, Select, SelectItem};

use super::Problems;
use super::names::{column_of, name_of};
use crate::contract::diagnostic::Code;

/// What a SELECT list gives.
pub(super) struct Output<'a> {
    /// Named columns in their order.
    pub(super) names: Vec<(String, &'a SelectItem)>,
    /// Whether all columns of the tables come along.
    pub(super) star: bool,
}

/// Reads the list; expressions without a name and names that occur twice are reported.
pub(super) fn read<'a>(select: &'a Select, problems: &mut Problems<'_>) -> Output<'a> {
    let mut output = Output {
        names: Vec::new(),
        star: false,
    };
    for item in &select.projection {
        let name = match item {
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                output.star = true;
                continue;
            }
            SelectItem::ExprWithAlias { alias, .. } => Some(name_of(alias)),
            SelectItem::UnnamedExpr(expr) => column_of(expr),
            SelectItem::ExprWithAliases { .. } => None,
        };
        match name {
            None => {
                let message = format!("{item} in the SELECT list has no name");
                problems.add(Code::SqlColumns, item, message, "write … AS name");
            }
            Some(name) if output.names.iter().any(|(known, _)| *known == name) => {
                problems.add(
                    Code::SqlColumns,
                    item,
                    format!("the SELECT gives {name:?} twice"),
                    "",
                );
            }
            Some(name) => output.names.push((name, item)),
        }
    }
    output
}

/// The expression of an item that has one.
pub(super) fn expr(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

/// Whether an item is the column of that name as it is.
pub(super) fn is_plain(item: &SelectItem, name: &str) -> bool {
    expr(item).and_then(column_of).as_deref() == Some(name)
}
