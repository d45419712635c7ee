//! Local folders as listings. A file costs one call to the file system, and what is no file or folder stops nothing:
//! `LocalFileSystem` looks at each file three times and ends a listing at the first link that leads in a circle.

use std::path;

use futures::stream::{self, Stream};
use object_store::ObjectMeta;
use object_store::path::Path;
use url::Url;
use walkdir::WalkDir;

use crate::error::{Context, Error, Kind, Result};

use super::uri_of;

/// Entries that are looked at before they are handed on together.
const AT_ONCE: usize = 1024;

/// Something in a folder.
pub(super) enum Entry {
    /// A file, through whatever links.
    File(ObjectMeta),
    /// A folder, through whatever links.
    Folder(Path),
    /// What cannot be an object, and what is the matter with it.
    Odd(String),
}

impl Entry {
    /// What is the matter with it, if anything is.
    pub(super) fn oddity(&self) -> Option<String> {
        match self {
            Self::Odd(what) => Some(what.clone()),
            Self::File(_) | Self::Folder(_) => None,
        }
    }
}

/// The files below a folder, and all that is odd there.
pub(super) fn below(root: &Url, folder: &Path) -> Result<impl Stream<Item = Result<Entry>> + Unpin> {
    let walk = walk(root, folder, usize::MAX)?;
    let chunks = stream::try_unfold(walk, |mut walk| async move {
        let looked_at = tokio::task::spawn_blocking(move || {
            let entries: Vec<Result<Entry>> = walk.by_ref().take(AT_ONCE).collect();
            (entries, walk)
        });
        let (entries, walk) = looked_at
            .await
            .context(Kind::Internal, "folder was not listed to its end")?;
        Ok::<_, Error>((!entries.is_empty()).then_some((stream::iter(entries), walk)))
    });
    Ok(Box::pin(futures::TryStreamExt::try_flatten(chunks)))
}

/// What lies directly in a folder; nothing where there is none.
pub(super) fn inside(root: &Url, folder: &Path) -> Result<Vec<Entry>> {
    walk(root, folder, 1)?.collect()
}

/// The entries of a folder and of those in it, so many folders deep.
fn walk(
    root: &Url,
    folder: &Path,
    depth: usize,
) -> Result<impl Iterator<Item = Result<Entry>> + Send + use<>> {
    let uri = uri_of(root, folder)?;
    let top = uri
        .to_file_path()
        .map_err(|()| Error::usage("raw root is no folder of this machine").with("raw", root))?;
    let walk = WalkDir::new(&top)
        .min_depth(1)
        .max_depth(depth)
        .follow_links(true);
    let folder = folder.clone();
    Ok(walk.into_iter().filter_map(move |found| match found {
        Ok(found) => entry(&top, &folder, &found).transpose(),
        Err(error) => refused(error).transpose(),
    }))
}

/// What the listing says of an entry; nothing of one that has gone meanwhile, and of pipes and the like.
fn entry(top: &path::Path, folder: &Path, found: &walkdir::DirEntry) -> Result<Option<Entry>> {
    let kind = found.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Ok(None);
    }
    let location = location(top, folder, found.path());
    let Some(location) = location.filter(|location| kind.is_dir() || is_opened(location)) else {
        let odd = format!("{:?} has a name that no address can have", found.path());
        return Ok(Some(Entry::Odd(odd)));
    };
    if kind.is_dir() {
        return Ok(Some(Entry::Folder(location)));
    }
    let metadata = match found.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return refused(error),
    };
    let modified = metadata
        .modified()
        .context(Kind::Io, "time of change of a file is not known")
        .map_err(|error| error.with("file", found.path().display()))?;
    Ok(Some(Entry::File(ObjectMeta {
        location,
        last_modified: modified.into(),
        size: metadata.len(),
        e_tag: None,
        version: None,
    })))
}

/// The store path of a file or folder below `top`, which is `folder` in the store.
fn location(top: &path::Path, folder: &Path, found: &path::Path) -> Option<Path> {
    let relative = found.strip_prefix(top).ok()?.to_str()?;
    Path::parse(format!("{folder}/{relative}")).ok()
}

/// Whether `LocalFileSystem` opens files of such a name: it takes `name#1` for one that it is still writing.
fn is_opened(location: &Path) -> bool {
    let suffix = location.filename().and_then(|name| name.split_once('#'));
    suffix.is_none_or(|(_, suffix)| suffix.is_empty() || suffix.bytes().any(|byte| !byte.is_ascii_digit()))
}

/// What is odd about an entry that could not be looked at; an error where files may be missed.
fn refused(error: walkdir::Error) -> Result<Option<Entry>> {
    let gone = error
        .io_error()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    let is_link = |path: &path::Path| path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    match error.path() {
        Some(path) if error.loop_ancestor().is_some() => Ok(Some(Entry::Odd(format!(
            "{path:?} is a link that leads in a circle"
        )))),
        Some(path) if is_link(path) => Ok(Some(Entry::Odd(format!("{path:?} is a link that leads nowhere")))),
        _ if gone => Ok(None),
        _ => Err(error).context(Kind::Io, "folder cannot be listed"),
    }
}
