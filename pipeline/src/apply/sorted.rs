//! Rows of a query, sorted and written as files of a table.
//!
//! Rows are ordered by partition and, within it, by the columns asked for; the sort holds what the query's session
//! allows and spills the rest. Files are written one after another as the rows come, so memory does not depend on how
//! many there are. Nothing of it is visible: the caller commits the files, or discards them.

use std::iter::Peekable;
use std::pin::pin;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::FormatOptions;
use chrono::{DateTime, Utc};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{SortExpr, cast as cast_expr, ident};
use deltalake_core::kernel::Add;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::delta::DeltaLog;
use crate::delta::partition::{self, PartitionValues};
use crate::error::{Context, Error, Kind, Result};
use crate::layout;
use crate::storage::{Sending, Sent, Sink};
use crate::write::{FileWriter, WriteOptions};

/// Begin of the names of files that hold sorted rows in full row groups.
pub(crate) const PREFIX: &str = "sorted-";
/// A value that does not fit its column is an error, never null.
const EXACTLY: CastOptions<'_> = CastOptions {
    safe: false,
    format_options: FormatOptions::new(),
};
/// Batches that wait to be written.
const WAITING: usize = 2;

/// Where and how rows are written.
pub(crate) struct Target<'a> {
    /// The table.
    pub(crate) log: &'a DeltaLog,
    /// All its columns.
    pub(crate) schema: SchemaRef,
    /// Columns that files are laid out by.
    pub(crate) partition: &'a [String],
    /// Columns that the rows of a partition are sorted by.
    pub(crate) sort: &'a [String],
    /// Bytes at which the next file begins.
    pub(crate) file_size: u64,
    /// Statistics and Bloom filters.
    pub(crate) options: WriteOptions,
    /// Id of the attempt, part of the names of the files.
    pub(crate) attempt: &'a str,
    /// Whether the files bring rows, rather than other files' rows in a new arrangement.
    pub(crate) data_change: bool,
    /// Batch and time of its claim that every row gets; none: as the rows have them.
    pub(crate) stamp: Option<(i64, DateTime<Utc>)>,
}

/// Files that no commit names yet.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// The actions that add them.
    pub(crate) adds: Vec<Add>,
    /// Rows in them.
    pub(crate) rows: u64,
}

impl Sorted {
    /// Removes files that will not be committed; what fails is left for the next cleaning.
    pub(crate) async fn discard(&self, log: &DeltaLog) {
        let paths = self.adds.iter().map(|add| Path::from(add.path.as_str()));
        log.discard(paths.collect()).await;
    }
}

/// Sorts and writes the rows of a query that has the columns of the table. `inspect` sees every batch as it is
/// written, and can refuse it.
pub(crate) async fn write(
    rows: DataFrame,
    target: &Target<'_>,
    mut inspect: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<Sorted> {
    let order = order(target);
    let rows = if order.is_empty() { rows } else { rows.sort(order)? };
    let batches = rows.execute_stream().await?.map(|batch| {
        let batch = conform(&batch.context(Kind::Data, "rows could not be sorted")?, target)?;
        inspect(&batch)?;
        Ok(batch)
    });
    write_ordered(batches, target).await
}

/// Writes batches that are of the table's schema and come in the order of its files. Where one is an error, no file is
/// left.
pub(crate) async fn write_ordered(
    batches: impl Stream<Item = Result<RecordBatch>>,
    target: &Target<'_>,
) -> Result<Sorted> {
    let mut batches = pin!(batches);
    let (sender, receiver) = mpsc::channel::<RecordBatch>(WAITING);
    let files = Files::new(target);
    let writing = tokio::task::spawn_blocking(move || files.write(receiver));
    let mut feed = async || -> Result<()> {
        while let Some(batch) = batches.try_next().await? {
            // A writer that is gone has failed and says why.
            if sender.send(batch).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let fed = feed().await;
    drop(sender);
    let (sorted, failed) = writing
        .await
        .map_err(|error| Error::internal("writing files panicked").because(error))?;
    match fed.and(failed.map_or(Ok(()), Err)) {
        Ok(()) => Ok(sorted),
        Err(error) => {
            sorted.discard(target.log).await;
            Err(error.with("table", target.log.table()))
        }
    }
}

/// Partitions in the order in which [`partition::split`] gives them, then the columns asked for.
fn order(target: &Target<'_>) -> Vec<SortExpr> {
    let mut partition: Vec<&String> = target.partition.iter().collect();
    partition.sort();
    let partition = partition
        .into_iter()
        .map(|name| cast_expr(ident(name.as_str()), DataType::Utf8).sort(true, true));
    let within = target
        .sort
        .iter()
        .filter(|name| !target.partition.contains(name))
        .map(|name| ident(name.as_str()).sort(true, true));
    partition.chain(within).collect()
}

/// The batch with the table's columns in their order, stamped where that is asked for.
fn conform(batch: &RecordBatch, target: &Target<'_>) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let columns = target
        .schema
        .fields()
        .iter()
        .map(|field| -> Result<ArrayRef> {
            Ok(match (field.name().as_str(), target.stamp) {
                (layout::BATCH, Some((batch, _))) => Arc::new(Int64Array::from(vec![batch; rows])),
                (layout::LOADED_AT, Some((_, at))) => {
                    let micros = vec![at.timestamp_micros(); rows];
                    Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))
                }
                (name, _) => {
                    let column = batch.column_by_name(name).ok_or_else(|| {
                        Error::usage("rows lack a column of the table").with("column", name)
                    })?;
                    cast_with_options(column, field.data_type(), &EXACTLY)?
                }
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(target.schema.clone(), columns)?)
}

/// What a thread needs to write the files.
struct Files {
    log: DeltaLog,
    content: SchemaRef,
    partition: Vec<String>,
    file_size: u64,
    options: WriteOptions,
    attempt: String,
    data_change: bool,
}

type Piece = Result<(PartitionValues, RecordBatch)>;

impl Files {
    fn new(target: &Target<'_>) -> Self {
        Self {
            log: target.log.clone(),
            content: layout::file_schema(&target.schema, target.partition),
            partition: target.partition.to_vec(),
            file_size: target.file_size,
            options: target.options.clone(),
            attempt: target.attempt.to_owned(),
            data_change: target.data_change,
        }
    }

    /// Writes what comes; the files that are complete, and the error that ended the work.
    fn write(&self, mut batches: mpsc::Receiver<RecordBatch>) -> (Sorted, Option<Error>) {
        let mut pieces = std::iter::from_fn(move || batches.blocking_recv())
            .flat_map(|batch| match partition::split(&batch, &self.partition) {
                Ok(parts) => parts.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            })
            .peekable();
        let (runtime, mut sending) = (Handle::current(), Sending::default());
        let mut sorted = Sorted::default();
        while let Some(piece) = pieces.next() {
            let written = piece
                .and_then(|(values, first)| self.file(values, first, &mut pieces))
                .and_then(|(add, rows, sent)| {
                    sorted.adds.push(add);
                    sorted.rows += rows;
                    runtime.block_on(sending.add(sent))
                });
            if let Err(error) = written {
                return (sorted, Some(error));
            }
        }
        let arrived = runtime.block_on(sending.all());
        (sorted, arrived.err())
    }

    /// Writes one file: the first rows and those that follow in the same partition, as far as it is not full.
    fn file(
        &self,
        values: PartitionValues,
        first: RecordBatch,
        pieces: &mut Peekable<impl Iterator<Item = Piece>>,
    ) -> Result<(Add, u64, Sent)> {
        let path = Path::from(format!(
            "{}{PREFIX}{}-{}.zstd.parquet",
            partition::folder(&values, &self.partition),
            self.attempt,
            Uuid::new_v4()
        ));
        let mut sink = Sink::new(self.log.place(), &path)?;
        let mut writer = FileWriter::new(&mut sink, &self.content, &self.options)?;
        writer.write(&first)?;
        while writer.bytes() < self.file_size
            && let Some(next) =
                pieces.next_if(|piece| piece.as_ref().map_or(true, |(partition, _)| *partition == values))
        {
            writer.write(&next?.1)?;
        }
        let written = writer.finish()?;
        let sent = sink.finish()?;
        let add = Add {
            path: path.to_string(),
            partition_values: values.into_iter().collect(),
            size: written.bytes as i64,
            modification_time: Utc::now().timestamp_millis(),
            data_change: self.data_change,
            stats: Some(written.stats.to_delta_json()),
            ..Add::default()
        };
        Ok((add, written.rows, sent))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray, Date32Array, StringArray};
    use arrow::datatypes::{Field, Int64Type, Schema};
    use deltalake_core::kernel::Action;
    use url::Url;

    use super::*;
    use crate::delta::{Commit, Landed, Which};
    use crate::query::{Room, session};
    use crate::write::OpenFile;

    const ROWS: i64 = 300_000;

    fn rows() -> RecordBatch {
        // 7 is no factor of the number of rows: all numbers, in another order.
        let numbers = (0..ROWS).map(|n| n * 7 % ROWS);
        let days = numbers
            .clone()
            .map(|n| (n % 3 > 0).then_some(20_000 + (n % 3) as i32));
        let texts = numbers.clone().map(|n| format!("{:x}", n * 2_654_435_761));
        let columns: [(&str, ArrayRef); 3] = [
            ("day", Arc::new(days.collect::<Date32Array>())),
            ("text", Arc::new(texts.map(Some).collect::<StringArray>())),
            ("number", Arc::new(numbers.collect::<Int64Array>())),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn schema() -> SchemaRef {
        let field = |name: &str, ty| Field::new(name, ty, true);
        Arc::new(Schema::new(vec![
            field("day", DataType::Date32),
            field("number", DataType::Int64),
            field("text", DataType::Utf8),
        ]))
    }

    fn log(folder: &std::path::Path) -> DeltaLog {
        let location = Url::from_directory_path(folder.canonicalize().unwrap()).unwrap();
        DeltaLog::at("shop.visits", location).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rows_are_in_their_partitions_in_order_in_files_of_about_the_size() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path());
        let (partition, sort) = (["day".to_owned()], ["number".to_owned()]);
        let base = log
            .open_or_create(Which::Newest, &schema(), &partition, &[], "Visits.")
            .await
            .unwrap();
        let target = Target {
            log: &log,
            schema: schema(),
            partition: &partition,
            sort: &sort,
            file_size: 200 << 10,
            options: WriteOptions::default(),
            attempt: "one",
            data_change: true,
            stamp: None,
        };
        // Less than the rows take.
        let context = session(&Room::of(24 << 20)).unwrap();
        let mut seen = 0;
        let sorted = write(context.read_batch(rows()).unwrap(), &target, |batch| {
            seen += batch.num_rows() as i64;
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!((seen, sorted.rows as i64), (ROWS, ROWS));
        let commit = Commit {
            operation: "REBUILD",
            actions: sorted.adds.iter().cloned().map(Action::Add).collect(),
            ..Commit::default()
        };
        assert!(matches!(log.commit(&base, commit).await.unwrap(), Landed::At(next) if next.version == 1));
        let snapshot = log.load().await.unwrap().unwrap();
        assert!(snapshot.files.len() > 3, "{} files", snapshot.files.len());
        let mut numbers: Vec<i64> = Vec::new();
        for file in snapshot.files.iter() {
            assert!(file.size < 2 << 20, "{} bytes", file.size);
            let open = OpenFile::open(log.store().clone(), file.path.clone(), file.size)
                .await
                .unwrap();
            let day: Option<i64> = file.partition["day"].as_deref().map(|day| match day {
                "2024-10-05" => 1,
                "2024-10-06" => 2,
                other => panic!("{other}"),
            });
            let content = layout::file_schema(&schema(), &partition);
            let read = tokio::task::spawn_blocking(move || {
                let batches: Result<Vec<_>> = open.batches(&content).collect();
                batches.unwrap()
            })
            .await
            .unwrap();
            let mut own: Vec<i64> = Vec::new();
            for batch in &read {
                own.extend(batch.column(0).as_primitive::<Int64Type>().values());
                assert_eq!(batch.column(1).null_count(), 0);
            }
            assert!(own.is_sorted() && own.iter().all(|n| n % 3 == day.unwrap_or(0)));
            numbers.extend(own);
        }
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..ROWS));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rows_without_partition_and_order_are_written_as_they_come() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path());
        let target = Target {
            log: &log,
            schema: schema(),
            partition: &[],
            sort: &[],
            file_size: 1 << 30,
            options: WriteOptions::default(),
            attempt: "one",
            data_change: true,
            stamp: None,
        };
        let context = session(&Room::of(64 << 20)).unwrap();
        let sorted = write(context.read_batch(rows()).unwrap(), &target, |_| Ok(()))
            .await
            .unwrap();
        assert_eq!((sorted.adds.len(), sorted.rows as i64), (1, ROWS));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_refused_batch_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path());
        let target = Target {
            log: &log,
            schema: schema(),
            partition: &[],
            sort: &["number".to_owned()],
            file_size: 1,
            options: WriteOptions::default(),
            attempt: "one",
            data_change: true,
            stamp: None,
        };
        let context = session(&Room::of(64 << 20)).unwrap();
        let mut left = 5;
        let refused = write(context.read_batch(rows()).unwrap(), &target, |_| {
            left -= 1;
            if left == 0 {
                return Err(Error::data("no more"));
            }
            Ok(())
        })
        .await;
        assert!(refused.unwrap_err().to_string().contains("no more"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
