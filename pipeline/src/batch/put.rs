//! The rows of a batch go into the files of their table, portion by portion: a batch of any size takes no more memory
//! than some portions. Each portion meets the files that those before it left, and what stays per key is a maximum, so it
//! does not matter how the rows are cut.

use std::collections::HashSet;
use std::sync::Arc;
use std::vec::IntoIter;

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt};
use tokio::task::JoinHandle;

use crate::contract::Contract;
use crate::error::{Context, Error, Kind, Result};
use crate::keep::{Changes, Folded, Observations, Plan, Superseded, WorkingSet, fold, merge};

use super::documents::Gathered;
use super::spool::{Portion, Spooled};

/// Groups of partitions whose portions go in at the same time.
pub(super) const GROUPS_AT_ONCE: usize = 2;

/// Rows that go into a table by key.
#[derive(Clone)]
pub(super) struct Keyed {
    pub(super) contract: Arc<Contract>,
    pub(super) spooled: Arc<Spooled>,
    /// The objects that state whole records.
    pub(super) whole: Arc<HashSet<usize>>,
    /// The first and the last day that the batch's objects are about.
    pub(super) periods: (NaiveDate, NaiveDate),
    /// Whether a key is never looked for in other partitions than the one that its row names.
    pub(super) stays: bool,
}

/// Folds the rows of each key with those of the table. A key whose rows come in several portions counts as updated where
/// it counts as absorbed within one.
pub(super) async fn put_keys(keyed: &Keyed, table: WorkingSet<'_>, portion_bytes: usize) -> Result<Changes> {
    let mut groups: Vec<Vec<Portion>> = Vec::new();
    for portion in keyed.spooled.portions(portion_bytes) {
        match groups.last_mut() {
            // Groups that stay in their partitions change no file of each other.
            Some(last) if !keyed.stays || last[0].group == portion.group => last.push(portion),
            _ => groups.push(vec![portion]),
        }
    }
    let branches = groups.into_iter().map(|portions| (table.branch(), portions));
    futures::stream::iter(branches)
        .map(|(branch, portions)| keyed.put(branch, portions))
        .buffer_unordered(GROUPS_AT_ONCE)
        .try_fold(Changes::default(), |mut all, changes| async {
            all.add(changes);
            Ok(all)
        })
        .await
}

impl Keyed {
    /// One portion after the other; while one goes in, the next is folded.
    async fn put(&self, mut table: WorkingSet<'_>, portions: Vec<Portion>) -> Result<Changes> {
        let mut portions = portions.into_iter();
        let mut next = self.fold_next(&mut portions);
        while let Some(folded) = next {
            let folded = folded.await.context(Kind::Internal, "folding panicked")??;
            next = self.fold_next(&mut portions);
            let put = async {
                let plan = merge(&self.contract, table.log(), table.files(), folded, self.periods).await?;
                table.apply(&self.contract, plan).await
            };
            if let Err(error) = put.await {
                // What is being folded holds rows that the next try has no room for.
                if let Some(folding) = next {
                    let _ = folding.await;
                }
                return Err(error);
            }
        }
        Ok(table.changes())
    }

    /// Starts to fold the next portion on a thread of its own.
    fn fold_next(&self, portions: &mut IntoIter<Portion>) -> Option<JoinHandle<Result<Folded>>> {
        let portion = portions.next()?;
        let Self {
            contract,
            spooled,
            whole,
            ..
        } = self.clone();
        Some(tokio::task::spawn_blocking(move || {
            let whole = spooled.objects(&portion).map(|object| whole.contains(&object));
            let observations = Observations {
                whole: whole.collect(),
                rows: spooled.read(&portion)?,
            };
            fold(&contract, &observations)
        }))
    }
}

/// Takes superseded rows out and puts those of the documents in; while one portion goes in, the next is read.
pub(super) async fn put_documents(
    contract: &Contract,
    mut table: WorkingSet<'_>,
    spooled: &Arc<Spooled>,
    portion_bytes: usize,
    gathered: &Arc<Gathered>,
    superseded: Superseded,
) -> Result<Changes> {
    let named = superseded.away.parts.is_some();
    let mut away = Some(superseded.away);
    let mut portions = spooled.portions(portion_bytes).into_iter();
    let mut read_next = || {
        let portion = portions.next()?;
        let (spooled, gathered) = (spooled.clone(), gathered.clone());
        Some(tokio::task::spawn_blocking(move || {
            let rows = gathered.ordered(&spooled.read(&portion)?, portion.first)?;
            Ok::<_, Error>((portion.first as u32, rows))
        }))
    };
    let mut next = read_next();
    while let Some(read) = next {
        let (first, rows) = read.await.context(Kind::Internal, "reading rows panicked")??;
        next = read_next();
        let end = first + rows.num_rows() as u32;
        let come = &superseded.come;
        let come = come.partition_point(|row| *row < first)..come.partition_point(|row| *row < end);
        let mut plan = Plan {
            homeless: superseded.come[come].iter().map(|row| row - first).collect(),
            rows,
            ..away.take().unwrap_or_else(|| Plan::without_rows(named))
        };
        if let Some(parts) = &mut plan.parts {
            parts.count_new(contract, &plan.rows, &plan.homeless)?;
        }
        table.apply(contract, plan).await?;
    }
    Ok(table.changes())
}
