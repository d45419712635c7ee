//! Which raw fields a contract names.

use std::collections::{BTreeMap, BTreeSet};

use super::privacy::letters;
use super::rules::sql::names;
use super::{Column, Contract, Feed, Personal, Privacy, Shown};

impl Contract {
    /// Raw fields that the contract names, lineage not included: those of `from`, and those that its SQL reads.
    /// `raw` has all of them as columns, null where an object lacks one; a header is known by them and by those of
    /// the siblings ([`RawFeed::elsewhere`](super::RawFeed)). Empty for tables with inputs.
    pub fn named_fields(&self) -> BTreeSet<String> {
        if let Feed::Inputs(_) = self.feed {
            return BTreeSet::new();
        }
        let names::Fields { read, made } = self.sql.as_deref().map(names::fields).unwrap_or_default();
        let columns = self.columns.iter().flat_map(|column| column.from.iter().cloned());
        let named = columns.filter(|field| !made.contains(field)).chain(read);
        named
            .filter(|field| field != "*" && !field.starts_with('_'))
            .collect()
    }

    /// Fields of `there` that nothing reads, each with one that the contract reads, that is not there, and of which the
    /// name differs in letter case and signs only: mostly a slip, and a column of nulls.
    pub fn lookalikes(&self, there: &BTreeSet<String>) -> BTreeMap<String, String> {
        let Feed::Raw(raw) = &self.feed else {
            return BTreeMap::new();
        };
        if self.columns.iter().any(|column| column.from == ["*"]) {
            return BTreeMap::new();
        }
        let named = self.named_fields();
        let missing: BTreeMap<String, &String> = named
            .difference(there)
            .map(|name| (letters(name), name))
            .collect();
        let present: BTreeSet<String> = named.intersection(there).map(|name| letters(name)).collect();
        let unread = there
            .difference(&named)
            .filter(|name| !raw.elsewhere.contains_key(*name));
        let nearly = |name: &String| {
            let letters = letters(name);
            let missing = missing.get(&letters).filter(|_| !present.contains(&letters))?;
            Some((name.clone(), (*missing).clone()))
        };
        unread.filter_map(nearly).collect()
    }

    /// Raw fields that hold personal data, by what this contract and its siblings say: nothing may write them down
    /// as they are, be it in a map of all fields or in quarantine. Where two say something else, dropping wins. What SQL
    /// makes a personal column of is personal as well, unless a column that is not personal takes it as it is. What else
    /// these names cover says [`Privacy`].
    pub fn personal_fields(&self) -> BTreeMap<String, Personal> {
        let mut fields: BTreeMap<String, Personal> = BTreeMap::new();
        let Feed::Raw(raw) = &self.feed else { return fields };
        let mut add = |field: &String, personal: Personal| {
            if personal == Personal::Drop || !fields.contains_key(field) {
                fields.insert(field.clone(), personal);
            }
        };
        let sources = self.sql.as_deref().map(names::sources).unwrap_or_default();
        for column in &self.columns {
            let Some(personal) = column.personal else { continue };
            for field in &column.from {
                add(field, personal);
                for source in sources.get(field).into_iter().flatten() {
                    if !source.starts_with('_') && !self.takes(source) {
                        add(source, personal);
                    }
                }
            }
        }
        for (field, personal) in &raw.elsewhere {
            if let Some(personal) = personal {
                add(field, *personal);
            }
        }
        fields
    }

    /// Whether a column that is not personal takes the raw field.
    fn takes(&self, field: &String) -> bool {
        let plain = |column: &Column| column.personal.is_none() && column.from.contains(field);
        self.columns.iter().any(plain)
    }

    /// Columns whose values SQL makes of fields that must not be written down: a message about them must not quote them.
    pub(crate) fn made_of_secrets(&self, privacy: &Privacy) -> BTreeSet<String> {
        let sources = self.sql.as_deref().map(names::sources).unwrap_or_default();
        let is_secret = |field: &String| !field.starts_with('_') && privacy.shown(field) != Shown::Value;
        let of_secrets = |field: &String| sources.get(field).is_some_and(|of| of.iter().any(is_secret));
        let columns = self.columns.iter();
        columns
            .filter(|column| column.from.iter().any(of_secrets))
            .map(|column| column.name.clone())
            .collect()
    }
}
