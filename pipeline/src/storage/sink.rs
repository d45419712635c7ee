//! Where a new file goes.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use tokio::runtime::Handle;

use crate::error::{Error, Kind, Result};

use super::place::Place;

/// Bytes that a local file is written in.
const BUFFER_BYTES: usize = 1 << 20;
/// Bytes of a part of an upload; smaller objects are put at once.
const PART_BYTES: usize = 8 << 20;
/// Parts of one upload that are under way at a time.
const PARTS_AT_ONCE: usize = 4;

/// Takes the bytes of a new file, and makes it last when it is finished.
///
/// Nothing is created before the first byte. A sink that is dropped unfinished removes what it wrote as well as it
/// can; what a crash leaves behind is for `maintain`. Blocks: for threads that do not drive futures.
pub(crate) struct Sink {
    target: Target,
}

enum Target {
    Local(LocalFile),
    Remote(Upload),
}

impl Sink {
    /// A file at `path` below `root`: a local file is written directly, and synced; elsewhere an object is uploaded, on the
    /// Tokio runtime of the caller.
    pub(crate) fn new(root: &Place, path: &Path) -> Result<Self> {
        let target = if root.is_local() {
            Target::Local(LocalFile::new(root, path)?)
        } else {
            let runtime = Handle::try_current().map_err(|error| {
                Error::internal("an upload needs the thread to belong to a Tokio runtime").because(error)
            })?;
            Target::Remote(Upload {
                store: root.store().clone(),
                path: root.path().parts().chain(path.parts()).collect(),
                runtime,
                buffer: Vec::new(),
                parts: None,
            })
        };
        Ok(Self { target })
    }

    /// Makes the file visible and durable: on local disk, it and the directories above it up to the root are synced. An
    /// upload is left to whoever waits for it, since nothing but waiting is left of it.
    pub(crate) fn finish(self) -> Result<Sent> {
        match self.target {
            Target::Local(mut file) => file.finish().map(|()| Sent(None)),
            Target::Remote(upload) => Ok(Sent(Some(upload))),
        }
    }
}

/// A file of which all bytes are written, and some perhaps still in memory.
#[must_use]
pub(crate) struct Sent(Option<Upload>);

impl Sent {
    /// Bytes that are in memory until it has arrived; none where it has.
    pub(super) fn held_bytes(&self) -> Option<usize> {
        self.0.as_ref().map(|upload| upload.buffer.len())
    }

    /// Waits until the file is there.
    pub(crate) async fn arrived(self) -> Result<()> {
        match self.0 {
            Some(mut upload) => upload.finish().await,
            None => Ok(()),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.target {
            Target::Local(file) => file.open()?.write_all(bytes)?,
            Target::Remote(upload) => upload.write(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Local(LocalFile { file: Some(file), .. }) => file.flush(),
            _ => Ok(()),
        }
    }
}

struct LocalFile {
    root: PathBuf,
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl LocalFile {
    fn new(root: &Place, path: &Path) -> Result<Self> {
        let no_path = || Error::usage("address is no path of this machine").with("address", root.address());
        // The same escaping that the object store uses for a path's parts.
        let file = root.at(&root.path().parts().chain(path.parts()).collect())?;
        Ok(Self {
            root: root.file().ok_or_else(no_path)?,
            path: file.file().ok_or_else(no_path)?,
            file: None,
        })
    }

    fn open(&mut self) -> io::Result<&mut BufWriter<File>> {
        if self.file.is_none() {
            if let Some(parent) = self.path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            let file = OpenOptions::new().write(true).create_new(true).open(&self.path)?;
            self.file = Some(BufWriter::with_capacity(BUFFER_BYTES, file));
        }
        self.file
            .as_mut()
            .ok_or_else(|| io::Error::other("file is not open"))
    }

    fn finish(&mut self) -> Result<()> {
        self.sync().map_err(|error| {
            Error::new(Kind::Io, "file could not be made durable")
                .with("file", self.path.display())
                .because(error)
        })?;
        self.file = None;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let file = self.open()?;
        file.flush()?;
        file.get_ref().sync_all()?;
        // Another writer that died may have made a directory of these without syncing the one above.
        let below_root = |directory: &&FilePath| directory.starts_with(&self.root);
        for directory in self.path.ancestors().skip(1).take_while(below_root) {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            drop(file.into_parts());
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    runtime: Handle,
    buffer: Vec<u8>,
    parts: Option<WriteMultipart>,
}

impl Upload {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.buffer.len() + bytes.len() >= PART_BYTES {
            let (fits, rest) = bytes.split_at(PART_BYTES - self.buffer.len());
            self.buffer.extend_from_slice(fits);
            self.send()?;
            bytes = rest;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Starts the upload of what is buffered.
    fn send(&mut self) -> io::Result<()> {
        let _runtime = self.runtime.enter();
        let mut parts = match self.parts.take() {
            Some(parts) => parts,
            None => {
                let upload = self.runtime.block_on(self.store.put_multipart(&self.path))?;
                WriteMultipart::new_with_chunk_size(upload, PART_BYTES)
            }
        };
        let capacity = self.runtime.block_on(parts.wait_for_capacity(PARTS_AT_ONCE));
        if capacity.is_ok() {
            parts.put(std::mem::take(&mut self.buffer).into());
        }
        self.parts = Some(parts);
        Ok(capacity?)
    }

    async fn finish(&mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.buffer);
        let done = match self.parts.take() {
            Some(mut parts) => {
                parts.put(rest.into());
                parts.finish().await
            }
            None => self.store.put(&self.path, rest.into()).await,
        };
        done.map(|_| ())
            .map_err(|error| Error::from(error).with("object", &self.path))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            // Nobody waits for it, since a panic may be under way on this thread.
            drop(self.runtime.spawn(parts.abort()));
        }
    }
}
