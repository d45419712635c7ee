//! A place in a store, and what can be done there.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use crate::error::{Context, Error, Kind, Result};

use super::address::{self, join};
use super::entry::{Entries, Entry};
use super::paged::Paged;
use super::uploads::Uploads;
use super::{bucket, folder};

/// An address, the store that serves it, and the path that it has there.
#[derive(Clone)]
pub(crate) struct Place {
    address: Url,
    store: Arc<dyn ObjectStore>,
    path: Path,
    uploads: Uploads,
    pages: Option<Arc<dyn Paged>>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.address.as_str()).finish()
    }
}

/// Removes files of a store, many with one request; those that are gone already are removed. What can be removed is, whatever
/// becomes of the others.
///
/// # Errors
/// The first one.
pub(crate) async fn remove(store: &dyn ObjectStore, paths: Vec<Path>) -> Result<()> {
    let paths = futures::stream::iter(paths).map(Ok).boxed();
    let mut removed = store.delete_stream(paths);
    let mut first = Ok(());
    while let Some(removed) = removed.next().await {
        match removed {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => first = first.and(Err(error.into())),
        }
    }
    first
}

impl Place {
    pub(super) fn new(address: Url, store: Arc<dyn ObjectStore>, uploads: Uploads) -> Result<Self> {
        let path = address::path_of(&address)?;
        Ok(Self {
            address,
            store,
            path,
            uploads,
            pages: None,
        })
    }

    /// The same, listed page by page.
    pub(super) fn paged(self, pages: Arc<dyn Paged>) -> Self {
        Self {
            pages: Some(pages),
            ..self
        }
    }

    /// A folder of this machine.
    #[cfg(test)]
    pub(crate) fn of_folder(folder: &std::path::Path) -> Self {
        let address = Url::from_directory_path(folder).unwrap();
        super::Stores::default().place(&address).unwrap()
    }

    /// The same address in another store.
    #[cfg(test)]
    pub(crate) fn over(self, store: Arc<dyn ObjectStore>) -> Self {
        Self { store, ..self }
    }

    /// Its address.
    pub(crate) fn address(&self) -> &Url {
        &self.address
    }

    /// The store that serves it; paths in it begin at its root.
    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The room that new objects take part of while they are uploaded.
    pub(super) fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// What lists it page by page, where something does.
    pub(super) fn pages(&self) -> Option<&Arc<dyn Paged>> {
        self.pages.as_ref()
    }

    /// Where it is in the store.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is on a disk of this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.address.scheme() == "file"
    }

    /// The folder or file, where it is local.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.address.to_file_path().ok()
    }

    /// The folder of that name in it, or of several names with `/` between them, whatever characters they have.
    pub(crate) fn below(&self, names: &str) -> Result<Self> {
        self.at(&join(&self.path, names))
    }

    /// Another path in the store.
    pub(crate) fn at(&self, path: &Path) -> Result<Self> {
        Ok(Self {
            address: self.address_of(path)?,
            store: self.store.clone(),
            path: path.clone(),
            uploads: self.uploads.clone(),
            pages: self.pages.clone(),
        })
    }

    /// The address of a path in the store.
    pub(crate) fn address_of(&self, path: &Path) -> Result<Url> {
        address::address_of(&self.address, path)
    }

    /// A path in the store as it is below this place.
    pub(crate) fn relative(&self, path: &Path) -> String {
        address::relative(&self.path, path)
    }

    /// The files and folders below a path in the store, and all that is odd there; nothing where there is none. Of a
    /// bucket only what lies behind `after` is looked for, where that is given; a folder is listed whole.
    pub(crate) fn entries_below(&self, path: &Path, after: Option<&Path>) -> Result<Entries> {
        match self.is_local() {
            true => folder::below(self, path),
            false => Ok(bucket::below(self, path, after)),
        }
    }

    /// What lies directly in a folder of the store; nothing where there is none.
    ///
    /// # Errors
    /// When something cannot be looked at, so that objects may be missed.
    pub(crate) async fn entries_in(&self, path: &Path) -> Result<Vec<Entry>> {
        match self.is_local() {
            true => folder::inside(self, path).await,
            false => bucket::inside(self, path).await,
        }
    }

    /// The time of change of an object as it is compared. A bucket is listed with milliseconds by some servers that answer
    /// a question for the object with whole seconds: of those only the seconds are the same everywhere.
    pub(crate) fn changed(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        match self.is_local() {
            true => at.trunc_subsecs(6),
            false => at.trunc_subsecs(0),
        }
    }

    /// The tag of an object's content, where what lists it and what opens it agree on one: a folder's listing has none.
    pub(crate) fn tag(&self, meta: &ObjectMeta) -> Option<String> {
        meta.e_tag.clone().filter(|_| !self.is_local())
    }

    /// All files below it, in the order of their paths; none where there is no such folder.
    pub(crate) async fn files(&self) -> Result<Vec<ObjectMeta>> {
        let mut files: Vec<ObjectMeta> = self.store.list(Some(&self.path)).try_collect().await?;
        files.sort_by(|one, other| one.location.cmp(&other.location));
        Ok(files)
    }

    /// What the file of that name in it holds; none where there is none.
    pub(crate) async fn read(&self, name: &str) -> Result<Option<Bytes>> {
        let path = join(&self.path, name);
        match self.store.get(&path).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::from(error).with("file", path)),
        }
    }

    /// Puts a file of that name into it, in place of what it was.
    pub(crate) async fn write(&self, name: &str, bytes: impl Into<Bytes>) -> Result<()> {
        let path = join(&self.path, name);
        let put = self.store.put(&path, bytes.into().into()).await;
        put.map_err(|error| Error::from(error).with("file", path))?;
        Ok(())
    }

    /// Removes files of the store; those that are gone already are removed.
    pub(crate) async fn remove(&self, paths: Vec<Path>) -> Result<()> {
        remove(&self.store, paths).await
    }

    /// Removes everything below it.
    pub(crate) async fn remove_all(&self) -> Result<()> {
        if let Some(folder) = self.file() {
            return match tokio::fs::remove_dir_all(&folder).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(error).context(Kind::Io, "folder could not be removed")
                }
                _ => Ok(()),
            };
        }
        let files = self.files().await?;
        self.remove(files.into_iter().map(|file| file.location).collect())
            .await
    }
}
