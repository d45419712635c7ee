//! Partition values: as columns in memory, as text in the log, as folders on disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow::compute::{cast, filter_record_batch, partition as partitions_of, take, take_record_batch};
use arrow::datatypes::{DataType, Date32Type, SchemaRef};
use arrow::row::{Row, RowConverter, SortField};
use xxhash_rust::xxh3::{Xxh3Builder, xxh3_64};

use crate::error::{Context, Error, Kind, Result};
use crate::layout;

/// Partition column to its value; null for rows without one.
pub(crate) type PartitionValues = BTreeMap<String, Option<String>>;

/// Bytes of the longest text that names a partition: the log says it again with every file.
const LONGEST_TEXT: usize = 1024;
/// Bytes of the longest name of a folder that says its value as it is; file systems take 255.
const LONGEST_FOLDER: usize = 200;
/// 0001-01-01 and 9999-12-31 in days since 1970-01-01: days that everybody reads back from text.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;

/// Why a row cannot lie in the partition of its value in this column: the ordinals of such rows, and what they are. Every
/// way into a table asks here, while a row can still be rejected.
pub(crate) fn unfit(column: &ArrayRef) -> Vec<(usize, &'static str)> {
    let why = |row: usize| match column.data_type() {
        DataType::Utf8 => match column.as_string::<i32>().value(row).len() {
            0 => Some("is an empty text"),
            bytes if bytes > LONGEST_TEXT => Some("is a text of more than 1024 bytes"),
            _ => None,
        },
        DataType::Date32 => {
            let is_read_back = DAYS.contains(&column.as_primitive::<Date32Type>().value(row));
            (!is_read_back).then_some("is a day outside of the years 1 to 9999")
        }
        _ => None,
    };
    let present = (0..column.len()).filter(|row| column.is_valid(*row));
    present.filter_map(|row| Some((row, why(row)?))).collect()
}

/// The rows that can lie in the partitions of their values.
pub(crate) fn fit(rows: &RecordBatch, partition: &[String]) -> Result<RecordBatch> {
    let mut can = vec![true; rows.num_rows()];
    for column in partition.iter().filter_map(|name| rows.column_by_name(name)) {
        for (row, _) in unfit(column) {
            can[row] = false;
        }
    }
    Ok(filter_record_batch(rows, &can.into())?)
}

/// Which partition each row of a batch belongs to.
pub(crate) struct RowPartitions {
    values: Vec<PartitionValues>,
    of_row: Vec<u32>,
}

impl RowPartitions {
    /// By these columns of the batch; without any, all rows belong to the one partition of an unpartitioned table.
    pub(crate) fn of(batch: &RecordBatch, partition: &[String]) -> Result<Self> {
        let mut columns = Vec::with_capacity(partition.len());
        for name in partition {
            columns.push(batch.column_by_name(name).cloned().ok_or_else(|| {
                Error::internal("partition column is missing in the rows").with("column", name)
            })?);
        }
        if columns.is_empty() {
            return Ok(Self {
                values: vec![PartitionValues::new()],
                of_row: vec![0; batch.num_rows()],
            });
        }
        // Rows mostly are of the partition of the row before.
        let runs = partitions_of(&columns)?.ranges();
        let begins = UInt32Array::from_iter_values(runs.iter().map(|run| run.start as u32));
        let heads = columns.iter().map(|column| take(column, &begins, None));
        let heads = heads.collect::<std::result::Result<Vec<_>, _>>()?;
        let fields = heads
            .iter()
            .map(|column| SortField::new(column.data_type().clone()));
        let encoded = RowConverter::new(fields.collect())?.convert_columns(&heads)?;
        let (mut first, mut of_row) = (Vec::new(), Vec::with_capacity(batch.num_rows()));
        let mut seen: HashMap<Row<'_>, u32, Xxh3Builder> = HashMap::default();
        for (values, run) in encoded.iter().zip(runs) {
            let partition = *seen.entry(values).or_insert_with(|| {
                first.push(run.start as u32);
                first.len() as u32 - 1
            });
            of_row.resize(run.end, partition);
        }
        let mut values = vec![PartitionValues::new(); first.len()];
        let first = UInt32Array::from(first);
        for (name, column) in partition.iter().zip(&columns) {
            let texts = cast(&take(column, &first, None)?, &DataType::Utf8)?;
            for (values, text) in values.iter_mut().zip(texts.as_string::<i32>()) {
                if text == Some("") {
                    return Err(Error::data("an empty text cannot be a partition value").with("column", name));
                }
                values.insert(name.clone(), text.map(str::to_owned));
            }
        }
        Ok(Self { values, of_row })
    }

    /// The partition of a row.
    pub(crate) fn of_row(&self, row: u32) -> &PartitionValues {
        &self.values[self.of_row[row as usize] as usize]
    }

    /// The number of a row's partition among those of the batch.
    pub(crate) fn number_of_row(&self, row: u32) -> usize {
        self.of_row[row as usize] as usize
    }

    /// The number of a partition among those of the batch.
    pub(crate) fn number(&self, values: &PartitionValues) -> Option<usize> {
        self.values.iter().position(|known| known == values)
    }

    /// The partitions that rows belong to.
    pub(crate) fn distinct(&self) -> BTreeSet<&PartitionValues> {
        let some = if self.of_row.is_empty() {
            0
        } else {
            self.values.len()
        };
        self.values[..some].iter().collect()
    }

    /// How many rows each partition has.
    pub(crate) fn counts(self) -> BTreeMap<PartitionValues, usize> {
        let mut counts = vec![0; self.values.len()];
        for partition in self.of_row {
            counts[partition as usize] += 1;
        }
        let named = self.values.into_iter().zip(counts);
        named.filter(|(_, rows)| *rows > 0).collect()
    }

    /// The rows of each partition.
    pub(crate) fn groups(&self) -> BTreeMap<PartitionValues, Vec<u32>> {
        let mut groups: Vec<Vec<u32>> = vec![Vec::new(); self.values.len()];
        for (row, partition) in self.of_row.iter().enumerate() {
            groups[*partition as usize].push(row as u32);
        }
        let named = self.values.iter().cloned().zip(groups);
        named.filter(|(_, rows)| !rows.is_empty()).collect()
    }
}

/// Rows of `batch` by partition, the partition columns left out (files do not hold them).
pub(crate) fn split(
    batch: &RecordBatch,
    partition: &[String],
) -> Result<Vec<(PartitionValues, RecordBatch)>> {
    let rest: Vec<usize> = (0..batch.num_columns())
        .filter(|&index| !partition.contains(batch.schema_ref().field(index).name()))
        .collect();
    let content = batch.project(&rest)?;
    RowPartitions::of(batch, partition)?
        .groups()
        .into_iter()
        .map(|(values, rows)| Ok((values, take_record_batch(&content, &UInt32Array::from(rows))?)))
        .collect()
}

/// `column=value/` for each partition column. The log holds the value itself, so characters that file systems
/// or URLs treat specially are simply replaced, and the end of what is too long for a name gives way to its hash.
pub(crate) fn folder(values: &PartitionValues, partition: &[String]) -> String {
    let mut folders = String::new();
    for name in partition {
        let value = values
            .get(name)
            .and_then(Option::as_deref)
            .unwrap_or("__HIVE_DEFAULT_PARTITION__");
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        };
        let mut folder: String = name
            .chars()
            .chain(['='])
            .chain(value.chars().map(plain))
            .collect();
        if folder.len() > LONGEST_FOLDER {
            let hash = format!("-{:016x}", xxh3_64(value.as_bytes()));
            folder.truncate(folder.floor_char_boundary(LONGEST_FOLDER - hash.len()));
            folder.push_str(&hash);
        }
        folders.push_str(&folder);
        folders.push('/');
    }
    folders
}

/// Adds the partition columns to rows read from a file, in the order of the table's schema.
pub(crate) fn complete(
    content: &RecordBatch,
    values: &PartitionValues,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| match content.column_by_name(field.name()) {
            Some(column) => layout::conform(column, field.data_type())
                .context(Kind::Foreign, "column of a file does not fit the table's type")
                .map_err(|error| error.with("column", field.name())),
            None => {
                let value = values.get(field.name()).and_then(Option::as_deref);
                constant(value, field.data_type(), content.num_rows())
            }
        })
        .collect::<Result<Vec<_>>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(content.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        schema.clone(),
        columns,
        &options,
    )?)
}

fn constant(value: Option<&str>, data_type: &DataType, rows: usize) -> Result<ArrayRef> {
    let Some(value) = value else {
        return Ok(new_null_array(data_type, rows));
    };
    let text: ArrayRef = Arc::new(StringArray::from(vec![value]));
    let typed = cast(&text, data_type)?;
    if typed.null_count() > 0 {
        return Err(Error::new(
            Kind::Foreign,
            "partition value in the log is not of the column's type",
        )
        .with("value", value)
        .with("type", data_type));
    }
    Ok(arrow::compute::take(
        &typed,
        &UInt32Array::from(vec![0; rows]),
        None,
    )?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, Date32Array, Int64Array, TimestampMicrosecondArray, TimestampNanosecondArray};
    use arrow::datatypes::{Field, Schema, TimeUnit};

    use super::*;

    #[test]
    fn rows_split_by_partition_and_complete_to_what_they_were() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(20000), None, Some(20000)]));
        let batch = RecordBatch::try_from_iter([("n", numbers), ("d", days)]).unwrap();
        let parts = split(&batch, &["d".to_owned()]).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(
            folder(&parts[0].0, &["d".to_owned()]),
            "d=__HIVE_DEFAULT_PARTITION__/"
        );
        assert_eq!(folder(&parts[1].0, &["d".to_owned()]), "d=2024-10-04/");
        let whole = complete(&parts[1].1, &parts[1].0, &batch.schema()).unwrap();
        assert_eq!(
            whole.column(0).as_ref(),
            &Int64Array::from(vec![1, 3]) as &dyn Array
        );
        assert_eq!(
            whole.column(1).as_ref(),
            &Date32Array::from(vec![20000, 20000]) as &dyn Array
        );
    }

    #[test]
    fn instants_that_another_writer_stores_in_another_unit_are_those_of_the_table() {
        let stored: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![
            Some(1_700_000_000_123_456_000),
            None,
        ]));
        let content = RecordBatch::try_from_iter([("at", stored)]).unwrap();
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let schema = Arc::new(Schema::new(vec![Field::new("at", instant, true)]));
        let read = complete(&content, &PartitionValues::new(), &schema).unwrap();
        let wanted = TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), None]);
        assert_eq!(
            read.column(0).as_ref(),
            &wanted.with_timezone("UTC") as &dyn Array
        );
    }

    #[test]
    fn a_folder_says_its_value_as_far_as_a_name_can() {
        let folder_of = |value: &str| {
            let values = PartitionValues::from([("t".to_owned(), Some(value.to_owned()))]);
            folder(&values, &["t".to_owned()])
        };
        assert_eq!(folder_of("a/b%20\u{1}é"), "t=a_b_20__/");
        let (one, other) = (folder_of(&"x".repeat(300)), folder_of(&"x".repeat(301)));
        assert!(
            one.len() == LONGEST_FOLDER + 1 && one.starts_with("t=xxx"),
            "{one}"
        );
        assert_ne!(one, other);
    }

    #[test]
    fn what_cannot_name_a_partition_is_told_by_row() {
        let texts = [Some("a"), Some(""), None].map(|text| text.map(str::to_owned));
        let long = [1024, 1025].map(|bytes| Some("x".repeat(bytes)));
        let texts: ArrayRef = Arc::new(texts.into_iter().chain(long).collect::<StringArray>());
        let said = [(1, "is an empty text"), (4, "is a text of more than 1024 bytes")];
        assert_eq!(unfit(&texts), said);
        let days = [
            None,
            Some(0),
            Some(*DAYS.start()),
            Some(DAYS.end() + 1),
            Some(i32::MIN),
        ];
        let days: ArrayRef = Arc::new(Date32Array::from_iter(days));
        let outside = "is a day outside of the years 1 to 9999";
        assert_eq!(unfit(&days), [(3, outside), (4, outside)]);
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX]));
        assert_eq!(unfit(&numbers), []);
    }

    #[test]
    fn an_empty_text_is_no_partition_value() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![""]));
        let batch = RecordBatch::try_from_iter([("t", texts)]).unwrap();
        assert!(
            split(&batch, &["t".to_owned()])
                .unwrap_err()
                .to_string()
                .contains("empty text")
        );
    }
}
