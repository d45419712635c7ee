//! Which objects of a batch are one document, and whether it is there as a whole.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use crate::ingest::object_rows::ObjectRows;
use crate::ingest::parts::folder;
use crate::raw::RawObject;
use crate::shape::Declared;

/// What parts of a document say alike: how many there are, when it was made, what it covers. Parts that say something else
/// belong to another state of the document, whatever came first.
type Said<'a> = (
    u32,
    Option<DateTime<Utc>>,
    Option<(NaiveDate, NaiveDate)>,
    &'a BTreeMap<String, String>,
);

/// Objects by document, each a document of its own unless its claim says otherwise.
pub(super) fn groups(objects: &[(RawObject, ObjectRows)]) -> Vec<Vec<usize>> {
    let mut alone = Vec::new();
    let mut together: BTreeMap<(&str, Option<&str>, &str, Said<'_>), Vec<usize>> = BTreeMap::new();
    for (index, (object, gave)) in objects.iter().enumerate() {
        match (&object.document, &gave.declared) {
            (Some(id), Some(declared)) => {
                let said = (declared.parts.of, declared.made, declared.days, &declared.fixed);
                together
                    .entry((id, object.account.as_deref(), folder(object), said))
                    .or_default()
                    .push(index);
            }
            _ => alone.push(vec![index]),
        }
    }
    alone.into_iter().chain(together.into_values()).collect()
}

/// A document without rows takes rows out of the table. That has to be said, and not come of a fault: one of which no row is
/// good is none.
pub(super) fn reject_bad(group: &[usize], objects: &mut [(RawObject, ObjectRows)]) {
    let read: Vec<usize> = group
        .iter()
        .copied()
        .filter(|index| objects[*index].1.rejected.is_none())
        .collect();
    let parts: Vec<&ObjectRows> = read.iter().map(|index| &objects[*index].1).collect();
    if ObjectRows::is_all_bad(&parts) {
        for index in read {
            let reason = "every row of the document is rejected: what it covers stays as it was";
            objects[index].1.reject(reason.to_owned());
        }
    }
}

/// Which of the groups are parts of a document of which others say something else.
pub(super) fn at_odds(groups: &[Vec<usize>], objects: &[(RawObject, ObjectRows)]) -> Vec<bool> {
    let document = |group: &Vec<usize>| {
        let (object, gave) = &objects[*group.first()?];
        // What is rejected says nothing.
        gave.declared.as_ref()?;
        Some((object.document.clone()?, object.account.clone()))
    };
    let documents: Vec<_> = groups.iter().map(document).collect();
    let is_at_odds =
        |one: &Option<_>| one.is_some() && documents.iter().filter(|other| *other == one).count() > 1;
    documents.iter().map(is_at_odds).collect()
}

/// A document of which a part is missing or rejected must not take the place of another one.
pub(super) fn reject_incomplete(group: &[usize], at_odds: bool, objects: &mut [(RawObject, ObjectRows)]) {
    let declared = |index: &usize| objects[*index].1.declared.as_ref();
    let of = group
        .iter()
        .filter_map(declared)
        .map(|declared| declared.parts.of)
        .max();
    let of = of.unwrap_or(1);
    let there: BTreeSet<u32> = group
        .iter()
        .filter_map(declared)
        .map(|declared| declared.parts.number)
        .collect();
    let missing: Vec<String> = (1..=of)
        .filter(|part| !there.contains(part))
        .map(|part| part.to_string())
        .collect();
    if missing.is_empty() {
        return;
    }
    let reason = format!(
        "part {} of {of} of the document is missing or rejected{}",
        missing.join(", "),
        match at_odds {
            true => "; others of its parts do not say the same about what it is",
            false => "",
        }
    );
    reject_all(group, objects, &reason);
}

/// Rejects what has not been rejected of a document, and forgets its rows.
fn reject_all(group: &[usize], objects: &mut [(RawObject, ObjectRows)], reason: &str) {
    for index in group {
        let gave = &mut objects[*index].1;
        if gave.rejected.is_none() {
            *gave = ObjectRows::rejected(gave.ordinal, reason.to_owned());
        }
    }
}

/// The objects of a document in the order of their parts; of one that came several times the one that was changed last, then
/// the one with the greatest content. As long as this is a maximum for each part alone, so is [`state`], and it does not
/// matter which of them were there when the document was taken in first.
pub(super) fn parts(group: &[usize], objects: &[(RawObject, ObjectRows)]) -> Vec<usize> {
    let mut parts: BTreeMap<u32, usize> = BTreeMap::new();
    for index in group {
        let Some(declared) = &objects[*index].1.declared else {
            continue;
        };
        let known = parts.entry(declared.parts.number).or_insert(*index);
        if place(&objects[*index]) > place(&objects[*known]) {
            *known = *index;
        }
    }
    parts.into_values().collect()
}

/// The place of an object among those of the same part.
pub(super) fn place((object, gave): &(RawObject, ObjectRows)) -> (DateTime<Utc>, u128, Reverse<&String>) {
    (object.modified, content(gave), Reverse(&object.uri))
}

/// Hash of the content of a part. So many of them can be added up without overflow as a document has parts.
fn content(gave: &ObjectRows) -> u128 {
    gave.content.digest128() >> 32
}

/// The state of a document as sortable text, for those that are alike in everything else: it has more parts, or they were
/// changed later, or have a greater content. What is added up grows with every part that is replaced by a greater one.
pub(super) fn state(declared: &Declared, parts: &[usize], objects: &[(RawObject, ObjectRows)]) -> String {
    let all = || parts.iter().map(|part| &objects[*part]);
    let changed = |object: &RawObject| u128::try_from(object.modified.timestamp_micros()).unwrap_or_default();
    let modified: u128 = all().map(|(object, _)| changed(object)).sum();
    let content: u128 = all().map(|(_, gave)| content(gave)).sum();
    format!("{:08x}{modified:024x}{content:032x}", declared.parts.of)
}
