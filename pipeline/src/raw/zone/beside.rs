//! What lies beside the objects of a source's tables and is read by none of them.

use object_store::path::Path;

use crate::error::Result;
use crate::raw::manifest;

use crate::storage::address::join;
use crate::storage::{Entry, Place};

use super::Watched;

/// What lies beside the tables of a source.
#[derive(Default)]
pub(super) struct Unread {
    /// Addresses of objects that no place of the source reads, and of folders in which none looks for anything.
    pub(super) addresses: Vec<String>,
    /// What cannot be an object, and why.
    pub(super) odd: Vec<String>,
}

/// What no place of the source reads in its folder (`above`) and in those of accounts.
pub(super) async fn unread_beside(
    root: &Place,
    watched: &Watched,
    all: &[Watched],
    above: Vec<Entry>,
    accounts: &[Option<String>],
) -> Result<Unread> {
    let mut unread = Unread::default();
    // Folders in it are those of accounts.
    let mut beside: Vec<Entry> = above
        .into_iter()
        .filter(|entry| !matches!(entry, Entry::Folder(_)))
        .collect();
    for account in accounts.iter().flatten() {
        let Some(folder) = watched.pattern.account_folder(account) else {
            continue;
        };
        let looked_at: Vec<Path> = all
            .iter()
            .filter(|other| other.root == watched.root)
            .map(|other| join(root.path(), &other.pattern.prefix(Some(account))))
            .collect();
        let is_read = |entry: &Entry| match entry {
            Entry::Folder(folder) => looked_at
                .iter()
                .any(|prefix| prefix.prefix_matches(folder) || folder.prefix_matches(prefix)),
            Entry::File(_) | Entry::Odd(_) => false,
        };
        let inside = root.entries_in(&join(root.path(), &folder)).await?;
        beside.extend(inside.into_iter().filter(|entry| !is_read(entry)));
    }
    for entry in beside {
        let location = match entry {
            Entry::Odd(what) => {
                unread.odd.push(what);
                continue;
            }
            Entry::Folder(folder) => Some(folder),
            Entry::File(meta) => {
                let path = root.relative(&meta.location);
                let is_read = path.ends_with(manifest::SUFFIX)
                    || all.iter().any(|other| other.reads(&watched.root, &path));
                (!is_read).then_some(meta.location)
            }
        };
        if let Some(location) = location {
            unread.addresses.push(root.address_of(&location)?.into());
        }
    }
    Ok(unread)
}
