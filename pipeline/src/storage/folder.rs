//! Local folders as listings. A file costs one call to the file system, and what is no file or folder stops nothing:
//! `LocalFileSystem` looks at each file three times and ends a listing at the first link that leads in a circle.

use std::fs;
use std::io::ErrorKind;
use std::path::{self, PathBuf};

use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use object_store::path::Path;
use walkdir::WalkDir;

use crate::blocking::blocking;
use crate::error::{Context, Error, Kind, Result};

use super::entry::{Entries, Entry, NAMELESS};
use super::place::Place;

/// Entries that are looked at before they are handed on together.
const AT_ONCE: usize = 1024;

/// Links that lead to a link, one after another, before they count as a circle.
const LINKS: usize = 40;

/// The files and folders below a folder, and all that is odd there; nothing where there is none.
///
/// # Errors
/// When something cannot be looked at, so that objects may be missed.
pub(super) fn below(place: &Place, folder: &Path) -> Result<Entries> {
    let walk = Walk::of(place, folder, usize::MAX)?;
    let chunks = stream::try_unfold(Some(walk), |walk| async move {
        let Some(mut walk) = walk else { return Ok(None) };
        let looked_at = blocking(move || {
            let entries: Vec<Result<Entry>> = walk.by_ref().take(AT_ONCE).collect();
            let goes_on = entries.len() == AT_ONCE;
            Ok((entries, goes_on.then_some(walk)))
        });
        let (entries, walk) = looked_at.await?;
        Ok::<_, Error>(Some((stream::iter(entries), walk)))
    });
    Ok(chunks.try_flatten().boxed())
}

/// What lies directly in a folder; nothing where there is none.
///
/// # Errors
/// As [`below`].
pub(super) async fn inside(place: &Place, folder: &Path) -> Result<Vec<Entry>> {
    let walk = Walk::of(place, folder, 1)?;
    blocking(move || walk.collect()).await
}

/// The entries of a folder and of those in it.
struct Walk {
    entries: walkdir::IntoIter,
    /// Where the walk begins.
    top: PathBuf,
    /// The same in the store.
    folder: Path,
}

impl Iterator for Walk {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        loop {
            let entry = match self.entries.next()? {
                Ok(found) => self.entry(&found),
                Err(error) => self.refused(error),
            };
            if let Some(entry) = entry.transpose() {
                return Some(entry);
            }
        }
    }
}

impl Walk {
    fn of(place: &Place, folder: &Path, depth: usize) -> Result<Self> {
        let top = place.address_of(folder)?.to_file_path().map_err(|()| {
            Error::usage("address is no folder of this machine").with("address", place.address())
        })?;
        let walk = WalkDir::new(&top)
            .min_depth(1)
            .max_depth(depth)
            .follow_links(true);
        Ok(Self {
            entries: walk.into_iter(),
            top,
            folder: folder.clone(),
        })
    }

    /// What the listing says of an entry; nothing of one that has gone meanwhile, and of pipes and the like.
    fn entry(&mut self, found: &walkdir::DirEntry) -> Result<Option<Entry>> {
        let (kind, path) = (found.file_type(), found.path());
        let location = self.location(path);
        if kind.is_dir() {
            let what = match location {
                Some(_) if found.path_is_symlink() && leads_back(path) => "is a link that leads in a circle",
                Some(location) => return Ok(Some(Entry::Folder(location))),
                None => NAMELESS,
            };
            self.entries.skip_current_dir();
            return Ok(Some(Entry::Odd(format!("{path:?} {what}"))));
        }
        if !kind.is_file() {
            return Ok(None);
        }
        let what = match location {
            Some(location) if is_opened(&location) => match found.metadata() {
                Ok(metadata) => return file(location, &metadata).map(Some),
                Err(error) => return self.refused(error),
            },
            Some(_) => "looks like a file that is still being written",
            None => NAMELESS,
        };
        Ok(Some(Entry::Odd(format!("{path:?} {what}"))))
    }

    /// What is odd about an entry that could not be looked at; nothing of one that has gone meanwhile.
    fn refused(&self, error: walkdir::Error) -> Result<Option<Entry>> {
        let path = error.path().unwrap_or(&self.top);
        let odd = |what| Ok(Some(Entry::Odd(format!("{path:?} is a link that leads {what}"))));
        if error.loop_ancestor().is_some() {
            return odd("in a circle");
        }
        let kind = error.io_error().map(std::io::Error::kind);
        let is_nowhere = matches!(kind, Some(ErrorKind::NotFound | ErrorKind::NotADirectory));
        let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
        if is_link && (is_nowhere || is_endless(path)) {
            return odd("nowhere");
        }
        if is_nowhere {
            return Ok(None);
        }
        let path = path.display().to_string();
        let failed = Err(error).context(Kind::Io, "folder cannot be listed");
        failed.map_err(|error| error.with("path", path))
    }

    /// The store path of a file or folder.
    fn location(&self, found: &path::Path) -> Option<Path> {
        let relative = found.strip_prefix(&self.top).ok()?.to_str()?;
        Path::parse(format!("{}/{relative}", self.folder)).ok()
    }
}

fn file(location: Path, metadata: &fs::Metadata) -> Result<Entry> {
    let modified = metadata
        .modified()
        .context(Kind::Io, "file system does not know when files change")?;
    Ok(Entry::File(ObjectMeta {
        location,
        last_modified: modified.into(),
        size: metadata.len(),
        e_tag: None,
        version: None,
    }))
}

/// Whether `LocalFileSystem` opens files of such a name: it takes `name#1` for one that it is still writing.
fn is_opened(location: &Path) -> bool {
    let suffix = location.filename().and_then(|name| name.split_once('#'));
    suffix.is_none_or(|(_, suffix)| suffix.is_empty() || suffix.bytes().any(|byte| !byte.is_ascii_digit()))
}

/// Whether a link to a folder leads to one in which it lies itself, also where the walk began below that.
fn leads_back(link: &path::Path) -> bool {
    link.canonicalize().is_ok_and(|target| {
        let mut above = link.ancestors().skip(1);
        above.any(|folder| folder.canonicalize().is_ok_and(|folder| folder == target))
    })
}

/// Whether a link leads to links without an end.
fn is_endless(link: &path::Path) -> bool {
    let mut at = link.to_owned();
    (0..LINKS).all(|_| match (fs::read_link(&at), at.parent()) {
        (Ok(target), Some(folder)) => {
            at = folder.join(target);
            true
        }
        _ => false,
    })
}
