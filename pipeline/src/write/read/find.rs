//! Finding the rows of a batch's keys in a file.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::bloom_filter::Sbbf;

use super::batches::BATCH_ROWS;
use super::key_index::comparator;
use super::ranges::ranges;
use crate::error::{Error, Result};
use crate::write::{KeyIndex, OpenFile};

/// Keys that are looked up one by one before a row group is read: with more, a Bloom filter that errs once in a
/// hundred hardly ever rules all of them out.
const SINGLE_KEYS: usize = 256;

/// Keys by which it is told at first whether many are within the bounds of a row group.
const SAMPLED_KEYS: usize = 1024;

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

/// Minimum and maximum of a key column per row group, null where not known.
struct Bounds {
    low: ArrayRef,
    high: ArrayRef,
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

    /// Whether any key that is looked for can be in the row group.
    fn may_hold(&self, group: usize, bounds: &[Bounds]) -> Result<bool> {
        if self.mostly_between(bounds, group)? {
            return Ok(true);
        }
        let mut narrowest: Option<&[u32]> = None;
        for (column, bounds) in bounds.iter().enumerate() {
            let between = self.index.between(column, &bounds.low, &bounds.high, group)?;
            if narrowest.is_none_or(|narrowest| between.len() < narrowest.len()) {
                narrowest = Some(between);
            }
        }
        let narrowest = narrowest.unwrap_or_default();
        let wanted = narrowest
            .iter()
            .copied()
            .filter(|key| self.only.is_none_or(|only| only.value(*key as usize)));
        let mut keys: Vec<u32> = wanted.take(SINGLE_KEYS + 1).collect();
        if keys.len() > SINGLE_KEYS {
            return Ok(true);
        }
        for (column, bounds) in bounds.iter().enumerate() {
            self.retain_between(&mut keys, column, bounds, group)?;
        }
        if !keys.is_empty() {
            self.retain_by_bloom(&mut keys, group)?;
        }
        Ok(!keys.is_empty())
    }

    /// Whether too many of a few keys are within the bounds for looking closer, which takes all keys in order.
    fn mostly_between(&self, bounds: &[Bounds], group: usize) -> Result<bool> {
        let wanted = |key: &u32| self.only.is_none_or(|only| only.value(*key as usize));
        let some = (0..self.index.len() as u32).step_by(self.index.len() / SAMPLED_KEYS + 1);
        let mut keys: Vec<u32> = some.filter(wanted).collect();
        for (column, bounds) in bounds.iter().enumerate() {
            self.retain_between(&mut keys, column, bounds, group)?;
        }
        Ok(keys.len() > SINGLE_KEYS)
    }

    fn retain_between(
        &self,
        keys: &mut Vec<u32>,
        column: usize,
        bounds: &Bounds,
        group: usize,
    ) -> Result<()> {
        let values = self.index.column(column);
        let (low, high) = (
            comparator(values, &bounds.low)?,
            comparator(values, &bounds.high)?,
        );
        let (from, to) = (bounds.low.is_valid(group), bounds.high.is_valid(group));
        keys.retain(|key| {
            let key = *key as usize;
            let below = from && low(key, group) == Ordering::Less;
            let above = to && high(key, group) == Ordering::Greater;
            !below && !above
        });
        Ok(())
    }

    fn retain_by_bloom(&self, keys: &mut Vec<u32>, group: usize) -> Result<()> {
        let mut filters = Vec::new();
        for (column, field) in self.keys.fields().iter().enumerate() {
            let is_text = field.data_type() == &DataType::Utf8;
            if let Some(leaf) = self.file.leaves(field.name()).next().filter(|_| is_text)
                && let Some(range) = self.file.bloom_range(group, leaf)
            {
                filters.push((column, leaf, range));
            }
        }
        if filters.is_empty() {
            return Ok(());
        }
        let chunks = self
            .file
            .fetch(filters.iter().map(|(_, _, range)| range.clone()).collect())?;
        for (column, leaf, _) in filters {
            let chunk = self.file.row_group(group).column(leaf);
            if let Some(filter) = Sbbf::read_from_column_chunk(chunk, &chunks)? {
                let values = self.index.column(column).as_string::<i32>();
                keys.retain(|key| filter.check(values.value(*key as usize)));
            }
        }
        Ok(())
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
