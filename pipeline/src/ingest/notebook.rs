//! Lines that outlive the process that wrote them.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use crate::error::{Context, Error, Kind, Result};
use crate::storage::{Carried, Place};

/// A text that grows by lines.
pub(crate) enum Notes {
    /// A file that is appended to.
    File { path: PathBuf, file: File },
    /// In a bucket, where nothing can be appended to: the lease of the table brings them.
    Carried(Carried),
}

impl Notes {
    /// What the lease of a batch's table carries, to be added to; the text, and attempts that died with the lease in hand
    /// without a word.
    pub(crate) async fn carried(carried: Carried) -> (Self, String, usize) {
        let (text, deaths) = carried.text().await;
        (Self::Carried(carried), text, deaths)
    }

    /// The file of this name, to be added to, and what stands in it.
    pub(crate) async fn file(folder: &Place, name: &str) -> Result<(Self, String)> {
        let text = folder.read(name).await?.unwrap_or_default();
        let no_folder =
            || Error::internal("there is no folder for poison logs").with("address", folder.address());
        let (path, file) = appended(folder.file().ok_or_else(no_folder)?, name)?;
        // A line that was cut is a death in the middle of writing it, like any other.
        Ok((
            Self::File { path, file },
            String::from_utf8_lossy(&text).into_owned(),
        ))
    }

    /// Adds a line. It outlives this process; where the caller waits, a loss of power, too. In a bucket a caller who does not
    /// wait leaves it to the next beat of the lease: should the process die before, the lease tells that.
    pub(crate) async fn add(&mut self, line: &str, waits: bool) -> Result<()> {
        match self {
            Self::File { file, .. } => {
                writeln!(file, "{line}")?;
                if waits {
                    file.sync_data()?;
                }
                Ok(())
            }
            Self::Carried(carried) => carried.add(line, waits).await,
        }
    }

    /// Removes it. What cannot be removed is for `maintain`.
    pub(crate) async fn remove(self) {
        match self {
            Self::File { path, .. } => {
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::debug!(%error, file = %path.display(), "poison log was not removed");
                }
            }
            Self::Carried(carried) => carried.remove().await,
        }
    }
}

fn appended(folder: PathBuf, name: &str) -> Result<(PathBuf, File)> {
    const NOT_OPENED: &str = "poison log of a batch could not be opened";
    std::fs::create_dir_all(&folder).context(Kind::Io, "folder of the attempts could not be created")?;
    let path = folder.join(name);
    let file = OpenOptions::new().create(true).append(true).open(&path);
    Ok((path, file.context(Kind::Io, NOT_OPENED)?))
}
