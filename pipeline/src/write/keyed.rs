//! Column chunks that store each value once, and for each row its key: edited by the keys alone.
//!
//! Decoding the values of all rows and looking each up again to encode it is most of the work of a file in which few
//! rows change. What the library says about a chunk (its bounds, its dictionary page) it says of the distinct values
//! here, in the order of their keys; only the pages of keys are our own.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use bytes::Bytes;
use parquet::basic::{Encoding, PageType, Type as Physical};
use parquet::column::page::{CompressedPage, Page, PageReader, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType as ParquetType, Int32Type, Int64Type as PlainInt64Type,
};
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::properties::WriterProperties;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, Type};

use super::chunks::Chunks;
use super::encode::is_plain;
use super::hybrid::{decode, encode, width};
use super::plan::Part;
use super::ready::ReadyChunk;
use crate::error::Result;

/// The key of rows without a value.
const NULL: u32 = u32::MAX;
/// Rows of a data page: what the library's writer gives them.
const PAGE_ROWS: usize = 20_000;

/// The values of one column in one row group.
pub(super) struct Keyed {
    column: ColumnDescPtr,
    /// Distinct values as their bytes in a dictionary page, without a length before them.
    values: Vec<Bytes>,
    /// Per row the place of its value.
    keys: Vec<u32>,
}

impl Keyed {
    /// Reads a chunk of a column of type `data_type`; none where it is not of this form, or not readable: reading it
    /// as a column tells why.
    pub(super) fn read(chunk: &ColumnChunkMetaData, data_type: &DataType, chunks: &Chunks) -> Option<Self> {
        let column = chunk.column_descr_ptr();
        let is_keyed = chunk.dictionary_page_offset().is_some()
            && chunk.page_encoding_stats().is_some()
            && !is_plain(chunk)
            && chunk.bloom_filter_offset().is_none()
            && column.max_rep_level() == 0
            && column.max_def_level() <= 1;
        if !is_keyed || !is_handled(data_type, column.physical_type()) {
            return None;
        }
        let rows = chunk.num_values() as usize;
        let mut pages = SerializedPageReader::new(Arc::new(chunks.clone()), chunk, rows, None).ok()?;
        let mut keyed = Self {
            column,
            values: Vec::new(),
            keys: Vec::with_capacity(rows),
        };
        while let Some(page) = pages.get_next_page().ok()? {
            keyed.add(&page)?;
        }
        (keyed.keys.len() == rows).then_some(keyed)
    }

    fn add(&mut self, page: &Page) -> Option<()> {
        match page {
            Page::DictionaryPage { buf, num_values, .. } => {
                self.values = distinct(buf, *num_values as usize, &self.column)?;
                Some(())
            }
            Page::DataPage {
                buf,
                num_values,
                encoding: Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY,
                def_level_encoding: Encoding::RLE,
                ..
            } => self.add_keys(buf, *num_values as usize),
            _ => None,
        }
    }

    fn add_keys(&mut self, mut page: &[u8], rows: usize) -> Option<()> {
        let first = self.keys.len();
        let mut levels = Vec::new();
        if self.column.max_def_level() > 0 {
            let (size, rest) = page.split_first_chunk::<4>()?;
            let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*size) as usize)?;
            decode(bytes, 1, rows, &mut levels)?;
            page = rest;
        }
        let valid = rows - levels.iter().filter(|level| **level == 0).count();
        if valid > 0 {
            let (width, keys) = page.split_first()?;
            decode(keys, u32::from(*width), valid, &mut self.keys)?;
        }
        let known = self.values.len() as u32;
        if self.keys[first..].iter().any(|key| *key >= known) {
            return None;
        }
        if valid < rows {
            let mut keys = self.keys.split_off(first).into_iter();
            let key = |level| if level == 0 { Some(NULL) } else { keys.next() };
            self.keys.extend(levels.into_iter().filter_map(key));
        }
        Some(())
    }

    /// Whether every updated row has its old value again.
    pub(super) fn keeps_values(&self, part: &Part<'_>, new: &ArrayRef) -> bool {
        let mut bytes = Vec::new();
        part.updates.iter().all(|(row, new_row)| {
            let old = self.values.get(self.keys[(row - part.start) as usize] as usize);
            let is_valid = self.plain(new, *new_row as usize, &mut bytes);
            old.map(Bytes::as_ref) == is_valid.then_some(bytes.as_slice())
        })
    }

    /// Gives updated rows their new values, and takes deleted ones out. False, and nothing done, where the dictionary
    /// has a value twice: ours cannot, since the library makes its page.
    pub(super) fn edit(&mut self, part: &Part<'_>, new: &ArrayRef) -> bool {
        let mut known: HashMap<Bytes, u32> = self.values.iter().cloned().zip(0..).collect();
        if known.len() < self.values.len() {
            return false;
        }
        let mut bytes = Vec::new();
        for (row, new_row) in part.updates {
            let key = if !self.plain(new, *new_row as usize, &mut bytes) {
                NULL
            } else if let Some(key) = known.get(bytes.as_slice()) {
                *key
            } else {
                let (key, value) = (self.values.len() as u32, Bytes::copy_from_slice(&bytes));
                known.insert(value.clone(), key);
                self.values.push(value);
                key
            };
            self.keys[(row - part.start) as usize] = key;
        }
        if !part.deletes.is_empty() {
            let (mut row, mut deletes) = (part.start, part.deletes);
            self.keys.retain(|_| {
                let goes = deletes.first() == Some(&row);
                deletes = &deletes[usize::from(goes)..];
                row += 1;
                !goes
            });
        }
        self.forget_unused();
        true
    }

    fn forget_unused(&mut self) {
        let mut is_used = vec![false; self.values.len()];
        for key in self.keys.iter().filter(|key| **key != NULL) {
            is_used[*key as usize] = true;
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
        for key in self.keys.iter_mut().filter(|key| **key != NULL) {
            *key = places[*key as usize];
        }
        let mut is_used = is_used.into_iter();
        self.values.retain(|_| is_used.next().unwrap_or(false));
    }

    /// The chunk; none where it would better have no keys, has no values at all, or lacks one that it must have.
    pub(super) fn write(&self, properties: WriterProperties) -> Result<Option<ReadyChunk>> {
        let nulls = self.keys.iter().filter(|key| **key == NULL).count();
        let lacks = nulls > 0 && self.column.max_def_level() == 0;
        if lacks || self.values.is_empty() || self.values.len() > self.keys.len() / 2 {
            return Ok(None);
        }
        let codec = properties.compression(self.column.path());
        let Some((dictionary, described)) = self.describe(nulls, properties)? else {
            return Ok(None);
        };
        let mut sink = TrackedWrite::new(Vec::new());
        std::io::Write::write_all(&mut sink, &dictionary)?;
        let mut compressor = zstd::bulk::Compressor::new(1)?;
        let (mut pages, mut index) = (0, OffsetIndexBuilder::new());
        // A little too much: the library made pages of keys for the distinct values.
        let mut uncompressed = described.uncompressed_size();
        let first = sink.bytes_written();
        let mut text_bytes = 0;
        for keys in self.keys.chunks(PAGE_ROWS) {
            let (page, bytes) = self.page(keys);
            let compressed = CompressedPage::new(
                Page::DataPage {
                    buf: compressor.compress(&page)?.into(),
                    num_values: keys.len() as u32,
                    encoding: Encoding::RLE_DICTIONARY,
                    def_level_encoding: Encoding::RLE,
                    rep_level_encoding: Encoding::RLE,
                    statistics: None,
                },
                page.len(),
            );
            let written = SerializedPageWriter::new(&mut sink).write_page(compressed)?;
            uncompressed += written.uncompressed_size as i64;
            index.append_row_count(keys.len() as i64);
            index.append_offset_and_size(written.offset as i64, written.compressed_size as i32);
            index.append_unencoded_byte_array_data_bytes(bytes);
            text_bytes += bytes.unwrap_or(0);
            pages += 1;
        }
        let bytes = Bytes::from(sink.into_inner()?);
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
            .set_num_values(self.keys.len() as i64)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(uncompressed)
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(first as i64)
            .set_unencoded_byte_array_data_bytes(is_text.then_some(text_bytes));
        if let Some(statistics) = described.statistics() {
            metadata = metadata.set_statistics(statistics.clone());
        }
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.keys.len() as u64,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(index.build()),
        };
        Ok(Some(ReadyChunk::Keyed(bytes, close)))
    }

    /// A data page of rows with these keys, and how many bytes their values have where they are text.
    fn page(&self, keys: &[u32]) -> (Vec<u8>, Option<i64>) {
        let mut page = Vec::new();
        if self.column.max_def_level() > 0 {
            let levels: Vec<u32> = keys.iter().map(|key| u32::from(*key != NULL)).collect();
            let levels = encode(&levels, 1);
            page.extend((levels.len() as u32).to_le_bytes());
            page.extend(levels);
        }
        let width = width(self.values.len().saturating_sub(1) as u32);
        page.push(width as u8);
        let valid: Vec<u32> = keys.iter().copied().filter(|key| *key != NULL).collect();
        page.extend(encode(&valid, width));
        let is_text = self.column.physical_type() == Physical::BYTE_ARRAY;
        let size = |key: &u32| self.values[*key as usize].len() as i64;
        (page, is_text.then(|| valid.iter().map(size).sum()))
    }

    /// What the library makes of the distinct values and as many nulls as there are.
    fn describe(
        &self,
        nulls: usize,
        properties: WriterProperties,
    ) -> Result<Option<(Bytes, ColumnChunkMetaData)>> {
        let int = |value: &Bytes| value.first_chunk().copied().map_or(0, i32::from_le_bytes);
        let long = |value: &Bytes| value.first_chunk().copied().map_or(0, i64::from_le_bytes);
        match self.column.physical_type() {
            Physical::INT32 => self.describe_as::<Int32Type>(int, nulls, properties),
            Physical::INT64 => self.describe_as::<PlainInt64Type>(long, nulls, properties),
            Physical::BYTE_ARRAY => {
                self.describe_as::<ByteArrayType>(|value| ByteArray::from(value.clone()), nulls, properties)
            }
            _ => Ok(None),
        }
    }

    fn describe_as<T: ParquetType>(
        &self,
        value: impl Fn(&Bytes) -> T::T,
        nulls: usize,
        properties: WriterProperties,
    ) -> Result<Option<(Bytes, ColumnChunkMetaData)>> {
        let root = Type::group_type_builder("schema").with_fields(vec![self.column.self_type_ptr()]);
        let mut file = SerializedFileWriter::new(Vec::new(), Arc::new(root.build()?), Arc::new(properties))?;
        let mut group = file.next_row_group()?;
        let Some(mut column) = group.next_column()? else {
            return Ok(None);
        };
        let values: Vec<T::T> = self.values.iter().map(value).collect();
        let levels: Vec<i16> = std::iter::repeat_n(1, values.len())
            .chain(std::iter::repeat_n(0, nulls))
            .collect();
        let levels = (self.column.max_def_level() > 0).then_some(levels.as_slice());
        column.typed::<T>().write_batch(&values, levels, None)?;
        column.close()?;
        let metadata = group.close()?.column(0).clone();
        let bytes = Bytes::from(file.into_inner()?);
        let Some(start) = metadata.dictionary_page_offset().filter(|_| !is_plain(&metadata)) else {
            return Ok(None);
        };
        let dictionary = bytes.slice(start as usize..metadata.data_page_offset() as usize);
        Ok(Some((dictionary, metadata)))
    }

    /// Writes the bytes of a new value as a dictionary has them; says whether there is one.
    fn plain(&self, new: &ArrayRef, row: usize, bytes: &mut Vec<u8>) -> bool {
        bytes.clear();
        if new.is_null(row) {
            return false;
        }
        match new.data_type() {
            DataType::Utf8 => bytes.extend(new.as_string::<i32>().value(row).as_bytes()),
            DataType::Int64 => bytes.extend(new.as_primitive::<Int64Type>().value(row).to_le_bytes()),
            DataType::Date32 => bytes.extend(new.as_primitive::<Date32Type>().value(row).to_le_bytes()),
            DataType::Timestamp(..) => {
                let instants = new.as_primitive::<TimestampMicrosecondType>();
                bytes.extend(instants.value(row).to_le_bytes());
            }
            _ => {
                let number = new.as_primitive::<Decimal128Type>().value(row);
                match self.column.physical_type() {
                    Physical::INT32 => bytes.extend((number as i32).to_le_bytes()),
                    _ => bytes.extend((number as i64).to_le_bytes()),
                }
            }
        }
        true
    }
}

/// Types whose values are equal exactly when their bytes are, and that get dictionaries.
fn is_handled(data_type: &DataType, physical: Physical) -> bool {
    matches!(
        (data_type, physical),
        (DataType::Utf8, Physical::BYTE_ARRAY)
            | (DataType::Int64, Physical::INT64)
            | (DataType::Date32, Physical::INT32)
            | (DataType::Timestamp(TimeUnit::Microsecond, _), Physical::INT64)
            | (DataType::Decimal128(..), Physical::INT32 | Physical::INT64)
    )
}

/// The values of a dictionary page; none where it does not hold so many.
fn distinct(page: &Bytes, count: usize, column: &ColumnDescPtr) -> Option<Vec<Bytes>> {
    let fixed = match column.physical_type() {
        Physical::INT32 => Some(4),
        Physical::INT64 => Some(8),
        _ => None,
    };
    let mut at = 0;
    let value = |_| {
        let size = match fixed {
            Some(size) => size,
            None => {
                let size = page.get(at..)?.first_chunk::<4>()?;
                at += size.len();
                u32::from_le_bytes(*size) as usize
            }
        };
        let value = page.get(at..at.checked_add(size)?)?;
        at += size;
        Some(page.slice_ref(value))
    };
    (0..count).map(value).collect()
}
