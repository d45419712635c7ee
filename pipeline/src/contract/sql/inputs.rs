//! SQL over input tables: computing a part must equal the part of the computed whole.
//!
//! The rows of one value of the `recompute` columns may not meet those of another: not in a GROUP BY, not in a
//! window, not in a join. A column counts as `recompute` column by its name, so that name may not be given to
//! anything else on the way.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Distinct, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr,
    Join, JoinConstraint, JoinOperator, ObjectName, Query, Select, SetExpr, SetOperator, SetQuantifier,
    TableFactor, Visit, Visitor, visit_expressions,
};

use super::super::diagnostic::Code;
use super::super::inputs::{Drafts, existing};
use super::super::{ColumnType, InputFeed};
use super::select_list::{self, Output};
use super::{Problems, column_of, functions, is_subquery, name_of, table_of};

/// Reports what in a query over inputs is not local, not exact, or does not give the declared columns.
pub(super) fn check(query: &Query, feed: &InputFeed, drafts: &Drafts, problems: &mut Problems<'_>) {
    let inputs = existing(feed, drafts);
    let double = |column: &&super::super::Column| column.ty == ColumnType::Double;
    let doubles = inputs
        .iter()
        .flat_map(|input| input.columns.iter().filter(double));
    let mut walk = Walk {
        recompute: &feed.recompute,
        inputs: feed
            .inputs
            .iter()
            .map(|name| vec![name.source.clone(), name.table.clone()])
            .collect(),
        doubles: doubles.map(|column| column.name.clone()).collect(),
        queries: BTreeSet::new(),
        read: BTreeSet::new(),
        problems,
    };
    let _ = query.visit(&mut walk);
    let unread: Vec<_> = walk
        .inputs
        .difference(&walk.read)
        .map(|name| name.join("."))
        .collect();
    for name in unread {
        let help = "leave it out of inputs, so that its changes cost nothing";
        problems.add(
            Code::SqlTables,
            query,
            format!("the SQL does not read the input {name}"),
            help,
        );
    }
    check_list(query, problems);
}

fn check_list(query: &Query, problems: &mut Problems<'_>) {
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

struct Walk<'a, 'b> {
    recompute: &'a [String],
    inputs: BTreeSet<Vec<String>>,
    doubles: BTreeSet<String>,
    /// Names of WITH.
    queries: BTreeSet<String>,
    read: BTreeSet<Vec<String>>,
    problems: &'a mut Problems<'b>,
}

impl Visitor for Walk<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.queries
            .extend(tables.map(|table| name_of(&table.alias.name)));
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            self.problems.add(
                Code::SqlNotLocal,
                query,
                "WITH RECURSIVE cannot be computed in parts",
                "",
            );
        }
        if query.limit_clause.is_some() || query.fetch.is_some() || !query.pipe_operators.is_empty() {
            self.problems.add(
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
            self.problems.add(
                Code::SqlUnordered,
                select,
                "TOP depends on the order of rows",
                "use a window",
            );
        }
        self.groups(select);
        self.tables(select);
        self.names(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let table = table_of(name);
        if self.inputs.contains(&table) {
            self.read.insert(table);
        } else if !matches!(table.as_slice(), [one] if self.queries.contains(one)) {
            let message = format!("the SQL reads {name}, which is not an input");
            self.problems.add(
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
            self.problems.add(
                Code::SqlNotLocal,
                expr,
                "a subquery as a value can see other parts",
                "use a join",
            );
        }
        if let Some((function, name)) = functions::called(expr) {
            self.function(expr, function, &name);
        }
        ControlFlow::Continue(())
    }
}

impl Walk<'_, '_> {
    fn not_local(&mut self, part: &impl super::Spanned, what: &str, column: &str, help: &str) {
        let message = format!("{what} mixes rows of different {column:?}, a recompute column");
        self.problems.add(Code::SqlNotLocal, part, message, help);
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
                    self.problems
                        .add(Code::SqlNotLocal, body, message, "use UNION ALL");
                }
                self.body(left);
                self.body(right);
            }
            _ => self.problems.add(
                Code::SqlNotLocal,
                body,
                "rows that come from no input",
                "use SELECT",
            ),
        }
    }

    fn groups(&mut self, select: &Select) {
        let help = "group by it, too";
        let GroupByExpr::Expressions(by, modifiers) = &select.group_by else {
            return self
                .problems
                .add(Code::SqlNotLocal, select, "GROUP BY ALL", "name the columns");
        };
        if !modifiers.is_empty() {
            self.problems
                .add(Code::SqlNotLocal, select, "GROUP BY with totals mixes parts", "");
        }
        let distinct = matches!(select.distinct, Some(Distinct::Distinct));
        for column in self.recompute {
            if !by.is_empty() && !by.iter().any(|expr| carries(expr, column)) {
                self.not_local(select, "GROUP BY", column, help);
            }
            if by.is_empty() && aggregates(select) {
                self.not_local(select, "an aggregate without GROUP BY", column, help);
            }
            let listed = |item| select_list::expr(item).is_some_and(|expr| carries(expr, column));
            if distinct && !select.projection.iter().any(listed) {
                self.not_local(select, "DISTINCT", column, "select it, too");
            }
        }
        if matches!(select.distinct, Some(Distinct::On(_))) {
            let help = "use row_number() with an order that has no ties";
            self.problems.add(
                Code::SqlUnordered,
                select,
                "DISTINCT ON depends on the order of rows",
                help,
            );
        }
    }

    fn tables(&mut self, select: &Select) {
        if select.from.is_empty() {
            self.problems.add(
                Code::SqlNotLocal,
                select,
                "a SELECT without FROM is in every part",
                "",
            );
        }
        if select.from.len() > 1 {
            for column in self.recompute {
                self.not_local(select, "a comma in FROM", column, "write JOIN … ON");
            }
        }
        for table in &select.from {
            self.factor(&table.relation);
            for join in &table.joins {
                self.factor(&join.relation);
                self.join(join);
            }
        }
    }

    fn factor(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Table {
                args: None,
                sample: None,
                ..
            }
            | TableFactor::Derived { lateral: false, .. } => {}
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.factor(&table_with_joins.relation);
                for join in &table_with_joins.joins {
                    self.factor(&join.relation);
                    self.join(join);
                }
            }
            other => self.problems.add(
                Code::SqlNotLocal,
                other,
                format!("{other} in FROM is not a table"),
                "",
            ),
        }
    }

    fn join(&mut self, join: &Join) {
        for column in self.recompute {
            let local = match constraint(&join.join_operator) {
                Some(JoinConstraint::On(condition)) => equates(condition, column),
                Some(JoinConstraint::Using(names)) => {
                    names.iter().any(|name| table_of(name).last() == Some(column))
                }
                _ => false,
            };
            if !local {
                let help = format!(
                    "join on (a.{column} IS NOT DISTINCT FROM b.{column}), too, with the parentheses"
                );
                self.not_local(&join.relation, "JOIN", column, &help);
            }
        }
    }

    /// Whatever a SELECT calls like a `recompute` column must be that column.
    fn names(&mut self, select: &Select) {
        for item in &select.projection {
            let datafusion::sql::sqlparser::ast::SelectItem::ExprWithAlias { expr, alias } = item else {
                continue;
            };
            let name = name_of(alias);
            if self.recompute.contains(&name) && !carries(expr, &name) {
                let message = format!("{name:?} is a recompute column, but {expr} is something else");
                self.problems
                    .add(Code::SqlNotLocal, item, message, "take the column over as it is");
            }
        }
    }

    fn function(&mut self, expr: &Expr, function: &datafusion::sql::sqlparser::ast::Function, name: &str) {
        if functions::is_volatile(name) {
            self.problems.add(
                Code::SqlVolatile,
                expr,
                format!("{name} gives another value each time"),
                "",
            );
        }
        if functions::is_float_aggregate(name) {
            let message = format!("{name} depends on the order in which floating point is added");
            self.problems.add(
                Code::SqlUnordered,
                expr,
                message,
                "use sum and count of int or decimal",
            );
        }
        if name == "sum" && self.adds_floats(&function.args) {
            let message = "a sum of floating point depends on the order of rows";
            self.problems
                .add(Code::SqlUnordered, expr, message, "cast to decimal first");
        }
        if functions::needs_order(name) && !functions::is_ordered(function) {
            let message = format!("{name} without ORDER BY depends on the order of rows");
            self.problems
                .add(Code::SqlUnordered, expr, message, "add ORDER BY");
        }
        if function.over.is_some() {
            let by = functions::window(function)
                .map(|window| window.partition_by.as_slice())
                .unwrap_or_default();
            for column in self.recompute {
                if !by.iter().any(|expr| carries(expr, column)) {
                    self.not_local(expr, "a window", column, "write OVER (PARTITION BY …) with it");
                }
            }
        }
    }

    fn adds_floats(&self, arguments: &FunctionArguments) -> bool {
        let FunctionArguments::List(list) = arguments else {
            return false;
        };
        let float = |expr: &Expr| {
            let name = column_of(expr).is_some_and(|name| self.doubles.contains(&name));
            name || matches!(expr, Expr::Cast { data_type, .. } if is_float(data_type))
        };
        list.args.iter().any(|argument| match argument {
            // A cast around all of it decides, whatever is inside.
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Cast { data_type, .. })) => is_float(data_type),
            _ => contains(argument, float),
        })
    }
}

fn contains(part: &impl Visit, is: impl Fn(&Expr) -> bool) -> bool {
    let found = visit_expressions(part, |expr| {
        if is(expr) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    found.is_break()
}

fn aggregates(select: &Select) -> bool {
    let aggregate = |expr: &Expr| {
        functions::called(expr)
            .is_some_and(|(call, name)| call.over.is_none() && functions::is_aggregate(&name))
    };
    contains(&select.projection, aggregate) || contains(&select.having, aggregate)
}

fn is_float(data_type: &DataType) -> bool {
    let name = data_type.to_string().to_uppercase();
    ["FLOAT", "REAL", "DOUBLE"]
        .iter()
        .any(|float| name.starts_with(float))
}

/// Whether an expression is the column of that name, or the first of several of that name that is not null.
fn carries(expr: &Expr, column: &str) -> bool {
    match expr {
        Expr::Nested(inner) => carries(inner, column),
        Expr::Function(function) if functions::name(function) == "coalesce" => match &function.args {
            FunctionArguments::List(list) => list.args.iter().all(|argument| {
                matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if carries(expr, column))
            }),
            _ => false,
        },
        _ => column_of(expr).as_deref() == Some(column),
    }
}

/// Whether a join condition demands that the column of both sides is equal.
fn equates(condition: &Expr, column: &str) -> bool {
    let both = |left: &Expr, right: &Expr| carries(left, column) && carries(right, column) && left != right;
    match condition {
        Expr::Nested(inner) => equates(inner, column),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => equates(left, column) || equates(right, column),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } => both(left, right),
        Expr::IsNotDistinctFrom(left, right) => both(left, right),
        _ => false,
    }
}

fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    use JoinOperator::{Anti, FullOuter, Inner, Join, Left, LeftAnti, LeftOuter, LeftSemi, Right, RightAnti};
    use JoinOperator::{RightOuter, RightSemi, Semi};
    match operator {
        Join(on) | Inner(on) | Left(on) | LeftOuter(on) | Right(on) | RightOuter(on) | FullOuter(on)
        | Semi(on) | LeftSemi(on) | RightSemi(on) | Anti(on) | LeftAnti(on) | RightAnti(on) => Some(on),
        _ => None,
    }
}
