//! From the inputs of a plan upwards: which part a row belongs to, and what no two rows have alike.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, NullEquality};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, Expr, ExprSchemable, Filter, Join, LogicalPlan, Operator, TableScan,
    Volatility, Window,
};

use super::known::{Ids, Known, Relation, Sides};
use super::{At, Fault, exact, is, place};
use crate::contract::diagnostic::Code;
use crate::contract::{ColumnType, Contract, Feed};

pub(super) struct Walk<'a> {
    recompute: &'a [String],
    inputs: &'a [&'a Contract],
    /// Number of the next value, and of the next side.
    next: usize,
    faults: Vec<Fault>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(recompute: &'a [String], inputs: &'a [&'a Contract]) -> Self {
        Self {
            recompute,
            inputs,
            next: 0,
            faults: Vec::new(),
        }
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    pub(super) fn add(&mut self, code: Code, message: String, help: &str, at: At) {
        self.faults.push(Fault {
            code,
            message,
            help: help.to_owned(),
            at,
        });
    }

    /// The rows of the whole query, whose `recompute` columns must be those of the parts.
    pub(super) fn result(&mut self, plan: &LogicalPlan) {
        let relation = self.relation(plan);
        for (number, name) in self.recompute.iter().enumerate() {
            let fields = plan.schema().fields().iter();
            let columns = fields
                .zip(&relation.columns)
                .filter(|(field, _)| field.name() == name);
            for (_, column) in columns {
                if !relation.shows(column, number) {
                    let help =
                        "take the column over as it is; after an outer join take coalesce of both sides";
                    let message = format!(
                        "{name:?} is a recompute column, but the SELECT gives something else by that name"
                    );
                    let at = place(plan.expressions().iter().flat_map(Expr::column_refs), plan);
                    self.add(Code::SqlNotLocal, message, help, at);
                }
            }
        }
    }

    fn relation(&mut self, plan: &LogicalPlan) -> Relation {
        let mut relation = match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::SubqueryAlias(alias) => self.relation(&alias.input),
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.relation(&sort.input),
            LogicalPlan::Repartition(repartition) => self.relation(&repartition.input),
            LogicalPlan::Projection(projection) => {
                let mut relation = self.relation(&projection.input);
                let schema = projection.input.schema();
                let columns = projection.expr.iter();
                relation.columns = columns.map(|expr| self.known(expr, schema, &relation)).collect();
                relation.keep_whole_keys();
                relation
            }
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => {
                let inputs: Vec<_> = union.inputs.iter().map(|input| self.relation(input)).collect();
                self.union(&inputs, plan.schema().fields().len())
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let relation = self.relation(input);
                let columns: Vec<&Known> = relation.columns.iter().collect();
                let mixed = self.mixes("DISTINCT", "select it, too", &columns, &relation, plan);
                self.one_row_each(relation.ids(), &relation, mixed)
            }
            other => self.refused(other),
        };
        if plan.expressions().iter().any(|expr| self.is_refused(expr, plan)) {
            relation.is_mixed = true;
        }
        // A step that is not understood well enough is not taken for one that is.
        if relation.columns.len() != plan.schema().fields().len() {
            relation = self.refused(plan);
        }
        relation
    }

    fn number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn unknown(&mut self) -> Known {
        Known {
            id: self.number(),
            part: vec![None; self.recompute.len()],
            is_tame: false,
        }
    }

    fn refused(&mut self, plan: &LogicalPlan) -> Relation {
        let columns = plan.expressions();
        let at = place(columns.iter().flat_map(Expr::column_refs), plan);
        let (code, step) = match plan {
            LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => {
                (Code::SqlUnordered, "LIMIT depends on the order of rows")
            }
            LogicalPlan::Distinct(_) => (Code::SqlUnordered, "DISTINCT ON depends on the order of rows"),
            LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => (
                Code::SqlNotLocal,
                "rows that come from no input are in every part",
            ),
            LogicalPlan::RecursiveQuery(_) => {
                (Code::SqlNotLocal, "WITH RECURSIVE cannot be computed in parts")
            }
            LogicalPlan::Unnest(_) => (Code::SqlNotLocal, "unnest cannot be computed in parts"),
            _ => (
                Code::SqlNotLocal,
                "a step of this query cannot be computed in parts",
            ),
        };
        self.add(code, step.to_owned(), "", at);
        Relation {
            columns: (0..plan.schema().fields().len())
                .map(|_| self.unknown())
                .collect(),
            is_mixed: true,
            ..Relation::default()
        }
    }

    /// Reports what a value may not be made of.
    fn is_refused(&mut self, expr: &Expr, plan: &LogicalPlan) -> bool {
        let mut found = Vec::new();
        let _ = expr.apply(|part| {
            let what = match part {
                Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => {
                    Some((
                        Code::SqlNotLocal,
                        "a subquery as a value can see other parts".to_owned(),
                        "use a join",
                    ))
                }
                Expr::OuterReferenceColumn(..) => Some((
                    Code::SqlNotLocal,
                    "a subquery that looks outside can see other parts".to_owned(),
                    "use a join",
                )),
                Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
                    let message = format!("{} gives another value each time", call.func.name());
                    Some((Code::SqlVolatile, message, ""))
                }
                _ => None,
            };
            found.extend(what.map(|what| (what, place(part.column_refs(), plan))));
            Ok(TreeNodeRecursion::Continue)
        });
        let any = !found.is_empty();
        for ((code, message, help), at) in found {
            self.add(code, message, help, at);
        }
        any
    }

    fn scan(&mut self, scan: &TableScan) -> Relation {
        let inputs = self.inputs;
        let Some(input) = inputs.iter().find(|input| is(&scan.table_name, input)) else {
            return self.refused(&LogicalPlan::TableScan(scan.clone()));
        };
        let side = self.number();
        // Doubles of raw tables are finite, with one zero.
        let is_raw = matches!(input.feed, Feed::Raw(_));
        let mut relation = Relation {
            present: vec![Sides::from([side])],
            ..Relation::default()
        };
        let (mut key, wanted) = (Ids::new(), input.key());
        for field in scan.projected_schema.fields() {
            let mut column = self.unknown();
            for (number, name) in self.recompute.iter().enumerate() {
                column.part[number] = (name == field.name()).then(|| Sides::from([side]));
            }
            let declared = input.column(field.name());
            column.is_tame = is_raw && declared.is_some_and(|column| column.ty == ColumnType::Double);
            if wanted.contains(field.name()) {
                key.insert(column.id);
            }
            relation.columns.push(column);
        }
        if !wanted.is_empty() && key.len() == wanted.len() {
            relation.keys.push(key);
        }
        relation
    }

    /// What an expression over a relation is.
    pub(super) fn known(&mut self, expr: &Expr, schema: &DFSchema, relation: &Relation) -> Known {
        match expr {
            Expr::Alias(alias) => self.known(&alias.expr, schema, relation),
            Expr::Column(column) => {
                let index = schema.maybe_index_of_column(column);
                let known = index.and_then(|index| relation.columns.get(index)).cloned();
                known.unwrap_or_else(|| self.unknown())
            }
            Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field })
                if inner.get_type(schema).is_ok_and(|own| own == *field.data_type()) =>
            {
                self.known(inner, schema, relation)
            }
            Expr::ScalarFunction(call) if ["coalesce", "nvl", "ifnull"].contains(&call.func.name()) => {
                let args: Vec<_> = call
                    .args
                    .iter()
                    .map(|arg| self.known(arg, schema, relation))
                    .collect();
                let sides = |number: usize| {
                    let sides: Option<Vec<&Sides>> =
                        args.iter().map(|arg| arg.part[number].as_ref()).collect();
                    sides.map(|sides| sides.into_iter().flatten().copied().collect())
                };
                Known {
                    part: (0..self.recompute.len()).map(sides).collect(),
                    is_tame: args.iter().all(|arg| arg.is_tame),
                    ..self.unknown()
                }
            }
            _ => self.unknown(),
        }
    }

    fn filter(&mut self, filter: &Filter) -> Relation {
        let mut relation = self.relation(&filter.input);
        let schema = filter.input.schema();
        let mut fixed = Ids::new();
        for condition in split_conjunction(&filter.predicate) {
            match condition {
                Expr::IsNotNull(inner) => {
                    let column = self.known(inner, schema, &relation);
                    relation.present.extend(column.part.into_iter().flatten());
                }
                Expr::BinaryExpr(BinaryExpr {
                    left,
                    op: Operator::Eq,
                    right,
                }) if matches!(right.as_ref(), Expr::Literal(..)) => {
                    fixed.insert(self.known(whole_number(left, schema), schema, &relation).id);
                }
                _ => {}
            }
        }
        for key in &mut relation.keys {
            key.retain(|id| !fixed.contains(id));
        }
        relation
    }

    /// Reports for each `recompute` column that none of `by` has its value; whether there is one.
    fn mixes(
        &mut self,
        what: &str,
        help: &str,
        by: &[&Known],
        relation: &Relation,
        plan: &LogicalPlan,
    ) -> bool {
        let columns = plan.expressions();
        let mut mixed = false;
        for (number, name) in self.recompute.iter().enumerate() {
            if by.iter().any(|column| relation.shows(column, number)) {
                continue;
            }
            mixed = true;
            let message = format!("{what} mixes rows of different {name:?}, a recompute column");
            let padded = by.iter().any(|column| relation.may_show(column, number));
            let help = match padded {
                true => "it is null where an outer join found nothing: take coalesce of both sides",
                false => help,
            };
            let at = place(columns.iter().flat_map(Expr::column_refs), plan);
            self.add(Code::SqlNotLocal, message, help, at);
        }
        mixed
    }

    /// Rows of which there is one for each combination of some values of a relation.
    fn one_row_each(&mut self, by: Ids, relation: &Relation, is_mixed: bool) -> Relation {
        let mut keys: Vec<Ids> = relation
            .keys
            .iter()
            .filter(|key| key.is_subset(&by))
            .cloned()
            .collect();
        keys.push(by);
        Relation {
            columns: relation.columns.clone(),
            present: relation.present.clone(),
            keys,
            is_mixed: is_mixed || relation.is_mixed,
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Relation {
        let input = self.relation(&aggregate.input);
        let schema = aggregate.input.schema();
        let plan = LogicalPlan::Aggregate(aggregate.clone());
        if aggregate
            .group_expr
            .iter()
            .any(|expr| matches!(expr, Expr::GroupingSet(_)))
        {
            let at = place(plan.expressions().iter().flat_map(Expr::column_refs), &plan);
            self.add(
                Code::SqlNotLocal,
                "GROUP BY with totals mixes parts".to_owned(),
                "",
                at,
            );
            let columns = (0..plan.schema().fields().len())
                .map(|_| self.unknown())
                .collect();
            return Relation {
                columns,
                is_mixed: true,
                ..Relation::default()
            };
        }
        let by: Vec<Known> = aggregate
            .group_expr
            .iter()
            .map(|expr| self.known(expr, schema, &input))
            .collect();
        let (what, help) = match by.is_empty() {
            true => ("an aggregate without GROUP BY", "group by it"),
            false => ("GROUP BY", "group by it, too"),
        };
        let mixed = self.mixes(what, help, &by.iter().collect::<Vec<_>>(), &input, &plan);
        let ids: Ids = by.iter().map(|column| column.id).collect();
        let mut columns = by;
        for expr in &aggregate.aggr_expr {
            let is_tame = exact::aggregate(self, expr, &ids, &input, &aggregate.input);
            columns.push(Known {
                is_tame,
                ..self.unknown()
            });
        }
        let grouped = Relation { columns, ..input };
        self.one_row_each(ids, &grouped, mixed)
    }

    fn window(&mut self, window: &Window) -> Relation {
        let mut relation = self.relation(&window.input);
        let schema = window.input.schema();
        let mut made = Vec::new();
        for expr in &window.window_expr {
            let Some(call) = exact::window_of(expr) else {
                continue;
            };
            let by: Vec<Known> = call
                .params
                .partition_by
                .iter()
                .map(|expr| self.known(expr, schema, &relation))
                .collect();
            let alone = Window {
                window_expr: vec![expr.clone()],
                ..window.clone()
            };
            let help = "write OVER (PARTITION BY …) with it";
            relation.is_mixed |= self.mixes(
                "a window",
                help,
                &by.iter().collect::<Vec<_>>(),
                &relation,
                &LogicalPlan::Window(alone),
            );
            let by: Ids = by.iter().map(|column| column.id).collect();
            let is_tame = exact::window(self, call, &by, &relation, &window.input);
            let column = Known {
                is_tame,
                ..self.unknown()
            };
            if call.fun.name() == "row_number" {
                relation.keys.push(by.into_iter().chain([column.id]).collect());
            }
            made.push(column);
        }
        relation.columns.extend(made);
        relation
    }

    fn union(&mut self, inputs: &[Relation], width: usize) -> Relation {
        let side = self.number();
        let column = |index: usize, walk: &mut Self| {
            let shows = |number: usize| {
                inputs.iter().all(|input| {
                    input
                        .columns
                        .get(index)
                        .is_some_and(|column| input.shows(column, number))
                })
            };
            let part = (0..walk.recompute.len())
                .map(|number| shows(number).then(|| Sides::from([side])))
                .collect();
            Known {
                part,
                is_tame: inputs
                    .iter()
                    .all(|input| input.columns.get(index).is_some_and(|column| column.is_tame)),
                ..walk.unknown()
            }
        };
        Relation {
            columns: (0..width).map(|index| column(index, self)).collect(),
            present: vec![Sides::from([side])],
            keys: Vec::new(),
            is_mixed: inputs.iter().any(|input| input.is_mixed),
        }
    }

    fn join(&mut self, join: &Join) -> Relation {
        let (left, right) = (self.relation(&join.left), self.relation(&join.right));
        let pairs = self.equated(join, &left, &right);
        let mut mixed = false;
        for (number, name) in self.recompute.iter().enumerate() {
            // Where nulls are equal, one that stands for a row that is not there would be taken for a value.
            let equates = |pair: &Equated| {
                if pair.nulls_too {
                    left.shows(&pair.left, number) && right.shows(&pair.right, number)
                } else {
                    left.may_show(&pair.left, number) && right.may_show(&pair.right, number)
                }
            };
            if !pairs.iter().any(equates) {
                mixed = true;
                self.mixing_join(join, number, name, &left, &right);
            }
        }
        let mut relation = joined(join.join_type, left, right, &pairs);
        if join.join_type == JoinType::LeftMark || join.join_type == JoinType::RightMark {
            relation.columns.push(self.unknown());
        }
        relation.is_mixed |= mixed;
        relation
    }

    fn mixing_join(&mut self, join: &Join, number: usize, name: &str, left: &Relation, right: &Relation) {
        let named = |relation: &Relation, plan: &LogicalPlan| {
            let shown = relation
                .columns
                .iter()
                .position(|column| relation.shows(column, number));
            shown.and_then(|index| plan.schema().columns().get(index).map(Column::flat_name))
        };
        let help = match (named(left, &join.left), named(right, &join.right)) {
            (Some(left), Some(right)) => {
                format!("join on ({left} IS NOT DISTINCT FROM {right}), too, with the parentheses")
            }
            _ => format!("both sides must give {name} as it is, and be joined on it"),
        };
        let message = format!("JOIN mixes rows of different {name:?}, a recompute column");
        let columns: Vec<&Expr> = join
            .on
            .iter()
            .flat_map(|(left, right)| [left, right])
            .chain(&join.filter)
            .collect();
        let at = place(columns.into_iter().flat_map(Expr::column_refs), &join.right);
        self.add(Code::SqlNotLocal, message, &help, at);
    }

    /// What a join demands to be equal of a row of one side and a row of the other.
    fn equated(&mut self, join: &Join, left: &Relation, right: &Relation) -> Vec<Equated> {
        let nulls_too = join.null_equality == NullEquality::NullEqualsNull;
        let mut pairs: Vec<(&Expr, &Expr, bool)> = join
            .on
            .iter()
            .map(|(one, other)| (one, other, nulls_too))
            .collect();
        for condition in join.filter.iter().flat_map(split_conjunction) {
            match condition {
                Expr::BinaryExpr(BinaryExpr {
                    left,
                    op: Operator::Eq,
                    right,
                }) => pairs.push((left, right, false)),
                Expr::BinaryExpr(BinaryExpr {
                    left,
                    op: Operator::IsNotDistinctFrom,
                    right,
                }) => {
                    pairs.push((left, right, true));
                }
                _ => {}
            }
        }
        let (of_left, of_right) = (join.left.schema(), join.right.schema());
        let all_in = |expr: &Expr, schema: &DFSchema| {
            let columns = expr.column_refs();
            !columns.is_empty()
                && columns
                    .into_iter()
                    .all(|column| schema.is_column_from_schema(column))
        };
        let mut equated = Vec::new();
        for (one, other, nulls_too) in pairs {
            let (on_left, on_right) = if all_in(one, of_left) && all_in(other, of_right) {
                (one, other)
            } else if all_in(other, of_left) && all_in(one, of_right) {
                (other, one)
            } else {
                continue;
            };
            equated.push(Equated {
                left: self.known(on_left, of_left, left),
                right: self.known(on_right, of_right, right),
                nulls_too,
                is_float: on_left.get_type(of_left).is_ok_and(|ty| ty.is_floating()),
            });
        }
        equated
    }
}

/// Two values of the sides of a join that are equal in rows that it puts together.
struct Equated {
    left: Known,
    right: Known,
    /// Whether two nulls are equal.
    nulls_too: bool,
    /// Whether equal values can differ, as zeros do.
    is_float: bool,
}

/// The rows that a join gives.
fn joined(kind: JoinType, mut left: Relation, mut right: Relation, pairs: &[Equated]) -> Relation {
    let exact = || pairs.iter().filter(|pair| !pair.is_float);
    let left_ids: BTreeSet<usize> = exact().map(|pair| pair.left.id).collect();
    let right_ids: BTreeSet<usize> = exact().map(|pair| pair.right.id).collect();
    let only_one = |relation: &Relation, ids: &Ids| relation.keys.iter().any(|key| key.is_subset(ids));
    // Where a row finds at most one of the other side, its own key is enough.
    let (of_left, of_right) = (left.keys.clone(), right.keys.clone());
    let one_right = only_one(&right, &right_ids);
    let one_left = only_one(&left, &left_ids);
    match kind {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
            left.is_mixed |= right.is_mixed;
            return left;
        }
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
            right.is_mixed |= left.is_mixed;
            return right;
        }
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {}
    }
    let (of_both, of_other) = (left.present.clone(), right.present.clone());
    let mut both = left.beside(right);
    if one_right && matches!(kind, JoinType::Inner | JoinType::Left) {
        both.keys.extend(of_left);
    }
    if one_left && matches!(kind, JoinType::Inner | JoinType::Right) {
        both.keys.extend(of_right);
    }
    match kind {
        JoinType::Left => both.present = of_both,
        JoinType::Right => both.present = of_other,
        JoinType::Full => {
            let either = |one: &Sides| {
                let pairs = of_other
                    .iter()
                    .map(move |other| one.union(other).copied().collect());
                pairs.collect::<Vec<Sides>>()
            };
            both.present = of_both.iter().flat_map(either).collect();
        }
        _ => {
            for pair in exact() {
                both.equate(pair.right.id, pair.left.id);
            }
        }
    }
    both
}

/// The whole number that another type of whole number is made of.
fn whole_number<'a>(expr: &'a Expr, schema: &DFSchema) -> &'a Expr {
    match expr {
        Expr::Cast(Cast { expr: inner, field })
            if field.data_type().is_integer()
                && inner.get_type(schema).is_ok_and(|own: DataType| own.is_integer()) =>
        {
            inner
        }
        _ => expr,
    }
}
