//! The table of rejected rows and objects, `marketlake.quarantine`.
//!
//! Rows are only ever added. Whether a reject is still open follows from the ledger: see
//! [`open_rejects`](super::open_rejects).

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use chrono::{DateTime, Utc};
use deltalake_core::kernel::Add;

use crate::contract::TableName;
use crate::curated::Curated;
use crate::delta::{DeltaLog, Snapshot, indexed, read_files, write_partitioned};
use crate::error::Result;

use super::columns::{Cells, instant_field, instants, int_field, ints, text_field, texts};

const TABLE: &str = "table_name";
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

/// Writes rejects to files that no commit names yet, creating the table in a lake that has none. The actions go
/// into the attempt's side file as JSON, and from there to [`record`].
pub(crate) async fn write(curated: &Curated, rows: &[QuarantineRow]) -> Result<Vec<Add>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let log = log(curated)?;
    load_or_create(&log).await?;
    write_partitioned(&log, &batch(rows)?, &partition(), &BOUNDED).await
}

/// Commits the files of a batch's rejects, once however often it is called.
/// `progress` is the app id and version by which a second call is known.
pub(crate) async fn record(curated: &Curated, adds: &[Add], progress: (String, i64)) -> Result<()> {
    if adds.is_empty() {
        return Ok(());
    }
    let log = log(curated)?;
    let snapshot = load_or_create(&log).await?;
    super::append(&log, snapshot, "QUARANTINE", adds, Some(progress)).await
}

/// The rejects, of one table or of all, that are `wanted`; open or not.
pub(crate) async fn read(
    curated: &Curated,
    table: Option<&TableName>,
    wanted: impl Fn(&QuarantineRow) -> bool,
) -> Result<Vec<QuarantineRow>> {
    let log = log(curated)?;
    let Some(snapshot) = log.load().await? else {
        return Ok(Vec::new());
    };
    let table = table.map(ToString::to_string);
    let mut rows = Vec::new();
    for file in snapshot.files.iter() {
        if table.is_none() || file.partition.get(TABLE) == Some(&table) {
            for batch in read_files(&log, [file], &schema()).await? {
                rows.extend(rows_of(&batch).filter(&wanted));
            }
        }
    }
    Ok(rows)
}

fn log(curated: &Curated) -> Result<DeltaLog> {
    curated.system("quarantine")
}

async fn load_or_create(log: &DeltaLog) -> Result<Snapshot> {
    log.load_or_create(
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
    use url::Url;

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
        let curated = Curated::at(Url::from_directory_path(folder.path()).unwrap());
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
        let root = Url::from_directory_path(folder.path()).unwrap();
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
