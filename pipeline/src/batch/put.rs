//! The rows of a batch go into the files of their table, portion by portion: a batch of any size takes no more memory
//! than a portion, and by key than two, of which one goes in while the other is folded. Each portion meets the files
//! that those before it left, and what stays per key is a maximum, so it does not matter how the rows are cut.

use std::collections::HashSet;
use std::sync::Arc;
use std::vec::IntoIter;

use chrono::NaiveDate;
use tokio::task::JoinHandle;

use crate::contract::Contract;
use crate::error::{Context, Kind, Result};
use crate::keep::{Folded, Observations, Plan, Superseded, WorkingSet, fold, merge};

use super::documents::Gathered;
use super::spool::{Portion, Spooled};

/// Folds the rows of each key with those of the table. `whole` are the objects that state whole records, `periods` the
/// first and the last day that the batch's objects are about. A key whose rows come in several portions counts as
/// updated where it counts as absorbed within one.
pub(super) async fn put_keys(
    contract: &Contract,
    table: &mut WorkingSet<'_>,
    spooled: &Arc<Spooled>,
    portion_bytes: usize,
    whole: HashSet<usize>,
    periods: (NaiveDate, NaiveDate),
) -> Result<()> {
    let mut folding = Folding {
        contract: Arc::new(contract.clone()),
        spooled: spooled.clone(),
        whole: Arc::new(whole),
        portions: spooled.portions(portion_bytes).into_iter(),
    };
    let mut next = folding.start();
    while let Some(folded) = next {
        let folded = folded.await.context(Kind::Internal, "folding panicked")??;
        // While these go in, those that follow are folded.
        next = folding.start();
        let put = async {
            let plan = merge(contract, table.log(), table.files(), &folded, periods).await?;
            table.apply(contract, plan).await
        };
        if let Err(error) = put.await {
            // What is being folded holds rows that the next try has no room for.
            if let Some(folding) = next {
                let _ = folding.await;
            }
            return Err(error);
        }
    }
    Ok(())
}

/// The portions of a batch that have not been folded.
struct Folding {
    contract: Arc<Contract>,
    spooled: Arc<Spooled>,
    whole: Arc<HashSet<usize>>,
    portions: IntoIter<Portion>,
}

impl Folding {
    /// Starts to fold the next portion on a thread of its own.
    fn start(&mut self) -> Option<JoinHandle<Result<Folded>>> {
        let portion = self.portions.next()?;
        let (contract, spooled, whole) = (self.contract.clone(), self.spooled.clone(), self.whole.clone());
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

/// Takes superseded rows out and puts those of the documents in.
pub(super) async fn put_documents(
    contract: &Contract,
    table: &mut WorkingSet<'_>,
    spooled: &Spooled,
    portion_bytes: usize,
    gathered: &Gathered,
    superseded: Superseded,
) -> Result<()> {
    let named = superseded.away.parts.is_some();
    let mut away = Some(superseded.away);
    for portion in spooled.portions(portion_bytes) {
        let rows = gathered.ordered(&spooled.read(&portion)?, portion.first)?;
        let first = portion.first as u32;
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
    Ok(())
}
