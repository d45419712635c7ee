//! Where a new file goes.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path as FilePath, PathBuf};

use object_store::path::Path;

use crate::error::{Error, Kind, Result};

use super::place::Place;
use super::upload::Upload;

/// Bytes that a local file is written in.
const BUFFER_BYTES: usize = 1 << 20;

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
            Target::Remote(Upload::new(root, path)?)
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
    /// The upload that is left; none where the file is there.
    pub(super) fn upload(&self) -> Option<&Upload> {
        self.0.as_ref()
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
