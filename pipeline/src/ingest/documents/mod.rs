//! The documents of a batch, put together of what its objects gave.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use chrono::{DateTime, NaiveDate, Utc};
use xxhash_rust::xxh3::xxh3_64;

use crate::contract::{Contract, Covers, Feed, Keep};
use crate::error::{Error, Result};
use crate::keep::{Cell, Document, Documents, Groups, Share, insert_ascending, key_positions};
use crate::layout;
use crate::raw::RawObject;
use crate::shape::Declared;
use crate::system::ledger::{Coverage, DocumentResult};

use super::object_rows::ObjectRows;
use super::parts::folder;
use super::row_buffer::{BufferedRows, Portion};
use crate::commit::notes::Notes;

/// Documents, what they say for the ledger, and what a person should know of them.
pub(crate) struct Gathered {
    pub(crate) documents: Documents,
    /// Per object of the batch: what it says as a document; none where it is no part of one.
    pub(crate) results: Vec<Option<DocumentResult>>,
    pub(crate) notes: Notes,
    /// Rows with the key of another row of their document.
    pub(crate) conflicts: u64,
}

impl Gathered {
    /// Rows of the batch with the order of their documents; `first` is the ordinal of the first of them.
    pub(crate) fn ordered(&self, rows: &RecordBatch, first: usize) -> Result<RecordBatch> {
        let position = rows.schema_ref().index_of(layout::ORDER)?;
        let mut orders = vec![""; rows.num_rows()];
        let cells = self
            .documents
            .list
            .iter()
            .flat_map(|document| document.cells.values());
        for share in cells {
            for row in share.rows.range(first as u32..(first + orders.len()) as u32) {
                orders[row as usize - first] = &share.order;
            }
        }
        let mut columns = rows.columns().to_vec();
        columns[position] = Arc::new(StringArray::from_iter_values(orders));
        Ok(RecordBatch::try_new(rows.schema(), columns)?)
    }
}

/// The rules of a table that keeps documents.
#[derive(Clone, Copy)]
struct Rules<'a> {
    per: &'a [String],
    covers: &'a Covers,
    key: &'a [String],
    /// Whether the time at which a document was made decides.
    by_time: bool,
}

impl<'a> Rules<'a> {
    fn of(contract: &'a Contract) -> Option<Self> {
        let Feed::Raw(feed) = &contract.feed else {
            return None;
        };
        let Keep::LatestDocument {
            per,
            newest_by,
            covers,
            key,
            ..
        } = &feed.keep
        else {
            return None;
        };
        Some(Self {
            per,
            covers,
            key,
            by_time: newest_by.iter().any(|name| name == "_generated_at"),
        })
    }

    fn day(&self) -> Option<&'a str> {
        match self.covers {
            Covers::Days(column) => Some(column),
            _ => None,
        }
    }
}

/// Puts the documents together, so many at the same time; none where the table does not keep documents. Objects whose
/// document is not there as a whole are rejected.
pub(crate) fn gather(
    contract: &Contract,
    objects: &mut [(RawObject, ObjectRows)],
    buffered: &BufferedRows,
    at_once: usize,
) -> Result<Option<Gathered>> {
    let Some(rules) = Rules::of(contract) else {
        return Ok(None);
    };
    let groups = groups(objects);
    for (group, at_odds) in groups.iter().zip(at_odds(&groups, objects)) {
        if *rules.covers != Covers::Rows {
            reject_bad(group, objects);
        }
        reject_incomplete(group, at_odds, objects);
    }
    let mut gathered = Gathered {
        documents: Documents {
            per: rules.per.to_vec(),
            days: rules.day().map(str::to_owned),
            rows: 0,
            list: Vec::new(),
        },
        results: vec![None; objects.len()],
        notes: Notes::default(),
        conflicts: 0,
    };
    let parts: Vec<Vec<usize>> = groups.iter().map(|group| parts(group, objects)).collect();
    let by_object = buffered.by_object();
    let rows_of = |parts: &[usize]| {
        let portions = parts.iter().flat_map(|part| {
            let (object, gave) = &objects[*part];
            let portions = by_object.get(&gave.ordinal).into_iter().flatten();
            portions.map(|portion| (object.uri.as_str(), portion))
        });
        OwnRows::of(rules, portions, buffered)
    };
    let own = side_by_side(at_once, &parts, |parts| rows_of(parts))?;
    for ((group, parts), mut own) in groups.into_iter().zip(parts).zip(own) {
        let Some(declared) = parts.first().and_then(|part| objects[*part].1.declared.clone()) else {
            continue;
        };
        let mut states = BTreeMap::new();
        if declared.parts.of > 1 && coverage(rules, &declared, &own).is_none() {
            (own, states) = cell_by_cell(&group, objects, &declared, own.conflicts, rows_of)?;
        }
        gathered.conflicts += own.conflicts;
        gathered.documents.rows += own.rows;
        let state = state(&declared, &parts, objects);
        let object = parts.iter().map(|part| &objects[*part].0.uri).min();
        let document = document(rules, &declared, &state, &states, object, own);
        gathered.notes.time_guessed += u64::from(declared.made.is_none() && rules.by_time);
        gathered.notes.coverage_guessed +=
            u64::from(document.covers.is_none() && *rules.covers != Covers::Rows);
        for part in group {
            gathered.results[part] = objects[part].1.rejected.is_none().then(|| DocumentResult {
                id: declared.id.clone(),
                order: document.order.clone(),
                covers: document.covers.clone(),
            });
        }
        gathered.documents.list.push(document);
    }
    gathered.notes.same_key = gathered.conflicts;
    Ok(Some(gathered))
}

/// What parts of a document say alike: how many there are, when it was made, what it covers. Parts that say something else
/// belong to another state of the document, whatever came first.
type Said<'a> = (
    u32,
    Option<DateTime<Utc>>,
    Option<(NaiveDate, NaiveDate)>,
    &'a BTreeMap<String, String>,
);

/// Objects by document, each a document of its own unless its claim says otherwise.
fn groups(objects: &[(RawObject, ObjectRows)]) -> Vec<Vec<usize>> {
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
fn reject_bad(group: &[usize], objects: &mut [(RawObject, ObjectRows)]) {
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
fn at_odds(groups: &[Vec<usize>], objects: &[(RawObject, ObjectRows)]) -> Vec<bool> {
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
fn reject_incomplete(group: &[usize], at_odds: bool, objects: &mut [(RawObject, ObjectRows)]) {
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
fn parts(group: &[usize], objects: &[(RawObject, ObjectRows)]) -> Vec<usize> {
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
fn place((object, gave): &(RawObject, ObjectRows)) -> (DateTime<Utc>, u128, Reverse<&String>) {
    (object.modified, content(gave), Reverse(&object.uri))
}

/// Rows and states of the cells of a document of several parts that covers no more than its rows. Each cell is put together by
/// itself, of the greatest object of each part that has rows of it: whether a former one was in the table for a while, or
/// came together with the one that takes its place, is the same.
fn cell_by_cell(
    group: &[usize],
    objects: &[(RawObject, ObjectRows)],
    declared: &Declared,
    conflicts: u64,
    rows_of: impl Fn(&[usize]) -> Result<OwnRows>,
) -> Result<(OwnRows, BTreeMap<Cell, String>)> {
    let mut versions: Vec<(u32, usize)> = group
        .iter()
        .filter_map(|index| Some((objects[*index].1.declared.as_ref()?.parts.number, *index)))
        .collect();
    versions.sort_by_key(|(number, index)| (*number, Reverse(place(&objects[*index]))));
    let mut own = OwnRows {
        rows: 0,
        cells: BTreeMap::new(),
        conflicts,
    };
    let mut members: BTreeMap<Cell, BTreeMap<u32, usize>> = BTreeMap::new();
    for (number, index) in versions {
        let of_object = rows_of(&[index])?;
        own.rows += of_object.rows;
        for (cell, share) in of_object.cells {
            let members = members.entry(cell.clone()).or_default();
            if members.contains_key(&number) {
                continue;
            }
            members.insert(number, index);
            let known = own.cells.entry(cell).or_insert_with(|| share.clone());
            known.rows |= share.rows;
            known.order = share.order.max(std::mem::take(&mut known.order));
            known.object = share.object.min(std::mem::take(&mut known.object));
        }
    }
    let states = members.into_iter().map(|(cell, members)| {
        let members: Vec<usize> = members.into_values().collect();
        (cell, state(declared, &members, objects))
    });
    Ok((own, states.collect()))
}

/// Hash of the content of a part. So many of them can be added up without overflow as a document has parts.
fn content(gave: &ObjectRows) -> u128 {
    gave.content.digest128() >> 32
}

/// The state of a document as sortable text, for those that are alike in everything else: it has more parts, or they were
/// changed later, or have a greater content. What is added up grows with every part that is replaced by a greater one.
fn state(declared: &Declared, parts: &[usize], objects: &[(RawObject, ObjectRows)]) -> String {
    let all = || parts.iter().map(|part| &objects[*part]);
    let changed = |object: &RawObject| u128::try_from(object.modified.timestamp_micros()).unwrap_or_default();
    let modified: u128 = all().map(|(object, _)| changed(object)).sum();
    let content: u128 = all().map(|(_, gave)| content(gave)).sum();
    format!("{:08x}{modified:024x}{content:032x}", declared.parts.of)
}

/// Does something with each of the items, so many at the same time; results in their order.
fn side_by_side<T: Sync, R: Send>(
    at_once: usize,
    items: &[T],
    each: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(item) = items.get(index)
        {
            // After an error nobody begins with another one.
            let result = each(item).inspect_err(|_| next.store(items.len(), Ordering::Relaxed))?;
            done.push((index, result));
        }
        Ok(done)
    };
    let shares: Vec<Result<Vec<(usize, R)>>> = std::thread::scope(|scope| {
        let helpers = 1..at_once.min(items.len());
        let helpers: Vec<_> = helpers.map(|_| scope.spawn(work)).collect();
        let own = work();
        let panicked = |_| Err(Error::internal("putting documents together panicked"));
        let helped = helpers
            .into_iter()
            .map(|helper| helper.join().unwrap_or_else(panicked));
        helped.chain([own]).collect()
    });
    let mut done = Vec::with_capacity(items.len());
    for share in shares {
        done.extend(share?);
    }
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// What the rows of one document say.
struct OwnRows {
    rows: u64,
    /// By cell; the order is the greatest of its rows.
    cells: BTreeMap<Cell, Share>,
    /// Rows that have the key of an earlier row; none where there is no key.
    conflicts: u64,
}

impl OwnRows {
    /// Of the document with these portions of the batch, each with the address of its object.
    fn of<'a>(
        rules: Rules<'_>,
        portions: impl Iterator<Item = (&'a str, &'a Portion)> + Clone,
        buffered: &BufferedRows,
    ) -> Result<Self> {
        let rows = portions
            .clone()
            .map(|(_, portion)| buffered.rows_in(portion) as u64);
        let mut own = Self {
            rows: rows.sum(),
            cells: BTreeMap::new(),
            conflicts: 0,
        };
        let mut keys = Vec::new();
        if !rules.key.is_empty() {
            keys.reserve_exact(own.rows as usize);
        }
        for (object, portion) in portions {
            let rows = buffered.read(portion)?;
            own.add(rules, object, &rows, portion.first as u32)?;
            if !rules.key.is_empty() {
                add_keys(&rows, rules.key, &mut keys)?;
            }
        }
        keys.sort_unstable();
        own.conflicts = keys.windows(2).filter(|two| two[0] == two[1]).count() as u64;
        Ok(own)
    }

    /// Adds rows of an object to their cells; `first` is the ordinal of the first of them in the batch.
    fn add(&mut self, rules: Rules<'_>, object: &str, rows: &RecordBatch, first: u32) -> Result<()> {
        let by_row: &StringArray = rows
            .column(rows.schema_ref().index_of(layout::ORDER)?)
            .as_string();
        let per = key_positions(rows.schema_ref(), rules.per)?;
        let groups = Groups::of(rows, &per)?;
        for (cell, members) in cells(rows, &per, &groups)?.into_iter().zip(groups.iter()) {
            let own = self.cells.entry(cell).or_default();
            insert_ascending(&mut own.rows, members.iter().map(|row| row + first));
            if own.object.is_empty() || object < own.object.as_str() {
                object.clone_into(&mut own.object);
            }
            for row in members {
                let order = by_row.value(*row as usize);
                if order > own.order.as_str() {
                    order.clone_into(&mut own.order);
                }
            }
        }
        Ok(())
    }
}

/// Adds a hash of the key of each row: that two of them are the same by chance is counted as a conflict.
fn add_keys(rows: &RecordBatch, key: &[String], keys: &mut Vec<u64>) -> Result<()> {
    let columns: Vec<ArrayRef> = key_positions(rows.schema_ref(), key)?
        .into_iter()
        .map(|position| rows.column(position).clone())
        .collect();
    let fields = columns
        .iter()
        .map(|column| SortField::new(column.data_type().clone()));
    let converted = RowConverter::new(fields.collect())?.convert_columns(&columns)?;
    keys.extend(converted.iter().map(|key| xxh3_64(key.data())));
    Ok(())
}

/// A document, from what it declares and from its rows, with the states of cells that have one of their own.
fn document(
    rules: Rules<'_>,
    declared: &Declared,
    state: &str,
    states: &BTreeMap<Cell, String>,
    object: Option<&String>,
    own: OwnRows,
) -> Document {
    let id: String = declared
        .id
        .iter()
        .flat_map(|id| id.bytes())
        .map(|b| format!("{b:02x}"))
        .collect();
    let full = |newest: &str, state: &str| format!("{newest}{id}.{state}.");
    let covers = coverage(rules, declared, &own);
    let newest = own.cells.values().map(|share| share.order.as_str()).max();
    let newest = newest.unwrap_or(&declared.order).to_owned();
    let order = full(&newest, state);
    let shares = own.cells.into_iter().map(|(cell, share)| {
        let newest = match rules.covers {
            Covers::Rows => &share.order,
            _ => &newest,
        };
        let state = states.get(&cell).map_or(state, String::as_str);
        let order = full(newest, state);
        (cell, Share { order, ..share })
    });
    Document {
        object: object.cloned().unwrap_or_default(),
        covers,
        cells: shares.collect(),
        order,
    }
}

/// The values of `per` of each group of rows.
fn cells(rows: &RecordBatch, per: &[usize], groups: &Groups) -> Result<Vec<Cell>> {
    let heads = UInt32Array::from_iter_values(groups.iter().filter_map(|rows| rows.first().copied()));
    let mut cells = vec![Cell::new(); groups.len()];
    for column in per {
        let values = cast(&take(rows.column(*column), &heads, None)?, &DataType::Utf8)?;
        for (cell, value) in cells.iter_mut().zip(values.as_string::<i32>()) {
            let value = value.ok_or_else(|| Error::internal("a column of per is null in a good row"))?;
            cell.push(value.to_owned());
        }
    }
    Ok(cells)
}

/// What a document covers, where it says so: itself, or by rows that agree.
fn coverage(rules: Rules<'_>, declared: &Declared, own: &OwnRows) -> Option<Coverage> {
    if *rules.covers == Covers::Rows {
        return None;
    }
    let days = match rules.day() {
        Some(_) => Some(declared.days?),
        None => None,
    };
    let mut fixed = BTreeMap::new();
    for (position, name) in rules.per.iter().enumerate() {
        if rules.day() == Some(name) {
            continue;
        }
        let said: BTreeSet<&String> = own.cells.keys().map(|cell| &cell[position]).collect();
        let value = match (declared.fixed.get(name), said.len()) {
            (Some(value), _) => value,
            (None, 0) => declared.otherwise.get(name)?,
            (None, 1) => said.first()?,
            _ => return None,
        };
        fixed.insert(name.clone(), value.clone());
    }
    Some(Coverage { fixed, days })
}
