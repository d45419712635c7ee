//! The raw zone: which objects there are for a table, and what their paths say.

mod beside;
#[cfg(test)]
mod buckets;
mod moved;
mod named;
mod prefixes;
mod roots;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;
use futures::future::join;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use url::Url;

use crate::contract::{Contract, PathPattern, RawFeed};
use crate::error::{Context, Error, Kind, Result};
use crate::request::Selection;
use crate::storage::address::{self, folder};
use crate::storage::{Entry, Place, Stores};

use super::account::Account;
use super::manifest;
use super::object::{Beside, RawObject};

pub use self::named::{NamedObject, RawPlaces};
pub(crate) use self::roots::check_roots;

use self::beside::unread_beside;
use self::prefixes::{accounts_in, prefixes};

/// Places that are looked at at the same time, and folders of each that are listed.
const PLACES_AT_ONCE: usize = 4;
const LISTED_AT_ONCE: usize = 8;
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
    pub(crate) refused: Vec<Refused>,
}

/// A place that could not be listed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Refused {
    /// Alias of the account that delivers there; none where several may.
    pub(crate) account: Option<String>,
    /// Why objects may be missed there, in words.
    pub(crate) why: String,
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
        let look = Look {
            zone: *self,
            source,
            all: &all,
            selection,
            tells_unread: tells_of_all && selection.is_of_everything(),
        };
        let watched = self.places(source, feed, selection)?;
        let seen = stream::iter(&watched).map(|watched| look.at(watched));
        let seen: Vec<Seen> = seen.buffered(PLACES_AT_ONCE).try_collect().await?;
        Ok(Seen::all(seen))
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
    pub(crate) fn root_of(&self, account: &Account) -> Result<Option<Url>> {
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

/// What is looked for in a listing.
struct Look<'a> {
    zone: RawZone<'a>,
    source: &'a str,
    /// Places of all tables of the source.
    all: &'a [Watched],
    selection: &'a Selection,
    tells_unread: bool,
}

/// What lies at one place.
#[derive(Default)]
struct Seen {
    found: BTreeMap<(NaiveDateTime, String), RawObject>,
    manifests: BTreeMap<String, Beside>,
    unmatched: BTreeSet<String>,
    unread: BTreeSet<String>,
    odd: BTreeSet<String>,
    refused: BTreeSet<Refused>,
}

/// An entry, and the account in whose folder it is, where it is in one.
type Owned = (Result<Entry>, Option<String>);

impl Look<'_> {
    async fn at(&self, watched: &Watched) -> Result<Seen> {
        let mut seen = Seen::default();
        let root = match self.zone.stores.place(&watched.root) {
            Ok(root) => root,
            // A place that refuses is one of many.
            Err(error) => {
                seen.refuse(error, watched.account.as_deref());
                return Ok(seen);
            }
        };
        let known = self.known_accounts(watched);
        let (above, mut entries) =
            join(self.above(watched, &root), self.entries(watched, &root, &known)).await;
        match above {
            Ok(Some(above)) => {
                let accounts = accounts(watched, &above, self.selection);
                let others: Vec<_> = accounts
                    .iter()
                    .filter(|one| !known.contains(one))
                    .cloned()
                    .collect();
                entries.extend(self.entries(watched, &root, &others).await);
                if self.tells_unread {
                    seen.look_beside(&root, watched, self.all, above, &accounts).await;
                }
            }
            Ok(None) => {}
            Err(error) => seen.refuse(error, watched.account.as_deref()),
        }
        for (entry, account) in entries {
            match entry {
                Ok(Entry::File(meta)) => self.file(watched, &root, meta, &mut seen)?,
                Ok(Entry::Folder(_)) => {}
                Ok(Entry::Odd(what)) => {
                    seen.odd.insert(what);
                }
                Err(error) => seen.refuse(error, account.as_deref()),
            }
        }
        Ok(seen)
    }

    /// Accounts whose folders are listed without a look at which there are: the one that is asked for, or those that are
    /// configured; one that is none stands for all that the place has.
    fn known_accounts(&self, watched: &Watched) -> Vec<Option<String>> {
        if let Some(account) = &self.selection.account {
            return vec![Some(account.clone())];
        }
        if let Some(folders) = &self.selection.folders {
            return accounts_in(folders, self.source, watched);
        }
        if !watched.pattern.has_account_folders() {
            return vec![None];
        }
        let configured = self.zone.accounts.iter();
        let configured = configured.filter(|account| account.source == self.source && account.raw.is_none());
        configured.map(|account| Some(account.alias.clone())).collect()
    }

    /// What lies beside the folders of accounts, where there are such and somebody wants to know.
    async fn above(&self, watched: &Watched, root: &Place) -> Result<Option<Vec<Entry>>> {
        let is_asked_for = self.selection.account.is_some() || self.selection.folders.is_some();
        if !watched.pattern.has_account_folders() || (is_asked_for && !self.tells_unread) {
            return Ok(None);
        }
        let above = address::join(root.path(), &watched.pattern.prefix(None));
        root.entries_in(&above).await.map(Some)
    }

    /// What lies below the folders of these accounts.
    async fn entries(&self, watched: &Watched, root: &Place, accounts: &[Option<String>]) -> Vec<Owned> {
        let mut listed: Vec<BoxStream<'_, Owned>> = Vec::new();
        for prefix in prefixes(root, (self.source, watched), accounts, self.selection) {
            let account = watched.account.clone().or(prefix.account);
            listed.push(match root.entries_below(&prefix.path, prefix.after.as_ref()) {
                Ok(entries) => entries.map(move |entry| (entry, account.clone())).boxed(),
                Err(error) => stream::iter([(Err(error), account)]).boxed(),
            });
        }
        stream::iter(listed)
            .flatten_unordered(LISTED_AT_ONCE)
            .collect()
            .await
    }

    fn file(&self, watched: &Watched, root: &Place, meta: ObjectMeta, seen: &mut Seen) -> Result<()> {
        if meta.location.as_ref().ends_with(manifest::SUFFIX) {
            let beside = Beside::found(root, &meta);
            seen.manifests
                .insert(String::from(root.address_of(&meta.location)?), beside);
            return Ok(());
        }
        let relative = root.relative(&meta.location);
        let Some(matched) = watched.pattern.matches(&relative) else {
            if !self.all.iter().any(|other| other.reads(&watched.root, &relative)) {
                seen.unmatched.insert(root.address_of(&meta.location)?.into());
            }
            return Ok(());
        };
        let account = watched.account.clone().or(matched.account);
        let (selection, day) = (self.selection, matched.period.date());
        if (selection.account.is_some() && selection.account != account)
            || selection.from.is_some_and(|from| day < from)
            || selection.to.is_some_and(|to| to < day)
        {
            return Ok(());
        }
        let path = format!("{}{relative}", watched.above);
        let object = object(root, meta, path, account, matched.period, matched.part)?;
        seen.found.insert((object.period, object.uri.clone()), object);
        Ok(())
    }
}

impl Seen {
    fn refuse(&mut self, error: Error, account: Option<&str>) {
        let why = match account {
            Some(account) => error.with("account", account).chain(),
            None => error.chain(),
        };
        let account = account.map(str::to_owned);
        self.refused.insert(Refused { account, why });
    }

    /// Looks for what no table of the source reads.
    async fn look_beside(
        &mut self,
        root: &Place,
        watched: &Watched,
        all: &[Watched],
        above: Vec<Entry>,
        accounts: &[Option<String>],
    ) {
        match unread_beside(root, watched, all, above, accounts).await {
            Ok(beside) => {
                self.unread.extend(beside.addresses);
                self.odd.extend(beside.odd);
            }
            // Where objects are looked for it is found again, and told.
            Err(error) => tracing::debug!(%error, "what lies beside objects is not known"),
        }
    }

    /// What lies at several places: a later one overrules an earlier one.
    fn all(seen: Vec<Self>) -> Listing {
        let mut all = Self::default();
        for seen in seen {
            all.found.extend(seen.found);
            all.manifests.extend(seen.manifests);
            all.unmatched.extend(seen.unmatched);
            all.unread.extend(seen.unread);
            all.odd.extend(seen.odd);
            all.refused.extend(seen.refused);
        }
        let mut objects: Vec<RawObject> = all.found.into_values().collect();
        for object in &mut objects {
            all.unmatched.remove(&object.uri);
            object.manifest = all
                .manifests
                .get(&format!("{}{}", object.uri, manifest::SUFFIX))
                .cloned();
        }
        Listing {
            objects,
            unmatched: all.unmatched.into_iter().collect(),
            unread: all.unread.into_iter().collect(),
            odd: all.odd.into_iter().collect(),
            refused: all.refused.into_iter().collect(),
        }
    }
}

impl Watched {
    /// Whether it reads the object of this path below that root.
    fn reads(&self, root: &Url, path: &str) -> bool {
        self.root == *root && self.pattern.matches(path).is_some()
    }
}

/// The accounts whose folders are to be listed, where `above` is what lies beside these folders.
fn accounts(watched: &Watched, above: &[Entry], selection: &Selection) -> Vec<Option<String>> {
    if let Some(account) = &selection.account {
        return vec![Some(account.clone())];
    }
    let account = |entry: &Entry| match entry {
        Entry::Folder(folder) => watched.pattern.account_of(folder.filename()?).map(str::to_owned),
        _ => None,
    };
    above.iter().filter_map(account).map(Some).collect()
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
