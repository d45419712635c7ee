//! Folders of the raw zone and of the lake.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};

use crate::error::{Result, of_store};

/// A folder in a store.
#[derive(Clone)]
pub struct Place {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Whether an object can be replaced as the version of it that was read.
    swaps: bool,
}

/// An object and the version of it that was read.
pub(crate) struct Seen {
    pub(crate) body: Bytes,
    pub(crate) version: UpdateVersion,
}

impl Place {
    /// A folder; `swaps` where the store can replace an object only as long as it is the one that was read, as buckets can.
    pub fn new(store: Arc<dyn ObjectStore>, path: Path, swaps: bool) -> Self {
        Self { store, path, swaps }
    }

    /// The folder, or the object, of that name in it; `/` stands between names.
    #[must_use]
    pub fn below(&self, names: &str) -> Self {
        let names = names.split('/').filter(|name| !name.is_empty());
        let path = names.fold(self.path.clone(), |path, name| path.join(name));
        Self { path, ..self.clone() }
    }

    /// The store; paths in it begin at its root.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Where it is in the store.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the object that this is in bytes; none where there is none.
    ///
    /// # Errors
    ///
    /// When that cannot be found out.
    pub async fn size(&self) -> Result<Option<u64>> {
        match self.store.head(&self.path).await {
            Ok(found) => Ok(Some(found.size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(of_store(&self.to_string(), &error)),
        }
    }

    /// Writes the object that this is, whole.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub async fn write(&self, body: Bytes) -> Result<()> {
        let put = self.store.put(&self.path, body.into()).await;
        put.map(drop).map_err(|error| of_store(&self.to_string(), &error))
    }

    /// Reads the object that this is; none where there is none.
    pub(crate) async fn read(&self) -> Result<Option<Seen>> {
        let found = match self.store.get(&self.path).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(of_store(&self.to_string(), &error)),
        };
        let version = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        let body = found
            .bytes()
            .await
            .map_err(|error| of_store(&self.to_string(), &error))?;
        Ok(Some(Seen { body, version }))
    }

    /// Replaces the version of the object that was read, or makes it where there was none; the version that it has now, or
    /// none where somebody else wrote it meanwhile.
    pub(crate) async fn swap(
        &self,
        body: Bytes,
        seen: Option<&UpdateVersion>,
    ) -> Result<Option<UpdateVersion>> {
        let mode = match seen {
            _ if !self.swaps => PutMode::Overwrite,
            None => PutMode::Create,
            Some(version) => PutMode::Update(version.clone()),
        };
        let put = self
            .store
            .put_opts(&self.path, body.clone().into(), PutOptions::from(mode))
            .await;
        match put {
            Ok(put) => Ok(Some(UpdateVersion {
                e_tag: put.e_tag,
                version: put.version,
            })),
            Err(StoreError::Precondition { .. } | StoreError::AlreadyExists { .. }) => {
                // A put whose answer was lost is repeated by the store's client, and finds its own work.
                let ours = self.read().await?.filter(|found| found.body == body);
                Ok(ours.map(|found| found.version))
            }
            Err(error) => Err(of_store(&self.to_string(), &error)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({})", self.path)
    }
}
