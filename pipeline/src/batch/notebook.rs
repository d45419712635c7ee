//! Lines that outlive the process that wrote them.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use crate::error::{Context, Kind, Result};
use crate::storage::Place;

/// A text that grows by lines: a file is appended to, an object is put whole.
pub(super) struct Notes {
    folder: Place,
    name: String,
    /// What stood there, and in a bucket all that was added.
    text: String,
    file: Option<(PathBuf, File)>,
}

impl Notes {
    /// What is there under this name, to be added to.
    pub(super) async fn open(folder: &Place, name: String) -> Result<Self> {
        let text = folder.read(&name).await?.unwrap_or_default();
        let file = match folder.file() {
            Some(folder) => Some(appended(folder, &name)?),
            None => None,
        };
        Ok(Self {
            folder: folder.clone(),
            name,
            // A line that was cut is a death in the middle of writing it, like any other.
            text: String::from_utf8_lossy(&text).into_owned(),
            file,
        })
    }

    /// What stood there when it was opened.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Adds a line. It outlives this process; where the caller waits, a loss of power, too.
    pub(super) async fn add(&mut self, line: &str, waits: bool) -> Result<()> {
        match &mut self.file {
            Some((_, file)) => {
                writeln!(file, "{line}")?;
                if waits {
                    file.sync_data()?;
                }
                Ok(())
            }
            None => {
                self.text.push_str(line);
                self.text.push('\n');
                self.folder.write(&self.name, self.text.clone()).await
            }
        }
    }

    /// Removes it. What cannot be removed is for `maintain`.
    pub(super) async fn remove(self) {
        let removed = match self.file {
            Some((path, _)) => std::fs::remove_file(path).map_err(Into::into),
            None => self.folder.remove_files(&[&self.name]).await,
        };
        if let Err(error) = removed {
            tracing::debug!(%error, name = self.name, "journal was not removed");
        }
    }
}

fn appended(folder: PathBuf, name: &str) -> Result<(PathBuf, File)> {
    const NOT_OPENED: &str = "journal of the attempts could not be opened";
    std::fs::create_dir_all(&folder).context(Kind::Io, "folder of the attempts could not be created")?;
    let path = folder.join(name);
    let file = OpenOptions::new().create(true).append(true).open(&path);
    Ok((path, file.context(Kind::Io, NOT_OPENED)?))
}
