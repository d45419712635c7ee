//! Locations as people write them: a path or a URI.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use url::Url;

use crate::exit::usage;

/// The URI of a path or URI; a path is relative to the current folder.
///
/// # Errors
///
/// A usage error for storage that this build cannot reach.
pub(crate) fn to_url(text: &str) -> Result<Url> {
    if !text.contains("://") {
        let absolute = std::path::absolute(text).with_context(|| format!("{text:?} is not a path"))?;
        return Url::from_file_path(&absolute).map_err(|()| usage(format!("{text:?} is not a path")));
    }
    let url = Url::parse(text).map_err(|error| usage(format!("{text:?} is not a URI: {error}")))?;
    match url.scheme() {
        "file" => Ok(url),
        scheme => Err(usage(format!(
            "{text}: {scheme}:// is not in this build; use a path or a file:// URI"
        ))),
    }
}

/// The local folder behind a `file://` URI.
pub(crate) fn to_path(url: &Url) -> Result<PathBuf> {
    url.to_file_path()
        .map_err(|()| usage(format!("{url} is not a local folder")))
}

/// `text` as seen from `folder`, unless it is absolute or a URI.
pub(crate) fn relative_to(folder: &Path, text: &str) -> String {
    if text.contains("://") {
        return text.to_owned();
    }
    // Through its components, so that `lake/.` is `lake`.
    let path: PathBuf = folder.join(text).components().collect();
    if path.as_os_str().is_empty() {
        ".".to_owned()
    } else {
        path.to_string_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_its_uri_are_the_same_place() {
        assert_eq!(to_url("/data/lake").unwrap().as_str(), "file:///data/lake");
        assert_eq!(
            to_url("file:///data/lake").unwrap(),
            to_url("/data/lake").unwrap()
        );
        assert_eq!(
            to_path(&to_url("/data/my lake").unwrap()).unwrap(),
            Path::new("/data/my lake")
        );
    }

    #[test]
    fn a_path_is_seen_from_its_folder() {
        let seen = |folder: &str, text: &str| relative_to(Path::new(folder), text);
        assert_eq!(seen("lake", "."), "lake");
        assert_eq!(seen("", "."), ".");
        assert_eq!(seen("/etc/lakes", "../data/./raw"), "/etc/lakes/../data/raw");
        assert_eq!(seen("/etc", "/data"), "/data");
        assert_eq!(seen("/etc", "file:///data"), "file:///data");
    }

    #[test]
    fn storage_that_this_build_cannot_reach_is_refused_by_name() {
        let refused = to_url("s3://bucket/raw").unwrap_err().to_string();
        assert!(refused.contains("s3:// is not in this build"), "{refused}");
    }
}
