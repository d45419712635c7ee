//! One read-only statement over the curated tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use futures::{StreamExt, TryStreamExt, stream};

use crate::contract::{TableName, View};
use crate::curated::Curated;
use crate::error::{Context, Error, Kind, Result};
use crate::lake::Lake;
use crate::stop::Stop;

use super::provider::SnapshotTable;
use super::room::Room;
use super::session::{register, session};
use super::view;

impl Lake {
    /// Runs a SQL query over the curated tables and the system tables `marketlake.changes`, `.ledger`,
    /// `.quarantine`, `.runs`. All rows are held in memory.
    ///
    /// # Errors
    /// When the SQL is not a query, names no table of the lake, or fails.
    pub async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        self.query_rows(sql).await?.all().await
    }

    /// As [`query`](Self::query), a batch at a time.
    ///
    /// # Errors
    /// When the SQL is not a query, or names no table of the lake; where it fails later, the rows say so.
    pub async fn query_rows(&self, sql: &str) -> Result<Rows> {
        let known: Vec<TableName> = self.contracts().keys().cloned().collect();
        let rows = query(self.curated(), self.room(), &known, self.contracts().views(), sql);
        let stream = self.stop().unless(rows).await?;
        Ok(Rows::of(stream, self.stop()))
    }
}

/// Schema of the tables that this program keeps for itself.
const SYSTEM: &str = "marketlake";
/// Tables of that schema.
const SYSTEM_TABLES: [&str; 4] = ["changes", "ledger", "quarantine", "runs"];
/// Schema whose tables list tables.
const INFORMATION_SCHEMA: &str = "information_schema";
/// Logs that are read at once.
const CONCURRENT_LOADS: usize = 8;

/// A session that knows those of the named tables that exist, each at its newest version. `marketlake.ledger` and
/// its like are names as any other.
pub(crate) async fn open_all(
    curated: &Curated,
    names: impl IntoIterator<Item = TableName>,
    room: &Room,
) -> Result<SessionContext> {
    let context = session(room)?;
    let loads = names.into_iter().map(|name| async move {
        let log = curated.table(&name)?;
        Ok::<_, Error>(
            log.load()
                .await?
                .map(|snapshot| (name, SnapshotTable::new(&log, &snapshot))),
        )
    });
    let tables: Vec<_> = stream::iter(loads)
        .buffer_unordered(CONCURRENT_LOADS)
        .try_collect()
        .await?;
    for (name, table) in tables.into_iter().flatten() {
        register(&context, &name, Arc::new(table))?;
    }
    Ok(context)
}

/// The rows of a statement, a batch at a time, as they are found.
pub struct Rows {
    stream: SendableRecordBatchStream,
    stop: Stop,
}

impl Rows {
    pub(super) fn of(stream: SendableRecordBatchStream, stop: &Stop) -> Self {
        Self {
            stream,
            stop: stop.clone(),
        }
    }

    /// Their columns.
    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// The next rows; none after the last ones.
    ///
    /// # Errors
    /// When the statement fails over them, tables cannot be read, or somebody asked the work to end.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let next = async { self.stream.try_next().await.map_err(failed) };
        self.stop.unless(next).await
    }

    /// All that are left, in at least one batch, so that the columns are known where there are no rows.
    pub(crate) async fn all(mut self) -> Result<Vec<RecordBatch>> {
        let mut rows = Vec::new();
        while let Some(batch) = self.next().await? {
            rows.push(batch);
        }
        if rows.is_empty() {
            rows.push(RecordBatch::new_empty(self.schema()));
        }
        Ok(rows)
    }
}

/// The rows of one statement that only reads: a query, EXPLAIN, DESCRIBE or SHOW. Of the tables and views of contracts
/// only logs of those that the statement names are read, and of all where it asks which tables there
/// are.
///
/// The statement's own mistakes, such as a table that is not there, are of [`Kind::Usage`].
pub(super) async fn query(
    curated: &Curated,
    room: &Room,
    tables: &[TableName],
    views: &BTreeMap<TableName, View>,
    sql: &str,
) -> Result<SendableRecordBatchStream> {
    let tables: BTreeSet<TableName> = tables.iter().cloned().chain(system_tables()).collect();
    let known = tables.iter().chain(views.keys()).cloned().collect();
    let statement = parse(sql)?;
    let named = named(&statement)?;
    let views: Vec<&View> = views.values().filter(|view| named.wants(&view.name)).collect();
    let of_views = views.iter().flat_map(|view| &view.inputs).cloned();
    let wanted: BTreeSet<TableName> = tables
        .into_iter()
        .filter(|name| named.wants(name))
        .chain(of_views)
        .collect();
    let context = open_all(curated, wanted, room).await?;
    for view in views {
        // Its tables are not all there yet, as may be those of any other statement.
        let exists = |input: &TableName| {
            context.table_exist(TableReference::partial(
                input.source.as_str(),
                input.table.as_str(),
            ))
        };
        if view.inputs.iter().all(|input| exists(input).unwrap_or(false)) {
            view::offer(&context, view).await?;
        }
    }

    let mut state = context.state();
    // A number with a point is compared with decimals: as a double it has another value.
    state.config_mut().options_mut().sql_parser.parse_float_as_decimal = true;
    let plan = match state.statement_to_plan(statement).await {
        Ok(plan) => plan,
        Err(error) => return Err(unplanned(error, &context, &named, &known)),
    };
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)
        .context(Kind::Usage, "only statements that read are run")?;
    let frame = context.execute_logical_plan(plan).await.map_err(failed)?;
    frame.execute_stream().await.map_err(failed)
}

/// Tables that every lake can have beside those of the contracts.
fn system_tables() -> impl Iterator<Item = TableName> {
    let name = |table: &str| TableName {
        source: SYSTEM.to_owned(),
        table: table.to_owned(),
    };
    SYSTEM_TABLES.into_iter().map(name)
}

fn parse(sql: &str) -> Result<Statement> {
    let context = SessionContext::new();
    let state = context.state();
    let dialect = state.config().options().sql_parser.dialect;
    state
        .sql_to_statement(sql, &dialect)
        .context(Kind::Usage, "SQL cannot be parsed")
}

/// What a statement reads.
struct Named {
    tables: Vec<TableReference>,
    /// Whether it asks which tables there are.
    all: bool,
}

impl Named {
    fn wants(&self, name: &TableName) -> bool {
        self.all || self.tables.iter().any(|table| is(table, name))
    }
}

fn is(reference: &TableReference, name: &TableName) -> bool {
    reference.schema() == Some(&name.source) && reference.table() == name.table
}

fn named(statement: &Statement) -> Result<Named> {
    let tables = SessionContext::new()
        .state()
        .resolve_table_references(statement)
        .context(Kind::Usage, "SQL names a table that cannot be")?;
    let all = tables
        .iter()
        .any(|table| table.schema() == Some(INFORMATION_SCHEMA));
    Ok(Named { tables, all })
}

/// Why a statement has no plan: mostly a table that is not there, and then which there are.
fn unplanned(
    error: DataFusionError,
    context: &SessionContext,
    named: &Named,
    known: &BTreeSet<TableName>,
) -> Error {
    let missing = named
        .tables
        .iter()
        .find(|table| !context.table_exist((*table).clone()).unwrap_or(false));
    let Some(missing) = missing else {
        return Error::usage("SQL cannot be planned").because(error);
    };
    if let Some(name) = known.iter().find(|name| is(missing, name)) {
        return Error::usage(format!(
            "table {name} does not exist yet; `marketlake run` makes it"
        ))
        .because(error);
    }
    let tables: Vec<_> = known.iter().map(TableName::to_string).collect();
    Error::usage(format!(
        "there is no table {missing}; the tables are {}",
        tables.join(", ")
    ))
    .because(error)
}

/// Why a plan did not run. Storage that fails is not the statement's mistake.
fn failed(error: DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => {
            Error::usage("query needs more memory than it may have; raise the limit or ask for less")
                .because(error)
        }
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) | DataFusionError::ParquetError(_) => {
            Error::new(Kind::Io, "tables could not be read").because(error)
        }
        DataFusionError::Internal(_) => Error::internal("query failed").because(error),
        _ => Error::usage("query failed").because(error),
    }
}
