//! Files for what does not fit into memory, for as long as somebody holds it.
//!
//! They have no name, so nothing is left of them when the process ends, however it does. All together have no more bytes than
//! they may.

use std::error::Error as StdError;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A folder for temporary files, and how much they may take there. Its clones share that.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spill(Arc<SpillFolder>);

#[derive(Debug, Default)]
struct SpillFolder {
    /// None: that of the operating system.
    folder: Option<PathBuf>,
    /// None: whatever the folder holds.
    limit: Option<u64>,
    used: AtomicU64,
    shared: Mutex<Weak<Mutex<SpillFile>>>,
}

/// Why something was not put there.
#[derive(Debug)]
pub(crate) struct NoRoom {
    folder: PathBuf,
    limit: Option<u64>,
}

impl Spill {
    /// In this folder, with so many bytes at most.
    pub(crate) fn new(folder: Option<PathBuf>, limit: Option<u64>) -> Self {
        Self(Arc::new(SpillFolder {
            folder,
            limit,
            ..SpillFolder::default()
        }))
    }

    /// A new file.
    ///
    /// # Errors
    /// When the folder takes none.
    pub(crate) fn file(&self) -> io::Result<SpillFile> {
        let file = match &self.0.folder {
            Some(folder) => tempfile::tempfile_in(folder),
            None => tempfile::tempfile(),
        };
        let told = |error: io::Error| io::Error::new(error.kind(), self.0.no_room().because(&error));
        Ok(SpillFile {
            file: file.map_err(told)?,
            bytes: AtomicU64::new(0),
            folder: self.0.clone(),
        })
    }

    /// The file that all share who have little to put there, for as long as somebody has some in it.
    ///
    /// # Errors
    /// As [`Spill::file`].
    pub(crate) fn shared(&self) -> io::Result<Arc<Mutex<SpillFile>>> {
        let mut known = self.0.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = known.upgrade() {
            return Ok(file);
        }
        let file = Arc::new(Mutex::new(self.file()?));
        *known = Arc::downgrade(&file);
        Ok(file)
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }
}

impl SpillFolder {
    fn no_room(&self) -> NoRoom {
        NoRoom {
            folder: self.folder.clone().unwrap_or_else(std::env::temp_dir),
            limit: self.limit,
        }
    }

    /// Takes so many bytes, if they are left.
    fn take(&self, bytes: u64) -> bool {
        let most = self.limit.unwrap_or(u64::MAX);
        let fits = |used: u64| used.checked_add(bytes).filter(|used| *used <= most);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok()
    }
}

impl NoRoom {
    /// The same with what the machine says, where that is not that the folder is full.
    fn because(self, error: &io::Error) -> Box<dyn StdError + Send + Sync> {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Box::new(self),
            _ => format!("{}: {error}", self.folder.display()).into(),
        }
    }

    /// Whether an error is, or comes from, too little room.
    pub(crate) fn is_below(error: &(dyn StdError + 'static)) -> bool {
        let mut next = Some(error);
        while let Some(below) = next {
            if below.is::<Self>() {
                return true;
            }
            // An error of input and output hides what it was made of.
            next = match below.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                Some(inner) => Some(inner as &(dyn StdError + 'static)),
                None => below.source(),
            };
        }
        false
    }
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        match self.limit {
            Some(limit) => write!(
                f,
                "what does not fit into memory takes more than spill_limit, {limit} bytes, or than {folder} has"
            ),
            None => write!(f, "what does not fit into memory takes more than {folder} has"),
        }?;
        f.write_str("; give spill_dir more room, or memory_limit")
    }
}

impl StdError for NoRoom {}

/// A file that vanishes when it is dropped. What is written goes to its end.
#[derive(Debug)]
pub(crate) struct SpillFile {
    file: File,
    bytes: AtomicU64,
    folder: Arc<SpillFolder>,
}

impl SpillFile {
    /// Its bytes.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Writes at the end.
    ///
    /// # Errors
    /// [`NoRoom`] where there is none.
    pub(crate) fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u64;
        let full = |kind: ErrorKind| io::Error::new(kind, self.folder.no_room());
        if !self.folder.take(length) {
            return Err(full(ErrorKind::QuotaExceeded));
        }
        let at = self.bytes.fetch_add(length, Ordering::Relaxed);
        self.file
            .write_all_at(bytes, at)
            .map_err(|error| match error.kind() {
                kind @ (ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => full(kind),
                _ => error,
            })
    }

    /// At most so many bytes from there on; none behind the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read_at(&self, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most.min(self.len().saturating_sub(at) as usize)];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

impl Write for SpillFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for SpillFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.file.read(bytes)
    }
}

impl Seek for SpillFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        self.folder.used.fetch_sub(self.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Context, Error, Kind, Result};

    #[test]
    fn all_files_together_have_no_more_bytes_than_they_may_and_leave_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::new(Some(folder.path().to_owned()), Some(10));
        let (mut one, other) = (spill.file().unwrap(), spill.clone().file().unwrap());
        one.write_all(b"123456").unwrap();
        other.append(b"7890").unwrap();
        let error = one.write_all(b"1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
        let refused: Result<()> = Err(error).context(Kind::Io, "rows");
        let refused = Error::data("x").because(refused.unwrap_err());
        assert!(refused.has_no_room(), "{}", refused.chain());
        assert!(
            refused.chain().contains("spill_limit, 10 bytes"),
            "{}",
            refused.chain()
        );
        assert!(!Error::from(io::Error::from(ErrorKind::StorageFull)).has_no_room());
        assert_eq!(other.read_at(1, 100).unwrap(), b"890");
        assert_eq!(other.read_at(4, 100).unwrap(), b"");
        one.seek(SeekFrom::Start(2)).unwrap();
        let mut text = String::new();
        one.read_to_string(&mut text).unwrap();
        assert_eq!(text, "3456");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        drop(one);
        assert_eq!(spill.used(), 4);
        other.append(b"123456").unwrap();
        drop(other);
        assert_eq!(spill.used(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let spill = Spill::new(Some("/nowhere/at/all".into()), None);
        let error = Error::from(spill.file().unwrap_err());
        assert!(error.chain().contains("/nowhere/at/all"), "{}", error.chain());
        assert!(!error.has_no_room());
    }
}
