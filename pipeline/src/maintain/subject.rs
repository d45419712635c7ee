//! What is maintained: curated tables, and those that this program keeps for itself.

use std::collections::BTreeSet;

use crate::apply;
use crate::contract::{Contract, TableName};
use crate::delta::{DeltaLog, Snapshot};
use crate::error::Result;
use crate::lake::Lake;
use crate::write::WriteOptions;

/// Bytes of a file of a system table: those are read whole.
const SYSTEM_FILE_SIZE: u64 = 32 << 20;

/// The system tables, with the columns by which they are looked up.
const SYSTEM: [(&str, &[&str]); 4] = [
    ("changes", &["version"]),
    ("ledger", &["batch", "entry", "object"]),
    ("quarantine", &["batch", "object", "row"]),
    ("runs", &["started_at", "table_name"]),
];

/// One table to maintain.
pub(super) struct Subject<'a> {
    pub(super) name: TableName,
    pub(super) log: DeltaLog,
    /// None for system tables.
    pub(super) contract: Option<&'a Contract>,
    sort: Vec<String>,
}

impl<'a> Subject<'a> {
    /// Those of the wanted names; all where none is.
    pub(super) fn all(lake: &'a Lake, wanted: &BTreeSet<TableName>) -> Result<Vec<Self>> {
        let mut subjects = Vec::new();
        for (table, sort) in SYSTEM {
            subjects.push(Self {
                name: TableName {
                    source: "marketlake".to_owned(),
                    table: table.to_owned(),
                },
                log: lake.curated().system(table)?,
                contract: None,
                sort: sort.iter().map(|name| (*name).to_owned()).collect(),
            });
        }
        for name in wanted {
            if !subjects.iter().any(|subject| subject.name == *name) {
                lake.contract(name)?;
            }
        }
        for contract in lake.contracts().values() {
            subjects.push(Self {
                name: contract.name.clone(),
                log: lake.table_log(&contract.name)?,
                contract: Some(contract),
                sort: contract.sort().to_vec(),
            });
        }
        subjects.retain(|subject| wanted.is_empty() || wanted.contains(&subject.name));
        Ok(subjects)
    }

    /// Columns to sort by, as far as the table has them: that of a contract that changed may lack some.
    pub(super) fn sort(&self, snapshot: &Snapshot) -> Vec<String> {
        let is_there = |name: &&String| snapshot.schema.column_with_name(name).is_some();
        self.sort.iter().filter(is_there).cloned().collect()
    }

    /// About how large files should get, in bytes.
    pub(super) fn file_size(&self) -> u64 {
        self.contract
            .map_or(SYSTEM_FILE_SIZE, |contract| contract.file_size)
    }

    /// How its files are written: also with bounds that the contract wants no more and the log still promises.
    pub(super) fn write_options(&self, snapshot: &Snapshot) -> WriteOptions {
        let mut options = self.contract.map_or_else(WriteOptions::default, apply::options);
        let promised = snapshot.bounded().unwrap_or_default();
        options
            .unindexed
            .retain(|column| !promised.contains(column.as_str()));
        options
    }
}
