//! What a run would take in, without taking it in.

use std::collections::BTreeMap;

use super::{levels, selected};
use crate::commit;
use crate::commit::Ask;
use crate::contract::{ColumnType, Contract, Feed};
use crate::error::Result;
use crate::ingest::{Group, Pending};
use crate::lake::Lake;
use crate::layout;
use crate::report::{PlannedObject, TablePlan};
use crate::request::Selection;
use crate::system::ledger::Ledger;

impl Lake {
    /// What a run would take in; changes nothing.
    ///
    /// # Errors
    /// When a table of the selection has no contract, or raw zone or ledger cannot be read.
    pub async fn plan(&self, selection: &Selection) -> Result<Vec<TablePlan>> {
        let ledger = Ledger::open_existing(self.curated()).await?;
        let contracts = selected(self, selection)?;
        let mut plans = Vec::new();
        for group in Group::of(self.contracts(), |contract| selection.names(contract)) {
            let pending = Pending::of(
                self,
                ledger.as_ref(),
                &group.contracts,
                selection,
                &BTreeMap::new(),
            )
            .await?;
            for contract in &group.contracts {
                let objects = pending
                    .objects(&contract.name)
                    .iter()
                    .map(|object| PlannedObject {
                        uri: object.uri.clone(),
                        size: object.size,
                        period: object.period.date(),
                    });
                plans.push(TablePlan {
                    objects: objects.collect(),
                    unmatched: pending.unmatched.clone(),
                    // Where nothing can be seen, there may be more to take in.
                    odd: [pending.odd.clone(), pending.refused.clone()].concat(),
                    ..planned(self, ledger.as_ref(), contract).await?
                });
            }
        }
        for contract in levels(&contracts).into_iter().flatten() {
            plans.push(planned(self, ledger.as_ref(), contract).await?);
        }
        Ok(plans)
    }
}

async fn planned(lake: &Lake, ledger: Option<&Ledger>, contract: &Contract) -> Result<TablePlan> {
    let (mut open_batch, mut held) = (None, Vec::new());
    if let Some(ledger) = ledger {
        let claimed = ledger.progress(&contract.name).claimed;
        let log = lake.table_log(&contract.name)?;
        let mut taken = 0;
        if let Some(snapshot) = log.load().await? {
            taken = ledger.taken(&snapshot);
            held = commit::reasons_to_hold(lake, contract, &log, &snapshot, Ask::Nothing).await?;
        }
        open_batch = (claimed > taken).then_some(claimed as u64);
    }
    let period_axis = match &contract.feed {
        Feed::Raw(feed) => {
            let paths: Vec<String> = feed.paths.iter().map(ToString::to_string).collect();
            format!("day in the object's path: {}", paths.join(", "))
        }
        Feed::Inputs(feed) => {
            let inputs: Vec<String> = feed.inputs.iter().map(ToString::to_string).collect();
            format!("none: computed from {}", inputs.join(", "))
        }
    };
    let columns = layout::schema(contract);
    Ok(TablePlan {
        table: contract.name.to_string(),
        open_batch,
        held,
        objects: Vec::new(),
        unmatched: Vec::new(),
        odd: Vec::new(),
        partition: contract.partition.clone(),
        key: match contract.key() {
            [] => contract.document_key().to_vec(),
            key => key.to_vec(),
        },
        columns: columns
            .fields()
            .iter()
            .map(|field| {
                (
                    field.name().clone(),
                    ColumnType::of(field.data_type()).to_string(),
                )
            })
            .collect(),
        period_axis,
    })
}
