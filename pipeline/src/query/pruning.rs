//! Which files can hold rows that a query wants, by what the log says about them.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{Field, Fields, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_expr::simplifier::PhysicalExprSimplifier;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use serde_json::Value;

use crate::delta::{DataFile, End, bound};

use super::provider::partition_value;

/// The files that can hold a row for which all filters are true.
pub(super) fn prune<'a>(
    session: &dyn Session,
    files: &'a [DataFile],
    schema: &SchemaRef,
    partition: &Fields,
    filters: &[Expr],
) -> Result<Vec<&'a DataFile>> {
    let Some(filter) = conjunction(filters.iter().cloned()) else {
        return Ok(files.iter().collect());
    };
    let columns = DFSchema::try_from(schema.as_ref().clone())?;
    let condition = session.create_physical_expr(filter, &columns)?;
    let condition = PhysicalExprSimplifier::new(schema).simplify(condition)?;
    let predicate = PruningPredicateBuilder::new()
        .with_file_schema(schema.clone())
        .build(condition);
    let Some(predicate) = predicate else {
        return Ok(files.iter().collect());
    };
    let may_match = predicate.prune(&LogStatistics {
        files,
        schema,
        partition,
        stats: OnceCell::new(),
    })?;
    Ok(files
        .iter()
        .zip(may_match)
        .filter(|(_, may_match)| *may_match)
        .map(|(file, _)| file)
        .collect())
}

/// Bounds of the columns of each file. A partition column has one value in a file; those of other columns are
/// between the bounds of the add action's statistics, where it has any.
struct LogStatistics<'a> {
    files: &'a [DataFile],
    schema: &'a SchemaRef,
    partition: &'a Fields,
    /// Statistics of each file, parsed when a filter is on a column that files hold.
    stats: OnceCell<Vec<Option<Value>>>,
}

impl LogStatistics<'_> {
    fn partition_field(&self, column: &Column) -> Option<&Field> {
        self.partition.find(&column.name).map(|(_, field)| field.as_ref())
    }

    /// The value of a partition column in each file; none where the log has one that is not of the column's type.
    fn partition_values(&self, field: &Field) -> Option<Vec<ScalarValue>> {
        self.files
            .iter()
            .map(|file| partition_value(file, field).ok())
            .collect()
    }

    fn bounds(&self, column: &Column, end: End) -> Option<ArrayRef> {
        let values = match self.partition_field(column) {
            Some(field) => self.partition_values(field)?,
            None => {
                let (_, field) = self.schema.column_with_name(&column.name)?;
                let bound =
                    |stats: &Option<Value>| bound(stats.as_ref()?, end, &column.name, field.data_type());
                let unknown = ScalarValue::try_from(field.data_type()).ok()?;
                self.stats()
                    .iter()
                    .map(|stats| bound(stats).unwrap_or_else(|| unknown.clone()))
                    .collect()
            }
        };
        ScalarValue::iter_to_array(values).ok()
    }

    fn stats(&self) -> &[Option<Value>] {
        self.stats
            .get_or_init(|| self.files.iter().map(DataFile::stats).collect())
    }
}

impl PruningStatistics for LogStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, End::Least)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, End::Greatest)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let counts: UInt64Array = match self.partition_field(column) {
            Some(field) => self
                .files
                .iter()
                .zip(self.partition_values(field)?)
                .map(|(file, value)| if value.is_null() { file.rows() } else { Some(0) })
                .collect(),
            None => {
                let count = |stats: &Value| stats.get("nullCount")?.get(&column.name)?.as_u64();
                self.stats()
                    .iter()
                    .map(|stats| stats.as_ref().and_then(count))
                    .collect()
            }
        };
        Some(Arc::new(counts))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(
            self.files.iter().map(DataFile::rows).collect::<UInt64Array>(),
        ))
    }

    /// Lists of any length are looked up here; bounds serve for short ones only.
    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        let field = self.partition_field(column)?;
        if values.iter().any(|value| value.data_type() != *field.data_type()) {
            return None;
        }
        let found = self.partition_values(field)?;
        Some(found.iter().map(|value| Some(values.contains(value))).collect())
    }
}
