//! The columns of a table, each value of its type.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::take;
use arrow::datatypes::DataType;

use super::cast::{Quoting, cast_quoting, exact};
use super::fields::Fields;
use super::source::Source;
use super::stamp::{BatchStamp, Stamped};
use super::stated::Stated;
use super::{Chosen, Faults, Shaper};
use crate::contract::{Column, Personal, Unreadable};
use crate::error::Result;
use crate::layout;
use crate::raw::account::AccountKeep;

impl Shaper {
    /// The chosen rows in the table's schema: the columns of the contract, then those that the program adds. A value that
    /// cannot be read is null and a fault.
    pub(super) fn typed<'a>(
        &'a self,
        delivered: &Fields<'_>,
        chosen: &Chosen,
        source: &Source,
        stamp: BatchStamp,
        faults: &mut Faults<'a>,
    ) -> Result<RecordBatch> {
        let indices = &chosen.raw_rows;
        let ordinals: Vec<i64> = indices
            .values()
            .iter()
            .map(|row| delivered.rows()[*row as usize])
            .collect();
        let made = chosen.made.as_ref();
        let made = made.map(|(made, filled)| Fields::made(made, &ordinals, delivered, filled));
        let fields = made.as_ref().unwrap_or(delivered);
        let mut stated = Stated::default();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for column in &self.contract.columns {
            let exactly = fields.only_of(&column.from).filter(|_| column.personal.is_none());
            if let Some(values) = exactly.and_then(|values| exact(values, &column.ty)) {
                columns.push(values);
                continue;
            }
            let values = if column.from == ["*"] {
                take(&delivered.all()?, indices, None)?
            } else {
                let values = fields.first_of(&column.from, &column.ty)?;
                // Of whole rows an empty cell says that there is no value any more: the account's is as new as they.
                if source.account.keep == AccountKeep::LatestValue {
                    stated.add(&column.name, values.stated);
                }
                Arc::new(values.texts)
            };
            columns.push(self.typed_column(column, values, source, faults)?);
        }
        let stamped = Stamped {
            fields: delivered,
            stated: &stated,
            indices,
            source,
            stamp,
        };
        self.bookkeeping(&mut columns, &stamped)?;
        // Not before the order is made, which is one of all digits.
        let columns = columns.into_iter().map(layout::in_whole_millis).collect();
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// Casts one column; failures go to the rows' reasons, or where the column is null then to what is unreadable. Personal
    /// values never get further than here.
    fn typed_column<'a>(
        &self,
        column: &'a Column,
        values: ArrayRef,
        source: &Source,
        faults: &mut Faults<'a>,
    ) -> Result<ArrayRef> {
        if matches!(values.data_type(), DataType::Map(..)) {
            return Ok(values);
        }
        let texts: &StringArray = values.as_string();
        match column.personal {
            Some(Personal::Drop) => return Ok(new_null_array(&column.ty.arrow(), texts.len())),
            Some(Personal::Hash) => return Ok(Arc::new(self.pseudonyms.of(texts))),
            None => {}
        }
        let quoting = match self.unquoted.contains(&column.name) {
            true => Quoting::Never,
            false => Quoting::Values,
        };
        let cast = cast_quoting(texts, column, source.account.zone, quoting)?;
        for (row, reason) in cast.failures {
            match column.unreadable {
                Unreadable::Reject => faults.reasons[row].push(reason),
                Unreadable::Null => faults.unreadable.push((row, &column.name)),
            }
        }
        Ok(cast.values)
    }
}
