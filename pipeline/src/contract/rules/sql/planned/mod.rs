//! SQL over inputs as DataFusion plans it: what is local and what is exact is asked of the plan, not of the text.
//!
//! A row of any step of a plan belongs to one part: the values of the `recompute` columns in the rows of the inputs
//! that it is made of. A step is local where no row changes what becomes of the rows of another part, that is, where it
//! compares rows of one part only. Which columns hold the values of `recompute` is followed from the inputs upwards,
//! whatever they are called on the way; what is not understood is refused.

mod exact;
mod join;
mod known;
mod walk;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{Column, TableReference};
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::FutureExt;

use crate::contract::diagnostic::Code;
use crate::contract::{Contract, InputFeed};
use crate::{layout, query};

use walk::Walk;

/// Plans SQL over inputs without rows.
pub(crate) struct Planner {
    context: SessionContext,
}

impl Planner {
    pub(crate) fn new() -> Self {
        let mut config = SessionConfig::new();
        let options = config.options_mut();
        options.execution.time_zone = Some("UTC".to_owned());
        // So that a finding has the line of the columns that it is about.
        options.sql_parser.collect_spans = true;
        Self {
            context: SessionContext::new_with_config(config),
        }
    }

    /// The plan of a query with the types that it is computed in; none where it has none, which is found out and told
    /// where plans are made to be run.
    pub(super) fn plan(&self, sql: &str, inputs: &[&Contract]) -> Option<LogicalPlan> {
        for input in inputs {
            let table: Arc<dyn TableProvider> = Arc::new(EmptyTable::new(layout::told(input)));
            query::register(&self.context, &input.name, table).ok()?;
        }
        let state = self.context.state();
        // Tables in memory are there at once.
        let plan = state.create_logical_plan(sql).now_or_never()?.ok()?;
        let options = state.config_options();
        state.analyzer().execute_and_check(plan, options, |_, _| {}).ok()
    }
}

/// Something that a plan may not do.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: String,
    pub(super) at: At,
}

/// Where it is written, as far as the plan tells.
#[derive(Debug)]
pub(super) enum At {
    Line(usize),
    /// Where a table of that name is read.
    Table(String),
    Unknown,
}

/// What in the plan of a query is not local in the `recompute` columns, or depends on the order of rows; none where
/// there is no plan.
pub(super) fn faults(
    planner: &Planner,
    sql: &str,
    feed: &InputFeed,
    inputs: &[&Contract],
) -> Option<Vec<Fault>> {
    let plan = planner.plan(sql, inputs)?;
    let mut walk = Walk::new(&feed.recompute, inputs);
    walk.result(&plan);
    Some(walk.into_faults())
}

/// Where the columns of expressions are written, else where the first table below them is read.
fn place<'a>(columns: impl IntoIterator<Item = &'a Column>, below: &LogicalPlan) -> At {
    let lines = columns.into_iter().filter_map(|column| column.spans().first());
    match lines.map(|span| span.start.line as usize).min() {
        Some(line) => At::Line(line),
        None => table(below).map_or(At::Unknown, At::Table),
    }
}

/// The name under which a step is known to those above it.
fn table(plan: &LogicalPlan) -> Option<String> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => Some(alias.alias.table().to_owned()),
        LogicalPlan::TableScan(scan) => Some(scan.table_name.table().to_owned()),
        other => other.inputs().first().and_then(|input| table(input)),
    }
}

/// Whether a reference is the input of that name.
fn is(reference: &TableReference, contract: &Contract) -> bool {
    reference.schema() == Some(&contract.name.source) && reference.table() == contract.name.table
}
