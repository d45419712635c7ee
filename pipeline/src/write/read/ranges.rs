//! Minimum, maximum and nulls of a column per row group, as far as a footer tells.

use arrow::array::{ArrayRef, UInt64Array};
use arrow::datatypes::{DataType, Schema};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;

use crate::error::Result;

/// One entry per row group; a null entry is unknown (or, for the bounds, a group of nulls only).
pub(crate) struct Ranges {
    pub(crate) mins: ArrayRef,
    pub(crate) maxes: ArrayRef,
    pub(crate) nulls: UInt64Array,
    /// The bounds can be relied on.
    pub(crate) ordered: bool,
}

/// Ranges of a top-level column that is not nested; none where the schema has no such column.
pub(crate) fn ranges(metadata: &ParquetMetaData, schema: &Schema, column: &str) -> Result<Option<Ranges>> {
    let Some((_, field)) = schema.column_with_name(column) else {
        return Ok(None);
    };
    if field.data_type().is_nested() {
        return Ok(None);
    }
    let parquet = metadata.file_metadata().schema_descr();
    let converter =
        StatisticsConverter::try_new(column, schema, parquet)?.with_missing_null_counts_as_zero(false);
    let Some(leaf) = converter.parquet_column_index() else {
        return Ok(None);
    };
    // The old fields for bounds compared text as signed bytes in some writers. A chunk without any bounds is read as
    // if it had the old fields.
    let deprecated = metadata
        .row_groups()
        .iter()
        .filter_map(|group| group.column(leaf).statistics())
        .any(|statistics| statistics.is_min_max_deprecated() && statistics.min_bytes_opt().is_some());
    Ok(Some(Ranges {
        mins: converter.row_group_mins(metadata.row_groups())?,
        maxes: converter.row_group_maxes(metadata.row_groups())?,
        nulls: converter.row_group_null_counts(metadata.row_groups())?,
        ordered: !(deprecated && field.data_type() == &DataType::Utf8),
    }))
}
