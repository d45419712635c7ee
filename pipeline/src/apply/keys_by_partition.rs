//! The keys of a batch, arranged by what the partition of a file says of them.
//!
//! Files do not hold partition columns. What a partition says of a key rules files out before they are opened, and so do the
//! bounds that the log has of the other columns; only then these are looked for in the file. Partition columns outside the key say nothing about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

use crate::delta::partition::{PartitionValues, RowPartitions};
use crate::delta::{DataFile, End, bound};
use crate::error::{Error, Result};
use crate::write::{Bounds, Found, KeyIndex, find};

use super::open_files::OpenFiles;
use crate::blocking::blocking;
use crate::keep::{key_positions, take_rows};

/// Keys to look for in the files of a table.
pub(super) struct Keys {
    in_partition: Vec<String>,
    in_file: Vec<String>,
    parts: BTreeMap<PartitionValues, Part>,
}

/// The keys that files of some partitions can hold.
struct Part {
    /// Rows of the batch.
    rows: Vec<u32>,
    /// Their keys as files have them; none where the partition says all of the key.
    index: Option<Arc<KeyIndex>>,
}

impl Keys {
    /// The keys of `rows`, which are distinct and not null, of a table with these partition columns.
    pub(super) fn new(rows: &RecordBatch, key: &[String], partition: &[String]) -> Result<Self> {
        let (in_partition, in_file): (Vec<String>, Vec<String>) =
            key.iter().cloned().partition(|name| partition.contains(name));
        let part = |rows_of: &[u32]| {
            if in_file.is_empty() {
                return Ok::<_, Error>(None);
            }
            let rows = take_rows(rows, rows_of)?;
            let index = KeyIndex::new(&rows, &key_positions(rows.schema_ref(), &in_file)?)?;
            Ok(Some(Arc::new(index)))
        };
        let parts = RowPartitions::of(rows, &in_partition)?
            .groups()
            .into_iter()
            .map(|(values, rows)| {
                Ok((
                    values,
                    Part {
                        index: part(&rows)?,
                        rows,
                    },
                ))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            in_partition,
            in_file,
            parts,
        })
    }

    /// Rows of a file with one of the keys, in the order of the file. With `only`, keys whose bit is not set are not
    /// looked for. A file that the log rules out for all keys is not opened.
    pub(super) async fn find(
        &self,
        files: &OpenFiles,
        file: &DataFile,
        only: Option<&BooleanBuffer>,
    ) -> Result<Vec<Found>> {
        let mut values = file.partition.clone();
        values.retain(|name, _| self.in_partition.contains(name));
        let Some(part) = self.parts.get(&values) else {
            return Ok(Vec::new());
        };
        let only = only.map(|only| {
            part.rows
                .iter()
                .map(|row| only.value(*row as usize))
                .collect::<BooleanBuffer>()
        });
        if only.as_ref().is_some_and(|only| only.count_set_bits() == 0) {
            return Ok(Vec::new());
        }
        let Some(index) = part.index.clone() else {
            let all = 0..files.open(file, 0).await?.rows();
            return Ok(all
                .map(|file_row| Found {
                    file_row,
                    key: part.rows[0],
                })
                .collect());
        };
        let names = self.in_file.clone();
        let (of_file, of_index) = (file.clone(), index.clone());
        let may_hold = blocking(move || {
            let may_hold = may_hold(&of_file, &names, &of_index, only.as_ref())?;
            Ok(may_hold.then_some((names, only)))
        });
        let Some((names, only)) = may_hold.await? else {
            return Ok(Vec::new());
        };
        let filters = index.types().filter(|kind| **kind == DataType::Utf8).count();
        let opened = files.open(file, filters).await?;
        let mut found = blocking(move || find(&opened, &names, &index, only.as_ref())).await?;
        for row in &mut found {
            row.key = part.rows[row.key as usize];
        }
        found.sort_unstable_by_key(|row| row.file_row);
        Ok(found)
    }
}

/// Whether the log leaves it open that one of the keys is in a file, which has these columns of them.
fn may_hold(
    file: &DataFile,
    names: &[String],
    index: &KeyIndex,
    only: Option<&BooleanBuffer>,
) -> Result<bool> {
    let Some(stats) = file.stats() else {
        return Ok(true);
    };
    let bounds = names.iter().zip(index.types()).map(|(name, kind)| {
        let side = |end| match bound(&stats, end, name, kind) {
            Some(bound) => bound.to_array(),
            None => Ok(new_null_array(kind, 1)),
        };
        Ok(Bounds {
            low: side(End::Least)?,
            high: side(End::Greatest)?,
        })
    });
    index.any_within(&bounds.collect::<Result<Vec<_>>>()?, 0, only, |_| Ok(true))
}
