//! How tables were held when that was told last, a file each below `marketlake/held`: what each run finds as it was is told once.

use serde::{Deserialize, Serialize};

use crate::contract::TableName;
use crate::curated::Curated;
use crate::error::{Context, Error, Kind, Result};
use crate::report::TableReport;
use crate::storage::Place;

use super::ledger::Ledger;

/// A held table.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// Batches that went into it before.
    batches: i64,
    /// Why a person is asked.
    messages: Vec<String>,
}

impl Held {
    /// How a report says that a table is held.
    pub(crate) async fn of(curated: &Curated, report: &TableReport) -> Result<Self> {
        let table: TableName = report.table.parse().map_err(Error::internal)?;
        let ledger = Ledger::open_existing(curated).await?;
        Ok(Self {
            batches: ledger.map_or(0, |ledger| ledger.progress(&table).recorded),
            messages: report.messages.clone(),
        })
    }

    /// Whether that was told.
    pub(crate) async fn is_told(&self, curated: &Curated, table: &str) -> Result<bool> {
        let noted = place(curated)?.read(&file(table)).await?;
        // What is not readable was written by nobody here, and is written anew.
        let noted: Option<Self> = noted.and_then(|noted| serde_json::from_slice(&noted).ok());
        Ok(noted.as_ref() == Some(self))
    }

    /// Notes that it is left to be told.
    pub(crate) async fn note(&self, curated: &Curated, table: &str) -> Result<()> {
        let noted = serde_json::to_vec(self).context(Kind::Internal, "a held table has no JSON form")?;
        place(curated)?.write(&file(table), noted).await
    }
}

fn place(curated: &Curated) -> Result<Place> {
    curated.own("held")
}

fn file(table: &str) -> String {
    format!("{table}.json")
}
