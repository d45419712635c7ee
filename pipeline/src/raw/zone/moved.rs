//! Whether the places of objects are there, and where objects lie of a raw zone that was moved since they were claimed, or
//! that is reached by another way.

use std::collections::BTreeSet;

use url::Url;

use crate::contract::Contract;

use crate::storage::address::{below, folder};

use super::{RawObject, RawZone};

impl RawZone<'_> {
    /// Whether something lies in each root below which the objects were found: where nothing does, or a root cannot be
    /// listed, they may be there and only not to be seen from here.
    pub(crate) async fn has_places_of(&self, objects: &[RawObject]) -> bool {
        let own = self
            .accounts
            .iter()
            .filter_map(|account| self.root_of(account).ok());
        let all: Vec<Url> = own.flatten().chain([folder(self.root)]).collect();
        let root_of = |object: &RawObject| {
            let holding = all
                .iter()
                .filter(|root| object.address().starts_with(root.as_str()));
            holding.max_by_key(|root| root.as_str().len())
        };
        let roots: BTreeSet<Option<&Url>> = objects.iter().map(root_of).collect();
        for root in roots {
            let Some(Ok(root)) = root.map(|root| self.stores.place(root)) else {
                return false;
            };
            let inside = root.entries_in(root.path()).await;
            if !inside.is_ok_and(|inside| !inside.is_empty()) {
                return false;
            }
        }
        true
    }

    /// Finds out where objects of a table, as the ledger names them, lie by now: a path below the raw root is the same
    /// wherever that is.
    pub(crate) fn relocate<'o>(
        &self,
        contract: &Contract,
        objects: impl IntoIterator<Item = &'o mut RawObject>,
    ) {
        let shared = folder(self.root);
        for object in objects {
            let account = self.account(&contract.name.source, object.account.as_deref());
            let own = self.root_of(&account).ok().flatten();
            let is_below = |root: &Url| object.uri.starts_with(root.as_str());
            if is_below(&shared) || own.as_ref().is_some_and(is_below) {
                continue;
            }
            let patterns = contract.raw_feed().into_iter().flat_map(|feed| &feed.paths);
            let in_own = own.and_then(|own| {
                let mut paths = patterns.filter_map(|pattern| {
                    let (above, below) = pattern.below_account(&account.alias).ok()?;
                    let path = object.path.strip_prefix(&above)?;
                    below.matches(path).is_some().then_some(path)
                });
                below(&own, paths.next()?).ok()
            });
            object.moved_to = in_own
                .or_else(|| below(&shared, &object.path).ok())
                .map(String::from);
        }
    }
}
