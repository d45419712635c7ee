//! Whether every key has one row, and every identity one key.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::Schema;
use chrono::{DateTime, Utc};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, ident, lit};

use crate::commit::table::Table;
use crate::commit::{Opened, open};
use crate::contract::Contract;
use crate::delta::{DataFile, Which};
use crate::error::Result;
use crate::layout;
use crate::query::{SnapshotTable, session};
use crate::report::{MaintainedTable, Outcome};

use super::Upkeep;
use super::audited::Audited;
use super::copies::merge;
use super::subject::Subject;

/// Keys merged at a time.
const AT_ONCE: usize = 10_000;
/// Name of the column that counts.
const COPIES: &str = "_copies";

/// Counts the rows of every key, and merges copies where what is kept is a maximum.
pub(super) async fn audit(
    upkeep: &Upkeep<'_>,
    subject: &Subject<'_>,
    done: &mut MaintainedTable,
) -> Result<()> {
    let Some(contract) = subject.contract else {
        return Ok(());
    };
    // Also refuses a table that is not what the last batch left.
    let table = match open(upkeep.lake, &upkeep.ledger, contract, Which::Newest).await? {
        Opened::Ready(table) => table,
        Opened::Held(reasons) => {
            done.messages
                .push(format!("its keys were not looked at: {}", reasons.join("; ")));
            return Ok(());
        }
    };
    if contract.key().is_empty() {
        return Ok(());
    }
    let audit = Audit {
        upkeep,
        subject,
        contract,
        table,
    };
    let scope = audit.scope().await?;
    let copied = audit.repeated(contract.key(), scope.files.clone()).await?;
    done.copied_keys = copied.num_rows() as u64;
    if copied.num_rows() > 0 {
        return merge(&audit, &copied, done).await;
    }
    // Those of new rows can be in any file.
    let is_whole = scope.whole_at == upkeep.now;
    let is_right = !is_whole || audit.identities(done).await?;
    // What is wrong is looked for again until it is put right.
    if is_right && !upkeep.options.dry_run {
        audit.remember(scope.whole_at).await?;
    }
    Ok(())
}

/// A table whose keys are looked at.
pub(super) struct Audit<'a> {
    pub(super) upkeep: &'a Upkeep<'a>,
    subject: &'a Subject<'a>,
    pub(super) contract: &'a Contract,
    /// As the last batch left it.
    pub(super) table: Box<Table>,
}

/// What an audit looks at.
struct Scope {
    files: Arc<Vec<DataFile>>,
    /// When all files are looked at last, this time included.
    whole_at: DateTime<Utc>,
}

impl Audit<'_> {
    /// What has to be looked at after the audit before.
    async fn scope(&self) -> Result<Scope> {
        let (now, snapshot) = (self.upkeep.now, &self.table.snapshot);
        let remembered = self.upkeep.lake.remembered()?;
        if let Some(before) = Audited::read(&remembered, &self.file(), snapshot, now).await
            && let Some(files) = before.since(&self.subject.log, snapshot, self.contract).await?
        {
            return Ok(Scope {
                files: Arc::new(files),
                whole_at: before.whole_at,
            });
        }
        Ok(Scope {
            files: snapshot.files.clone(),
            whole_at: now,
        })
    }

    /// Every key has one row in this version.
    async fn remember(&self, whole_at: DateTime<Utc>) -> Result<()> {
        let audited = Audited {
            table: self.table.snapshot.id.clone(),
            version: self.table.snapshot.version,
            whole_at,
        };
        audited.keep(&self.upkeep.lake.remembered()?, &self.file()).await;
        Ok(())
    }

    /// Where that is remembered.
    fn file(&self) -> String {
        format!("{}.audited", self.contract.name)
    }

    /// Whether no identity has several keys, as the contract assumes of the source. Which of the rows is right only the
    /// source knows, so they stay and a person is asked. The keys of the table are distinct.
    async fn identities(&self, done: &mut MaintainedTable) -> Result<bool> {
        let feed = self.contract.raw_feed();
        let identity = feed.map_or(&[][..], |feed| &feed.identity);
        if identity.is_empty() {
            return Ok(true);
        }
        let files = self.table.snapshot.files.clone();
        let torn = self.repeated(identity, files).await?.num_rows();
        done.torn_identities = torn as u64;
        if torn == 0 {
            return Ok(true);
        }
        let (at_least, names) = (at_least(torn), identity.join(", "));
        let table = &self.contract.name;
        done.messages.push(format!(
            "{at_least}{torn} values of {names} have several keys, and sums count each of them: the source did not keep \
             what is assumed of it (identity); `SELECT {names}, count(*) FROM {table} GROUP BY {names} \
             HAVING count(*) > 1` names them, `marketlake why` the objects that brought them; take the wrong ones out of \
             the raw zone, then `marketlake rebuild {table}`"
        ));
        done.outcome = Outcome::Held;
        Ok(false)
    }

    /// Values of these columns of a key that more than one row among the files has, at most [`AT_ONCE`] of them.
    async fn repeated(&self, columns: &[String], files: Arc<Vec<DataFile>>) -> Result<RecordBatch> {
        let context = session(self.upkeep.lake.room())?;
        let key: Vec<Expr> = columns.iter().map(|name| ident(name.as_str())).collect();
        let table = SnapshotTable::of_files(&self.subject.log, &self.table.snapshot, files);
        let counted = context
            .read_table(Arc::new(table))?
            .aggregate(key.clone(), vec![count(lit(1)).alias(COPIES)])?
            .filter(ident(COPIES).gt(lit(1)))?
            .select(key)?
            .limit(0, Some(AT_ONCE))?;
        let counting = async { Ok(counted.collect().await?) };
        let batches = self.upkeep.lake.stop().unless(counting).await?;
        let all = layout::schema(self.contract);
        let fields = columns
            .iter()
            .map(|name| Ok(all.field_with_name(name)?.clone()))
            .collect::<Result<Vec<_>>>()?;
        let schema = Arc::new(Schema::new(fields));
        let batches = batches
            .iter()
            .map(|batch| Ok(RecordBatch::try_new(schema.clone(), batch.columns().to_vec())?))
            .collect::<Result<Vec<_>>>()?;
        Ok(concat_batches(&schema, &batches)?)
    }
}

/// What is said before a number that is only as large as the audit counts.
pub(super) fn at_least(found: usize) -> &'static str {
    if found == AT_ONCE { "at least " } else { "" }
}
