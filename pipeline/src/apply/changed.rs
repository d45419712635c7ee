//! Which parts of a table a commit changes, so that whoever computes something from it knows what to compute anew.
//!
//! A part is a partition or, where rows are replaced by the value of other columns (`per`, `recompute`), the rows of one
//! such value in a partition. A row that did not change may be in a part that did; a row that changed never is outside.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use deltalake_core::kernel::Add;

use crate::contract::{ColumnType, Contract, Feed, Keep};
use crate::delta::partition::{PartitionValues, RowPartitions};
use crate::delta::{ChangedPart, ChangedRows, DataFile};
use crate::error::{Error, Result};
use crate::keep::{RowsByKey, key_positions, take_rows};

use super::file_edit::FileEdit;

/// A commit that changes more parts names partitions alone: its entry in the log stays small.
const MOST_PARTS: usize = 1_000;

/// Collects the parts that a commit changes.
#[derive(Debug, Default)]
pub(crate) struct Parts(BTreeMap<(PartitionValues, Option<PartitionValues>), ChangedRows>);

impl Parts {
    /// A whole partition.
    fn partition(&mut self, values: &PartitionValues) -> &mut ChangedRows {
        self.0.entry((values.clone(), None)).or_default()
    }

    /// The rows of a value in a partition.
    pub(super) fn scope(&mut self, values: &PartitionValues, scope: PartitionValues) -> &mut ChangedRows {
        self.0.entry((values.clone(), Some(scope))).or_default()
    }

    /// Adds those of another part of the batch.
    pub(super) fn add(&mut self, other: Self) {
        for (part, rows) in other.0 {
            let own = self.0.entry(part).or_default();
            own.inserted += rows.inserted;
            own.updated += rows.updated;
            own.removed += rows.removed;
        }
    }

    /// Counts new rows, those of `rows` with these ordinals, by partition and by the value that they are replaced by.
    pub(crate) fn count_new(&mut self, contract: &Contract, rows: &RecordBatch, new: &[u32]) -> Result<()> {
        let columns = scope_columns(contract);
        let named: Vec<String> = contract.partition.iter().chain(&columns).cloned().collect();
        let rows = take_rows(&rows.project(&key_positions(rows.schema_ref(), &named)?)?, new)?;
        let (places, scopes) = (
            RowPartitions::of(&rows, &contract.partition)?,
            Scopes::of(&rows, &columns)?,
        );
        let all: Vec<usize> = (0..rows.num_columns()).collect();
        for members in RowsByKey::of(&rows, &all)?.iter() {
            let part = self.scope(places.of_row(members[0]), scopes.of_row(members[0]));
            part.inserted += members.len() as u64;
        }
        Ok(())
    }

    /// Whether they are few enough to be named one by one.
    pub(super) fn are_few(&self) -> bool {
        self.0.len() <= MOST_PARTS
    }

    /// The partitions of files that change.
    pub(super) fn of_edits(edits: &[FileEdit], places: &RowPartitions) -> Self {
        let mut parts = Self::default();
        for edit in edits {
            let new = edit.inserts.first().map(|row| places.of_row(*row));
            let Some(values) = edit.old.as_ref().map(|file| &file.partition).or(new) else {
                continue;
            };
            let dropped = edit.old.as_ref().filter(|_| edit.dropped);
            let rows = parts.partition(values);
            rows.inserted += edit.inserts.len() as u64;
            rows.updated += edit.updates.len() as u64;
            rows.removed += edit.deletes.len() as u64 + dropped.and_then(DataFile::rows).unwrap_or(0);
        }
        parts
    }

    /// The parts, named after the columns of the table.
    pub(super) fn named(self, contract: &Contract) -> Vec<ChangedPart> {
        let days: Vec<&String> = contract
            .partition
            .iter()
            .chain(replaced_by(contract))
            .filter(|name| {
                contract
                    .column(name)
                    .is_some_and(|column| column.ty == ColumnType::Date)
            })
            .collect();
        let named = self.0.into_iter().map(|((partition, scope), rows)| {
            let value = |name: &String| partition.get(name).or_else(|| scope.as_ref()?.get(name));
            let period = days.iter().find_map(|name| value(name)?.as_deref()?.parse().ok());
            ChangedPart {
                period,
                partition,
                scope,
                rows,
            }
        });
        named.collect()
    }
}

/// The partitions of a table in which all rows were replaced: files that went, and files that came.
pub(crate) fn replaced_partitions(contract: &Contract, old: &[DataFile], new: &[Add]) -> Vec<ChangedPart> {
    let mut parts = Parts::default();
    for file in old {
        parts.partition(&file.partition).removed += file.rows().unwrap_or(0);
    }
    for add in new {
        let values = add.partition_values.clone().into_iter().collect();
        parts.partition(&values).inserted += rows(add).unwrap_or(0);
    }
    parts.named(contract)
}

fn rows(add: &Add) -> Option<u64> {
    let stats: serde_json::Value = serde_json::from_str(add.stats.as_deref()?).ok()?;
    stats["numRecords"].as_u64()
}

/// The columns by whose values rows are replaced; none where each row stands for itself.
fn replaced_by(contract: &Contract) -> &[String] {
    match &contract.feed {
        Feed::Inputs(feed) => &feed.recompute,
        Feed::Raw(feed) => match &feed.keep {
            Keep::LatestDocument { per, .. } => per,
            _ => &[],
        },
    }
}

/// Those of them that the partition does not say.
pub(super) fn scope_columns(contract: &Contract) -> Vec<String> {
    let columns = replaced_by(contract).iter();
    columns
        .filter(|name| !contract.partition.contains(name))
        .cloned()
        .collect()
}

/// Values of some columns as text, row by row.
pub(super) struct Scopes {
    names: Vec<String>,
    columns: Vec<StringArray>,
}

impl Scopes {
    /// Of columns that the rows have.
    pub(super) fn of(rows: &RecordBatch, names: &[String]) -> Result<Self> {
        let text = |name: &String| {
            let column = rows
                .column_by_name(name)
                .ok_or_else(|| Error::internal("column of a scope is missing").with("column", name))?;
            Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
        };
        Ok(Self {
            columns: names.iter().map(text).collect::<Result<_>>()?,
            names: names.to_vec(),
        })
    }

    /// The values of a row.
    pub(super) fn of_row(&self, row: u32) -> PartitionValues {
        let row = row as usize;
        let value = |column: &StringArray| column.is_valid(row).then(|| column.value(row).to_owned());
        let values = self.columns.iter().map(value);
        self.names.iter().cloned().zip(values).collect()
    }
}
