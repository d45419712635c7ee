//! SQL over input tables: computing a part must equal the part of the computed whole.
//!
//! What a text alone tells is told here, line by line. The rows of one value of the `recompute` columns may not meet
//! those of another, and nothing may depend on the order of rows: that is asked of the plan ([`planned`]).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, Join, ObjectName, Query, Select, SetExpr, SetOperator, SetQuantifier,
    Spanned, TableFactor, Visit, Visitor,
};

use super::names::{column_of, is_subquery, name_of, table_of};
use super::planned::{self, At, Fault, Planner};
use super::select_list::{self, Output};
use super::{Problems, functions};
use crate::contract::InputFeed;
use crate::contract::diagnostic::Code;
use crate::contract::read::draft::{Drafts, existing};
use crate::layout;

/// Reports what in a query over inputs is not local, not exact, or does not give the declared columns.
pub(super) fn check(
    query: &Query,
    text: &str,
    feed: &InputFeed,
    drafts: &Drafts,
    planner: Option<&Planner>,
    problems: &mut Problems<'_>,
) {
    let mut walk = Walk {
        recompute: &feed.recompute,
        inputs: feed
            .inputs
            .iter()
            .map(|name| vec![name.source.clone(), name.table.clone()])
            .collect(),
        queries: BTreeSet::new(),
        read: BTreeSet::new(),
        lines: BTreeMap::new(),
        told: BTreeSet::new(),
        left_out: Vec::new(),
        problems,
    };
    let _ = query.visit(&mut walk);
    let unread = walk.inputs.difference(&walk.read);
    let unread: Vec<_> = unread.map(|name| name.join(".")).collect();
    let Walk {
        lines,
        told,
        left_out,
        ..
    } = walk;
    for name in unread {
        let help = "leave it out of inputs, so that its changes cost nothing";
        problems.add(
            Code::SqlTables,
            query,
            format!("the SQL does not read the input {name}"),
            help,
        );
    }
    let Some(planner) = planner else {
        return check_list(query, problems);
    };
    let inputs = existing(feed, drafts);
    match planned::faults(planner, text, feed, &inputs) {
        // What the text tells with its line is not told again by the plan.
        Some(faults) => {
            for fault in faults.into_iter().filter(|fault| !told.contains(&fault.code)) {
                add(fault, &lines, problems);
            }
        }
        // A column that is left out can be why there is no plan.
        None => {
            for (line, message) in left_out {
                problems.add_at(Code::SqlNotLocal, line, message, "name it there, too");
            }
        }
    }
    check_list(query, problems);
}

/// Adds what the plan has told; `lines` has where each table is read first.
fn add(fault: Fault, lines: &BTreeMap<String, usize>, problems: &mut Problems<'_>) {
    let line = match &fault.at {
        At::Line(line) => *line,
        At::Table(name) => lines.get(name).copied().unwrap_or(1),
        At::Unknown => 1,
    };
    problems.add_at(fault.code, line, fault.message, &fault.help);
}

pub(super) fn check_list(query: &Query, problems: &mut Problems<'_>) {
    let Some(select) = first_select(&query.body) else {
        return;
    };
    let Output { names, star } = select_list::read(select, problems);
    if star {
        let help = "name the columns, so that a new column of an input changes nothing here";
        return problems.add(Code::SqlColumns, select, "the SELECT list has a *", help);
    }
    let contract = &problems.draft.contract;
    for (name, item) in names.iter().filter(|(name, _)| contract.column(name).is_none()) {
        problems.add(
            Code::SqlColumns,
            *item,
            format!("the SELECT gives {name:?}, which is not a column"),
            "",
        );
    }
    for column in contract
        .columns
        .iter()
        .filter(|column| !names.iter().any(|(name, _)| *name == column.name))
    {
        problems.add(
            Code::SqlColumns,
            select,
            format!("the SELECT does not give the column {:?}", column.name),
            "",
        );
    }
}

/// The SELECT that names the result: the first of a UNION.
fn first_select(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => first_select(&query.body),
        SetExpr::SetOperation { left, .. } => first_select(left),
        _ => None,
    }
}

/// Bookkeeping of the inputs: which copy of a row stays depends on what came first.
const HOW_IT_CAME: [&str; 7] = [
    layout::OBJECT,
    layout::ROW,
    layout::BATCH,
    layout::LOADED_AT,
    layout::HASH,
    layout::ORDER,
    layout::OLDER,
];

struct Walk<'a, 'b> {
    recompute: &'a [String],
    inputs: BTreeSet<Vec<String>>,
    /// Names of WITH.
    queries: BTreeSet<String>,
    read: BTreeSet<Vec<String>>,
    /// Where a table is read first, by the name that it has there.
    lines: BTreeMap<String, usize>,
    /// What was found.
    told: BTreeSet<Code>,
    /// Where GROUP BY or DISTINCT do not name a `recompute` column.
    left_out: Vec<(usize, String)>,
    problems: &'a mut Problems<'b>,
}

impl Visitor for Walk<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.queries
            .extend(tables.map(|table| name_of(&table.alias.name)));
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            self.add(
                Code::SqlNotLocal,
                query,
                "WITH RECURSIVE cannot be computed in parts",
                "",
            );
        }
        if query.limit_clause.is_some() || query.fetch.is_some() || !query.pipe_operators.is_empty() {
            self.add(
                Code::SqlUnordered,
                query,
                "LIMIT depends on the order of rows",
                "use a window",
            );
        }
        self.body(&query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if select.top.is_some() {
            self.add(
                Code::SqlUnordered,
                select,
                "TOP depends on the order of rows",
                "use a window",
            );
        }
        self.groups(select);
        self.tables(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let table = table_of(name);
        if self.inputs.contains(&table) {
            self.read.insert(table);
        } else if !matches!(table.as_slice(), [one] if self.queries.contains(one)) {
            let message = format!("the SQL reads {name}, which is not an input");
            self.add(
                Code::SqlTables,
                name,
                message,
                "write source.table, and name it in inputs",
            );
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if is_subquery(expr) {
            self.add(
                Code::SqlNotLocal,
                expr,
                "a subquery as a value can see other parts",
                "use a join",
            );
        }
        if let Some((_, name)) = functions::called(expr)
            && functions::is_volatile(&name)
        {
            let message = format!("{name} gives another value each time");
            self.add(Code::SqlVolatile, expr, message, "");
        }
        if let Some(name) = column_of(expr).filter(|name| HOW_IT_CAME.contains(&name.as_str())) {
            let message = format!("{name} says how a row came in, which differs between orders of delivery");
            let help = "the inputs' own columns can be from lineage, such as _modified";
            self.add(Code::SqlUnordered, expr, message, help);
        }
        ControlFlow::Continue(())
    }
}

impl Walk<'_, '_> {
    fn add(&mut self, code: Code, part: &impl Spanned, message: impl Into<String>, help: &str) {
        self.told.insert(code);
        self.problems.add(code, part, message, help);
    }

    fn body(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Select(_) | SetExpr::Query(_) => {}
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => {
                if (*op, *set_quantifier) != (SetOperator::Union, SetQuantifier::All) {
                    let message = format!("{op} compares rows of different parts");
                    self.add(Code::SqlNotLocal, body, message, "use UNION ALL");
                }
                self.body(left);
                self.body(right);
            }
            _ => self.add(
                Code::SqlNotLocal,
                body,
                "rows that come from no input",
                "use SELECT",
            ),
        }
    }

    fn groups(&mut self, select: &Select) {
        let named = |column: &String, exprs: &[&Expr]| {
            exprs.iter().any(|expr| column_of(expr).as_ref() == Some(column))
        };
        let listed: Vec<&Expr> = select.projection.iter().filter_map(select_list::expr).collect();
        let distinct = matches!(select.distinct, Some(Distinct::Distinct));
        for column in self.recompute {
            let of_group = match &select.group_by {
                GroupByExpr::Expressions(by, _) => {
                    by.is_empty() || named(column, &by.iter().collect::<Vec<_>>())
                }
                GroupByExpr::All(_) => true,
            };
            if !of_group || (distinct && !named(column, &listed)) {
                let what = if of_group { "DISTINCT" } else { "GROUP BY" };
                let message = format!("{what} mixes rows of different {column:?}, a recompute column");
                self.left_out.push((select.span().start.line as usize, message));
            }
        }
        match &select.group_by {
            GroupByExpr::All(_) => self.add(Code::SqlNotLocal, select, "GROUP BY ALL", "name the columns"),
            GroupByExpr::Expressions(_, modifiers) if !modifiers.is_empty() => {
                self.add(Code::SqlNotLocal, select, "GROUP BY with totals mixes parts", "");
            }
            GroupByExpr::Expressions(..) => {}
        }
        if matches!(select.distinct, Some(Distinct::On(_))) {
            let help = "use row_number() with an order that has no ties";
            let message = "DISTINCT ON depends on the order of rows";
            self.add(Code::SqlUnordered, select, message, help);
        }
    }

    fn tables(&mut self, select: &Select) {
        if select.from.is_empty() {
            let message = "a SELECT without FROM is in every part";
            self.add(Code::SqlNotLocal, select, message, "");
        }
        for table in &select.from {
            self.factor(&table.relation);
            self.joins(&table.joins);
        }
    }

    fn joins(&mut self, joins: &[Join]) {
        for join in joins {
            self.factor(&join.relation);
        }
    }

    fn factor(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                sample: None,
                ..
            } => {
                let alias = alias.as_ref().map(|alias| name_of(&alias.name));
                let known = alias.or_else(|| table_of(name).pop());
                self.reads(known, name.span().start.line);
            }
            TableFactor::Derived {
                lateral: false,
                alias,
                ..
            } => {
                let named = |name: &Ident| (name_of(name), name.span.start.line);
                let alias = alias.as_ref().map(|alias| named(&alias.name));
                self.reads(
                    alias.as_ref().map(|(name, _)| name.clone()),
                    alias.map_or(1, |(_, line)| line),
                );
            }
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.factor(&table_with_joins.relation);
                self.joins(&table_with_joins.joins);
            }
            other => {
                let message = format!("{other} in FROM is not a table");
                self.add(Code::SqlNotLocal, other, message, "");
            }
        }
    }

    fn reads(&mut self, name: Option<String>, line: u64) {
        if let Some(name) = name {
            self.lines.entry(name).or_insert(line as usize);
        }
    }
}
