//! `latest_document`: per value of `per`, a *cell*, the rows of the newest document that covers it.
//!
//! Invariant: in every cell the table has exactly the rows of the document with the greatest (order, smallest object)
//! among all that cover it, where the order is that of `newest_by`, then the document's id, then its state: how many parts it
//! has, when they were changed, and hashes of their content.
//! A document covers cells of which it has no row; what it says about these is remembered in the ledger, so that an
//! older one that comes late does not bring rows back. So the newest of a cell is a maximum over the batch, the rows
//! that the table has in the cell, and the documents recorded before.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt};
use roaring::RoaringBitmap;

use crate::contract::Contract;
use crate::delta::DataFile;
use crate::delta::partition::PartitionValues;
use crate::error::{Error, Result};
use crate::layout::{OBJECT, ORDER};
use crate::system::ledger::{Coverage, Recorded};
use crate::write::Found;

use super::changed::scope_columns;
use super::keys::Keys;
use super::open_files::OpenFiles;
use super::plan::Plan;
use super::{busy, texts};

/// Values of `per`, in its order, as text.
pub(crate) type Cell = Vec<String>;

/// The documents of a batch with their rows.
pub(crate) struct Documents {
    /// Columns of a cell.
    pub(crate) per: Vec<String>,
    /// The one that takes the days of a period.
    pub(crate) days: Option<String>,
    /// How many rows the batch has.
    pub(crate) rows: u64,
    pub(crate) list: Vec<Document>,
}

/// One document, all parts of it.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// Its object, of several the one with the smallest address.
    pub(crate) object: String,
    /// Its place among all documents, as sortable text.
    pub(crate) order: String,
    /// What it covers; none: the cells of its rows.
    pub(crate) covers: Option<Coverage>,
    /// The cells of its rows.
    pub(crate) cells: BTreeMap<Cell, Share>,
}

/// What a document has in one cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Share {
    /// The document's place among those that cover the cell.
    pub(crate) order: String,
    /// The object of its rows, of several the one with the smallest address.
    pub(crate) object: String,
    /// Its rows, by their ordinals in the batch.
    pub(crate) rows: RoaringBitmap,
}

/// Rows of a cell before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) cell: Cell,
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// A document of the batch that may be the newest of a cell.
struct Candidate<'a> {
    order: &'a str,
    object: &'a str,
    rows: Option<&'a RoaringBitmap>,
}

/// What the table has in a cell.
#[derive(Default)]
struct Present {
    order: String,
    object: String,
    /// The rows in each file (index into the list of files).
    rows: BTreeMap<usize, RoaringBitmap>,
}

impl Documents {
    /// The greatest order below which nothing that was recorded can matter, and the days that the documents cover.
    pub(crate) fn reach(&self) -> (String, Option<(NaiveDate, NaiveDate)>) {
        let orders = self.list.iter().flat_map(|document| {
            let shares = document.cells.values().map(|share| &share.order);
            shares.chain([&document.order])
        });
        let order = orders.min().cloned().unwrap_or_default();
        (order, self.all_days())
    }

    fn all_days(&self) -> Option<(NaiveDate, NaiveDate)> {
        let column = self.days.as_ref()?;
        let position = self.per.iter().position(|name| name == column)?;
        let stated = self
            .list
            .iter()
            .filter_map(|document| document.covers.as_ref()?.days);
        let stated = stated.flat_map(|(first, last)| [first, last]);
        let of_rows = self.list.iter().flat_map(|document| document.cells.keys());
        let days: Vec<NaiveDate> = stated
            .chain(of_rows.filter_map(|cell| cell[position].parse().ok()))
            .collect();
        days.iter().min().copied().zip(days.iter().max().copied())
    }

    /// The newest document of the batch in each cell that one covers.
    fn newest(&self) -> BTreeMap<Cell, Candidate<'_>> {
        let mut newest: BTreeMap<Cell, Candidate<'_>> = BTreeMap::new();
        for document in &self.list {
            for cell in self.cells_of(document) {
                let share = document.cells.get(&cell);
                let candidate = Candidate {
                    order: share.map_or(&document.order, |share| &share.order),
                    object: share.map_or(&document.object, |share| &share.object),
                    rows: share.map(|share| &share.rows),
                };
                let place = |one: &Candidate<'_>| (one.order.to_owned(), Reverse(one.object.to_owned()));
                match newest.get(&cell) {
                    Some(known) if place(known) >= place(&candidate) => {}
                    _ => {
                        newest.insert(cell, candidate);
                    }
                }
            }
        }
        newest
    }

    /// The cells that a document covers.
    fn cells_of(&self, document: &Document) -> Vec<Cell> {
        match &document.covers {
            None => document.cells.keys().cloned().collect(),
            Some(covers) => covered(&self.per, self.days.as_deref(), covers),
        }
    }
}

/// The cells of a coverage; none where it does not say the value of a column.
pub(crate) fn covered(per: &[String], day: Option<&str>, covers: &Coverage) -> Vec<Cell> {
    let cell = |date: Option<NaiveDate>| -> Option<Cell> {
        let value = |name: &String| match date {
            Some(date) if day == Some(name) => Some(date.to_string()),
            _ => covers.fixed.get(name).cloned(),
        };
        per.iter().map(value).collect()
    };
    match covers.days {
        None => cell(None).into_iter().collect(),
        Some((first, last)) => {
            let days = first.iter_days().take_while(|day| *day <= last);
            days.filter_map(|day| cell(Some(day))).collect()
        }
    }
}

/// Recorded documents, found by the cells that they cover.
struct Memory<'a> {
    per: &'a [String],
    day: Option<usize>,
    by_fixed: HashMap<Vec<&'a str>, Vec<&'a Recorded>>,
}

impl<'a> Memory<'a> {
    fn new(documents: &'a Documents, recorded: &'a [Recorded]) -> Self {
        let day = documents
            .days
            .as_ref()
            .and_then(|day| documents.per.iter().position(|name| name == day));
        let mut memory = Self {
            per: &documents.per,
            day,
            by_fixed: HashMap::new(),
        };
        for document in recorded {
            let fixed: Option<Vec<&str>> = memory
                .fixed_columns()
                .map(|name| document.covers.fixed.get(name).map(String::as_str))
                .collect();
            if let Some(fixed) = fixed {
                memory.by_fixed.entry(fixed).or_default().push(document);
            }
        }
        memory
    }

    fn fixed_columns(&self) -> impl Iterator<Item = &'a String> + use<'a> {
        let day = self.day;
        let per = self.per;
        (0..per.len())
            .filter(move |index| Some(*index) != day)
            .map(move |index| &per[index])
    }

    /// The newest recorded document that covers the cell.
    fn newest(&self, cell: &Cell) -> Option<&'a str> {
        let fixed: Vec<&str> = (0..cell.len())
            .filter(|index| Some(*index) != self.day)
            .map(|index| cell[index].as_str())
            .collect();
        let day: Option<NaiveDate> = self.day.and_then(|day| cell[day].parse().ok());
        let known = self.by_fixed.get(&fixed)?;
        let covering = known.iter().filter(|document| match document.covers.days {
            Some((first, last)) => day.is_some_and(|day| first <= day && day <= last),
            None => true,
        });
        covering.map(|document| document.order.as_str()).max()
    }
}

/// What the documents of a batch do to a table.
pub(crate) struct Superseded {
    /// The rows that go away; the plan has no new ones.
    pub(crate) away: Plan,
    /// The rows that come, by their ordinals in the batch.
    pub(crate) come: RoaringBitmap,
    /// The cells that change.
    pub(crate) replaced: Vec<Replaced>,
}

/// Plans how the documents of a batch go into the table; so many files are looked into at the same time.
pub(crate) async fn supersede(
    contract: &Contract,
    table: &OpenFiles,
    files: &[DataFile],
    documents: &Documents,
    recorded: &[Recorded],
    at_once: usize,
) -> Result<Superseded> {
    let columns = scope_columns(contract);
    let scope = |cell: &Cell| -> PartitionValues {
        let values = documents.per.iter().cloned().zip(cell.iter().cloned().map(Some));
        values.filter(|(name, _)| columns.contains(name)).collect()
    };
    let mut plan = Plan::without_rows(!columns.is_empty());
    let mut come = RoaringBitmap::new();
    let newest = documents.newest();
    let cells: Vec<&Cell> = newest.keys().collect();
    let (files, mut present) = present(contract, table, files, &documents.per, &cells, at_once).await?;
    let memory = Memory::new(documents, recorded);
    let mut replaced = Vec::new();
    for (index, (cell, candidate)) in newest.iter().enumerate() {
        let there = present.remove(&(index as u32)).unwrap_or_default();
        let beaten = memory
            .newest(cell)
            .is_some_and(|recorded| recorded > candidate.order);
        // Of equal documents the one with the smaller address stays; the same one again may have other rows by now,
        // when a rule that rejected some was mended.
        let older = !there.rows.is_empty()
            && (candidate.order, Reverse(candidate.object))
                < (there.order.as_str(), Reverse(there.object.as_str()));
        if beaten || older {
            continue;
        }
        for (file, rows) in &there.rows {
            let file = &files[*file];
            plan.edit(file).deletes.extend(rows.iter().map(u64::from));
            if let Some(parts) = &mut plan.parts {
                parts.scope(&file.partition, scope(cell)).removed += rows.len();
            }
        }
        if let Some(rows) = candidate.rows {
            come |= rows;
        }
        replaced.push(Replaced {
            cell: cell.clone(),
            before: there.rows.values().map(RoaringBitmap::len).sum(),
            after: candidate.rows.map_or(0, RoaringBitmap::len),
        });
    }
    for edit in plan.edits.values_mut() {
        edit.deletes.sort_unstable();
        plan.counts.rows_removed += edit.deletes.len() as u64;
        let rows = edit.old.as_ref().and_then(DataFile::rows);
        if rows == Some(edit.deletes.len() as u64) {
            edit.deletes.clear();
            edit.dropped = true;
        }
    }
    plan.counts.rows_inserted = come.len();
    plan.counts.rows_absorbed = documents.rows - plan.counts.rows_inserted;
    Ok(Superseded {
        away: plan,
        come,
        replaced,
    })
}

/// What the table has in the cells, by their index.
async fn present(
    contract: &Contract,
    table: &OpenFiles,
    of_table: &[DataFile],
    per: &[String],
    cells: &[&Cell],
    at_once: usize,
) -> Result<(Vec<DataFile>, HashMap<u32, Present>)> {
    let mut present: HashMap<u32, Present> = HashMap::new();
    let mut files = Vec::new();
    // No row is in the partition of an empty text.
    let possible: Vec<u32> = (0..cells.len() as u32)
        .filter(|cell| {
            let values = per.iter().zip(cells[*cell as usize]);
            let mut laid_out = values.filter(|(name, _)| contract.partition.contains(name));
            laid_out.all(|(_, value)| !value.is_empty())
        })
        .collect();
    if possible.is_empty() {
        return Ok((files, present));
    }
    let values = typed(contract, per, possible.iter().map(|cell| cells[*cell as usize]))?;
    let keys = Keys::new(&values, per, &contract.partition)?;
    let keys = &keys;
    let mut read = futures::stream::iter(of_table.to_vec())
        .map(|file| async move {
            let found = keys.find(table, &file, None).await?;
            let places = match found.is_empty() {
                true => None,
                false => Some(read(table, &file, &found).await?),
            };
            Ok::<_, Error>((file, found, places))
        })
        .buffered(table.at_once(at_once));
    while let Some((file, found, places)) = read.try_next().await? {
        let Some(places) = places else { continue };
        let (order, object) = (texts(&places, ORDER)?, texts(&places, OBJECT)?);
        let mut rows = 0..found.len() as u32;
        for found in found.chunk_by(|one, next| one.key == next.key) {
            let cell = present.entry(possible[found[0].key as usize]).or_default();
            for row in rows.by_ref().take(found.len()) {
                let place = (order(row), Reverse(object(row)));
                if cell.object.is_empty() || place > (cell.order.as_str(), Reverse(cell.object.as_str())) {
                    (cell.order, cell.object) = (place.0.to_owned(), place.1.0.to_owned());
                }
            }
            // No file has as many rows as a u32 can count.
            let places = found.iter().map(|found| found.file_row as u32);
            insert_ascending(cell.rows.entry(files.len()).or_default(), places);
        }
        files.push(file);
    }
    Ok((files, present))
}

/// Adds rows to a set of them. Those of a document mostly follow each other.
pub(crate) fn insert_ascending(rows: &mut RoaringBitmap, ascending: impl Iterator<Item = u32>) {
    let mut ascending = ascending.peekable();
    while let Some(first) = ascending.next() {
        let mut last = first;
        while let Some(next) = ascending.next_if(|next| next - 1 == last) {
            last = next;
        }
        rows.insert_range(first..=last);
    }
}

async fn read(table: &OpenFiles, file: &DataFile, found: &[Found]) -> Result<RecordBatch> {
    let opened = table.open(file, 0).await?;
    let rows: Vec<u64> = found.iter().map(|found| found.file_row).collect();
    let wanted = Arc::new(Schema::new(vec![
        Field::new(ORDER, DataType::Utf8, true),
        Field::new(OBJECT, DataType::Utf8, true),
    ]));
    busy(move || opened.read_rows(&rows, &wanted)).await
}

/// Cells as columns of the table's types.
fn typed<'a>(
    contract: &Contract,
    per: &[String],
    cells: impl Iterator<Item = &'a Cell> + Clone,
) -> Result<RecordBatch> {
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for (index, name) in per.iter().enumerate() {
        let column = contract
            .column(name)
            .ok_or_else(|| Error::internal("column of per is missing").with("column", name))?;
        let texts = StringArray::from_iter_values(cells.clone().map(|cell| &cell[index]));
        columns.push(cast(&texts, &column.ty.arrow())?);
        fields.push(Field::new(name, column.ty.arrow(), true));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
