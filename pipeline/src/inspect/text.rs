//! Rows as text, for people to read.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::layout;

/// Column and value of each cell of a row, in table order. The entries of `extra` are cells of their own, named
/// `extra.<field>`; other maps are JSON objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TextRow(pub(super) Vec<(String, Option<String>)>);

impl TextRow {
    /// The value of a column; none when it is null or there is no such column.
    pub(super) fn get(&self, column: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == column)?.1.as_deref()
    }

    /// The cells that say something about the row's subject, without bookkeeping.
    pub(super) fn content(&self) -> impl Iterator<Item = &(String, Option<String>)> {
        self.0.iter().filter(|(name, _)| !layout::is_bookkeeping(name))
    }
}

/// Every row of a batch as text.
pub(super) fn text_rows(batch: &RecordBatch) -> Result<Vec<TextRow>> {
    let mut rows = vec![TextRow::default(); batch.num_rows()];
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if matches!(field.data_type(), DataType::Map(..)) {
            for (row, cells) in rows.iter_mut().enumerate() {
                let entries = entries(column, row)?;
                if field.name() == layout::EXTRA {
                    let entries = entries.into_iter().flatten();
                    cells
                        .0
                        .extend(entries.map(|(key, value)| (format!("{}.{key}", layout::EXTRA), value)));
                } else {
                    let text = entries.and_then(|entries| serde_json::to_string(&entries).ok());
                    cells.0.push((field.name().clone(), text));
                }
            }
        } else {
            let texts = cast(column, &DataType::Utf8)?;
            for (cells, text) in rows.iter_mut().zip(texts.as_string::<i32>()) {
                cells.0.push((field.name().clone(), text.map(str::to_owned)));
            }
        }
    }
    Ok(rows)
}

/// The entries of a map, by key; none when the map is null.
fn entries(column: &ArrayRef, row: usize) -> Result<Option<BTreeMap<String, Option<String>>>> {
    let maps = column.as_map();
    if maps.is_null(row) {
        return Ok(None);
    }
    let entries = maps.value(row);
    let (keys, values) = (
        cast(entries.column(0), &DataType::Utf8)?,
        cast(entries.column(1), &DataType::Utf8)?,
    );
    let keys = keys.as_string::<i32>().iter().flatten().map(str::to_owned);
    let values = values
        .as_string::<i32>()
        .iter()
        .map(|value| value.map(str::to_owned));
    Ok(Some(keys.zip(values).collect()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Decimal128Array, TimestampMicrosecondArray};

    use super::*;
    use crate::layout::map_builder;

    #[test]
    fn values_read_as_people_write_them_and_extra_fields_stand_alone() {
        let mut map = map_builder();
        map.keys().append_value("aisle");
        map.values().append_value("7");
        map.append(true).unwrap();
        map.append(false).unwrap();
        let map: ArrayRef = Arc::new(map.finish());
        let money = Decimal128Array::from(vec![Some(125_000), None])
            .with_precision_and_scale(18, 4)
            .unwrap();
        let batch = RecordBatch::try_from_iter_with_nullable([
            (
                "day",
                Arc::new(Date32Array::from(vec![20_000, 20_000])) as ArrayRef,
                true,
            ),
            ("total", Arc::new(money) as ArrayRef, true),
            (
                "at",
                Arc::new(TimestampMicrosecondArray::from(vec![0, 1]).with_timezone("UTC")) as ArrayRef,
                true,
            ),
            ("fields", map.clone(), true),
            ("extra", map, true),
            (
                "_row",
                Arc::new(arrow::array::Int64Array::from(vec![1, 2])) as ArrayRef,
                true,
            ),
        ])
        .unwrap();
        let rows = text_rows(&batch).unwrap();
        let value = |row: usize, name: &str| rows[row].get(name).unwrap_or("-").to_owned();
        let shown = ["day", "total", "at", "fields", "extra.aisle", "_row"];
        let wanted = [
            "2024-10-04",
            "12.5000",
            "1970-01-01T00:00:00Z",
            "{\"aisle\":\"7\"}",
            "7",
            "1",
        ];
        assert_eq!(shown.map(|name| value(0, name)), wanted);
        assert_eq!(
            ["total", "fields", "extra.aisle"].map(|name| value(1, name)),
            ["-", "-", "-"]
        );
        assert!(rows[0].content().all(|(name, _)| name != "_row"));
    }
}
