//! Raw objects of a batch become rows: each object is read once for all tables that take it in.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use xxhash_rust::xxh3::Xxh3;

use crate::contract::Format;
use crate::decode::{Decoded, RawBatch};
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::lake::Settings;
use crate::raw::{Deliveries, RawObject};
use crate::report::Observer;
use crate::shape::{BatchStamp, Declared, Reject, Shaped, Shaper};

use super::open::Source;
use super::rejects::Rejects;
use super::row_buffer::RowBuffer;
use super::shaping::Shaping;

/// Why a document is rejected of which something is missing, nobody knows how much.
const CUT_SHORT: &str = "the object ends within a record or within an open quote: it may be cut short, and what it covers \
                         stays as it was";

/// What is said of an object that lies there in another state than the one that was claimed.
pub(crate) const CHANGED: &str = "changed after it was claimed";

/// What is read at the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Objects.
    pub(crate) objects: usize,
    /// Decoded batches of an object that is read alone, and as many more that wait: beside another object the processors
    /// are busy already.
    pub(crate) batches: usize,
}

impl Pace {
    /// One after the other, to see which of them is too much.
    pub(crate) const CAREFUL: Self = Self {
        objects: 1,
        batches: 1,
    };

    /// As much as two processors and the memory allow.
    pub(crate) fn within(settings: &Settings) -> Self {
        Self {
            objects: 2,
            batches: settings.at_once(2),
        }
    }
}

/// A table that takes objects in.
pub(crate) struct TableReader<'a> {
    pub(crate) shaper: &'a Arc<Shaper>,
    /// Where its good rows go.
    pub(crate) buffer: &'a Arc<RowBuffer>,
    pub(crate) stamp: BatchStamp,
    /// Whether the table takes this object in.
    pub(crate) wants: Box<dyn Fn(&RawObject) -> bool + Send + Sync + 'a>,
}

/// What one object gave one table, its good rows aside: those are in the table's buffer.
#[derive(Default)]
pub(crate) struct ObjectRows {
    /// Ordinal of the object in the batch.
    pub(crate) ordinal: usize,
    /// Rejected rows, or one reject for the whole object.
    pub(crate) rejects: Rejects,
    /// Why the object was rejected whole.
    pub(crate) rejected: Option<String>,
    /// Whether it was rejected for the one reason that storage does not let it be read: it waits until that does.
    pub(crate) waits: bool,
    pub(crate) rows_read: u64,
    pub(crate) filtered: u64,
    pub(crate) warned: BTreeMap<String, u64>,
    pub(crate) held: BTreeMap<String, u64>,
    /// Alias of the account whose rows these are; empty where nothing says one.
    pub(crate) account: String,
    /// What it says as a document, where the table keeps documents.
    pub(crate) declared: Option<Declared>,
    /// Hash of all its raw rows, where the content of documents decides between them.
    pub(crate) content: Xxh3,
}

impl ObjectRows {
    /// An object that gives nothing but a reason.
    pub(crate) fn rejected(ordinal: usize, reason: String) -> Self {
        let mut rejects = Rejects::default();
        rejects.lead(whole(reason.clone()));
        Self {
            ordinal,
            rejects,
            rejected: Some(reason),
            ..Self::default()
        }
    }

    /// Rejects the object, for what its rows are like.
    pub(crate) fn reject(&mut self, reason: String) {
        let mut rejects = std::mem::take(&mut self.rejects);
        rejects.lead(whole(reason.clone()));
        *self = Self {
            ordinal: self.ordinal,
            rejects,
            rejected: Some(reason),
            rows_read: self.rows_read,
            ..Self::default()
        };
    }

    /// Whether something of it goes into the table.
    pub(crate) fn gives(&self) -> bool {
        let has_rows = self.rows_read > self.rejects.len();
        self.rejected.is_none() && (has_rows || self.declared.is_some())
    }

    /// Whether the object was rejected for another state of it, which is taken in as another object.
    pub(crate) fn comes_again(&self) -> bool {
        self.rejected
            .as_ref()
            .is_some_and(|reason| reason.contains(CHANGED))
    }

    /// Whether there were rows and none was good, not even for the SQL to leave it out.
    pub(crate) fn is_all_bad(objects: &[&Self]) -> bool {
        let rejected: u64 = objects.iter().map(|gave| gave.rejects.len()).sum();
        let others: u64 = objects
            .iter()
            .map(|gave| gave.rows_read.saturating_sub(gave.filtered))
            .sum();
        rejected > 0 && rejected >= others
    }

    /// Adds shaped rows. What cannot be shaped rejects the object for this table alone: other tables read it with
    /// rules of their own.
    pub(crate) fn take(&mut self, shaped: Result<Shaped>) -> Result<()> {
        match shaped {
            Ok(shaped) => self.add(shaped)?,
            Err(error) if [Kind::Usage, Kind::Internal].contains(&error.kind()) => {
                *self = Self::rejected(self.ordinal, error.reason());
            }
            Err(error) => *self = Self::rejected(self.ordinal, reason_to_reject(error)?),
        }
        Ok(())
    }

    fn add(&mut self, shaped: Shaped) -> Result<()> {
        for hash in shaped.content.iter().flat_map(|hashes| hashes.values()) {
            self.content.update(&hash.to_le_bytes());
        }
        self.rejects.extend(shaped.rejects)?;
        self.filtered += shaped.filtered;
        for (check, rows) in shaped.warned {
            *self.warned.entry(check).or_default() += rows;
        }
        for (check, rows) in shaped.held {
            *self.held.entry(check).or_default() += rows;
        }
        Ok(())
    }
}

/// The reject of an object as a whole.
fn whole(reason: String) -> Reject {
    Reject {
        row: None,
        reason,
        text: String::new(),
    }
}

/// Reads the objects for the readers; results in the order of the objects, one for each reader (none where the reader
/// does not want the object). `poisoned` says of an object why it must not be read at all.
pub(crate) async fn read_objects(
    objects: &[RawObject],
    deliveries: Deliveries<'_>,
    format: &Format,
    readers: &[TableReader<'_>],
    pace: Pace,
    watch: &dyn Watch,
) -> Result<Vec<Vec<Option<ObjectRows>>>> {
    let batches = if objects.len() > 1 { 1 } else { pace.batches };
    let read: Vec<Found> = futures::stream::iter(objects.iter().enumerate())
        .map(|(ordinal, object)| async move {
            let wanting: Vec<bool> = readers.iter().map(|reader| (reader.wants)(object)).collect();
            if let Some(reason) = watch.begin(object).await? {
                return Ok(Found::Read(rejected_by(readers, &wanting, ordinal, &reason)));
            }
            let read = one(ordinal, object, deliveries, format, readers, &wanting, batches).await;
            watch.end(object).await?;
            let error = match read {
                Ok(by_table) => return Ok(Found::Read(by_table)),
                Err(error) => error,
            };
            if error.is_refusal() {
                return Ok(match watch.refused(object).await? {
                    true => Found::Read(waiting(readers, &wanting, ordinal, &error.reason())),
                    // The others are read all the same: one attempt finds out all that are refused.
                    false => Found::Refused(error.with("object", &object.uri)),
                });
            }
            if error.has_no_room() {
                let largest = largest(readers).map_or(object, |largest| &objects[largest]);
                watch.too_large(largest).await?;
                return Err(error.with("object", &largest.uri));
            }
            let is_gone = error.kind() == Kind::NotFound;
            let reason = reason_to_reject(error).map_err(|error| error.with("object", &object.uri))?;
            let rejected = rejected_by(readers, &wanting, ordinal, &reason);
            Ok::<_, Error>(if is_gone {
                Found::Gone(rejected)
            } else {
                Found::Read(rejected)
            })
        })
        .buffered(pace.objects)
        .try_collect()
        .await?;
    let gone = read
        .iter()
        .filter(|found| matches!(found, Found::Gone(_)))
        .count();
    if let Some(first) = objects.first()
        && gone == objects.len()
        && !watch.may_be_gone()
    {
        return Err(Error::new(
            Kind::Io,
            "no object of the batch is there any more: is the raw zone where it was, and can it be read?",
        )
        .with("objects", gone)
        .with("first", &first.uri));
    }
    read.into_iter()
        .map(|found| match found {
            Found::Read(by_table) | Found::Gone(by_table) => Ok(by_table),
            Found::Refused(error) => Err(error),
        })
        .collect()
}

/// The ordinal of the object that has the most rows in the buffers.
fn largest(readers: &[TableReader<'_>]) -> Option<usize> {
    let largest = readers.iter().filter_map(|reader| reader.buffer.largest()).max();
    largest.map(|(_, object)| object)
}

/// What came of reading an object.
enum Found {
    /// Rows, or a reason to reject it.
    Read(Vec<Option<ObjectRows>>),
    /// It is not there; the reject that says so.
    Gone(Vec<Option<ObjectRows>>),
    /// Storage does not let it be read.
    Refused(Error),
}

/// An object that storage does not let be read, for all readers that want it.
fn waiting(
    readers: &[TableReader<'_>],
    wanting: &[bool],
    ordinal: usize,
    reason: &str,
) -> Vec<Option<ObjectRows>> {
    let reason = format!("{reason}; it is taken in when it can be read");
    let mut by_table = rejected_by(readers, wanting, ordinal, &reason);
    for gave in by_table.iter_mut().flatten() {
        gave.waits = true;
    }
    by_table
}

/// An object that is rejected whole by all readers that want it, each with as much of the reason as its table may say.
fn rejected_by(
    readers: &[TableReader<'_>],
    wanting: &[bool],
    ordinal: usize,
    reason: &str,
) -> Vec<Option<ObjectRows>> {
    let rejected = |(reader, wants): (&TableReader<'_>, &bool)| {
        wants.then(|| ObjectRows::rejected(ordinal, reader.shaper.discreet(reason)))
    };
    readers.iter().zip(wanting).map(rejected).collect()
}

/// Hears which object is being read, and may forbid it.
#[async_trait]
pub(crate) trait Watch: Send + Sync {
    /// Before an object is read; a reason rejects it unread.
    async fn begin(&self, object: &RawObject) -> Result<Option<String>>;
    /// After it was read.
    async fn end(&self, object: &RawObject) -> Result<()>;
    /// Storage does not let it be read. True where the batch is to go on without it.
    async fn refused(&self, object: &RawObject) -> Result<bool>;
    /// Of all objects it takes the most room, and there was too little.
    async fn too_large(&self, object: &RawObject) -> Result<()>;
    /// Whether it can be that all objects of the batch are gone.
    fn may_be_gone(&self) -> bool;
}

/// Tells an observer about objects.
pub(crate) struct Telling<'a>(pub(crate) &'a dyn Observer);

#[async_trait]
impl Watch for Telling<'_> {
    async fn begin(&self, _object: &RawObject) -> Result<Option<String>> {
        Ok(None)
    }

    async fn end(&self, object: &RawObject) -> Result<()> {
        self.0.object_done(&object.uri, object.size);
        Ok(())
    }

    async fn refused(&self, _object: &RawObject) -> Result<bool> {
        Ok(false)
    }

    async fn too_large(&self, _object: &RawObject) -> Result<()> {
        Ok(())
    }

    fn may_be_gone(&self) -> bool {
        true
    }
}

/// The chain of an error as the reason to reject an object; an error of storage is none, it fails the batch.
fn reason_to_reject(error: Error) -> Result<String> {
    match error.kind() {
        Kind::Data | Kind::NotFound | Kind::Conflict => Ok(error.reason()),
        _ => Err(error),
    }
}

async fn one(
    ordinal: usize,
    object: &RawObject,
    deliveries: Deliveries<'_>,
    format: &Format,
    readers: &[TableReader<'_>],
    wanting: &[bool],
    at_once: usize,
) -> Result<Vec<Option<ObjectRows>>> {
    let of = Source::of(object, deliveries).await?;
    failpoint::reading(&object.uri);
    let (mut decoded, decoder) = of.open(deliveries.stores(), format, at_once).await?;
    let mut of = Arc::new(of);
    let gave = |(reader, wants): (&TableReader<'_>, &bool)| {
        wants.then(|| ObjectRows {
            ordinal,
            rejects: Rejects::within(reader.buffer.spill()),
            account: of.account.alias.clone(),
            ..ObjectRows::default()
        })
    };
    let mut by_table: Vec<Option<ObjectRows>> = readers.iter().zip(wanting).map(gave).collect();
    reject_others(readers, &of, &mut by_table);
    let mut shaping = Shaping::new(readers, ordinal, at_once);
    let mut whole: Vec<Arc<RawBatch>> = Vec::new();
    let (mut nothing, mut cut_short) = (false, false);
    while let Some(next) = decoded.recv().await {
        if !matches!(next, Ok(Decoded::Rows(_))) {
            // What comes next comes after the rows before it.
            shaping.finish(0, &mut by_table).await?;
        }
        match next? {
            Decoded::Header(header) => {
                Arc::make_mut(&mut of).header = header;
                reject_others(readers, &of, &mut by_table);
            }
            Decoded::Nothing => nothing = true,
            Decoded::CutShort => cut_short = true,
            Decoded::Rows(batch) => {
                let batch = Arc::new(batch);
                let mut keeps_whole = false;
                for reader in taking(&by_table) {
                    // It may be rejected by what came of earlier rows meanwhile.
                    let gave = by_table[reader].as_mut().filter(|one| one.rejected.is_none());
                    let Some(gave) = gave else { continue };
                    gave.rows_read += batch.rows.len() as u64;
                    if readers[reader].shaper.wants_whole_objects() {
                        keeps_whole = true;
                    } else {
                        shaping.begin(reader, &batch, &of, &mut by_table).await?;
                    }
                }
                if keeps_whole {
                    whole.push(batch);
                }
            }
            Decoded::Malformed(malformed) => {
                for reader in taking(&by_table) {
                    let shaper = readers[reader].shaper;
                    let reject = shaper.malformed(malformed.row, &malformed.reason, &malformed.text);
                    if let Some(gave) = &mut by_table[reader] {
                        gave.rows_read += 1;
                        gave.rejects.push(reject)?;
                    }
                }
            }
        }
    }
    shaping.finish(0, &mut by_table).await?;
    decoder
        .await
        .map_err(|error| Error::data("object cannot be decoded: the decoder panicked").because(error))?;
    if !whole.is_empty() {
        let all = Arc::new(concat(&whole)?);
        for reader in taking(&by_table) {
            if readers[reader].shaper.wants_whole_objects() {
                shaping.begin(reader, &all, &of, &mut by_table).await?;
            }
        }
        shaping.finish(0, &mut by_table).await?;
    }
    for reader in taking(&by_table) {
        if let Some(gave) = &mut by_table[reader] {
            let shaper = readers[reader].shaper;
            if nothing && shaper.empties() {
                gave.reject("the object is empty: a report without rows has a header at least".to_owned());
            } else {
                gave.declared = shaper.declared(&of.origin())?;
                if cut_short && gave.declared.is_some() {
                    gave.reject(CUT_SHORT.to_owned());
                }
                if let Some(wrong) = gave.declared.as_ref().and_then(|declared| declared.wrong.clone()) {
                    gave.reject(wrong);
                }
            }
        }
    }
    Ok(by_table)
}

/// Rejects the object for those readers that it is of another data set for, as far as it has told.
fn reject_others(readers: &[TableReader<'_>], of: &Source, by_table: &mut [Option<ObjectRows>]) {
    for (reader, gave) in readers.iter().zip(by_table) {
        let Some(gave) = gave.as_mut().filter(|gave| gave.rejected.is_none()) else {
            continue;
        };
        if let Some(reason) = reader.shaper.is_another(&of.origin()) {
            gave.reject(reason);
        }
    }
}

/// The readers that want the object and have not rejected it.
fn taking(by_table: &[Option<ObjectRows>]) -> Vec<usize> {
    let takes = |gave: &Option<ObjectRows>| gave.as_ref().is_some_and(|one| one.rejected.is_none());
    (0..by_table.len())
        .filter(|reader| takes(&by_table[*reader]))
        .collect()
}

/// Batches of one object as one, all fields as text; a field that a batch lacks is null there.
fn concat(batches: &[Arc<RawBatch>]) -> Result<RawBatch> {
    let texts = batches.iter().map(|batch| batch.texts());
    let texts = texts.collect::<Result<Vec<_>>>()?;
    let mut names: Vec<&str> = Vec::new();
    for fields in &texts {
        for field in fields.schema_ref().fields() {
            if !names.contains(&field.name().as_str()) {
                names.push(field.name());
            }
        }
    }
    let fields: Vec<Field> = names
        .iter()
        .map(|name| Field::new(*name, DataType::Utf8, true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let aligned = texts
        .iter()
        .map(|fields| {
            let columns: Vec<ArrayRef> = names
                .iter()
                .map(|name| {
                    let column = fields.column_by_name(name).cloned();
                    column.unwrap_or_else(|| new_null_array(&DataType::Utf8, fields.num_rows()))
                })
                .collect();
            Ok(RecordBatch::try_new(schema.clone(), columns)?)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(RawBatch {
        fields: concat_batches(&schema, &aligned)?,
        rows: batches
            .iter()
            .flat_map(|batch| batch.rows.iter().copied())
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gave(rows_read: u64, filtered: u64, rejected: usize) -> ObjectRows {
        let reject = Reject {
            row: Some(1),
            reason: String::new(),
            text: String::new(),
        };
        ObjectRows {
            rows_read,
            filtered,
            rejects: vec![reject; rejected].into(),
            ..ObjectRows::default()
        }
    }

    #[test]
    fn rows_that_are_left_out_make_a_document_no_better() {
        for (parts, bad) in [
            (vec![gave(3, 1, 2)], true),
            (vec![gave(3, 0, 2)], false),
            (vec![gave(2, 0, 2), gave(1, 1, 0)], true),
            (vec![gave(2, 0, 2), gave(1, 0, 0)], false),
            // A report of nothing, or of nothing but what is left out, is one.
            (vec![gave(0, 0, 0)], false),
            (vec![gave(2, 2, 0)], false),
        ] {
            assert_eq!(ObjectRows::is_all_bad(&parts.iter().collect::<Vec<_>>()), bad);
        }
    }
}
