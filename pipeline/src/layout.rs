//! The columns that a curated table has: those of its contract, `extra`, and the bookkeeping ones.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, MapBuilder, MapFieldNames, StringBuilder, TimestampMicrosecondArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use chrono::{Days, NaiveDate};

pub(crate) use crate::contract::EXTRA;
use crate::contract::{Column, ColumnType, Contract, Feed, Keep};

/// Address of the raw object that the row comes from.
pub(crate) const OBJECT: &str = "_object";
/// Ordinal of the row in its object, from 1.
pub(crate) const ROW: &str = "_row";
/// Batch that wrote the row last.
pub(crate) const BATCH: &str = "_batch";
/// Time of that batch's claim.
pub(crate) const LOADED_AT: &str = "_loaded_at";
/// Hash of the raw fields as delivered.
pub(crate) const HASH: &str = "_hash";
/// The row's (or its document's) place in the order of `newest_by`, as sortable text.
pub(crate) const ORDER: &str = "_order";
/// The order of each value that is older than its row.
pub(crate) const OLDER: &str = "_older";
/// Name in [`OLDER`] under which a row keeps the order of the newest observation that states the whole of its record;
/// null stands for the row's own order. No column is called so.
pub(crate) const WHOLE: &str = "_whole";
/// Order of a value that no object says, only the account: it is older than any that is delivered.
pub(crate) const STATED: &str = "";
/// Name under which SQL over raw rows gives each row's ordinal beside what it selects.
pub(crate) const SOURCE_ROW: &str = "__row";

/// A column that the program adds.
struct OwnColumn {
    name: &'static str,
    ty: ColumnType,
    /// What it means to whoever reads the table.
    doc: &'static str,
}

/// All of them, in the order in which tables have them.
const OWN: [OwnColumn; 8] = [
    OwnColumn {
        name: EXTRA,
        ty: ColumnType::Map,
        doc: "Raw fields of the row that no column names; an empty text stands for a value that may be personal.",
    },
    OwnColumn {
        name: OBJECT,
        ty: ColumnType::Text,
        doc: "Address of the raw object that the row comes from.",
    },
    OwnColumn {
        name: ROW,
        ty: ColumnType::Int,
        doc: "Ordinal of the row in its object, from 1.",
    },
    OwnColumn {
        name: BATCH,
        ty: ColumnType::Int,
        doc: "Batch that wrote the row last.",
    },
    OwnColumn {
        name: LOADED_AT,
        ty: ColumnType::Timestamp,
        doc: "Time at which the batch that wrote the row last was begun.",
    },
    OwnColumn {
        name: HASH,
        ty: ColumnType::Int,
        doc: "Hash of the raw fields as delivered.",
    },
    OwnColumn {
        name: ORDER,
        ty: ColumnType::Text,
        doc: "The row's place in the order of newest_by, as sortable text.",
    },
    OwnColumn {
        name: OLDER,
        ty: ColumnType::Map,
        doc: "The order of each value that is older than its row; under _whole that of the newest row that states its whole \
              record, null where it is this one's.",
    },
];

/// Key of a field's metadata under which Delta keeps what the column means.
pub(crate) const COMMENT: &str = "comment";
/// Digits of a decimal that a 64-bit float holds exactly.
const DIGITS_OF_DOUBLE: u8 = 15;

/// A column in the type that a table has for it: other writers store instants in other units, and SQL makes numbers of
/// its own widths. A value that does not fit is an error, never null.
pub(crate) fn conform(column: &ArrayRef, wanted: &DataType) -> std::result::Result<ArrayRef, ArrowError> {
    if column.data_type() == wanted {
        return Ok(Arc::clone(column));
    }
    let exact = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(column, wanted, &exact)
}

/// Instants in whole milliseconds, floored; any other column as it is. Athena keeps no more and rounds the rest, so that
/// the last microseconds of a day would be in the next one.
pub(crate) fn in_whole_millis(column: ArrayRef) -> ArrayRef {
    let Some(instants) = column.as_primitive_opt::<TimestampMicrosecondType>() else {
        return column;
    };
    if instants
        .values()
        .iter()
        .all(|micros| micros.rem_euclid(1000) == 0)
    {
        return column;
    }
    // What stands behind a null may be anything, such as the least number after a maximum over nothing.
    let floored: TimestampMicrosecondArray =
        instants.unary(|micros| micros.saturating_sub(micros.rem_euclid(1000)));
    Arc::new(floored.with_data_type(column.data_type().clone()))
}

/// Schema of the curated table, partition columns included. Everything is nullable: files written before a
/// column was added do not have it.
pub(crate) fn schema(contract: &Contract) -> SchemaRef {
    let mut fields: Vec<Field> = contract
        .columns
        .iter()
        .map(|column| Field::new(&column.name, column.ty.arrow(), true))
        .collect();
    let mut add = |name: &str| fields.extend(own(name).map(|own| Field::new(name, own.ty.arrow(), true)));
    match &contract.feed {
        Feed::Raw(raw) => {
            if raw.unknown.has_extra() {
                add(EXTRA);
            }
            add(OBJECT);
            add(ROW);
            add(BATCH);
            add(LOADED_AT);
            match raw.keep {
                Keep::EveryRow { .. } => add(HASH),
                Keep::LatestRow { .. } => {
                    add(HASH);
                    add(ORDER);
                }
                Keep::LatestValue { .. } => {
                    add(ORDER);
                    add(OLDER);
                }
                Keep::LatestDocument { .. } => add(ORDER),
            }
        }
        Feed::Inputs(_) => {
            add(BATCH);
            add(LOADED_AT);
        }
    }
    Arc::new(Schema::new(fields))
}

/// The columns that say something: what SQL over inputs sees of a table. How a row came in differs between orders of
/// delivery, so nothing is computed from it.
pub(crate) fn told(contract: &Contract) -> SchemaRef {
    let schema = schema(contract);
    let fields = schema
        .fields()
        .iter()
        .filter(|field| !is_bookkeeping(field.name()));
    Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()))
}

/// The schema with what each column means, as the log of a table tells it to other programs.
pub(crate) fn described(contract: &Contract) -> Schema {
    let described = |field: &Arc<Field>| {
        let meaning = match contract.column(field.name()) {
            Some(column) => column.doc.as_deref(),
            None => meaning(field.name()),
        };
        let comment = meaning.map(|meaning| (COMMENT.to_owned(), meaning.to_owned()));
        field
            .as_ref()
            .clone()
            .with_metadata(comment.into_iter().collect())
    };
    let schema = schema(contract);
    Schema::new(schema.fields().iter().map(described).collect::<Vec<_>>())
}

/// What a column means that the program adds; none for a column of a contract.
pub(crate) fn meaning(name: &str) -> Option<&'static str> {
    own(name).map(|column| column.doc)
}

fn own(name: &str) -> Option<&'static OwnColumn> {
    OWN.iter().find(|column| column.name == name)
}

/// The schema without the partition columns: what data files hold.
pub(crate) fn file_schema(schema: &SchemaRef, partition: &[String]) -> SchemaRef {
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .filter(|field| !partition.contains(field.name()))
        .cloned()
        .collect();
    Arc::new(Schema::new(fields))
}

/// Columns by which files are skipped: those that rows are found and sorted by, days, instants, and the batch.
/// The log holds bounds of these only, since whoever reads it reads the bounds of every file. Personal columns are not
/// among them, truths have no bounds, and some readers take the bounds of decimals for floats: they would leave out files
/// that hold what is looked for.
pub(crate) fn indexed(contract: &Contract) -> Vec<String> {
    let named = [contract.key(), contract.scope(), contract.sort()].concat();
    let is_indexed = |column: &&Column| {
        let is_time = matches!(column.ty, ColumnType::Date | ColumnType::Timestamp);
        (is_time || named.contains(&column.name))
            && !matches!(column.ty, ColumnType::Decimal(digits, _) if digits > DIGITS_OF_DOUBLE)
            && column.ty != ColumnType::Bool
            && column.personal.is_none()
            && !contract.partition.contains(&column.name)
    };
    let columns = contract.columns.iter().filter(is_indexed);
    let own = [BATCH, LOADED_AT].map(str::to_owned);
    columns.map(|column| column.name.clone()).chain(own).collect()
}

/// Whether a column describes where a row comes from rather than what it says.
pub(crate) fn is_bookkeeping(name: &str) -> bool {
    name.starts_with('_')
}

/// A builder of `map<text, text>` with the entry names that tables use.
pub(crate) fn map_builder() -> MapBuilder<StringBuilder, StringBuilder> {
    let names = MapFieldNames {
        entry: "key_value".into(),
        key: "key".into(),
        value: "value".into(),
    };
    MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())
}

/// The day before, for look-backs; the first day there is has none.
pub(crate) fn days_before(day: NaiveDate, days: u32) -> NaiveDate {
    day.checked_sub_days(Days::new(u64::from(days)))
        .unwrap_or(NaiveDate::MIN)
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;
    use arrow::buffer::NullBuffer;

    use super::*;

    #[test]
    fn what_stands_behind_a_null_instant_is_no_instant() {
        let behind = NullBuffer::from(vec![false, true]);
        let instants = TimestampMicrosecondArray::new(vec![i64::MIN, 1_999].into(), Some(behind));
        let floored = in_whole_millis(Arc::new(instants));
        let floored: &TimestampMicrosecondArray = floored.as_primitive();
        assert_eq!(floored.iter().collect::<Vec<_>>(), [None, Some(1_000)]);
    }

    #[test]
    fn instants_lose_what_is_below_a_millisecond_also_before_1970() {
        let instants =
            TimestampMicrosecondArray::from(vec![Some(1_767_225_599_999_999), None, Some(-1), Some(2000)]);
        let floored = in_whole_millis(Arc::new(instants.with_timezone("UTC")));
        let wanted =
            TimestampMicrosecondArray::from(vec![Some(1_767_225_599_999_000), None, Some(-1000), Some(2000)]);
        let wanted: ArrayRef = Arc::new(wanted.with_timezone("UTC"));
        assert_eq!(floored.to_data(), wanted.to_data());
    }
}
