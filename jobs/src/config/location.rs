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
        "s3" => bucket(text, url),
        scheme => Err(usage(format!(
            "{text}: {scheme}:// is not in this build; use a path, a file:// URI, or s3://BUCKET/PREFIX"
        ))),
    }
}

/// The URI, if it is one of a bucket or of a prefix in it.
fn bucket(text: &str, url: Url) -> Result<Url> {
    let is_bucket = url.host_str().is_some_and(|host| !host.is_empty());
    let has_more =
        url.port().is_some() || !url.username().is_empty() || url.query().or(url.fragment()).is_some();
    match is_bucket && !has_more {
        true => Ok(url),
        false => Err(usage(
            "a bucket is s3://BUCKET/PREFIX alone: credentials, region and endpoint are settings of AWS",
        )
        .context(format!("{:?} is not a location", told(text)))),
    }
}

/// The text up to where a secret may be in it.
fn told(text: &str) -> &str {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let end = rest.find('?').unwrap_or(rest.len());
    match rest[..end].contains('@') {
        true => scheme,
        false => &text[..text.len() - rest.len() + end],
    }
}

/// The location of a folder in another one.
pub(crate) fn below(location: &str, folder: &str) -> String {
    match location.contains("://") {
        true => format!("{}/{folder}", location.trim_end_matches('/')),
        false => relative_to(Path::new(location), folder),
    }
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
            to_url("/data/my lake").unwrap().to_file_path().unwrap(),
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
        let refused = to_url("gs://bucket/raw").unwrap_err().to_string();
        assert!(refused.contains("gs:// is not in this build"), "{refused}");
    }

    #[test]
    fn a_bucket_is_its_name_and_a_prefix_and_nothing_else() {
        assert_eq!(to_url("s3://retail/of/all").unwrap().path(), "/of/all");
        for text in [
            "s3://",
            "s3:///raw",
            "s3://key:5ecre7@retail/raw",
            "s3://retail/raw?token=5ecre7",
        ] {
            let refused = format!("{:#}", to_url(text).unwrap_err());
            assert!(
                refused.contains("s3://BUCKET/PREFIX") && !refused.contains("5ecre7"),
                "{refused}"
            );
        }
    }

    #[test]
    fn zones_lie_in_folders_and_in_buckets_alike() {
        assert_eq!(below("lake", "raw"), "lake/raw");
        assert_eq!(below("s3://retail/lake/", "raw"), "s3://retail/lake/raw");
        assert_eq!(below("s3://retail", "raw"), "s3://retail/raw");
        assert_eq!(below("file:///data/lake", "raw"), "file:///data/lake/raw");
    }
}
