//! From the inputs of a plan upwards: which part a row belongs to, and what no two rows have alike.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, Expr, ExprSchemable, Filter, LogicalPlan, Operator, TableScan,
    Volatility, Window,
};

use super::known::{Ids, Known, Relation, Sides};
use super::{At, Fault, exact, is, place};
use crate::contract::diagnostic::Code;
use crate::contract::{ColumnType, Contract, Feed};

pub(super) struct Walk<'a> {
    pub(super) recompute: &'a [String],
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

    pub(super) fn relation(&mut self, plan: &LogicalPlan) -> Relation {
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

    pub(super) fn unknown(&mut self) -> Known {
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
