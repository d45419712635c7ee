//! The raw zone: which objects there are for a table, and what their paths say.

mod beside;
mod moved;
mod roots;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveDateTime};
use futures::StreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;
use url::Url;

use crate::contract::{Contract, PathPattern, RawFeed};
use crate::error::{Context, Error, Kind, Result};
use crate::request::Selection;
use crate::storage::address::{folder, join};
use crate::storage::{Entry, Place, Stores};

use super::account::Account;
use super::manifest;
use super::object::{Beside, RawObject};

pub(crate) use self::roots::check_roots;

use self::beside::unread_beside;

/// Folders that are listed at the same time.
const LISTED_AT_ONCE: usize = 4;
/// Day ranges up to this length are listed day by day instead of whole.
const LISTED_BY_DAY: usize = 62;

/// What a listing found.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Objects in the order in which they are claimed: by period, then address.
    pub(crate) objects: Vec<RawObject>,
    /// Addresses below the listed prefixes that fit no pattern of any table.
    pub(crate) unmatched: Vec<String>,
    /// Addresses of objects and folders beside those of the tables of the source that none of them reads.
    pub(crate) unread: Vec<String>,
    /// What lies there and cannot be an object, and why.
    pub(crate) odd: Vec<String>,
    /// What could not be listed, and why: objects may be missed there, and nowhere else.
    pub(crate) refused: Vec<String>,
}

/// The raw zone and the accounts that deliver into it.
#[derive(Clone, Copy)]
pub(crate) struct RawZone<'a> {
    root: &'a Url,
    stores: &'a Stores,
    accounts: &'a [Account],
}

/// What one source delivers: whose its objects are, and where they are read.
#[derive(Clone, Copy)]
pub(crate) struct Deliveries<'a> {
    zone: RawZone<'a>,
    source: &'a str,
}

impl Deliveries<'_> {
    /// The account that delivered an object.
    pub(crate) fn account(&self, object: &RawObject) -> Account {
        self.zone.account(self.source, object.account.as_deref())
    }

    /// Which store serves an object.
    pub(crate) fn stores(&self) -> &Stores {
        self.zone.stores
    }
}

/// A root to list, a pattern below it, and the account it belongs to where only one does.
struct Watched {
    root: Url,
    /// What stands before a path below the root in the raw root that all accounts share.
    above: String,
    pattern: PathPattern,
    account: Option<String>,
}

impl<'a> RawZone<'a> {
    /// The raw zone at `root`.
    pub(crate) fn new(root: &'a Url, stores: &'a Stores, accounts: &'a [Account]) -> Self {
        Self {
            root,
            stores,
            accounts,
        }
    }

    /// What a source delivers.
    pub(crate) fn of_source(self, source: &'a str) -> Deliveries<'a> {
        Deliveries { zone: self, source }
    }

    /// Which store serves an object.
    pub(crate) fn stores(&self) -> &'a Stores {
        self.stores
    }

    /// Objects for a table within the selection. `feeds` are those of all tables of the source: what another one reads
    /// is no stranger. What is read by none is told with the first of them.
    pub(crate) async fn list(
        &self,
        contract: &Contract,
        feed: &RawFeed,
        feeds: &[&RawFeed],
        selection: &Selection,
    ) -> Result<Listing> {
        let source = &contract.name.source;
        let all = feeds.iter().map(|feed| self.places(source, feed, selection));
        let all: Vec<Watched> = all.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        let tells_of_all = feeds.first().is_some_and(|first| first.paths == feed.paths);
        let tells_unread = tells_of_all && selection.from.is_none() && selection.to.is_none();
        let (mut unread, mut odd, mut refused) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut found = BTreeMap::new();
        let mut unmatched = BTreeSet::new();
        let mut manifests = BTreeMap::new();
        for watched in self.places(source, feed, selection)? {
            let looks_above = selection.account.is_none() || tells_unread;
            let seen = match self.stores.place(&watched.root) {
                Ok(root) if watched.pattern.has_account_folders() && looks_above => {
                    let above = join(root.path(), &watched.pattern.prefix(None));
                    root.entries_in(&above).await.map(|above| (root, Some(above)))
                }
                root => root.map(|root| (root, None)),
            };
            // A place that refuses is one of many.
            let (root, above) = match seen {
                Ok(seen) => seen,
                Err(error) => {
                    refused.insert(refusal(error, watched.account.as_deref()));
                    continue;
                }
            };
            let accounts = accounts(&watched, above.as_deref(), selection);
            if let Some(above) = above.filter(|_| tells_unread) {
                match unread_beside(&root, &watched, &all, above, &accounts).await {
                    Ok(beside) => {
                        unread.extend(beside.addresses);
                        odd.extend(beside.odd);
                    }
                    // Where objects are looked for it is found again, and told.
                    Err(error) => tracing::debug!(%error, "what lies beside objects is not known"),
                }
            }
            let mut listed = Vec::new();
            for (prefix, account) in prefixes(root.path(), &watched, &accounts, selection) {
                let account = watched.account.clone().or(account);
                match root.entries_below(&prefix, None) {
                    Ok(entries) => listed.push(entries.map(move |entry| (entry, account.clone()))),
                    Err(error) => {
                        refused.insert(refusal(error, account.as_deref()));
                    }
                }
            }
            let mut entries = futures::stream::iter(listed).flatten_unordered(LISTED_AT_ONCE);
            while let Some((entry, account)) = entries.next().await {
                let meta = match entry {
                    Ok(Entry::File(meta)) => meta,
                    Ok(Entry::Folder(_)) => continue,
                    Ok(Entry::Odd(what)) => {
                        odd.insert(what);
                        continue;
                    }
                    Err(error) => {
                        refused.insert(refusal(error, account.as_deref()));
                        continue;
                    }
                };
                if meta.location.as_ref().ends_with(manifest::SUFFIX) {
                    let beside = Beside::found(&root, &meta);
                    manifests.insert(String::from(root.address_of(&meta.location)?), beside);
                    continue;
                }
                let relative = root.relative(&meta.location);
                match watched.pattern.matches(&relative) {
                    Some(matched) => {
                        let account = watched.account.clone().or(matched.account);
                        let day = matched.period.date();
                        let wanted = selection.account.is_none() || selection.account == account;
                        if wanted
                            && selection.from.is_none_or(|from| from <= day)
                            && selection.to.is_none_or(|to| day <= to)
                        {
                            let object = object(
                                &root,
                                meta,
                                format!("{}{relative}", watched.above),
                                account,
                                matched.period,
                                matched.part,
                            )?;
                            unmatched.remove(&object.uri);
                            found.insert((object.period, object.uri.clone()), object);
                        }
                    }
                    None if all.iter().any(|other| other.reads(&watched.root, &relative)) => {}
                    None => {
                        unmatched.insert(root.address_of(&meta.location)?.into());
                    }
                }
            }
        }
        let mut objects: Vec<RawObject> = found.into_values().collect();
        for object in &mut objects {
            unmatched.remove(&object.uri);
            object.manifest = manifests
                .get(&format!("{}{}", object.uri, manifest::SUFFIX))
                .cloned();
        }
        Ok(Listing {
            objects,
            unmatched: unmatched.into_iter().collect(),
            unread: unread.into_iter().collect(),
            odd: odd.into_iter().collect(),
            refused: refused.into_iter().collect(),
        })
    }

    /// The account of that alias; one that nobody configured delivers in UTC and has no fields.
    pub(crate) fn account(&self, source: &str, alias: Option<&str>) -> Account {
        let configured = self
            .accounts
            .iter()
            .find(|account| account.source == source && Some(account.alias.as_str()) == alias);
        configured
            .cloned()
            .unwrap_or_else(|| Account::unconfigured(source, alias.unwrap_or_default()))
    }

    /// The account's own root; none where its objects lie in the one that all share.
    fn root_of(&self, account: &Account) -> Result<Option<Url>> {
        let Some(raw) = &account.raw else { return Ok(None) };
        folder(self.root)
            .join(&format!("{}/", raw.trim_end_matches('/')))
            .map(Some)
            .context(Kind::Usage, "raw root of the account is not a URI or a path")
            .map_err(|error| error.with("account", &account.alias).with("raw", raw))
    }

    fn places(&self, source: &str, feed: &RawFeed, selection: &Selection) -> Result<Vec<Watched>> {
        let mut places = Vec::new();
        for pattern in &feed.paths {
            places.push(Watched {
                root: folder(self.root),
                above: String::new(),
                pattern: pattern.clone(),
                account: None,
            });
            for account in self.accounts.iter().filter(|account| account.source == source) {
                let Some(root) = self.root_of(account)? else {
                    continue;
                };
                if selection
                    .account
                    .as_ref()
                    .is_some_and(|wanted| *wanted != account.alias)
                {
                    continue;
                }
                let (above, pattern) = pattern.below_account(&account.alias).map_err(Error::usage)?;
                places.push(Watched {
                    root,
                    above,
                    pattern,
                    account: Some(account.alias.clone()),
                });
            }
        }
        Ok(places)
    }
}

impl Watched {
    /// Whether it reads the object of this path below that root.
    fn reads(&self, root: &Url, path: &str) -> bool {
        self.root == *root && self.pattern.matches(path).is_some()
    }
}

/// The accounts whose folders are to be listed; one that is none stands for all of them. `above` is what lies beside these
/// folders, where accounts have such.
fn accounts(watched: &Watched, above: Option<&[Entry]>, selection: &Selection) -> Vec<Option<String>> {
    if let Some(account) = &selection.account {
        return vec![Some(account.clone())];
    }
    let Some(above) = above else {
        return vec![None];
    };
    let account = |entry: &Entry| match entry {
        Entry::Folder(folder) => watched.pattern.account_of(folder.filename()?).map(str::to_owned),
        _ => None,
    };
    above.iter().filter_map(account).map(Some).collect()
}

/// What to list: one prefix a day (and account) for a short range, else everything the pattern can match. With each the
/// account whose it is, where it is the folder of one.
fn prefixes(
    base: &Path,
    watched: &Watched,
    accounts: &[Option<String>],
    selection: &Selection,
) -> BTreeMap<Path, Option<String>> {
    let days = days_of(selection);
    let mut prefixes = BTreeMap::new();
    for account in accounts {
        let alias = account.as_deref();
        let of_account: Vec<String> = match &days {
            Some(days) => days
                .iter()
                .flat_map(|day| watched.pattern.prefixes_of(alias, *day))
                .collect(),
            None => vec![watched.pattern.prefix(alias)],
        };
        prefixes.extend(
            of_account
                .iter()
                .map(|prefix| (join(base, prefix), account.clone())),
        );
    }
    prefixes
}

/// Why objects of an account may be missed, in words.
fn refusal(error: Error, account: Option<&str>) -> String {
    match account {
        Some(account) => error.with("account", account).chain(),
        None => error.chain(),
    }
}

fn object(
    root: &Place,
    meta: ObjectMeta,
    path: String,
    account: Option<String>,
    period: NaiveDateTime,
    part: u32,
) -> Result<RawObject> {
    Ok(RawObject {
        uri: root.address_of(&meta.location)?.into(),
        moved_to: None,
        path,
        size: meta.size,
        modified: root.changed(meta.last_modified),
        tag: root.tag(&meta),
        account,
        period,
        part,
        manifest: None,
        document: None,
    })
}

fn days_of(selection: &Selection) -> Option<Vec<NaiveDate>> {
    let (from, to) = (selection.from?, selection.to?);
    let days: Vec<NaiveDate> = from
        .iter_days()
        .take_while(|day| *day <= to)
        .take(LISTED_BY_DAY + 1)
        .collect();
    (days.len() <= LISTED_BY_DAY).then_some(days)
}
