//! What the record step appends once the commit of an attempt is in: said in the commit where it is little, else in a side
//! file that the commit names.

use deltalake_core::kernel::Add;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contract::TableName;
use crate::curated::Curated;
use crate::error::{Context, Kind, Result};
use crate::system::ledger::ObjectResult;

/// Where a commit says it.
pub(super) const SIDE: &str = "side";
/// Bytes that are few enough to be said in a commit, which everybody reads who opens the table.
const LITTLE: usize = 4 << 10;

/// Counts and rejects of one attempt at a batch.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SideFile {
    /// Per object what became of it.
    pub(crate) results: Vec<ObjectResult>,
    /// Files of rejected rows, written and not yet committed.
    pub(crate) quarantine: Vec<Add>,
}

impl SideFile {
    /// What the commit says of it: itself, or the path of a file that has it, which is written here.
    pub(crate) async fn put(
        &self,
        curated: &Curated,
        table: &TableName,
        batch: i64,
        attempt: &str,
    ) -> Result<Value> {
        let none = "what is to be recorded of an attempt has no JSON form";
        let bytes = serde_json::to_vec(self).context(Kind::Internal, none)?;
        // Files of rejects that wait to be recorded are kept from being cleaned up by a side file.
        if bytes.len() <= LITTLE && self.quarantine.is_empty() {
            return serde_json::to_value(self).context(Kind::Internal, none);
        }
        let path = format!("{table}/{batch}-{attempt}.json");
        store(curated)?
            .put(&Path::from(path.as_str()), bytes.into())
            .await?;
        Ok(path.into())
    }

    /// What a commit says of it; none where it says nothing.
    pub(crate) async fn of(curated: &Curated, about: &Value) -> Result<Option<Self>> {
        match about.get(SIDE) {
            None => Ok(None),
            Some(Value::String(path)) => Self::read(curated, path).await.map(Some),
            Some(said) => Self::deserialize(said).map(Some).context(
                Kind::Foreign,
                "commit says in a way that is not ours what is to be recorded",
            ),
        }
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

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use deltalake_core::kernel::Add;
    use serde_json::json;

    use super::*;
    use crate::storage::Place;
    use crate::system::ledger::{Claim, Draft};

    #[tokio::test]
    async fn little_is_said_in_the_commit_and_much_or_rejects_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let curated = Curated::at(Place::of_folder(folder.path()));
        let table: TableName = "jwo.orders".parse().unwrap();
        let draft = Draft {
            table: table.clone(),
            batch: 7,
            rules: "r".repeat(100),
            objects: Vec::new(),
            inputs: Vec::new(),
        };
        let claim = Claim {
            draft,
            claimed_at: DateTime::UNIX_EPOCH,
        };
        let result = ObjectResult::of_input(&claim, &table, "a");
        let of = |results: usize, rejects: usize| SideFile {
            results: vec![result.clone(); results],
            quarantine: vec![Add::default(); rejects],
        };
        for (side, is_file) in [
            (of(0, 0), false),
            (of(3, 0), false),
            (of(3, 1), true),
            (of(500, 0), true),
        ] {
            let said = side.put(&curated, &table, 7, "a").await.unwrap();
            assert_eq!(said.is_string(), is_file, "{said}");
            let read = SideFile::of(&curated, &json!({ SIDE: said }))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(json!(read), json!(side));
        }
        assert!(SideFile::of(&curated, &json!({})).await.unwrap().is_none());
    }
}
