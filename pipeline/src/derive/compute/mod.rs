//! The SQL of a table over its inputs at the versions that a claim names: all of it, or for some values of `recompute`.
//!
//! First computation, increment and rebuild are the same work over other values. It is done in pieces where it is too
//! large for one. Where the SQL fails over values they are taken apart, so that those over which it fails are rejected and
//! all others go in: rows of one value never meet those of another, so what a piece gives does not depend on the rest.

mod files;
mod sieve;
mod sifted;
mod values;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch, not};
use arrow::datatypes::DataType;
use datafusion::common::{Column, NullEquality};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder, SortExpr, ident, lit, try_cast};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::{FutureExt, TryStreamExt};

use crate::apply;
use crate::apply::sorted::Target;
use crate::contract::{Contract, InputFeed};
use crate::delta::{DataFile, DeltaLog, Snapshot};
use crate::error::{Context, Error, Kind, Result};
use crate::layout;
use crate::query::{Room, SnapshotTable, register, session};
use crate::system::ledger::InputRange;

pub(crate) use files::{Destination, put};
pub(crate) use sifted::Sifted;
pub(crate) use values::schema as recompute_schema;

/// The part of the memory limit that a computation may hold; the rest is for reading and writing.
const SHARE: usize = 2;
/// Values over which SQL fails that are rejected one by one: with more it is the SQL that has to be mended.
const FAILING: usize = 1_000;
/// Keys with several rows that are rejected where rows cannot be written in the order of the key.
const COPIED: usize = 100_000;
/// Qualifiers of an input, and of the values that are wanted of it.
const INPUT: &str = "input";
const WANTED: &str = "wanted";

/// An input at the version that a claim names.
pub(crate) struct Input {
    pub(crate) range: InputRange,
    pub(crate) log: DeltaLog,
    pub(crate) snapshot: Snapshot,
}

/// What is computed of a table.
#[derive(Clone)]
pub(crate) enum Part {
    /// All its rows.
    Everything,
    /// The rows of these values of `recompute`, which are distinct; null is one of them.
    Values(RecordBatch),
}

/// Why a part was not computed.
pub(crate) enum Failure {
    /// Of some of its rows.
    Rows(Error),
    /// It takes more memory than there is.
    Size(Error),
    /// Of something that no smaller part helps.
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Self {
        let failed = |kind| Error::new(kind, "SQL of the contract failed");
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => Self::Size(failed(Kind::Usage).because(error)),
            DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Configuration(_) => Self::Other(failed(Kind::Usage).because(error)),
            DataFusionError::ObjectStore(_)
            | DataFusionError::IoError(_)
            | DataFusionError::ParquetError(_) => Self::Other(failed(Kind::Io).because(error)),
            _ => Self::Rows(failed(Kind::Data).because(error)),
        }
    }
}

/// A table's SQL and what it reads.
pub(crate) struct Computation<'a> {
    contract: &'a Contract,
    feed: &'a InputFeed,
    sql: &'a str,
    inputs: &'a [Input],
    room: Room,
}

impl<'a> Computation<'a> {
    /// The SQL of a table over these inputs, within a part of this room.
    pub(crate) fn new(
        contract: &'a Contract,
        feed: &'a InputFeed,
        inputs: &'a [Input],
        room: &Room,
    ) -> Result<Self> {
        let sql = contract.sql.as_deref();
        Ok(Self {
            contract,
            feed,
            sql: sql
                .ok_or_else(|| Error::usage("table has inputs but no SQL").with("table", &contract.name))?,
            inputs,
            room: room.part(SHARE),
        })
    }

    /// The table.
    pub(crate) fn contract(&self) -> &'a Contract {
        self.contract
    }

    /// What it is fed by.
    pub(crate) fn feed(&self) -> &'a InputFeed {
        self.feed
    }

    /// How new files of the table are written.
    pub(crate) fn target(&self, log: &'a DeltaLog, attempt: &'a str) -> Target<'a> {
        Target {
            log,
            schema: layout::schema(self.contract),
            partition: &self.contract.partition,
            sort: self.contract.sort(),
            file_size: self.contract.file_size,
            options: apply::options(self.contract),
            attempt,
            data_change: true,
            stamp: None,
        }
    }

    /// The rows of a part, as the SQL names and types them.
    async fn frame(&self, part: &Part) -> Result<DataFrame, Failure> {
        let context = session(&self.room)?;
        for input in self.inputs {
            let table = match part {
                Part::Everything => DataFrame::new(context.state(), scan(input, None)?.build()?),
                Part::Values(values) => self.wanted(&context, input, values)?,
            };
            register(&context, &input.range.table, table.into_view())?;
        }
        let selected = context
            .sql(self.sql)
            .await
            .context(Kind::Usage, "SQL of the contract cannot be planned")?;
        Ok(context.read_table(selected.into_view())?)
    }

    /// The rows of an input with one of the values.
    fn wanted(
        &self,
        context: &SessionContext,
        input: &Input,
        values: &RecordBatch,
    ) -> Result<DataFrame, Failure> {
        let files = values::files_with(&self.feed.recompute, input, values)?;
        let mut rows = scan(input, Some(files))?;
        for condition in values::bounds(&self.feed.recompute, values)? {
            rows = rows.filter(condition)?;
        }
        if values::are_named(values) {
            return Ok(DataFrame::new(context.state(), rows.build()?));
        }
        let wanted = MemTable::try_new(values.schema(), vec![vec![values.clone()]])?;
        let wanted = LogicalPlanBuilder::scan(WANTED, provider_as_source(Arc::new(wanted)), None)?;
        let of = |qualifier: &str| -> Vec<Column> {
            let names = self.feed.recompute.iter();
            names.map(|name| Column::new(Some(qualifier), name)).collect()
        };
        // One join, however many values there are: an expression that names them grows with them.
        let rows = rows.join_detailed(
            wanted.build()?,
            JoinType::LeftSemi,
            (of(INPUT), of(WANTED)),
            None,
            NullEquality::NullEqualsNull,
        )?;
        Ok(DataFrame::new(context.state(), rows.build()?))
    }

    /// The rows of a part in the order in which they are written: by partition, then as files are sorted, then by the
    /// rest of the key. All of them are computed before the first one comes.
    async fn ordered(&self, part: &Part) -> Result<SendableRecordBatchStream, Failure> {
        let rows = self.frame(part).await?;
        let order = self.order(&rows)?;
        Ok(rows.sort(order)?.execute_stream().await?)
    }

    fn order(&self, rows: &DataFrame) -> Result<Vec<SortExpr>> {
        let schema = layout::schema(self.contract);
        let typed = |name: &String| -> Result<Expr> {
            let wanted = schema.field_with_name(name)?.data_type();
            let given = rows.schema().field_with_unqualified_name(name)?.data_type();
            // What does not fit its column is told by row, later.
            Ok(if given == wanted {
                ident(name.as_str())
            } else {
                try_cast(ident(name.as_str()), wanted.clone())
            })
        };
        let mut partition: Vec<&String> = self.contract.partition.iter().collect();
        partition.sort();
        let mut order = Vec::new();
        for name in partition {
            let text = try_cast(typed(name)?, DataType::Utf8);
            order.push(text.sort(true, true));
        }
        let mut named: Vec<&String> = Vec::new();
        for name in self.contract.sort().iter().chain(self.contract.key()) {
            if !self.contract.partition.contains(name) && !named.contains(&name) {
                named.push(name);
                order.push(typed(name)?.sort(true, true));
            }
        }
        Ok(order)
    }

    /// Whether rows of one key are beside each other in the order in which rows are written.
    fn copies_meet(&self) -> bool {
        let key = self.contract.key();
        self.contract.sort().iter().all(|name| key.contains(name))
    }

    /// Keys of a part with several rows: the key columns of the table.
    async fn copied(&self, part: &Part) -> Result<RecordBatch, Failure> {
        const COPIES: &str = "_copies";
        let key: Vec<Expr> = self
            .contract
            .key()
            .iter()
            .map(|name| ident(name.as_str()))
            .collect();
        let found = self
            .frame(part)
            .await?
            .aggregate(key.clone(), vec![count(lit(1)).alias(COPIES)])?;
        let found = found
            .filter(ident(COPIES).gt(lit(1)))?
            .select(key)?
            .limit(0, Some(COPIED + 1))?;
        let batches = found.collect().await?;
        let schema = layout::schema(self.contract);
        let key = self.contract.key().iter();
        let key = key
            .map(|name| Ok(schema.index_of(name)?))
            .collect::<Result<Vec<_>>>()?;
        let schema = Arc::new(schema.project(&key).map_err(Error::from)?);
        let mut copied = Vec::new();
        for batch in batches {
            let columns = batch.columns().iter().zip(schema.fields());
            let columns = columns.map(|(column, field)| layout::conform(column, field.data_type()));
            let columns = columns.collect::<std::result::Result<Vec<_>, _>>();
            let rows = columns.and_then(|columns| RecordBatch::try_new(schema.clone(), columns));
            copied.push(rows.context(Kind::Data, "SQL gives keys that do not fit their columns")?);
        }
        let copied = concat_batches(&schema, &copied).map_err(Error::from)?;
        if copied.num_rows() > COPIED {
            let what = format!("SQL gives several rows for more than {COPIED} keys; complete the key");
            return Err(Failure::Other(Error::data(what)));
        }
        Ok(copied)
    }

    /// The values of `recompute` that a part is about.
    async fn values(&self, part: &Part) -> Result<RecordBatch, Failure> {
        if let Part::Values(values) = part {
            return Ok(values.clone());
        }
        let context = session(&self.room)?;
        let mut all: Option<DataFrame> = None;
        for input in self.inputs {
            let columns: Vec<Expr> = self
                .feed
                .recompute
                .iter()
                .map(|name| ident(name.as_str()))
                .collect();
            let rows = DataFrame::new(context.state(), scan(input, None)?.build()?).select(columns)?;
            all = Some(match all {
                Some(all) => all.union(rows)?,
                None => rows,
            });
        }
        let all = all.ok_or_else(|| Error::usage("table has no inputs"))?;
        let batches = all.distinct()?.collect().await?;
        Ok(values::typed(self.contract, self.feed, &batches)?)
    }

    /// The values over which the SQL does not fail, and the others, of which it is told why.
    async fn sound(
        &self,
        values: &RecordBatch,
        sifted: &mut Sifted,
    ) -> Result<(RecordBatch, RecordBatch), Failure> {
        let mut is_sound = vec![true; values.num_rows()];
        let mut failing = 0;
        let mut waiting = vec![(0, values.num_rows())];
        while let Some((first, rows)) = waiting.pop() {
            let Err(failure) = self.drained(&Part::Values(values.slice(first, rows))).await else {
                continue;
            };
            match failure {
                Failure::Rows(error) if rows == 1 => {
                    failing += 1;
                    if failing > FAILING {
                        let what =
                            format!("SQL of the contract fails over more than {FAILING} values of recompute");
                        return Err(Failure::Other(Error::data(what).because(error)));
                    }
                    is_sound[first] = false;
                    sifted.fails(&values.slice(first, 1), &error)?;
                }
                Failure::Rows(_) | Failure::Size(_) if rows > 1 => {
                    let half = rows / 2;
                    waiting.push((first + half, rows - half));
                    waiting.push((first, half));
                }
                failure => return Err(failure),
            }
        }
        let is_sound = BooleanArray::from(is_sound);
        let sound = filter_record_batch(values, &is_sound).map_err(Error::from)?;
        let failing = not(&is_sound).and_then(|fails| filter_record_batch(values, &fails));
        Ok((sound, failing.map_err(Error::from)?))
    }

    /// Computes a part and keeps nothing of it.
    async fn drained(&self, part: &Part) -> Result<(), Failure> {
        let mut rows = self.frame(part).await?.execute_stream().await?;
        while next(&mut rows).await?.is_some() {}
        Ok(())
    }
}

/// The next rows. Arithmetic that panics fails over its rows as any other.
async fn next(rows: &mut SendableRecordBatchStream) -> Result<Option<RecordBatch>, Failure> {
    match AssertUnwindSafe(rows.try_next()).catch_unwind().await {
        Ok(rows) => Ok(rows?),
        Err(_) => Err(Failure::Rows(Error::data("SQL of the contract breaks off"))),
    }
}

/// All rows of an input, or those of some of its files.
fn scan(input: &Input, files: Option<Vec<DataFile>>) -> Result<LogicalPlanBuilder> {
    let table = match files {
        None => SnapshotTable::new(&input.log, &input.snapshot),
        Some(files) => SnapshotTable::of_files(&input.log, &input.snapshot, Arc::new(files)),
    };
    let table = provider_as_source(Arc::new(table));
    Ok(LogicalPlanBuilder::scan(INPUT, table, None)?)
}
