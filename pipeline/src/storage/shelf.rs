//! What those who open lakes do with storage themselves: single files, and whole folders.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use url::Url;

use crate::error::{Error, Result};

use super::address::{join, path_of};
use super::stores::Stores;

/// Files that are copied at the same time.
const COPIED_AT_ONCE: usize = 16;

impl Stores {
    /// What a file of a folder holds; none where there is none.
    ///
    /// # Errors
    /// When no store is known for it, or it cannot be read.
    pub async fn read(&self, folder: &Url, name: &str) -> Result<Option<Bytes>> {
        self.place(folder)?.read(name).await
    }

    /// Puts a file into a folder, in place of what it was.
    ///
    /// # Errors
    /// When no store is known for it, or it cannot be written.
    pub async fn write(&self, folder: &Url, name: &str, bytes: impl Into<Bytes>) -> Result<()> {
        self.place(folder)?.write(name, bytes).await
    }

    /// Whether no file is in a folder or below it.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub async fn is_empty(&self, folder: &Url) -> Result<bool> {
        let place = self.place(folder)?;
        let mut files = place.store().list(Some(place.path()));
        match files.next().await {
            None => Ok(true),
            Some(Ok(_)) => Ok(false),
            Some(Err(error)) => Err(Error::from(error).with("folder", folder)),
        }
    }

    /// Removes all that is of this name in a folder: a file, or everything below a folder of its own.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub async fn remove(&self, folder: &Url, name: &str) -> Result<()> {
        let place = self.place(folder)?.below(name)?;
        // On a disk a name is one or the other.
        if !place.file().is_some_and(|path| path.is_dir()) {
            place.remove(vec![place.path().clone()]).await?;
        }
        place.remove_all().await
    }

    /// Copies all files of a folder of this machine, in the order in which they were changed last.
    ///
    /// # Errors
    /// When one of them cannot be read or written.
    pub async fn copy(&self, from: &Url, to: &Url) -> Result<()> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        let mut files = from.files().await?;
        files.sort_by(|one, other| {
            (one.last_modified, &one.location).cmp(&(other.last_modified, &other.location))
        });
        let target = path_of(to.address())?;
        let copies = futures::stream::iter(files).map(|file| {
            let (from, to, target) = (&from, &to, join(&target, &from.relative(&file.location)));
            async move {
                let bytes = from.store().get(&file.location).await?.bytes().await?;
                let put = to.store().put(&target, bytes.into()).await;
                put.map_err(|error| Error::from(error).with("file", target))?;
                Ok(())
            }
        });
        copies.buffered(COPIED_AT_ONCE).try_collect::<()>().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn a_folder_is_copied_into_a_bucket_read_and_removed_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("day 1")).unwrap();
        std::fs::write(folder.path().join("day 1/a%.csv"), "one").unwrap();
        std::fs::write(folder.path().join("b.csv"), "two").unwrap();
        let (bucket, lake) = (
            Url::parse("s3://retail/").unwrap(),
            Url::parse("s3://retail/lake").unwrap(),
        );
        let stores = Stores::default()
            .with(&bucket, Arc::new(InMemory::new()))
            .unwrap();
        assert!(stores.is_empty(&lake).await.unwrap());
        let from = Url::from_directory_path(folder.path()).unwrap();
        stores.copy(&from, &lake).await.unwrap();
        let read = async |name: &str| stores.read(&lake, name).await.unwrap();
        assert_eq!(read("day 1/a%.csv").await.as_deref(), Some(b"one".as_slice()));
        assert_eq!(read("b.csv").await.as_deref(), Some(b"two".as_slice()));
        stores.write(&lake, "b.csv", "new").await.unwrap();
        assert_eq!(read("b.csv").await.as_deref(), Some(b"new".as_slice()));
        for name in ["b.csv", "day 1", "nothing"] {
            stores.remove(&lake, name).await.unwrap();
        }
        assert!(stores.is_empty(&lake).await.unwrap());
    }
}
