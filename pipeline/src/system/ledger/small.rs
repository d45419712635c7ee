//! Small files: an append takes those of its partitions along, so that what a look-up reads does not grow with the number
//! of batches.

use std::collections::{BTreeMap, BTreeSet};

use arrow::compute::concat_batches;
use deltalake_core::kernel::{Action, Add, Remove};

use crate::delta::{DataFile, DeltaLog, Snapshot, read_files, write_partitioned};
use crate::error::Result;

use super::schema;

/// Bytes below which a file is small.
const SMALL: u64 = 1 << 20;
/// So many small files of a partition become one.
const MANY: usize = 8;

/// Small files, and those that have their rows from now on.
#[derive(Default)]
pub(super) struct Gathered {
    adds: Vec<Add>,
    removes: Vec<Remove>,
}

impl Gathered {
    /// The small files of these partitions (table and month) that are many, written anew. Where that fails they stay as they
    /// are: no append waits for it.
    pub(super) async fn of(log: &DeltaLog, snapshot: &Snapshot, partitions: &BTreeSet<(&str, &str)>) -> Self {
        match Self::written(log, snapshot, partitions).await {
            Ok(gathered) => gathered,
            Err(error) => {
                tracing::debug!(%error, "small files of the ledger stay as they are");
                Self::default()
            }
        }
    }

    async fn written(
        log: &DeltaLog,
        snapshot: &Snapshot,
        partitions: &BTreeSet<(&str, &str)>,
    ) -> Result<Self> {
        let mut small: BTreeMap<(&str, &str), Vec<&DataFile>> = BTreeMap::new();
        for file in snapshot.files.iter().filter(|file| file.size < SMALL) {
            let partition = schema::table_of(file).zip(schema::month_of(file));
            if let Some(partition) = partition.map(|(table, month)| (table.as_str(), month.as_str()))
                && partitions.contains(&partition)
            {
                small.entry(partition).or_default().push(file);
            }
        }
        small.retain(|_, files| files.len() >= MANY);
        let files: Vec<&DataFile> = small.into_values().flatten().collect();
        if files.is_empty() {
            return Ok(Self::default());
        }
        let all = schema::schema();
        let rows = concat_batches(&all, &read_files(log, files.iter().copied(), &all).await?)?;
        let mut adds = write_partitioned(log, &rows, &schema::partition(), &schema::BOUNDED).await?;
        for add in &mut adds {
            add.data_change = false;
        }
        Ok(Self {
            adds,
            removes: files.iter().filter_map(|file| file.replace()).collect(),
        })
    }

    /// What a commit on top of this version does with them; nothing where somebody else took one of them out meanwhile.
    pub(super) fn actions(&self, snapshot: &Snapshot) -> Vec<Action> {
        if !snapshot.holds(self.removes.iter()) {
            return Vec::new();
        }
        let adds = self.adds.iter().cloned().map(Action::Add);
        adds.chain(self.removes.iter().cloned().map(Action::Remove))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use chrono::{DateTime, TimeDelta, Utc};
    use tempfile::TempDir;

    use super::*;
    use crate::contract::TableName;
    use crate::curated::Curated;
    use crate::raw::RawObject;
    use crate::storage::Place;
    use crate::system::ledger::{Draft, Ledger, Left, ObjectResult};

    fn curated(folder: &TempDir) -> Curated {
        Curated::at(Place::of_folder(folder.path()))
    }

    fn object(table: &TableName, number: i64) -> RawObject {
        let modified = DateTime::from_timestamp(1_770_000_000 + number, 0).unwrap();
        RawObject {
            uri: format!("file:///raw/{table}/{number}"),
            moved_to: None,
            path: format!("{table}/{number}"),
            size: number as u64,
            modified,
            tag: None,
            account: None,
            // Of two months.
            period: (DateTime::UNIX_EPOCH + TimeDelta::days(40 * (number % 2))).naive_utc(),
            part: 0,
            manifest: None,
            document: None,
        }
    }

    fn draft(table: &TableName, batch: i64) -> Draft {
        Draft {
            table: table.clone(),
            batch,
            rules: "rules".to_owned(),
            objects: (batch * 3..batch * 3 + 3)
                .map(|number| object(table, number))
                .collect(),
            inputs: Vec::new(),
        }
    }

    async fn claim(ledger: &mut Ledger, table: &TableName, batch: i64) -> Vec<ObjectResult> {
        let draft = draft(table, batch);
        assert!(
            ledger
                .claim(std::slice::from_ref(&draft), Utc::now(), async { Ok(true) })
                .await
                .unwrap()
        );
        let claim = ledger.claim_of(table, batch).await.unwrap().unwrap();
        let objects = draft.objects.iter();
        objects
            .map(|object| ObjectResult::of(&claim, object, "attempt"))
            .collect()
    }

    async fn take(ledger: &mut Ledger, table: &TableName, batch: i64) {
        let results = claim(ledger, table, batch).await;
        ledger
            .record(table, batch, &results, Left::default(), async { Ok(()) })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn small_files_stay_few_however_many_batches_there_are() {
        const BATCHES: i64 = 40;
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(&curated(&folder)).await.unwrap();
        let tables: [TableName; 2] = ["a.one", "a.two"].map(|name| name.parse().unwrap());
        for batch in 1..=BATCHES {
            for table in &tables {
                take(&mut ledger, table, batch).await;
                // Eight that were there, what took the place of others, and what just came, for each of two months.
                assert!(ledger.files(table).count() <= 2 * 9, "batch {batch}");
            }
        }
        let seen = Ledger::open(&curated(&folder)).await.unwrap();
        for table in &tables {
            let objects: Vec<RawObject> = (3..3 * (BATCHES + 1))
                .map(|number| object(table, number))
                .collect();
            let known = seen.known(table, &objects).await.unwrap();
            assert_eq!(
                known,
                objects.iter().map(RawObject::identity).collect::<HashSet<_>>()
            );
            let rows = seen.rows(table).await.unwrap();
            assert_eq!(rows.len(), 2 * objects.len());
            let distinct: BTreeSet<_> = rows
                .iter()
                .map(|row| (&row.entry, row.batch, &row.object))
                .collect();
            assert_eq!(distinct.len(), rows.len());
            let claim = seen.claim_of(table, 7).await.unwrap().unwrap();
            assert_eq!(claim.draft.objects.len(), 3);
        }
    }

    #[tokio::test]
    async fn an_append_goes_in_when_somebody_else_gathered_the_files_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(&curated(&folder)).await.unwrap();
        let table: TableName = "a.one".parse().unwrap();
        // Each has two files in each of two months.
        for batch in 1..=4 {
            take(&mut ledger, &table, batch).await;
        }
        let mut behind = Ledger::open(&curated(&folder)).await.unwrap();
        let results = claim(&mut ledger, &table, 5).await;
        assert_eq!(ledger.files(&table).count(), 2 * 2);
        // It plans to gather the files that are gone by now.
        behind
            .record(&table, 5, &results, Left::default(), async { Ok(()) })
            .await
            .unwrap();
        let seen = Ledger::open(&curated(&folder)).await.unwrap();
        assert_eq!(seen.files(&table).count(), 2 * 3);
        assert_eq!(seen.rows(&table).await.unwrap().len(), 2 * 3 * 5);
    }
}
