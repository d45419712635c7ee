//! What the Delta log says about a file.

mod literal;

use std::collections::BTreeSet;
use std::fmt::Write;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{Field, Schema};
use parquet::file::metadata::ParquetMetaData;

use self::literal::{Side, bound};
use super::read::ranges::{Ranges, ranges};
use crate::error::Result;

/// Leaf columns that have statistics: those by which readers prune unless a table says otherwise.
const INDEXED_LEAVES: usize = 32;

/// Statistics of a file as `add.stats` of the Delta log has them: right or absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStats {
    /// Rows in the file.
    pub rows: u64,
    /// Columns that have statistics, in the order of the file.
    pub columns: Vec<ColumnStats>,
}

/// Statistics of one column; what is absent is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnStats {
    /// Name of the column.
    pub name: String,
    /// JSON literal that no value is below.
    pub min: Option<String>,
    /// JSON literal that no value is above.
    pub max: Option<String>,
    /// Number of nulls.
    pub nulls: Option<u64>,
}

impl FileStats {
    /// Derives the statistics of the first leaf columns of `schema` from the footer; without those in `unindexed`.
    pub(super) fn new(
        metadata: &ParquetMetaData,
        schema: &Schema,
        unindexed: &BTreeSet<String>,
    ) -> Result<Self> {
        let rows = metadata.file_metadata().num_rows() as u64;
        let mut columns = Vec::new();
        let mut leaves = 0;
        let indexed = schema
            .fields()
            .iter()
            .filter(|field| !unindexed.contains(field.name()));
        for field in indexed {
            leaves += leaves_of(field);
            if leaves > INDEXED_LEAVES {
                break;
            }
            if let Some(ranges) = ranges(metadata, schema, field.name())? {
                columns.push(column(metadata, field, &ranges));
            }
        }
        Ok(Self { rows, columns })
    }

    /// `{"numRecords":…,"minValues":{…},"maxValues":{…},"nullCount":{…}}`.
    pub fn to_delta_json(&self) -> String {
        let mins = self
            .columns
            .iter()
            .map(|column| (&column.name, column.min.clone()));
        let maxes = self
            .columns
            .iter()
            .map(|column| (&column.name, column.max.clone()));
        let nulls = self
            .columns
            .iter()
            .map(|column| (&column.name, column.nulls.map(|nulls| nulls.to_string())));
        format!(
            "{{\"numRecords\":{},\"minValues\":{},\"maxValues\":{},\"nullCount\":{}}}",
            self.rows,
            object(mins),
            object(maxes),
            object(nulls)
        )
    }
}

/// Literals are written as they are: a JSON number type would lose digits of decimals.
fn object<'a>(entries: impl Iterator<Item = (&'a String, Option<String>)>) -> String {
    let mut json = String::from("{");
    for (name, literal) in entries {
        if let Some(literal) = literal {
            let comma = if json.len() > 1 { "," } else { "" };
            let name = serde_json::Value::String(name.clone());
            // Writing to a string cannot fail.
            let _ = write!(json, "{comma}{name}:{literal}");
        }
    }
    json + "}"
}

fn column(metadata: &ParquetMetaData, field: &Field, ranges: &Ranges) -> ColumnStats {
    let groups = metadata.row_groups();
    let known = |bounds: &ArrayRef| {
        ranges.ordered
            && groups.iter().enumerate().all(|(group, metadata)| {
                let only_nulls =
                    ranges.nulls.is_valid(group) && ranges.nulls.value(group) == metadata.num_rows() as u64;
                bounds.is_valid(group) || only_nulls
            })
    };
    let both = known(&ranges.mins) && known(&ranges.maxes);
    ColumnStats {
        name: field.name().clone(),
        min: both.then(|| bound(&ranges.mins, Side::Min)).flatten(),
        max: both.then(|| bound(&ranges.maxes, Side::Max)).flatten(),
        nulls: (ranges.nulls.null_count() == 0).then(|| ranges.nulls.iter().flatten().sum()),
    }
}

fn leaves_of(field: &Field) -> usize {
    use arrow::datatypes::DataType::{List, Map, Struct};
    match field.data_type() {
        Struct(fields) => fields.iter().map(|field| leaves_of(field)).sum(),
        Map(entry, _) | List(entry) => leaves_of(entry),
        _ => 1,
    }
}
