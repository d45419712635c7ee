//! Addresses and paths in stores: the one mapping between the two.

use object_store::path::{Path, PathPart};
use url::Url;

use crate::error::{Context, Error, Kind, Result};

/// An address as that of a folder, which others can be joined to.
pub(crate) fn folder(address: &Url) -> Url {
    let mut folder = address.clone();
    if !folder.path().ends_with('/') {
        folder.set_path(&format!("{}/", folder.path()));
    }
    folder
}

/// The path that an address has in its store.
pub(crate) fn path_of(address: &Url) -> Result<Path> {
    Path::from_url_path(address.path())
        .context(Kind::Usage, "address is not a path")
        .map_err(|error| error.with("address", address))
}

/// The address of a path in the store of another address.
pub(crate) fn address_of(beside: &Url, path: &Path) -> Result<Url> {
    let mut address = beside.clone();
    address.set_path("/");
    address
        .path_segments_mut()
        .map_err(|()| Error::usage("address cannot be a base").with("address", beside))?
        .pop_if_empty()
        .extend(path.parts().map(|part| part.as_ref().to_owned()));
    Ok(address)
}

/// The address of a folder or file below a folder.
pub(crate) fn below(folder: &Url, names: &str) -> Result<Url> {
    address_of(folder, &join(&path_of(folder)?, names))
}

/// A path below a base, both in a store. Names of folders are as they are there, whatever characters they have.
pub(crate) fn join(base: &Path, names: &str) -> Path {
    let segments = names.split('/').filter(|segment| !segment.is_empty());
    let segments = segments.map(|segment| PathPart::parse(segment).unwrap_or_else(|_| segment.into()));
    base.parts().chain(segments).collect()
}

/// A path in a store as it is below a base.
pub(crate) fn relative(base: &Path, path: &Path) -> String {
    let text = path.as_ref();
    text.strip_prefix(base.as_ref())
        .unwrap_or(text)
        .trim_start_matches('/')
        .to_owned()
}
