//! The table of rejected rows and objects, `marketlake.quarantine`.
//!
//! Rows are only ever added. Whether a reject is still open follows from the ledger: see
//! [`open_rejects`](super::open_rejects()).

use std::pin::pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use chrono::{DateTime, Utc};
use deltalake_core::kernel::{Action, Add};
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use serde_json::{Map, json};

use crate::contract::TableName;
use crate::curated::Curated;
use crate::delta::{
    Commit, DataFile, DeltaLog, Landed, Snapshot, Which, indexed, read_files, write_partitioned,
};
use crate::error::Result;

use super::columns::{Cells, instant_field, instants, int_field, ints, text_field, texts};

const TABLE: &str = "table_name";
/// Most rejects of a file, and most bytes of their texts.
const FILE_ROWS: usize = 100_000;
const FILE_BYTES: usize = 16 << 20;
/// Columns of which the log holds bounds.
const BOUNDED: [&str; 1] = ["batch"];

/// One rejected row, or one object that was rejected whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuarantineRow {
    /// `source.table`.
    pub(crate) table: String,
    /// Batch that rejected it.
    pub(crate) batch: i64,
    /// Raw object's address.
    pub(crate) object: String,
    /// Raw object's path below its root.
    pub(crate) path: String,
    /// Alias of the account.
    pub(crate) account: Option<String>,
    /// Ordinal of the row in the object, from 1; none when the object was rejected whole.
    pub(crate) row: Option<i64>,
    /// Why.
    pub(crate) reason: String,
    /// The raw text, personal values left out.
    pub(crate) raw_text: Option<String>,
    /// Time of the batch's claim.
    pub(crate) rejected_at: DateTime<Utc>,
    /// Attempt that committed the batch.
    pub(crate) attempt: String,
}

/// Writes rejects to files that no commit names yet, creating the table in a lake that has none: however many they are,
/// few of them wait in memory. The actions go into the attempt's side file as JSON, and from there to [`record`].
pub(crate) struct Writer<'a> {
    curated: &'a Curated,
    waiting: Vec<QuarantineRow>,
    /// Bytes of their texts.
    bytes: usize,
    written: Vec<Add>,
}

impl<'a> Writer<'a> {
    /// Nothing is written yet.
    pub(crate) fn new(curated: &'a Curated) -> Self {
        Self {
            curated,
            waiting: Vec::new(),
            bytes: 0,
            written: Vec::new(),
        }
    }

    /// Adds some rejects.
    pub(crate) async fn add(&mut self, rows: impl IntoIterator<Item = QuarantineRow>) -> Result<()> {
        for row in rows {
            self.bytes += row.reason.len() + row.raw_text.as_ref().map_or(0, String::len);
            self.waiting.push(row);
            if self.waiting.len() >= FILE_ROWS || self.bytes >= FILE_BYTES {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// The files of all of them.
    pub(crate) async fn finish(mut self) -> Result<Vec<Add>> {
        if !self.waiting.is_empty() {
            self.write().await?;
        }
        Ok(self.written)
    }

    async fn write(&mut self) -> Result<()> {
        let log = log(self.curated)?;
        open_or_create(&log).await?;
        let rows = batch(&self.waiting)?;
        self.written
            .extend(write_partitioned(&log, &rows, &partition(), &BOUNDED).await?);
        self.waiting.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// Writes a few rejects as [`Writer`] does.
#[cfg(test)]
pub(crate) async fn write(curated: &Curated, rows: &[QuarantineRow]) -> Result<Vec<Add>> {
    let mut writer = Writer::new(curated);
    writer.add(rows.iter().cloned()).await?;
    writer.finish().await
}

/// Commits the files of a batch's rejects, once however often it is called.
/// `progress` is the app id and version by which a second call is known.
pub(crate) async fn record(curated: &Curated, adds: &[Add], progress: (String, i64)) -> Result<()> {
    if adds.is_empty() {
        return Ok(());
    }
    let log = log(curated)?;
    let snapshot = open_or_create(&log).await?;
    super::append(&log, snapshot, "QUARANTINE", adds.to_vec(), Some(progress)).await
}

/// The rejects, of one table or of all, that are `wanted`; open or not.
pub(crate) async fn read(
    curated: &Curated,
    table: Option<&TableName>,
    wanted: impl Fn(&QuarantineRow) -> bool,
) -> Result<Vec<QuarantineRow>> {
    let mut rows = Vec::new();
    let portions = portions(curated, table).await?;
    let mut portions = pin!(portions);
    while let Some(portion) = portions.try_next().await? {
        rows.extend(portion.into_iter().filter(&wanted));
    }
    Ok(rows)
}

/// The rejects, of one table or of all, file by file.
pub(crate) async fn portions(
    curated: &Curated,
    table: Option<&TableName>,
) -> Result<impl Stream<Item = Result<Vec<QuarantineRow>>>> {
    let log = log(curated)?;
    let table = table.map(ToString::to_string);
    let files: Vec<DataFile> = match log.load().await? {
        Some(snapshot) => snapshot.files.to_vec(),
        None => Vec::new(),
    };
    let files = files
        .into_iter()
        .filter(move |file| table.is_none() || file.partition.get(TABLE) == Some(&table));
    Ok(stream::iter(files).then(move |file| {
        let log = log.clone();
        async move {
            let batches = read_files(&log, [&file], &schema()).await?;
            Ok(batches.iter().flat_map(rows_of).collect())
        }
    }))
}

/// Takes the texts of a table's rejects out of the quarantine, and what `discreet` masks out of their reasons, those of
/// batches before this one: they were written under rules that knew other personal fields, and are closed. The files that
/// had them go as all files do that no version names any more.
pub(crate) async fn forget_texts(
    curated: &Curated,
    table: &TableName,
    before: i64,
    discreet: impl Fn(&str) -> String,
) -> Result<()> {
    let log = log(curated)?;
    let of_table = Some(table.to_string());
    let forgotten = |row: QuarantineRow| match row.batch < before {
        true => QuarantineRow {
            reason: discreet(&row.reason),
            raw_text: None,
            ..row
        },
        false => row,
    };
    let mut backoff = log.races();
    while let Some(snapshot) = log.load().await? {
        let (mut actions, mut writer) = (Vec::new(), Writer::new(curated));
        let files = snapshot.files.iter();
        for file in files.filter(|file| file.partition.get(TABLE) == Some(&of_table)) {
            let batches = read_files(&log, [file], &schema()).await?;
            let rows: Vec<QuarantineRow> = batches.iter().flat_map(rows_of).collect();
            let masked: Vec<QuarantineRow> = rows.iter().cloned().map(forgotten).collect();
            if masked != rows {
                writer.add(masked).await?;
                actions.extend(file.remove().map(Action::Remove));
            }
        }
        if actions.is_empty() {
            return Ok(());
        }
        actions.extend(writer.finish().await?.into_iter().map(Action::Add));
        let commit = Commit {
            operation: "FORGET",
            actions,
            txns: Vec::new(),
            about: Map::from_iter([("table".to_owned(), json!(table.to_string()))]),
        };
        match log.commit(&snapshot, commit).await? {
            Landed::At(_) => return Ok(()),
            Landed::Lost => backoff.lost(log.table()).await?,
        }
    }
    Ok(())
}

fn log(curated: &Curated) -> Result<DeltaLog> {
    curated.system("quarantine")
}

async fn open_or_create(log: &DeltaLog) -> Result<Snapshot> {
    log.open_or_create(
        Which::Known,
        &schema(),
        &partition(),
        &[indexed(&BOUNDED)],
        "Rejected rows, and objects rejected whole.",
    )
    .await
}

fn partition() -> Vec<String> {
    vec![TABLE.to_owned()]
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text_field(TABLE),
        int_field("batch"),
        text_field("object"),
        text_field("path"),
        text_field("account"),
        int_field("row"),
        text_field("reason"),
        text_field("raw_text"),
        instant_field("rejected_at"),
        text_field("attempt"),
    ]))
}

fn batch(rows: &[QuarantineRow]) -> Result<RecordBatch> {
    let columns = vec![
        texts(rows.iter().map(|row| Some(row.table.as_str()))),
        ints(rows.iter().map(|row| Some(row.batch))),
        texts(rows.iter().map(|row| Some(row.object.as_str()))),
        texts(rows.iter().map(|row| Some(row.path.as_str()))),
        texts(rows.iter().map(|row| row.account.as_deref())),
        ints(rows.iter().map(|row| row.row)),
        texts(rows.iter().map(|row| Some(row.reason.as_str()))),
        texts(rows.iter().map(|row| row.raw_text.as_deref())),
        instants(rows.iter().map(|row| row.rejected_at)),
        texts(rows.iter().map(|row| Some(row.attempt.as_str()))),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

fn rows_of(batch: &RecordBatch) -> impl Iterator<Item = QuarantineRow> {
    let cells = Cells(batch);
    (0..batch.num_rows()).map(move |row| QuarantineRow {
        table: cells.text(TABLE, row).unwrap_or_default(),
        batch: cells.int("batch", row).unwrap_or_default(),
        object: cells.text("object", row).unwrap_or_default(),
        path: cells.text("path", row).unwrap_or_default(),
        account: cells.text("account", row),
        row: cells.int("row", row),
        reason: cells.text("reason", row).unwrap_or_default(),
        raw_text: cells.text("raw_text", row),
        rejected_at: cells.instant("rejected_at", row),
        attempt: cells.text("attempt", row).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use crate::storage::Place;

    use super::*;

    fn row(table: &str, batch: i64, ordinal: Option<i64>) -> QuarantineRow {
        QuarantineRow {
            table: table.to_owned(),
            batch,
            object: "file:///raw/a b.csv".to_owned(),
            path: "a b.csv".to_owned(),
            account: ordinal.map(|_| "corner".to_owned()),
            row: ordinal,
            reason: "n: \"x\" is not an int".to_owned(),
            raw_text: Some("{\"n\":\"x\"}".to_owned()),
            rejected_at: DateTime::from_timestamp_micros(1_770_000_000_123_456).unwrap(),
            attempt: "one".to_owned(),
        }
    }

    #[tokio::test]
    async fn rejects_recorded_twice_from_a_side_file_are_there_once() {
        let folder = tempfile::tempdir().unwrap();
        let curated = Curated::at(Place::of_folder(folder.path()));
        let table: TableName = "jwo.orders".parse().unwrap();
        let rows = vec![row("jwo.orders", 1, Some(7)), row("jwo.orders", 1, None)];
        let adds = write(&curated, &rows).await.unwrap();
        assert_eq!(read(&curated, None, |_| true).await.unwrap(), []);

        let side_file = serde_json::to_string(&adds).unwrap();
        let restored: Vec<Add> = serde_json::from_str(&side_file).unwrap();
        assert_eq!(restored, adds);
        record(&curated, &restored, ("once".to_owned(), 1)).await.unwrap();
        // Another attempt at the same batch wrote files of its own.
        let again = write(&curated, &rows).await.unwrap();
        record(&curated, &again, ("once".to_owned(), 1)).await.unwrap();
        assert_eq!(read(&curated, Some(&table), |_| true).await.unwrap(), rows);
        assert_eq!(
            read(&curated, Some(&table), |row| row.row.is_none())
                .await
                .unwrap(),
            rows[1..]
        );
    }

    #[tokio::test]
    async fn tables_that_record_at_the_same_time_all_get_in() {
        let folder = tempfile::tempdir().unwrap();
        let root = Place::of_folder(folder.path());
        let names = ["jwo.orders", "jwo.order_lines", "jwo.order_rows", "ams.campaigns"];
        let recorded = names.map(|name| {
            let curated = Curated::at(root.clone());
            async move {
                let adds = write(&curated, &[row(name, 1, Some(1))]).await?;
                record(&curated, &adds, (name.to_owned(), 1)).await
            }
        });
        futures::future::try_join_all(recorded).await.unwrap();
        assert_eq!(
            read(&Curated::at(root), None, |_| true).await.unwrap().len(),
            names.len()
        );
    }
}
