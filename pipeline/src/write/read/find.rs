//! Finding the rows of a batch's keys in a file.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::sync::Arc;

use arrow::array::{AsArray, StringArray, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::bloom_filter::Sbbf;

use super::batches::BATCH_ROWS;
use super::key_index::Bounds;
use super::ranges::ranges;
use crate::error::{Error, Result};
use crate::write::{KeyIndex, OpenFile};

/// A row of a file whose key is in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Ordinal in the file.
    pub file_row: u64,
    /// Row of the batch that the index was made from.
    pub key: u32,
}

/// Rows of `file` whose key is in the index, by ascending file row.
///
/// `key_names` are the file's columns in the order of the index. With `only`, keys whose bit is not set are not looked
/// for. Row groups that cannot hold a key by their bounds or Bloom filters are not read, of the others only the key
/// columns. Blocks; see [`OpenFile`].
pub fn find(
    file: &OpenFile,
    key_names: &[String],
    index: &KeyIndex,
    only: Option<&BooleanBuffer>,
) -> Result<Vec<Found>> {
    if key_names.len() != index.types().count() || only.is_some_and(|only| only.len() != index.len()) {
        return Err(Error::internal(
            "names or selection of keys do not fit their index",
        ));
    }
    let fields = key_names
        .iter()
        .zip(index.types())
        .map(|(name, kind)| Field::new(name, kind.clone(), true));
    let search = Search {
        file,
        index,
        only,
        keys: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
    };
    let bounds = search.bounds()?;
    let mut found = Vec::new();
    for group in 0..file.groups() {
        if search.may_hold(group, &bounds)? {
            search.read(group, &mut found)?;
        }
    }
    Ok(found)
}

struct Search<'a> {
    file: &'a OpenFile,
    index: &'a KeyIndex,
    only: Option<&'a BooleanBuffer>,
    keys: SchemaRef,
}

impl Search<'_> {
    fn bounds(&self) -> Result<Vec<Bounds>> {
        let bounds = self.keys.fields().iter().map(|field| {
            Ok(
                match ranges(self.file.metadata(), self.file.schema(), field.name())? {
                    Some(ranges) if ranges.ordered && ranges.mins.data_type() == field.data_type() => {
                        Bounds {
                            low: ranges.mins,
                            high: ranges.maxes,
                        }
                    }
                    _ => {
                        let open = new_null_array(field.data_type(), self.file.groups());
                        Bounds {
                            low: Arc::clone(&open),
                            high: open,
                        }
                    }
                },
            )
        });
        bounds.collect()
    }

    /// Whether any key that is looked for can be in the row group. Its filters are fetched when a key is within its bounds.
    fn may_hold(&self, group: usize, bounds: &[Bounds]) -> Result<bool> {
        let filters = OnceCell::new();
        self.index.any_within(bounds, group, self.only, |key| {
            let filters = match filters.get() {
                Some(filters) => filters,
                None => {
                    let fetched = self.filters(group)?;
                    filters.get_or_init(|| fetched)
                }
            };
            let is_perhaps_in =
                |(values, filter): &(&StringArray, Sbbf)| filter.check(values.value(key as usize));
            Ok(filters.iter().all(is_perhaps_in))
        })
    }

    /// The Bloom filters of a row group, each with the keys' values of its column; those of the most values first.
    fn filters(&self, group: usize) -> Result<Vec<(&StringArray, Sbbf)>> {
        let mut ranges = Vec::new();
        for (column, field) in self.keys.fields().iter().enumerate() {
            let is_text = field.data_type() == &DataType::Utf8;
            if let Some(leaf) = self.file.leaves(field.name()).next().filter(|_| is_text)
                && let Some(range) = self.file.bloom_range(group, leaf)
            {
                ranges.push((column, leaf, range));
            }
        }
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        ranges.sort_by_key(|(_, _, range)| Reverse(range.end - range.start));
        let chunks = ranges.iter().map(|(_, _, range)| range.clone());
        let chunks = self.file.fetch(chunks.collect())?;
        let mut filters = Vec::new();
        for (column, leaf, _) in ranges {
            let chunk = self.file.row_group(group).column(leaf);
            let filter = Sbbf::read_from_column_chunk(chunk, &chunks)?;
            filters.extend(filter.map(|filter| (self.index.column(column).as_string(), filter)));
        }
        Ok(filters)
    }

    fn read(&self, group: usize, found: &mut Vec<Found>) -> Result<()> {
        let chunks = self.file.fetch(self.file.ranges(group, &self.keys))?;
        let mut first = self.file.span(group).start;
        for batch in self
            .file
            .read_group(group, &chunks, &self.keys, None, BATCH_ROWS)?
        {
            let batch = batch?;
            let matches = self.index.probe(batch.columns())?;
            let wanted = matches
                .into_iter()
                .filter(|(_, key)| self.only.is_none_or(|only| only.value(*key as usize)));
            found.extend(wanted.map(|(row, key)| Found {
                file_row: first + u64::from(row),
                key,
            }));
            first += batch.num_rows() as u64;
        }
        Ok(())
    }
}
