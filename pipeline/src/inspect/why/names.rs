//! What a person may mean by the name of an object.

use std::collections::BTreeSet;
use std::path::{Path as FilePath, absolute};

use object_store::path::Path;
use url::Url;

use crate::error::Result;
use crate::lake::Lake;
use crate::storage::address::{address_of, below, folder, path_of, relative};

/// Addresses, and paths below a raw root, that `object` may stand for: an address, a path below the raw root or
/// below an account's own, or a path in the file system.
pub(super) fn names(lake: &Lake, object: &str) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::from([object.to_owned()]);
    let raw = folder(&lake.settings().raw);
    if object.contains("://") {
        names.extend(Url::parse(object).ok().map(String::from));
        with_paths(lake, &raw, &mut names)?;
        return Ok(names);
    }
    names.insert(below(&raw, object)?.into());
    for account in lake.accounts() {
        let Some(own) = &account.raw else { continue };
        let Ok(root) = raw.join(&format!("{}/", own.trim_end_matches('/'))) else {
            continue;
        };
        // Tables name its objects as if they lay in the raw root.
        let above = format!("{}/{}/", account.source, account.alias);
        for object in [Some(object), object.strip_prefix(&above)].into_iter().flatten() {
            names.insert(below(&root, object)?.into());
        }
    }
    if raw.scheme() == "file" {
        let file = FilePath::new(object);
        for file in [absolute(file).ok(), file.canonicalize().ok()]
            .into_iter()
            .flatten()
        {
            if let Ok(path) = Path::from_absolute_path(file) {
                names.insert(address_of(&raw, &path)?.into());
            }
        }
    }
    with_paths(lake, &raw, &mut names)?;
    Ok(names)
}

/// Adds to addresses the paths that they are below the raw roots: by these an object is known wherever the raw zone was when
/// it was taken in.
fn with_paths(lake: &Lake, raw: &Url, names: &mut BTreeSet<String>) -> Result<()> {
    let mut roots = vec![(raw.clone(), String::new())];
    for account in lake.accounts() {
        let own = account.raw.as_ref();
        let own = own.and_then(|own| raw.join(&format!("{}/", own.trim_end_matches('/'))).ok());
        roots.extend(own.map(|own| (own, format!("{}/{}/", account.source, account.alias))));
    }
    let mut paths = BTreeSet::new();
    for (root, above) in roots {
        let base = path_of(&root)?;
        let below = names.iter().filter(|name| name.starts_with(root.as_str()));
        for path in below.filter_map(|name| path_of(&Url::parse(name).ok()?).ok()) {
            paths.insert(format!("{above}{}", relative(&base, &path)));
        }
    }
    names.append(&mut paths);
    Ok(())
}
