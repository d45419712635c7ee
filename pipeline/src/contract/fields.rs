//! Which raw fields a contract names.

use std::collections::{BTreeMap, BTreeSet};

use super::{Contract, Feed, Personal, sql};

impl Contract {
    /// Raw fields that the contract names, lineage not included: those of `from`, and those that its SQL reads.
    /// `raw` has all of them as columns, null where an object lacks one; a header is known by them and by those of
    /// the siblings ([`RawFeed::elsewhere`](super::RawFeed)). Empty for tables with inputs.
    pub fn named_fields(&self) -> BTreeSet<String> {
        if let Feed::Inputs(_) = self.feed {
            return BTreeSet::new();
        }
        let sql::Fields { read, made } = self.sql.as_deref().map(sql::fields).unwrap_or_default();
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
    /// as they are, be it in a map of all fields or in quarantine. Where two say something else, dropping wins.
    pub fn personal_fields(&self) -> BTreeMap<String, Personal> {
        let mut fields = BTreeMap::new();
        let Feed::Raw(raw) = &self.feed else { return fields };
        let own = self
            .columns
            .iter()
            .flat_map(|column| column.from.iter().map(|field| (field, column.personal)));
        let all = own.chain(raw.elsewhere.iter().map(|(field, personal)| (field, *personal)));
        for (field, personal) in all.filter_map(|(field, personal)| Some((field, personal?))) {
            if personal == Personal::Drop || !fields.contains_key(field) {
                fields.insert(field.clone(), personal);
            }
        }
        fields
    }
}

/// The letters and digits of a name.
fn letters(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}
