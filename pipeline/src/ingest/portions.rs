//! The rows of a batch go into the files of their table, portion by portion: a batch of any size takes no more memory
//! than some portions. Each portion meets the files that those before it left, and what stays per key is a maximum, so it
//! does not matter how the rows are cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::NaiveDate;
use futures::StreamExt;
use tokio::task::JoinHandle;

use crate::apply::{Changes, Plan, Superseded, WorkingSet, merge};
use crate::contract::Contract;
use crate::error::{Context, Error, Kind, Result};
use crate::keep::{Folded, fold};

use super::documents::Gathered;
use super::row_buffer::{BufferedRows, Portion};

/// Rows that go into a table by key.
#[derive(Clone)]
pub(crate) struct KeyedRows {
    pub(crate) contract: Arc<Contract>,
    pub(crate) buffered: Arc<BufferedRows>,
    /// The first and the last day that the batch's objects are about.
    pub(crate) periods: (NaiveDate, NaiveDate),
    /// How many files of the table are looked into at the same time.
    pub(crate) files_at_once: usize,
}

/// Folds the rows of each key with those of the table. A key whose rows come in several portions counts as updated where
/// it counts as absorbed within one.
/// `groups_at_once` groups of partitions go in at the same time.
pub(crate) async fn put_keys(
    keyed: &KeyedRows,
    table: WorkingSet<'_>,
    portion_bytes: usize,
    groups_at_once: usize,
) -> Result<Changes> {
    let portions = keyed.buffered.portions(portion_bytes);
    let groups: Vec<&[Portion]> = portions.chunk_by(|one, next| one.group == next.group).collect();
    if !keyed.contract.keys_stay() || groups.len() < 2 {
        return keyed.put(table, &portions, true).await;
    }
    let branches = groups.into_iter().map(|portions| {
        let branch = table.branch(|file| keyed.buffered.is_of_group(&file.partition, portions[0].group));
        (branch, portions)
    });
    let has_failed = &AtomicBool::new(false);
    let mut groups = futures::stream::iter(branches)
        .map(|(branch, portions)| async move {
            if has_failed.load(Ordering::Relaxed) {
                return Ok(Changes::default());
            }
            // Two groups at work hold as many portions as one of which the next is folded ahead.
            let put = keyed.put(branch, portions, false).await;
            has_failed.fetch_or(put.is_err(), Ordering::Relaxed);
            put
        })
        .buffer_unordered(groups_at_once);
    // What another group has begun it ends: it holds rows that the next try has no room for.
    let mut all = Ok(Changes::default());
    while let Some(changes) = groups.next().await {
        match (&mut all, changes) {
            (Ok(all), Ok(changes)) => all.add(changes),
            (Ok(_), Err(error)) => all = Err(error),
            (Err(_), _) => {}
        }
    }
    all
}

impl KeyedRows {
    /// One portion after the other; `ahead`, the next is folded while one goes in.
    async fn put(&self, mut table: WorkingSet<'_>, portions: &[Portion], ahead: bool) -> Result<Changes> {
        let mut portions = portions.iter();
        let mut fold_next = || portions.next().map(|portion| self.fold(portion));
        let mut next = fold_next();
        while let Some(folded) = next {
            let folded = folded.await.context(Kind::Internal, "folding panicked")??;
            let begun = if ahead { fold_next() } else { None };
            let put = async {
                let (open, files) = (table.open_files(), table.files());
                let plan = merge(
                    &self.contract,
                    open,
                    files,
                    folded,
                    self.periods,
                    self.files_at_once,
                )
                .await?;
                table.apply(&self.contract, plan).await
            };
            if let Err(error) = put.await {
                ended(begun).await;
                return Err(error);
            }
            next = begun.or_else(&mut fold_next);
        }
        Ok(table.changes())
    }

    /// Starts to fold a portion on a thread of its own.
    fn fold(&self, portion: &Portion) -> JoinHandle<Result<Folded>> {
        let Self {
            contract, buffered, ..
        } = self.clone();
        let portion = portion.clone();
        tokio::task::spawn_blocking(move || fold(&contract, &buffered.read(&portion)?))
    }
}

/// Waits for what was begun and is not needed any more: it holds rows that the next try has no room for.
async fn ended<T>(begun: Option<JoinHandle<T>>) {
    if let Some(begun) = begun {
        let _ = begun.await;
    }
}

/// Takes superseded rows out and puts those of the documents in; while one portion goes in, the next is read.
pub(crate) async fn put_documents(
    contract: &Contract,
    mut table: WorkingSet<'_>,
    buffered: &Arc<BufferedRows>,
    portion_bytes: usize,
    gathered: &Arc<Gathered>,
    superseded: Superseded,
) -> Result<Changes> {
    let named = superseded.away.parts.is_some();
    let mut away = Some(superseded.away);
    let mut portions = buffered.portions(portion_bytes).into_iter();
    let mut read_next = || {
        let portion = portions.next()?;
        let (buffered, gathered) = (buffered.clone(), gathered.clone());
        Some(tokio::task::spawn_blocking(move || {
            let rows = gathered.ordered(&buffered.read(&portion)?, portion.first)?;
            Ok::<_, Error>((portion.first as u32, rows))
        }))
    };
    let mut next = read_next();
    while let Some(read) = next {
        let (first, rows) = read.await.context(Kind::Internal, "reading rows panicked")??;
        next = read_next();
        let end = first + rows.num_rows() as u32;
        let come = superseded.come.range(first..end);
        let mut plan = Plan {
            unplaced: come.map(|row| row - first).collect(),
            rows,
            ..away.take().unwrap_or_else(|| Plan::without_rows(named))
        };
        let put = async {
            if let Some(parts) = &mut plan.parts {
                parts.count_new(contract, &plan.rows, &plan.unplaced)?;
            }
            table.apply(contract, plan).await
        };
        if let Err(error) = put.await {
            ended(next).await;
            return Err(error);
        }
    }
    Ok(table.changes())
}
