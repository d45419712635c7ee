//! SQL over `raw`: one row in, at most one row out, looking at no more than the rows of the same object.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Query, Select, SetExpr, TableFactor, visit_expressions,
};

use super::names::{column_of, is_subquery, table_of};
use super::select_list::{self, Output};
use super::{Problems, functions};
use crate::contract::diagnostic::Code;
use crate::contract::is_lineage;

/// Reports what in a query over `raw` looks beyond a row and its object, and where its list does not fit the columns.
pub(super) fn check(query: &Query, problems: &mut Problems<'_>) {
    let SetExpr::Select(select) = query.body.as_ref() else {
        let message = "SQL over raw is not a plain SELECT";
        return problems.add(
            Code::SqlNotRowwise,
            query,
            message,
            "write SELECT … FROM raw WHERE …",
        );
    };
    check_clauses(query, select, problems);
    check_from(select, problems);
    check_list(select, problems);
    let _ = visit_expressions(query, |expr| {
        check_expr(expr, problems);
        ControlFlow::<()>::Continue(())
    });
}

fn check_clauses(query: &Query, select: &Select, problems: &mut Problems<'_>) {
    let grouped = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(list, modifiers) => !list.is_empty() || !modifiers.is_empty(),
    };
    let distinct = !matches!(select.distinct, None | Some(Distinct::All));
    let clauses = [
        (query.with.is_some(), "WITH"),
        (query.order_by.is_some(), "ORDER BY"),
        (
            query.limit_clause.is_some() || query.fetch.is_some() || select.top.is_some(),
            "LIMIT",
        ),
        (!query.pipe_operators.is_empty(), "|>"),
        (distinct, "DISTINCT"),
        (grouped, "GROUP BY"),
        (select.having.is_some(), "HAVING"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
    ];
    for (_, clause) in clauses.into_iter().filter(|(there, _)| *there) {
        let help = "rows are shaped one by one; put what spans rows into a table with inputs";
        problems.add(
            Code::SqlNotRowwise,
            query,
            format!("SQL over raw has {clause}"),
            help,
        );
    }
}

fn check_from(select: &Select, problems: &mut Problems<'_>) {
    let only = match select.from.as_slice() {
        [table] if table.joins.is_empty() => Some(&table.relation),
        _ => None,
    };
    match only {
        Some(TableFactor::Table {
            name,
            args: None,
            sample: None,
            ..
        }) if table_of(name) == ["raw"] => {}
        Some(TableFactor::Table {
            name,
            args: None,
            sample: None,
            ..
        }) => {
            let message = format!("the SQL reads {name}, but the table has no inputs");
            problems.add(
                Code::SqlTables,
                name,
                message,
                "read raw, or name the table in inputs",
            );
        }
        _ => problems.add(
            Code::SqlNotRowwise,
            select,
            "the SQL does not read raw alone",
            "write FROM raw",
        ),
    }
}

fn check_expr(expr: &Expr, problems: &mut Problems<'_>) {
    if is_subquery(expr) {
        problems.add(
            Code::SqlNotRowwise,
            expr,
            "SQL over raw has a subquery",
            "rows are shaped one by one",
        );
    }
    let Some((function, name)) = functions::called(expr) else {
        return;
    };
    if functions::is_volatile(&name) {
        problems.add(
            Code::SqlVolatile,
            expr,
            format!("{name} gives another value each time"),
            "",
        );
    }
    if name == "unnest" {
        let message = "unnest makes several rows of one";
        problems.add(Code::SqlNotRowwise, expr, message, "rows are shaped one by one");
    }
    let windowed = function.over.is_some();
    if functions::is_aggregate(&name) && !windowed {
        let help = "put what spans rows into a table with inputs";
        problems.add(
            Code::SqlNotRowwise,
            expr,
            format!("{name} makes one value of many rows"),
            help,
        );
    }
    if !windowed {
        return;
    }
    let by_object = functions::window(function).is_some_and(|window| {
        window
            .partition_by
            .iter()
            .any(|by| column_of(by).as_deref() == Some("_object"))
    });
    if !by_object {
        let message = format!("the window of {name} is not within one object");
        problems.add(
            Code::SqlNotRowwise,
            expr,
            message,
            "write OVER (PARTITION BY _object, …)",
        );
    }
    if functions::needs_order(&name) && !functions::is_ordered(function) {
        problems.add(
            Code::SqlUnordered,
            expr,
            format!("{name} has no ORDER BY"),
            "order by _row",
        );
    }
}

fn check_list(select: &Select, problems: &mut Problems<'_>) {
    let contract = &problems.draft.contract;
    let used: BTreeSet<String> = contract
        .columns
        .iter()
        .flat_map(|column| column.from.iter().cloned())
        .collect();
    let all_used = used.contains("*");
    let Output { names, star } = select_list::read(select, problems);
    for (name, item) in &names {
        let passed_on = select_list::is_plain(item, name);
        if name.starts_with('_') && !(is_lineage(name) && passed_on) {
            problems.add(
                Code::SqlColumns,
                *item,
                format!("the SELECT makes {name:?}, a bookkeeping name"),
                "",
            );
        } else if !used.contains(name) && !all_used && !name.starts_with('_') {
            let help = "declare a column of that name, or leave it away";
            problems.add(
                Code::SqlColumns,
                *item,
                format!("no column is from {name:?} of the SELECT"),
                help,
            );
        }
    }
    if star {
        return;
    }
    for field in used
        .iter()
        .filter(|field| *field != "*" && !field.starts_with('_'))
    {
        if !names.iter().any(|(name, _)| name == field) {
            let message = format!("a column is from {field:?}, which the SELECT does not give");
            problems.add(
                Code::SqlColumns,
                select,
                message,
                "add it to the SELECT, or write SELECT *, …",
            );
        }
    }
}
