//! The columns that the program adds to the shaped rows of an object.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray, UInt32Array, new_null_array,
};
use arrow::compute::take;
use chrono::{DateTime, Utc};

use super::Shaper;
use super::cast::cast;
use super::document;
use super::fields::Fields;
use super::order::order_of;
use super::source::Source;
use super::stated::Stated;
use crate::contract::Column;
use crate::error::{Error, Result};
use crate::layout;
use crate::raw::account::AccountKeep;

/// The batch that rows are shaped for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchStamp {
    /// Number of the batch.
    pub(crate) batch: i64,
    /// Time of its claim.
    pub(crate) claimed_at: DateTime<Utc>,
}

/// What these columns are made of.
pub(super) struct Stamped<'a> {
    /// Raw rows as delivered.
    pub(super) fields: &'a Fields<'a>,
    /// Cells that have their value from the account.
    pub(super) stated: &'a Stated,
    /// Row of `fields` behind each shaped row.
    pub(super) indices: &'a UInt32Array,
    /// Where the rows come from.
    pub(super) source: &'a Source,
    /// The batch that they go into.
    pub(super) stamp: BatchStamp,
}

impl Shaper {
    /// Adds the columns of the table that its contract does not name.
    pub(super) fn bookkeeping(&self, columns: &mut Vec<ArrayRef>, stamped: &Stamped<'_>) -> Result<()> {
        let Stamped {
            fields,
            stated,
            indices,
            source,
            stamp,
        } = *stamped;
        let rows = indices.len();
        for field in self.schema.fields().iter().skip(self.contract.columns.len()) {
            let column: ArrayRef = match field.name().as_str() {
                layout::EXTRA => take(&fields.unknown()?, indices, None)?,
                layout::OBJECT => Arc::new(StringArray::new_repeated(&source.object.uri, rows)),
                layout::ROW => take(&Int64Array::from(fields.rows().to_vec()), indices, None)?,
                layout::BATCH => Arc::new(Int64Array::from(vec![stamp.batch; rows])),
                layout::LOADED_AT => {
                    let micros = stamp.claimed_at.timestamp_micros();
                    Arc::new(TimestampMicrosecondArray::from(vec![micros; rows]).with_timezone("UTC"))
                }
                layout::HASH => take(&fields.hashes()?, indices, None)?,
                layout::ORDER => Arc::new(self.order(columns, stamped)?),
                layout::OLDER => stated.older(rows, source.account.keep == AccountKeep::LatestRow)?,
                _ => new_null_array(field.data_type(), rows),
            };
            columns.push(column);
        }
        Ok(())
    }

    /// The order of each row among those of its key, as a text that sorts as they do.
    fn order(&self, columns: &[ArrayRef], stamped: &Stamped<'_>) -> Result<StringArray> {
        let Stamped {
            fields,
            indices,
            source,
            ..
        } = *stamped;
        let mut parts = Vec::new();
        for name in self.feed.keep.newest_by() {
            let mut columns = self.contract.columns.iter().zip(columns);
            if let Some((_, values)) = columns.find(|(column, _)| column.name == *name) {
                parts.push(values.clone());
            } else if self.keeps_documents() {
                let all = UInt32Array::from(vec![0; indices.len()]);
                for part in document::ordering(name, source)? {
                    parts.push(take(&part, &all, None)?);
                }
            } else {
                let column = Column::ordering_lineage(name)
                    .ok_or_else(|| Error::internal("newest_by names no column").with("column", name))?;
                let texts = fields.first_of(&column.from, &column.ty)?.texts;
                let values = cast(&texts, &column, source.account.zone)?.values;
                parts.push(take(&values, indices, None)?);
            }
        }
        order_of(&parts, indices.len())
    }
}
