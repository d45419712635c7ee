//! Encoding of fresh column chunks.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, FieldRef, Schema};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::{
    BloomFilterPosition, EnabledStatistics, WriterProperties, WriterPropertiesBuilder,
};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use crate::error::{Error, Result};
use crate::row_hash::hash_rows;
use crate::write::WriteOptions;

/// Encoded bytes of a row group at which the next one begins, however few its rows.
const ROW_GROUP_BYTES: usize = 256 << 20;
/// Values by which it is decided whether a column gets a dictionary.
const SAMPLE: usize = 1024;
/// How often a Bloom filter may say "perhaps" of an absent value: so seldom that it rules a file out also where thousands
/// of keys are looked for.
const BLOOM_FALSE_POSITIVES: f64 = 1e-5;

/// Properties of files and chunks: zstd, bounds per chunk, no Arrow schema beside the Parquet one, so that files of
/// different age differ in nothing that readers see.
pub(crate) fn properties(
    schema: &Schema,
    options: &WriteOptions,
    rows: u64,
) -> Result<WriterPropertiesBuilder> {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        // Beside page index and footer, so that one read from the end has all by which rows are looked for.
        .set_bloom_filter_position(BloomFilterPosition::End)
        .set_max_row_group_row_count(Some(options.row_group_rows.max(1)))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES));
    for field in schema.fields() {
        let path = ColumnPath::from(field.name().as_str());
        if options.counting.contains(field.name()) {
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED);
        }
        if options.random.contains(field.name()) {
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_compression(path.clone(), Compression::UNCOMPRESSED);
        }
        if field.data_type() == &DataType::Utf8 && options.bloom_filters.contains(field.name()) {
            builder = builder
                .set_column_bloom_filter_enabled(path.clone(), true)
                .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE_POSITIVES)
                .set_column_bloom_filter_max_ndv(path, rows.max(1));
        }
    }
    Ok(builder)
}

/// Encodes one column of a row group of at most `rows` rows from its values in order; one chunk per leaf. The leaves
/// in `plain` get no dictionary.
pub(crate) fn encode(
    field: &FieldRef,
    arrays: impl Iterator<Item = Result<ArrayRef>>,
    rows: u64,
    plain: &[ColumnPath],
    options: &WriteOptions,
) -> Result<Vec<ArrowColumnChunk>> {
    let mut arrays = arrays.peekable();
    let schema = Arc::new(Schema::new(vec![Arc::clone(field)]));
    let mut builder = properties(&schema, options, rows)?;
    for path in plain {
        builder = builder.set_column_dictionary_enabled(path.clone(), false);
    }
    if let Some(Ok(first)) = arrays.peek()
        && mostly_distinct(first, rows)?
    {
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), false);
    }
    let parquet = ArrowSchemaConverter::new().convert(&schema)?;
    // Only a file writer makes column writers; this one writes no file.
    let file = SerializedFileWriter::new(io::sink(), parquet.root_schema_ptr(), Arc::new(builder.build()))?;
    let mut writers = ArrowRowGroupWriterFactory::new(&file, schema).create_column_writers(0)?;
    for array in arrays {
        let array = array?;
        if array.is_empty() {
            continue;
        }
        if !field.is_nullable() && array.null_count() > 0 {
            return Err(Error::data("a column that must not be null has nulls").with("column", field.name()));
        }
        for (leaf, writer) in compute_leaves(field, &array)?.iter().zip(&mut writers) {
            writer.write(leaf)?;
        }
    }
    Ok(writers
        .into_iter()
        .map(|writer| writer.close())
        .collect::<Result<_, _>>()?)
}

/// Whether a dictionary of the column would have more than half as many entries as there are rows, as far as a sample
/// of the first values tells: making it costs more than it saves.
fn mostly_distinct(first: &ArrayRef, rows: u64) -> Result<bool> {
    if first.len() < SAMPLE || first.data_type().is_nested() || first.data_type() == &DataType::Boolean {
        return Ok(false);
    }
    let stride = first.len() / SAMPLE;
    let places = UInt32Array::from_iter_values((0..SAMPLE).map(|place| (place * stride) as u32));
    let sample = take(first, &places, None)?;
    let found = sample.len() - sample.null_count();
    let mut distinct = HashSet::with_capacity(SAMPLE);
    for (row, hash) in hash_rows(std::slice::from_ref(&sample))?.into_iter().enumerate() {
        if sample.is_valid(row) {
            distinct.insert(hash);
        }
    }
    // So many of them are expected to be distinct where the column has half as many values as rows.
    let values = rows as f64 / 2.0;
    let expected = values * (1.0 - (-(found as f64) / values).exp());
    Ok(distinct.len() as f64 > expected)
}

/// Whether a chunk's writer gave up its dictionary, or never had one: trying again would only cost time.
pub(crate) fn is_plain(chunk: &ColumnChunkMetaData) -> bool {
    let is_data = |page| matches!(page, PageType::DATA_PAGE | PageType::DATA_PAGE_V2);
    chunk.page_encoding_stats().is_some_and(|pages| {
        pages
            .iter()
            .any(|page| is_data(page.page_type) && page.encoding == Encoding::PLAIN && page.count > 0)
    })
}
