//! A local file system whose writes survive a loss of power.
//!
//! `LocalFileSystem` leaves syncing to the operating system: after a crash of the machine a log entry may stand
//! whose data files are empty. Here content is on disk before its name is, and the name before the call returns.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// `LocalFileSystem` with synced whole-object writes; everything else is passed on.
#[derive(Debug, Clone)]
pub(crate) struct DurableLocal {
    inner: LocalFileSystem,
}

impl DurableLocal {
    /// The whole local file system.
    pub(crate) fn new() -> Self {
        Self {
            inner: LocalFileSystem::new(),
        }
    }
}

impl fmt::Display for DurableLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Durable{}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for DurableLocal {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let create = match opts.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return self.inner.put_opts(location, payload, opts).await,
        };
        let target = self.inner.path_to_filesystem(location)?;
        let written = tokio::task::spawn_blocking(move || {
            write_synced(&target, &payload, create).map_err(|e| (target, e))
        })
        .await
        .map_err(|source| Error::JoinError { source })?;
        match written {
            Ok(()) => Ok(PutResult {
                e_tag: None,
                version: None,
            }),
            Err((target, error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::AlreadyExists {
                    path: target.display().to_string(),
                    source: error.into(),
                })
            }
            Err((target, error)) => Err(Error::Generic {
                store: "local file system",
                source: format!("{}: {error}", target.display()).into(),
            }),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(location, opts).await?;
        let target = self.inner.path_to_filesystem(location)?;
        Ok(Box::new(DurableUpload { upload, target }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// An upload in parts whose file is on disk once it is complete.
#[derive(Debug)]
struct DurableUpload {
    upload: Box<dyn MultipartUpload>,
    target: PathBuf,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.upload.complete().await?;
        let target = self.target.clone();
        let synced = tokio::task::spawn_blocking(move || {
            File::open(&target)?.sync_all()?;
            target
                .parent()
                .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        });
        let synced = synced.await.map_err(|source| Error::JoinError { source })?;
        synced.map(|()| result).map_err(|error| Error::Generic {
            store: "local file system",
            source: format!("{}: {error}", self.target.display()).into(),
        })
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

/// Writes `payload` beside `target`, syncs it, and gives it its name: by a link that fails where the name is
/// taken (`create`), or by a rename.
fn write_synced(target: &FilePath, payload: &PutPayload, create: bool) -> io::Result<()> {
    let folder = target
        .parent()
        .ok_or_else(|| io::Error::other("a file needs a folder"))?;
    create_folder_synced(folder)?;
    // LocalFileSystem leaves names that end in `#` and digits out of listings.
    let mut staged = target.as_os_str().to_owned();
    staged.push(format!("#{}", uuid::Uuid::new_v4().as_u128()));
    let staged = PathBuf::from(staged);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&staged)?;
        for chunk in payload {
            file.write_all(chunk)?;
        }
        file.sync_all()?;
        if create {
            fs::hard_link(&staged, target)
        } else {
            fs::rename(&staged, target)
        }
    })();
    if create || written.is_err() {
        let _ = fs::remove_file(&staged);
    }
    written?;
    File::open(folder)?.sync_all()
}

/// Creates a folder with its parents and syncs each new name.
pub(crate) fn create_folder_synced(folder: &FilePath) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_folder_synced(parent)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn create_of_a_taken_name_is_refused_and_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableLocal::new();
        let location = Path::from_absolute_path(folder.path().join("a/b.json")).unwrap();
        let create = || PutOptions {
            mode: PutMode::Create,
            ..Default::default()
        };
        store.put_opts(&location, "one".into(), create()).await.unwrap();
        let second = store
            .put_opts(&location, "two".into(), create())
            .await
            .unwrap_err();
        assert!(matches!(second, Error::AlreadyExists { .. }));
        assert_eq!(fs::read_to_string(folder.path().join("a/b.json")).unwrap(), "one");
        store
            .put_opts(&location, "three".into(), PutOptions::default())
            .await
            .unwrap();
        assert_eq!(
            fs::read_to_string(folder.path().join("a/b.json")).unwrap(),
            "three"
        );
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
    }
}
