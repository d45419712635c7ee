//! The documents of a batch, put together of what its objects gave.

mod groups;
mod own_rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{RecordBatch, StringArray};

use crate::contract::{Contract, Covers, Feed, Keep};
use crate::error::{Error, Result};
use crate::keep::{Cell, Coverage, Document, Documents, Share};
use crate::layout;
use crate::raw::RawObject;
use crate::shape::Declared;
use crate::system::ledger::DocumentResult;

use super::object_rows::ObjectRows;
use super::row_buffer::BufferedRows;
use crate::commit::notes::Notes;

use groups::{at_odds, groups, parts, reject_bad, reject_incomplete, state};
use own_rows::{OwnRows, cell_by_cell};

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
