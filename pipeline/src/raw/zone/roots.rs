//! Where accounts deliver: no object may lie in the places of two of them, whose rows it would be by chance.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use url::Url;

use crate::contract::{Contracts, PathPattern};
use crate::error::{Error, Result};
use crate::raw::account::Account;

use crate::storage::Stores;
use crate::storage::address::{below, folder};

use super::RawZone;

/// A folder in which an account delivers.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Folder {
    path: PathBuf,
    alias: String,
}

/// Refuses accounts of one source of which one delivers in, or below, a folder of the other, by whatever names and links.
///
/// # Errors
/// A usage error that names both.
pub(crate) fn check_roots(raw: &Url, accounts: &[Account], contracts: &Contracts) -> Result<()> {
    let sources: BTreeSet<&str> = accounts.iter().map(|account| account.source.as_str()).collect();
    for source in sources {
        let of_source = accounts.iter().filter(|account| account.source == source);
        let feeds = contracts.iter().filter(|(name, _)| name.source == source);
        let feeds = feeds.filter_map(|(_, contract)| contract.raw_feed());
        let patterns: Vec<&PathPattern> = feeds.flat_map(|feed| &feed.paths).collect();
        let mut folders = folders(raw, of_source, &patterns)?;
        folders.sort();
        folders.dedup();
        // What lies in a folder follows it in this order.
        let mut around: Vec<&Folder> = Vec::new();
        for folder in &folders {
            around.retain(|outer| folder.path.starts_with(&outer.path));
            if let Some(outer) = around.iter().find(|outer| outer.alias != folder.alias) {
                return Err(overlap(source, outer, folder));
            }
            around.push(folder);
        }
    }
    Ok(())
}

/// The folders of accounts of a source: their own roots, and their parts of the root that all share.
fn folders<'a>(
    raw: &Url,
    accounts: impl Iterator<Item = &'a Account>,
    patterns: &[&PathPattern],
) -> Result<Vec<Folder>> {
    let stores = Stores::default();
    let zone = RawZone::new(raw, &stores, &[]);
    let shared = folder(raw);
    let mut above = BTreeSet::new();
    for pattern in patterns.iter().filter(|pattern| pattern.has_account_folders()) {
        above.extend(real(&below(&shared, &pattern.prefix(None))?));
    }
    let mut folders = Vec::new();
    for account in accounts {
        let own = zone.root_of(account)?;
        let mut add = |path: Option<PathBuf>, alias: &str| {
            folders.extend(path.map(|path| Folder {
                path,
                alias: alias.to_owned(),
            }));
        };
        let Some(own) = own else {
            for folder in patterns
                .iter()
                .filter_map(|pattern| pattern.account_folder(&account.alias))
            {
                add(real(&below(&shared, &folder)?), &account.alias);
            }
            continue;
        };
        let own = real(&own);
        // In the root that all share a folder is that of the account of its name, configured or not.
        for above in &above {
            let inside = own
                .as_ref()
                .and_then(|own| own.strip_prefix(above).ok()?.iter().next()?.to_str());
            let names = patterns.iter().filter_map(|pattern| pattern.account_of(inside?));
            for alias in names.collect::<BTreeSet<_>>() {
                add(own.clone(), alias);
            }
        }
        add(own, &account.alias);
    }
    Ok(folders)
}

/// The folder behind an address, with no link in its path; in a bucket, which has no links, the address as a path. What does
/// not exist yet lies in what does.
fn real(folder: &Url) -> Option<PathBuf> {
    if folder.scheme() != "file" {
        let bucket = folder.host_str().unwrap_or_default();
        return Some(PathBuf::from(format!(
            "/{}:/{bucket}{}",
            folder.scheme(),
            folder.path()
        )));
    }
    let path = folder.to_file_path().ok()?;
    let mut missing = Vec::new();
    let mut there: &Path = &path;
    loop {
        if let Ok(real) = there.canonicalize() {
            let missing = missing.into_iter().rev();
            return Some(missing.fold(real, |path: PathBuf, name| path.join(name)));
        }
        missing.push(there.file_name()?);
        there = there.parent()?;
    }
}

fn overlap(source: &str, outer: &Folder, inner: &Folder) -> Error {
    Error::usage(format!(
        "accounts {} and {} of {source} deliver into one place, so that objects could be of either; give each a folder \
         of its own",
        outer.alias, inner.alias
    ))
    .with("folder", inner.path.display())
    .with("lies in", outer.path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{SourceFile, load};

    fn contracts() -> Contracts {
        let text = "description = \"One visit.\"\npath = \"shop/{account}/{date}/{name}.csv\"\nformat = \"csv\"\n\
                    keep = \"every_row\"\nkey = [\"id\"]\n[columns]\nid = \"text\"\n";
        let file = SourceFile {
            path: "shop/visits.toml".to_owned(),
            text: text.to_owned(),
        };
        load(&[], &[file]).unwrap()
    }

    fn account(alias: &str, raw: Option<&str>) -> Account {
        Account {
            raw: raw.map(str::to_owned),
            ..Account::unconfigured("shop", alias)
        }
    }

    #[cfg(unix)]
    #[test]
    fn places_of_two_accounts_are_refused_by_whatever_names_and_links() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["shop/corner", "shop/market", "own/a", "own/b"] {
            std::fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        std::os::unix::fs::symlink("own/a", folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink("corner", folder.path().join("shop/linked")).unwrap();
        let raw = Url::from_directory_path(folder.path()).unwrap();
        let check = |accounts: &[(&str, Option<&str>)]| {
            let accounts: Vec<Account> = accounts.iter().map(|(alias, raw)| account(alias, *raw)).collect();
            check_roots(&raw, &accounts, &contracts())
        };
        for accounts in [
            [("corner", None), ("other", Some("shop/corner"))],
            [("other", Some("shop/corner/")), ("corner", None)],
            [("corner", None), ("other", Some("shop"))],
            [("corner", None), ("other", Some("shop/corner/2026-03-01"))],
            [("corner", None), ("linked", None)],
            [("corner", Some("own/a")), ("other", Some("own/a"))],
            [("corner", Some("own")), ("other", Some("own/b"))],
            [("corner", Some("link")), ("other", Some("own/a"))],
            [("corner", Some("own/new")), ("other", Some("own/./new/x"))],
        ] {
            let error = check(&accounts).unwrap_err();
            let said = error.to_string();
            assert!(
                accounts.iter().all(|(alias, _)| said.contains(alias)),
                "{accounts:?}: {said}"
            );
        }
        // Whoever is not configured delivers all the same.
        let said = check(&[("other", Some("shop/market"))]).unwrap_err().to_string();
        assert!(said.contains("market") && said.contains("other"), "{said}");
        for accounts in [
            [("corner", None), ("market", None)],
            [("corner", None), ("other", Some("own/a"))],
            [("corner", Some("shop/corner")), ("market", None)],
            [("corner", Some("own/a")), ("other", Some("own/b"))],
        ] {
            check(&accounts).unwrap();
        }
    }
}
