//! The documents of a batch, put together of what its objects gave.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use xxhash_rust::xxh3::xxh3_128;

use crate::contract::{Contract, Covers, Feed, Keep};
use crate::error::{Error, Result};
use crate::keep::{Cell, Document, Documents, Groups, Share, key_positions};
use crate::layout;
use crate::ledger::{Coverage, DocumentResult};
use crate::list::RawObject;
use crate::shape::Declared;

use super::intake::Intake;
use super::notes::Notes;
use super::spool::Spooled;

/// Documents, what they say for the ledger, and what a person should know of them.
pub(super) struct Gathered {
    pub(super) documents: Documents,
    /// Per object of the batch: what it says as a document; none where it is no part of one.
    pub(super) results: Vec<Option<DocumentResult>>,
    pub(super) notes: Notes,
    /// Rows with the key of another row of their document.
    pub(super) conflicts: u64,
    orders: RowOrders,
}

impl Gathered {
    /// Rows of the batch with the order of their documents; `first` is the ordinal of the first of them.
    pub(super) fn ordered(&self, rows: &RecordBatch, first: usize) -> Result<RecordBatch> {
        let position = rows.schema_ref().index_of(layout::ORDER)?;
        let orders = (first..first + rows.num_rows()).map(|row| self.orders.of_row(row));
        let mut columns = rows.columns().to_vec();
        columns[position] = Arc::new(StringArray::from_iter_values(orders));
        Ok(RecordBatch::try_new(rows.schema(), columns)?)
    }
}

/// For each row of the batch its place among all documents that cover its cell.
#[derive(Default)]
struct RowOrders {
    orders: Vec<String>,
    /// Ordinal of the order of each row.
    of_row: Vec<u32>,
}

impl RowOrders {
    fn new(rows: usize) -> Self {
        Self {
            orders: vec![String::new()],
            of_row: vec![0; rows],
        }
    }

    fn add(&mut self, share: &Share) {
        for row in &share.rows {
            self.of_row[*row as usize] = self.orders.len() as u32;
        }
        self.orders.push(share.order.clone());
    }

    fn of_row(&self, row: usize) -> &str {
        &self.orders[self.of_row[row] as usize]
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

/// Puts the documents together; none where the table does not keep documents. Objects whose document is not there as a
/// whole are rejected.
pub(super) fn gather(
    contract: &Contract,
    intakes: &mut [(RawObject, Intake)],
    spooled: &Spooled,
) -> Result<Option<Gathered>> {
    let Some(rules) = Rules::of(contract) else {
        return Ok(None);
    };
    let groups = groups(intakes);
    for group in &groups {
        if *rules.covers != Covers::Rows {
            reject_bad(group, intakes);
        }
        reject_incomplete(group, intakes);
    }
    let mut gathered = Gathered {
        documents: Documents {
            per: rules.per.to_vec(),
            days: rules.day().map(str::to_owned),
            rows: 0,
            list: Vec::new(),
        },
        results: vec![None; intakes.len()],
        notes: Notes::default(),
        conflicts: 0,
        orders: RowOrders::new(spooled.rows()),
    };
    for group in groups {
        let parts = parts(&group, intakes);
        let Some(declared) = parts.first().and_then(|part| intakes[*part].1.declared.clone()) else {
            continue;
        };
        let mut own = OwnRows::new(rules);
        for part in &parts {
            for portion in spooled.of_object(intakes[*part].1.ordinal) {
                own.add(&spooled.read(&portion)?, portion.first as u32)?;
            }
        }
        gathered.conflicts += own.conflicts();
        gathered.documents.rows += own.rows;
        let content = parts
            .iter()
            .flat_map(|part| intakes[*part].1.content.to_le_bytes());
        let content = format!("{:032x}", xxh3_128(&content.collect::<Vec<u8>>()));
        let object = parts.iter().map(|part| &intakes[*part].0.uri).min();
        let document = document(rules, &declared, &content, object, own);
        document
            .cells
            .values()
            .for_each(|share| gathered.orders.add(share));
        gathered.notes.time_guessed += u64::from(declared.guessed && rules.by_time);
        gathered.notes.coverage_guessed +=
            u64::from(document.covers.is_none() && *rules.covers != Covers::Rows);
        for part in group {
            gathered.results[part] = intakes[part].1.rejected.is_none().then(|| DocumentResult {
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

/// Objects by document, each a document of its own unless its claim says otherwise.
fn groups(intakes: &[(RawObject, Intake)]) -> Vec<Vec<usize>> {
    let mut alone = Vec::new();
    let mut together: BTreeMap<(&str, Option<&str>), Vec<usize>> = BTreeMap::new();
    for (index, (object, _)) in intakes.iter().enumerate() {
        match &object.document {
            Some(id) => together
                .entry((id, object.account.as_deref()))
                .or_default()
                .push(index),
            None => alone.push(vec![index]),
        }
    }
    alone.into_iter().chain(together.into_values()).collect()
}

/// A document without rows takes rows out of the table. That has to be said, and not come of a fault: one of which no row is
/// good is none.
fn reject_bad(group: &[usize], intakes: &mut [(RawObject, Intake)]) {
    let read: Vec<usize> = group
        .iter()
        .copied()
        .filter(|index| intakes[*index].1.rejected.is_none())
        .collect();
    let parts: Vec<&Intake> = read.iter().map(|index| &intakes[*index].1).collect();
    if Intake::is_all_bad(&parts) {
        for index in read {
            let reason = "every row of the document is rejected: what it covers stays as it was";
            intakes[index].1.reject(reason.to_owned());
        }
    }
}

/// A document of which a part is missing or rejected must not take the place of another one.
fn reject_incomplete(group: &[usize], intakes: &mut [(RawObject, Intake)]) {
    let declared = |index: &usize| intakes[*index].1.declared.as_ref();
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
        "part {} of {of} of the document is missing or rejected",
        missing.join(", ")
    );
    for index in group {
        let intake = &mut intakes[*index].1;
        if intake.rejected.is_none() {
            *intake = Intake::rejected(intake.ordinal, reason.clone());
        }
    }
}

/// The objects of a document in the order of their parts; of one that came twice the one with the smaller address.
fn parts(group: &[usize], intakes: &[(RawObject, Intake)]) -> Vec<usize> {
    let mut parts: BTreeMap<u32, usize> = BTreeMap::new();
    for index in group {
        let (object, intake) = &intakes[*index];
        let Some(declared) = &intake.declared else {
            continue;
        };
        let known = parts.entry(declared.parts.number).or_insert(*index);
        if object.uri < intakes[*known].0.uri {
            *known = *index;
        }
    }
    parts.into_values().collect()
}

/// What the rows of one document say, collected part by part.
struct OwnRows<'a> {
    rules: Rules<'a>,
    rows: u64,
    /// Rows and greatest order of each cell.
    cells: BTreeMap<Cell, (Vec<u32>, String)>,
    /// Hashes of the keys; none where there is no key.
    keys: HashSet<u128>,
}

impl<'a> OwnRows<'a> {
    fn new(rules: Rules<'a>) -> Self {
        Self {
            rules,
            rows: 0,
            cells: BTreeMap::new(),
            keys: HashSet::new(),
        }
    }

    /// Adds rows; `first` is the ordinal of the first of them in the batch.
    fn add(&mut self, rows: &RecordBatch, first: u32) -> Result<()> {
        let by_row: &StringArray = rows
            .column(rows.schema_ref().index_of(layout::ORDER)?)
            .as_string();
        let per = key_positions(rows.schema_ref(), self.rules.per)?;
        let groups = Groups::of(rows, &per)?;
        for (cell, members) in cells(rows, &per, &groups)?.into_iter().zip(groups.iter()) {
            let (own, newest) = self.cells.entry(cell).or_default();
            own.extend(members.iter().map(|row| row + first));
            for row in members {
                let order = by_row.value(*row as usize);
                if order > newest.as_str() {
                    order.clone_into(newest);
                }
            }
        }
        self.rows += rows.num_rows() as u64;
        if !self.rules.key.is_empty() {
            let columns: Vec<ArrayRef> = key_positions(rows.schema_ref(), self.rules.key)?
                .into_iter()
                .map(|position| rows.column(position).clone())
                .collect();
            let fields = columns
                .iter()
                .map(|column| SortField::new(column.data_type().clone()));
            let keys = RowConverter::new(fields.collect())?.convert_columns(&columns)?;
            self.keys.extend(keys.iter().map(|key| xxh3_128(key.data())));
        }
        Ok(())
    }

    /// Rows that have the key of an earlier row; none where there is no key.
    fn conflicts(&self) -> u64 {
        if self.rules.key.is_empty() {
            0
        } else {
            self.rows - self.keys.len() as u64
        }
    }
}

/// A document, from what it declares and from its rows.
fn document(
    rules: Rules<'_>,
    declared: &Declared,
    content: &str,
    object: Option<&String>,
    own: OwnRows<'_>,
) -> Document {
    let id: String = declared
        .id
        .iter()
        .flat_map(|id| id.bytes())
        .map(|b| format!("{b:02x}"))
        .collect();
    let full = |newest: &str| format!("{newest}{id}.{content}.");
    let newest = own.cells.values().map(|(_, newest)| newest.as_str()).max();
    let order = full(newest.unwrap_or(&declared.order));
    let cells: Vec<&Cell> = own.cells.keys().collect();
    let covers = coverage(rules, declared, &cells);
    let shares = own.cells.into_iter().map(|(cell, (rows, of_cell))| {
        let order = match rules.covers {
            Covers::Rows => full(&of_cell),
            _ => order.clone(),
        };
        (cell, Share { order, rows })
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
fn coverage(rules: Rules<'_>, declared: &Declared, cells: &[&Cell]) -> Option<Coverage> {
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
        let said: BTreeSet<&String> = cells.iter().map(|cell| &cell[position]).collect();
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
