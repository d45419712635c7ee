//! The one door to storage: addresses, folders, files that survive, and who works on a table.

pub(crate) mod durable;
mod folder;
mod lease;
mod sink;

pub(crate) use folder::{Entry, below, inside};
pub(crate) use lease::Lease;
pub(crate) use sink::Sink;

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::{Path, PathPart};
use url::Url;

use crate::error::{Context, Error, Kind, Result};

/// Opens the store that holds a root; paths in it are absolute.
pub(crate) fn store_of(root: &Url) -> Result<Arc<dyn ObjectStore>> {
    local(root)?;
    Ok(Arc::new(LocalFileSystem::new()))
}

/// Refuses a root that is no local folder.
fn local(root: &Url) -> Result<()> {
    match root.scheme() {
        "file" => Ok(()),
        scheme => Err(Error::usage(format!(
            "raw storage {scheme}:// is not supported; use a local folder"
        ))
        .with("raw", root)),
    }
}

/// The store path of an object's address.
pub(crate) fn path_of(uri: &Url) -> Result<Path> {
    Path::from_url_path(uri.path())
        .context(Kind::Usage, "address is not a path")
        .map_err(|error| error.with("uri", uri))
}

/// A root as the address of a folder, which others can be joined to.
pub(crate) fn folder_url(root: &Url) -> Url {
    let mut root = root.clone();
    if !root.path().ends_with('/') {
        root.set_path(&format!("{}/", root.path()));
    }
    root
}

/// The address of a store path below a root.
pub(crate) fn uri_of(root: &Url, location: &Path) -> Result<Url> {
    let mut uri = root.clone();
    uri.set_path("/");
    uri.path_segments_mut()
        .map_err(|()| Error::usage("raw root cannot be a base").with("raw", root))?
        .pop_if_empty()
        .extend(location.parts().map(|part| part.as_ref().to_owned()));
    Ok(uri)
}

/// A path below a base, both in a store. Names of folders are as they are there, whatever characters they have.
pub(crate) fn join(base: &Path, prefix: &str) -> Path {
    let segments = prefix.split('/').filter(|segment| !segment.is_empty());
    let segments = segments.map(|segment| PathPart::parse(segment).unwrap_or_else(|_| segment.into()));
    base.parts().chain(segments).collect()
}

/// A path in a store as it is below a base.
pub(crate) fn relative(base: &Path, location: &Path) -> String {
    let text = location.as_ref();
    text.strip_prefix(base.as_ref())
        .unwrap_or(text)
        .trim_start_matches('/')
        .to_owned()
}
