//! Column chunks that store each value once, and for each row its index: edited by the indices alone.
//!
//! Decoding the values of all rows and looking each up again to encode it is most of the work of a file in which few
//! rows change. The bounds of a chunk are what the library says of its least and its greatest value; dictionary and
//! pages of indices are our own.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType, Type as Physical};
use parquet::column::page::{CompressedPage, Page, PageReader, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::{ByteArray, ByteArrayType, DataType as ParquetType, Int32Type, Int64Type};
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::properties::WriterProperties;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, Type};
use zstd::bulk::Compressor;

use super::dictionary::{Dictionary, int, long};
use super::encode::is_plain;
use super::ready::ReadyChunk;
use super::rle::{decode, encode, levels, width};
use super::stored::{is_handled, value};
use crate::error::Result;
use crate::write::read::chunks::Chunks;
use crate::write::row_groups::Part;

/// The index of rows without a value.
const NULL: u32 = u32::MAX;
/// Distinct values that are found without an index of them.
const FEW: usize = 8;
/// Rows of a data page: what the library's writer gives them.
const PAGE_ROWS: usize = 20_000;

/// The values of one column in one row group.
pub(crate) struct DictionaryChunk {
    column: ColumnDescPtr,
    values: Dictionary,
    /// Per row the index of its value.
    indices: Vec<u32>,
}

impl DictionaryChunk {
    /// Reads a chunk of a column of type `data_type`; none where it is not of this form, or not readable: reading it
    /// as a column tells why.
    pub(crate) fn read(chunk: &ColumnChunkMetaData, data_type: &DataType, chunks: &Chunks) -> Option<Self> {
        let column = chunk.column_descr_ptr();
        let has_dictionary = chunk.dictionary_page_offset().is_some()
            && chunk.page_encoding_stats().is_some()
            && !is_plain(chunk)
            && chunk.bloom_filter_offset().is_none();
        if !has_dictionary || !is_handled(data_type, &column) {
            return None;
        }
        let rows = chunk.num_values() as usize;
        let mut pages = SerializedPageReader::new(Arc::new(chunks.clone()), chunk, rows, None).ok()?;
        let mut read = Self {
            values: Dictionary::new(column.physical_type())?,
            column,
            indices: Vec::with_capacity(rows),
        };
        while let Some(page) = pages.get_next_page().ok()? {
            read.add(&page, rows)?;
        }
        (read.indices.len() == rows).then_some(read)
    }

    /// Takes the values of some rows; none where they are not of few distinct values.
    pub(crate) fn of_few(column: ColumnDescPtr, new: &ArrayRef, rows: &[u32]) -> Option<Self> {
        if !is_handled(new.data_type(), &column) {
            return None;
        }
        let physical = column.physical_type();
        let mut values = Dictionary::new(physical)?;
        let (mut indices, mut buffer, mut last) = (Vec::with_capacity(rows.len()), Vec::new(), 0);
        for row in rows {
            let Some(value) = value(new, *row as usize, physical, &mut buffer) else {
                indices.push(NULL);
                continue;
            };
            if values.get(last) != Some(value) {
                let known = values.iter().position(|known| known == value);
                last = known.unwrap_or_else(|| values.push(value) as usize);
            }
            if values.len() > FEW {
                return None;
            }
            indices.push(last as u32);
        }
        Some(Self {
            column,
            values,
            indices,
        })
    }

    /// Takes a page of a chunk of so many rows.
    fn add(&mut self, page: &Page, rows: usize) -> Option<()> {
        match page {
            Page::DictionaryPage { buf, num_values, .. } if self.indices.is_empty() => {
                self.values.read(buf, *num_values as usize)
            }
            Page::DataPage {
                buf,
                num_values,
                encoding: Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY,
                def_level_encoding: Encoding::RLE,
                ..
            } if *num_values as usize <= rows - self.indices.len() => {
                self.add_indices(buf, *num_values as usize)
            }
            _ => None,
        }
    }

    fn add_indices(&mut self, page: &[u8], rows: usize) -> Option<()> {
        let first = self.indices.len();
        let (levels, page) = levels(page, self.column.max_def_level() > 0, rows)?;
        let valid = rows - levels.iter().filter(|level| **level == 0).count();
        if valid > 0 {
            let (width, indices) = page.split_first()?;
            decode(indices, u32::from(*width), valid, &mut self.indices)?;
        }
        let known = self.values.len() as u32;
        if self.indices[first..].iter().any(|index| *index >= known) {
            return None;
        }
        if valid < rows {
            let mut indices = self.indices.split_off(first).into_iter();
            let index = |level| if level == 0 { Some(NULL) } else { indices.next() };
            self.indices.extend(levels.into_iter().filter_map(index));
        }
        Some(())
    }

    /// Whether every updated row has its old value again.
    pub(crate) fn keeps_values(&self, part: &Part<'_>, new: &ArrayRef) -> bool {
        let mut bytes = Vec::new();
        part.updates.iter().all(|(row, new_row)| {
            let old = self
                .values
                .get(self.indices[(row - part.start) as usize] as usize);
            old == value(new, *new_row as usize, self.column.physical_type(), &mut bytes)
        })
    }

    /// Gives updated rows their new values, and takes deleted ones out.
    pub(crate) fn edit(&mut self, part: &Part<'_>, new: &ArrayRef) {
        let (mut values, mut rows, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        for (row, new_row) in part.updates {
            let row = (row - part.start) as usize;
            self.indices[row] = NULL;
            if let Some(value) = value(new, *new_row as usize, self.column.physical_type(), &mut bytes) {
                let start = values.len();
                values.extend_from_slice(value);
                rows.push((row, start..values.len()));
            }
        }
        let new_values = rows.iter().map(|(_, value)| &values[value.clone()]);
        let places = self.values.places(new_values);
        for ((row, _), place) in rows.iter().zip(places) {
            self.indices[*row] = place;
        }
        if !part.deletes.is_empty() {
            let (mut row, mut deletes) = (part.start, part.deletes);
            self.indices.retain(|_| {
                let goes = deletes.first() == Some(&row);
                deletes = &deletes[usize::from(goes)..];
                row += 1;
                !goes
            });
        }
        self.forget_unused();
    }

    fn forget_unused(&mut self) {
        let mut is_used = vec![false; self.values.len()];
        for index in self.indices.iter().filter(|index| **index != NULL) {
            is_used[*index as usize] = true;
        }
        if is_used.iter().all(|is_used| *is_used) {
            return;
        }
        let mut places = Vec::with_capacity(is_used.len());
        let mut used = 0;
        for is_used in &is_used {
            places.push(used);
            used += u32::from(*is_used);
        }
        for index in self.indices.iter_mut().filter(|index| **index != NULL) {
            *index = places[*index as usize];
        }
        self.values.retain(&is_used);
    }

    /// The chunk; none where it would better have no indices, has no values at all, or lacks one that it must have.
    pub(crate) fn write(&self, properties: WriterProperties) -> Result<Option<ReadyChunk>> {
        let nulls = self.indices.iter().filter(|index| **index == NULL).count();
        let lacks = nulls > 0 && self.column.max_def_level() == 0;
        let is_large =
            self.values.page().len() > properties.column_dictionary_page_size_limit(self.column.path());
        if lacks || is_large || self.values.len() == 0 || self.values.len() > self.indices.len() / 2 {
            return Ok(None);
        }
        let codec = properties.compression(self.column.path());
        if !matches!(codec, Compression::ZSTD(_)) {
            // The pages here are compressed so. A file of older rules may have a dictionary that a new one would not.
            return Ok(None);
        }
        let statistics = self.statistics(nulls, properties)?;
        let mut chunk = Pages::new()?;
        chunk.write(self.values.page(), |buf| Page::DictionaryPage {
            buf,
            num_values: self.values.len() as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        })?;
        let first = chunk.sink.bytes_written();
        let (mut pages, mut offsets) = (0, OffsetIndexBuilder::new());
        let mut text_bytes = 0;
        for indices in self.indices.chunks(PAGE_ROWS) {
            let (page, bytes) = self.page(indices);
            let written = chunk.write(&page, |buf| Page::DataPage {
                buf,
                num_values: indices.len() as u32,
                encoding: Encoding::RLE_DICTIONARY,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            })?;
            offsets.append_row_count(indices.len() as i64);
            offsets.append_offset_and_size(written.offset as i64, written.compressed_size as i32);
            offsets.append_unencoded_byte_array_data_bytes(bytes);
            text_bytes += bytes.unwrap_or(0);
            pages += 1;
        }
        let uncompressed = chunk.uncompressed;
        let bytes = Bytes::from(chunk.sink.into_inner()?);
        let is_text = self.column.physical_type() == Physical::BYTE_ARRAY;
        let counted = |page_type, encoding, count| PageEncodingStats {
            page_type,
            encoding,
            count,
        };
        let mut metadata = ColumnChunkMetaData::builder(self.column.clone())
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_page_encoding_stats(vec![
                counted(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1),
                counted(PageType::DATA_PAGE, Encoding::RLE_DICTIONARY, pages),
            ])
            .set_compression(codec)
            .set_num_values(self.indices.len() as i64)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(uncompressed)
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(first as i64)
            .set_unencoded_byte_array_data_bytes(is_text.then_some(text_bytes));
        if let Some(statistics) = statistics {
            metadata = metadata.set_statistics(statistics);
        }
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.indices.len() as u64,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(offsets.build()),
        };
        Ok(Some(ReadyChunk::Dictionary(bytes, close)))
    }

    /// A data page of rows with these indices, and how many bytes their values have where they are text.
    fn page(&self, indices: &[u32]) -> (Vec<u8>, Option<i64>) {
        let mut page = Vec::new();
        if self.column.max_def_level() > 0 {
            let levels: Vec<u32> = indices.iter().map(|index| u32::from(*index != NULL)).collect();
            let levels = encode(&levels, 1);
            page.extend((levels.len() as u32).to_le_bytes());
            page.extend(levels);
        }
        let width = width(self.values.len().saturating_sub(1) as u32);
        page.push(width as u8);
        let valid: Cow<'_, [u32]> = if indices.contains(&NULL) {
            indices.iter().copied().filter(|index| *index != NULL).collect()
        } else {
            indices.into()
        };
        page.extend(encode(&valid, width));
        let is_text = self.column.physical_type() == Physical::BYTE_ARRAY;
        let size = |index: &u32| self.values.get(*index as usize).map_or(0, <[u8]>::len) as i64;
        (page, is_text.then(|| valid.iter().map(size).sum()))
    }

    /// What the library says of the least and the greatest value, and of as many nulls as there are.
    fn statistics(&self, nulls: usize, properties: WriterProperties) -> Result<Option<Statistics>> {
        let Some((least, greatest)) = self.values.bounds() else {
            return Ok(None);
        };
        let bounds = [least, greatest];
        match self.column.physical_type() {
            Physical::INT32 => self.statistics_of::<Int32Type>(&bounds.map(int), nulls, properties),
            Physical::INT64 => self.statistics_of::<Int64Type>(&bounds.map(long), nulls, properties),
            Physical::BYTE_ARRAY => {
                let bounds = bounds.map(|bound| ByteArray::from(bound.to_vec()));
                self.statistics_of::<ByteArrayType>(&bounds, nulls, properties)
            }
            _ => Ok(None),
        }
    }

    fn statistics_of<T: ParquetType>(
        &self,
        bounds: &[T::T],
        nulls: usize,
        properties: WriterProperties,
    ) -> Result<Option<Statistics>> {
        let root = Type::group_type_builder("schema").with_fields(vec![self.column.self_type_ptr()]);
        let mut file = SerializedFileWriter::new(io::sink(), Arc::new(root.build()?), Arc::new(properties))?;
        let mut group = file.next_row_group()?;
        let Some(mut column) = group.next_column()? else {
            return Ok(None);
        };
        let levels: Vec<i16> = std::iter::repeat_n(1, bounds.len())
            .chain(std::iter::repeat_n(0, nulls))
            .collect();
        let levels = (self.column.max_def_level() > 0).then_some(levels.as_slice());
        column.typed::<T>().write_batch(bounds, levels, None)?;
        column.close()?;
        Ok(group.close()?.column(0).statistics().cloned())
    }
}

/// The pages of a chunk, compressed as all of a file's pages are.
struct Pages {
    sink: TrackedWrite<Vec<u8>>,
    compressor: Compressor<'static>,
    /// Bytes of the pages before they were compressed, with those of their headers.
    uncompressed: i64,
}

impl Pages {
    fn new() -> Result<Self> {
        Ok(Self {
            sink: TrackedWrite::new(Vec::new()),
            compressor: Compressor::new(1)?,
            uncompressed: 0,
        })
    }

    fn write(&mut self, bytes: &[u8], page: impl FnOnce(Bytes) -> Page) -> Result<PageWriteSpec> {
        let page = page(self.compressor.compress(bytes)?.into());
        let compressed = CompressedPage::new(page, bytes.len());
        let written = SerializedPageWriter::new(&mut self.sink).write_page(compressed)?;
        self.uncompressed += written.uncompressed_size as i64;
        Ok(written)
    }
}
