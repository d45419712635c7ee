//! Checkpoints: the library writes them, from the files of the log that it would read several times each. So it gets a copy of
//! them in memory, and what it writes there goes into the log.

use std::sync::Arc;

use deltalake_core::DeltaTable;
use deltalake_core::checkpoints::create_checkpoint;
use deltalake_core::logstore::{StorageConfig, default_logstore};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::{DeltaLog, entry_path, top};
use crate::delta::replay;
use crate::error::{Context, Kind, Result};

/// Files that are copied at the same time.
const IN_FLIGHT: usize = 32;

impl DeltaLog {
    /// Writes a checkpoint of a version: everything that replaying the log up to it gives, files and progress alike.
    pub(crate) async fn checkpoint(&self, version: u64) -> Result<()> {
        let written = self.try_checkpoint(version).await;
        written.map_err(|error| error.with("table", &self.table).with("version", version))
    }

    async fn try_checkpoint(&self, version: u64) -> Result<()> {
        let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        self.copy(version, memory.as_ref()).await?;
        let log = default_logstore(memory.clone(), memory.clone(), &top()?, &StorageConfig::default());
        let mut table = DeltaTable::new(log);
        table.load_version(version).await?;
        create_checkpoint(&table, None).await?;
        let of_version = entry_path(version).to_string().replace("json", "checkpoint");
        let files: Vec<_> = memory.list(None).try_collect().await?;
        let files = files.into_iter().map(|file| file.location);
        for path in files.filter(|path| path.as_ref().starts_with(&of_version)) {
            self.put_copy(memory.as_ref(), &path).await?;
        }
        // Readers look for what it names: it comes last.
        self.put_copy(memory.as_ref(), &Path::from("_delta_log/_last_checkpoint"))
            .await
    }

    /// Copies what a version is read from.
    async fn copy(&self, version: u64, memory: &dyn ObjectStore) -> Result<()> {
        let texts = self.held.lock().await.as_ref().map(|held| held.texts.clone());
        let texts = texts.unwrap_or_default();
        let files = replay::files(self.store.as_ref(), version).await?;
        let copies = files.into_iter().map(|(of, path)| {
            let known = of.and_then(|version| texts.of(version));
            async move {
                let bytes = match known {
                    Some(known) => known,
                    None => self.store.get(&path).await?.bytes().await?,
                };
                memory.put(&path, bytes.into()).await?;
                Ok::<_, object_store::Error>(())
            }
        });
        let copied = stream::iter(copies)
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<()>();
        copied
            .await
            .context(Kind::Io, "log could not be read for a checkpoint")
    }

    async fn put_copy(&self, memory: &dyn ObjectStore, path: &Path) -> Result<()> {
        let bytes = memory.get(path).await?.bytes().await?;
        self.store.put(path, bytes.into()).await?;
        Ok(())
    }
}
