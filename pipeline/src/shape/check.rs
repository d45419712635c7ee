//! Checks: SQL conditions over typed rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::SessionContext;

use crate::contract::{Contract, Otherwise};
use crate::error::{Context, Error, Kind, Result};

use super::plans::failed;

/// The checks of a table, compiled.
pub(crate) struct Checks {
    /// Whether no error may quote a value.
    is_quiet: bool,
    checks: Vec<(String, Otherwise, Arc<dyn PhysicalExpr>)>,
}

/// Failures that do not reject a row.
#[derive(Default)]
pub(crate) struct Checked {
    pub(crate) warned: BTreeMap<String, u64>,
    pub(crate) held: BTreeMap<String, u64>,
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
        let is_quiet = contract.privacy().has_secrets();
        Ok(Self { is_quiet, checks })
    }

    /// Evaluates all checks; failures with `quarantine` become reasons of the row. Rows that already have a
    /// reason are not counted twice.
    pub(crate) fn evaluate(&self, rows: &RecordBatch, reasons: &mut [Vec<String>]) -> Result<Checked> {
        let mut checked = Checked::default();
        for (name, otherwise, condition) in &self.checks {
            let values = condition
                .evaluate(rows)
                .and_then(|values| values.into_array(rows.num_rows()))
                .map_err(|error| {
                    failed(&format!("check {name} cannot be computed"), &error, self.is_quiet)
                })?;
            let values = values.as_boolean();
            for (row, reasons) in reasons.iter_mut().enumerate() {
                if !reasons.is_empty() || values.is_null(row) || values.value(row) {
                    continue;
                }
                match otherwise {
                    Otherwise::Warn => *checked.warned.entry(name.clone()).or_default() += 1,
                    Otherwise::Hold => *checked.held.entry(name.clone()).or_default() += 1,
                    Otherwise::Quarantine => reasons.push(format!("check {name} failed")),
                }
            }
        }
        Ok(checked)
    }
}
