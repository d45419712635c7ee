//! Checks: SQL conditions over typed rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::SessionContext;

use crate::contract::{Contract, Otherwise};
use crate::error::{Context, Error, Kind, Result};

/// The checks of a table, compiled.
pub(crate) struct Checks {
    checks: Vec<(String, Otherwise, Arc<dyn PhysicalExpr>)>,
}

/// Failures that do not reject a row.
#[derive(Default)]
pub(crate) struct Checked {
    pub(crate) warned: BTreeMap<String, u64>,
    pub(crate) held: BTreeMap<String, u64>,
}

impl Checked {
    /// Counts values that were no values of their column, each with its row, as far as the rows are good.
    pub(super) fn add_unreadable(&mut self, values: &[(usize, &str)], reasons: &[Vec<String>]) {
        for (_, column) in values.iter().filter(|(row, _)| reasons[*row].is_empty()) {
            *self.warned.entry(format!("{column} is readable")).or_default() += 1;
        }
    }
}

impl Checks {
    pub(crate) fn new(contract: &Contract, schema: &SchemaRef) -> Result<Self> {
        let context = SessionContext::new();
        let columns = DFSchema::try_from(schema.as_ref().clone())?;
        let checks = contract
            .checks
            .iter()
            .map(|check| {
                let compiled = context
                    .parse_sql_expr(&check.sql, &columns)
                    .and_then(|condition| context.create_physical_expr(condition, &columns))
                    .context(Kind::Usage, "check is not a condition over the table's columns")
                    .map_err(|error| error.with("table", &contract.name).with("check", &check.name))?;
                if compiled.data_type(schema)? != DataType::Boolean {
                    return Err(Error::usage("check is not true or false")
                        .with("table", &contract.name)
                        .with("check", &check.name));
                }
                Ok((check.name.clone(), check.otherwise, compiled))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { checks })
    }

    /// Evaluates all checks; failures with `quarantine` become reasons of the row. Rows that already have a
    /// reason are not counted twice.
    pub(crate) fn evaluate(&self, rows: &RecordBatch, reasons: &mut [Vec<String>]) -> Result<Checked> {
        let mut checked = Checked::default();
        for (name, otherwise, condition) in &self.checks {
            for (passes, reasons) in passes(condition.as_ref(), rows)
                .into_iter()
                .zip(reasons.iter_mut())
            {
                let problem = match passes {
                    _ if !reasons.is_empty() => continue,
                    Passes::Yes => continue,
                    Passes::No => "failed",
                    Passes::Unknown => "cannot be computed",
                };
                match otherwise {
                    Otherwise::Warn => *checked.warned.entry(name.clone()).or_default() += 1,
                    Otherwise::Hold => *checked.held.entry(name.clone()).or_default() += 1,
                    Otherwise::Quarantine => reasons.push(format!("check {name} {problem}")),
                }
            }
        }
        Ok(checked)
    }
}

/// What a check says of a row.
#[derive(Clone, Copy)]
enum Passes {
    Yes,
    No,
    /// It breaks off, such as at a text that is to be a number.
    Unknown,
}

/// What a condition says of each row. Where it breaks off it is asked for each row alone, so that a row decides about
/// itself and about no other.
fn passes(condition: &dyn PhysicalExpr, rows: &RecordBatch) -> Vec<Passes> {
    let evaluate = |rows: &RecordBatch| {
        condition
            .evaluate(rows)
            .and_then(|values| values.into_array(rows.num_rows()))
    };
    let said = |values: &BooleanArray, row: usize| match values.is_null(row) || values.value(row) {
        true => Passes::Yes,
        false => Passes::No,
    };
    if let Ok(values) = evaluate(rows) {
        return (0..rows.num_rows())
            .map(|row| said(values.as_boolean(), row))
            .collect();
    }
    let alone = |row: usize| match evaluate(&rows.slice(row, 1)) {
        Ok(values) => said(values.as_boolean(), 0),
        Err(_) => Passes::Unknown,
    };
    (0..rows.num_rows()).map(alone).collect()
}
