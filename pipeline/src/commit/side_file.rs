//! The side file of an attempt: what the record step appends once the commit is in.

use deltalake_core::kernel::Add;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::contract::TableName;
use crate::curated::Curated;
use crate::error::{Context, Kind, Result};
use crate::system::ledger::ObjectResult;

/// Counts and rejects of one attempt at a batch.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SideFile {
    /// Per object what became of it.
    pub(crate) results: Vec<ObjectResult>,
    /// Files of rejected rows, written and not yet committed.
    pub(crate) quarantine: Vec<Add>,
}

impl SideFile {
    /// Writes the file and gives its path.
    pub(crate) async fn write(
        &self,
        curated: &Curated,
        table: &TableName,
        batch: i64,
        attempt: &str,
    ) -> Result<String> {
        let path = format!("{table}/{batch}-{attempt}.json");
        let bytes = serde_json::to_vec(self).context(Kind::Internal, "side file has no JSON form")?;
        store(curated)?
            .put(&Path::from(path.as_str()), bytes.into())
            .await?;
        Ok(path)
    }

    /// Reads the file of an attempt.
    pub(crate) async fn read(curated: &Curated, path: &str) -> Result<Self> {
        let bytes = store(curated)?
            .get(&Path::from(path))
            .await
            .map_err(|error| crate::Error::from(error).with("side file", path))?
            .bytes()
            .await?;
        serde_json::from_slice(&bytes)
            .context(Kind::Data, "side file of an attempt is not readable")
            .map_err(|error| error.with("side file", path))
    }
}

/// The folder of the attempts' files.
fn store(curated: &Curated) -> Result<std::sync::Arc<dyn object_store::ObjectStore>> {
    Ok(curated.system("attempts")?.store().clone())
}
