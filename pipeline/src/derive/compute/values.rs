//! Values of `recompute`, and what they say about the rows of an input before these are read.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{SortOptions, concat_batches, sort_to_indices};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, ident, lit};

use crate::contract::{Contract, InputFeed};
use crate::delta::DataFile;
use crate::delta::partition::{self, PartitionValues, RowPartitions};
use crate::error::{Error, Result};
use crate::keep::key_positions;
use crate::layout;

use super::Input;

/// Values of a column that a condition names one by one.
const NAMED: usize = 20;

/// The columns of `recompute` as the table has them.
pub(crate) fn schema(contract: &Contract, feed: &InputFeed) -> Result<SchemaRef> {
    let all = layout::schema(contract);
    let fields = feed
        .recompute
        .iter()
        .map(|name| Ok(all.field_with_name(name)?.clone()));
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<Field>>>()?)))
}

/// Values of `recompute` as the table has them.
pub(super) fn typed(contract: &Contract, feed: &InputFeed, batches: &[RecordBatch]) -> Result<RecordBatch> {
    let schema = schema(contract, feed)?;
    let typed = |batch: &RecordBatch| {
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns.map(|(column, field)| Ok(layout::conform(column, field.data_type())?));
        Ok(RecordBatch::try_new(
            schema.clone(),
            columns.collect::<Result<Vec<ArrayRef>>>()?,
        )?)
    };
    let batches = batches.iter().map(typed).collect::<Result<Vec<_>>>()?;
    Ok(concat_batches(&schema, &batches)?)
}

/// The files of an input that can hold one of the values, by their partitions.
pub(super) fn files_with(recompute: &[String], input: &Input, values: &RecordBatch) -> Result<Vec<DataFile>> {
    let laid_by = input.snapshot.partition();
    let named: Vec<String> = recompute
        .iter()
        .filter(|name| laid_by.contains(name))
        .cloned()
        .collect();
    let files = input.snapshot.files.iter();
    if named.is_empty() {
        return Ok(files.cloned().collect());
    }
    let values = values.project(&key_positions(values.schema_ref(), &named)?)?;
    let places = RowPartitions::of(&partition::fit(&values, &named)?, &named)?;
    let places: BTreeSet<&PartitionValues> = places.distinct();
    let has_one = |file: &&DataFile| {
        let mut own = file.partition.clone();
        own.retain(|name, _| named.contains(name));
        places.contains(&own)
    };
    Ok(files.filter(has_one).cloned().collect())
}

/// Whether [`bounds`] hold for no other rows than those with one of the values: few values of one column, each of which is
/// named, and not none of them. What is the same number can be several doubles.
pub(super) fn are_named(values: &RecordBatch) -> bool {
    let [column] = values.columns() else { return false };
    (1..=NAMED).contains(&column.len()) && !column.data_type().is_floating()
}

/// Conditions that hold for every row with one of the values. They do not grow with these: few values are named, of more
/// the least and the greatest.
pub(super) fn bounds(recompute: &[String], values: &RecordBatch) -> Result<Vec<Expr>> {
    let mut conditions = Vec::new();
    for (name, column) in recompute.iter().zip(values.columns()) {
        let column_is = ident(name.as_str());
        let missing = (column.null_count() > 0).then(|| column_is.clone().is_null());
        let present = match column.len() - column.null_count() {
            0 => None,
            1..=NAMED => {
                let rows = (0..column.len()).filter(|row| column.is_valid(*row));
                let named = rows.map(|row| Ok(ScalarValue::try_from_array(column, row)?));
                let named: HashSet<ScalarValue> = named.collect::<Result<_>>()?;
                Some(column_is.in_list(named.into_iter().map(lit).collect(), false))
            }
            _ => {
                let (least, greatest) = (end(column, false)?, end(column, true)?);
                Some(column_is.between(lit(least), lit(greatest)))
            }
        };
        conditions.extend(match (present, missing) {
            (Some(present), Some(missing)) => Some(present.or(missing)),
            (present, missing) => present.or(missing),
        });
    }
    Ok(conditions)
}

/// The least or the greatest value that is not null.
fn end(column: &ArrayRef, descending: bool) -> Result<ScalarValue> {
    let order = SortOptions {
        descending,
        nulls_first: false,
    };
    let first = sort_to_indices(column, Some(order), Some(1))?;
    let first = first.values().first();
    let row = first.ok_or_else(|| Error::internal("values have no least one"))?;
    Ok(ScalarValue::try_from_array(column, *row as usize)?)
}
