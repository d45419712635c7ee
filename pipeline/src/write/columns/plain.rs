//! Column chunks that store the value of every row one after the other: compared without decoding them.

use std::sync::Arc;

use arrow::array::ArrayRef;
use parquet::basic::{Encoding, Type as Physical};
use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;

use super::rle::levels;
use super::stored::{is_handled, value};
use crate::write::read::chunks::Chunks;
use crate::write::row_groups::Part;

/// Whether every updated row has its old value again; none where the chunk is not of this form, or not readable: reading
/// it as a column tells why.
pub(crate) fn keeps_values(
    chunk: &ColumnChunkMetaData,
    chunks: &Chunks,
    part: &Part<'_>,
    new: &ArrayRef,
) -> Option<bool> {
    let column = chunk.column_descr_ptr();
    if chunk.dictionary_page_offset().is_some() || !is_handled(new.data_type(), &column) {
        return None;
    }
    let rows = chunk.num_values() as usize;
    let mut pages = SerializedPageReader::new(Arc::new(chunks.clone()), chunk, rows, None).ok()?;
    let (mut first, mut updates, mut bytes) = (part.start, part.updates, Vec::new());
    while !updates.is_empty() {
        let rows = pages.peek_next_page().ok()??.num_levels? as u64;
        if rows > part.start + part.old_rows - first {
            return None;
        }
        let end = first + rows;
        let (of_page, others) = updates.split_at(updates.partition_point(|(row, _)| *row < end));
        if of_page.is_empty() {
            pages.skip_next_page().ok()?;
        } else {
            let page = pages.get_next_page().ok()??;
            let mut values = Values::of(&page, column.physical_type(), column.max_def_level() > 0)?;
            let mut next = first;
            for (row, new_row) in of_page {
                for _ in next..*row {
                    values.take()?;
                }
                next = row + 1;
                if values.take()? != value(new, *new_row as usize, column.physical_type(), &mut bytes) {
                    return Some(false);
                }
            }
        }
        (first, updates) = (end, others);
    }
    Some(true)
}

/// The values of a page, row by row.
struct Values<'a> {
    physical: Physical,
    /// Of each row whether it has a value; nothing where all have one.
    levels: std::vec::IntoIter<u32>,
    has_levels: bool,
    bytes: &'a [u8],
}

impl<'a> Values<'a> {
    fn of(page: &'a Page, physical: Physical, has_levels: bool) -> Option<Self> {
        let Page::DataPage {
            buf,
            num_values,
            encoding: Encoding::PLAIN,
            def_level_encoding: Encoding::RLE,
            ..
        } = page
        else {
            return None;
        };
        let (levels, bytes) = levels(buf, has_levels, *num_values as usize)?;
        Some(Self {
            physical,
            levels: levels.into_iter(),
            has_levels,
            bytes,
        })
    }

    /// The value of the next row, if it has one; none where the page ends before.
    #[inline]
    fn take(&mut self) -> Option<Option<&'a [u8]>> {
        if self.has_levels && self.levels.next()? == 0 {
            return Some(None);
        }
        let size = match self.physical {
            Physical::BYTE_ARRAY => {
                let (size, rest) = self.bytes.split_first_chunk::<4>()?;
                self.bytes = rest;
                u32::from_le_bytes(*size) as usize
            }
            Physical::INT32 => 4,
            _ => 8,
        };
        let (value, rest) = self.bytes.split_at_checked(size)?;
        self.bytes = rest;
        Some(Some(value))
    }
}
