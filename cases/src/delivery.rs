//! Raw objects and how they get into a raw zone.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};
/// A raw object that is delivered: path below the raw root, content, time of the last change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Path below the raw root.
    pub key: String,
    /// Content.
    pub bytes: Vec<u8>,
    /// Modification time of the file.
    pub modified: DateTime<Utc>,
}

impl Delivery {
    /// An object of that content; the time is the same for all of them, as it seldom matters.
    pub fn new(key: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            key: key.into(),
            bytes: bytes.into(),
            modified: usual(),
        }
    }

    /// The same object, changed at another time.
    #[must_use]
    pub fn at(mut self, modified: DateTime<Utc>) -> Self {
        self.modified = modified;
        self
    }

    /// Puts the file in place at once, so that a run at the same time sees all of it or nothing. `desk` is a folder
    /// of the same file system outside of the raw zone.
    ///
    /// # Errors
    ///
    /// What the file system refuses.
    pub fn put(&self, root: &Path, desk: &Path) -> Result<()> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let path = root.join(&self.key);
        let draft = desk.join(format!("delivery-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let put = || -> std::io::Result<()> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = fs::File::create(&draft)?;
            file.write_all(&self.bytes)?;
            file.set_modified(self.modified.into())?;
            fs::rename(&draft, &path)
        };
        put().with_context(|| format!("{} cannot be delivered", path.display()))
    }

    /// Every file below a folder, in the order of their paths.
    ///
    /// # Errors
    ///
    /// What the file system refuses.
    pub fn read_all(root: &Path) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        collect(root, root, &mut found).with_context(|| format!("{} cannot be read", root.display()))?;
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Delivery>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(root, &entry.path(), found)?;
            continue;
        }
        let path = entry.path();
        let below = path.strip_prefix(root).unwrap_or(&path);
        let segments: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        found.push(Delivery {
            key: segments.join("/"),
            bytes: fs::read(&path)?,
            modified: entry.metadata()?.modified()?.into(),
        });
    }
    Ok(())
}

/// When files were changed where nobody says it: 2026-04-01T12:00:00Z.
pub(crate) fn usual() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_775_044_800)
}
