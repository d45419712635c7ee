//! Raw objects of a batch become rows: each object is read once for all tables that take it in.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};

use crate::contract::Format;
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::lake::Settings;
use crate::raw::{Deliveries, RawObject};
use crate::shape::{BatchStamp, Shaper, Source};

use super::object_rows::{ObjectRows, reason_to_reject};
use super::one_object::OneObject;
use super::row_buffer::RowBuffer;
use super::watch::Watch;

/// Objects of a bucket that are read at the same time, where there is memory.
const FETCHED_AT_ONCE: usize = 8;

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

    /// As much as two processors and the memory allow. Of a bucket it is the answers that take time.
    pub(crate) fn within(settings: &Settings) -> Self {
        Self {
            objects: match settings.raw.scheme() {
                "file" => 2,
                _ => settings.at_once(FETCHED_AT_ONCE).max(2),
            },
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

/// What one object gave, by the tables that read it; none where a table does not want it.
type ByTable = Vec<Option<ObjectRows>>;

/// Reads the objects for the tables; what they gave in the order of the objects.
pub(crate) async fn read_objects(
    objects: &[RawObject],
    deliveries: Deliveries<'_>,
    format: &Format,
    readers: &[TableReader<'_>],
    pace: Pace,
    watch: &dyn Watch,
) -> Result<Vec<ByTable>> {
    let reading = &Reading {
        objects,
        deliveries,
        format,
        readers,
        at_once: if objects.len() > 1 { 1 } else { pace.batches },
        watch,
    };
    let found: Vec<Found> = futures::stream::iter(0..objects.len())
        .map(|ordinal| reading.find(ordinal))
        .buffered(pace.objects)
        .try_collect()
        .await?;
    reading.check_places(&found)?;
    found
        .into_iter()
        .map(|found| match found {
            Found::Read(by_table) | Found::Gone(by_table) => Ok(by_table),
            Found::Refused(error) => Err(error),
        })
        .collect()
}

/// The objects of a batch, for whom they are read, and how.
struct Reading<'a> {
    objects: &'a [RawObject],
    deliveries: Deliveries<'a>,
    format: &'a Format,
    readers: &'a [TableReader<'a>],
    /// Batches of one object that are shaped at the same time.
    at_once: usize,
    watch: &'a dyn Watch,
}

/// What came of reading an object.
enum Found {
    /// Rows, or a reason to reject it.
    Read(ByTable),
    /// It is not there; the reject that says so.
    Gone(ByTable),
    /// Storage does not let it be read.
    Refused(Error),
}

impl Reading<'_> {
    /// Reads an object, unless it is forbidden.
    async fn find(&self, ordinal: usize) -> Result<Found> {
        let object = &self.objects[ordinal];
        let wanting: Vec<bool> = self.readers.iter().map(|reader| (reader.wants)(object)).collect();
        if let Some(reason) = self.watch.begin(object).await? {
            return Ok(Found::Read(self.rejected(ordinal, &wanting, &reason)));
        }
        let read = self.read(ordinal, &wanting).await;
        self.watch.end(object).await?;
        match read {
            Ok(by_table) => Ok(Found::Read(by_table)),
            Err(error) => self.unread(ordinal, &wanting, error).await,
        }
    }

    async fn read(&self, ordinal: usize, wanting: &[bool]) -> Result<ByTable> {
        let object = &self.objects[ordinal];
        let source = Source::of(object, self.deliveries).await?;
        failpoint::reading(&object.uri);
        let stores = self.deliveries.stores();
        let (mut decoded, decoder) = source.open(stores, self.format, self.at_once).await?;
        let mut one = OneObject::new(self.readers, wanting, ordinal, source, self.at_once);
        while let Some(next) = decoded.recv().await {
            one.take(next).await?;
        }
        one.finish_shaping(0).await?;
        decoder
            .await
            .map_err(|error| Error::data("object cannot be decoded: the decoder panicked").because(error))?;
        one.end().await
    }

    /// What becomes of an object that could not be read.
    ///
    /// # Errors
    /// Where it is not the object's fault: the batch fails.
    async fn unread(&self, ordinal: usize, wanting: &[bool], error: Error) -> Result<Found> {
        let object = &self.objects[ordinal];
        if error.is_refusal() {
            return Ok(match self.watch.refused(object).await? {
                true => Found::Read(self.waiting(ordinal, wanting, &error.reason())),
                // The others are read all the same: one attempt finds out all that are refused.
                false => Found::Refused(error.with("object", &object.uri)),
            });
        }
        if error.has_no_room() {
            let largest = self.largest().unwrap_or(object);
            self.watch.too_large(largest).await?;
            return Err(error.with("object", &largest.uri));
        }
        let is_gone = error.kind() == Kind::NotFound;
        let reason = reason_to_reject(error).map_err(|error| error.with("object", &object.uri))?;
        let rejected = self.rejected(ordinal, wanting, &reason);
        Ok(match is_gone {
            true => Found::Gone(rejected),
            false => Found::Read(rejected),
        })
    }

    /// Where all objects are gone, it is rather the place that is.
    fn check_places(&self, found: &[Found]) -> Result<()> {
        let gone = found.iter().filter(|found| matches!(found, Found::Gone(_)));
        let gone = gone.count();
        if let Some(first) = self.objects.first()
            && gone == self.objects.len()
            && !self.watch.may_be_gone()
        {
            return Err(Error::new(
                Kind::Io,
                "no object of the batch is there any more: is the raw zone where it was, and can it be read?",
            )
            .with("objects", gone)
            .with("first", &first.uri));
        }
        Ok(())
    }

    /// The object that has the most rows in the buffers.
    fn largest(&self) -> Option<&RawObject> {
        let largest = self.readers.iter().filter_map(|reader| reader.buffer.largest());
        largest.max().map(|(_, ordinal)| &self.objects[ordinal])
    }

    /// An object that storage does not let be read, for all tables that want it.
    fn waiting(&self, ordinal: usize, wanting: &[bool], reason: &str) -> ByTable {
        let reason = format!("{reason}; it is taken in when it can be read");
        let mut by_table = self.rejected(ordinal, wanting, &reason);
        for gave in by_table.iter_mut().flatten() {
            gave.waits = true;
        }
        by_table
    }

    /// An object that is rejected whole by all tables that want it, each with as much of the reason as it may say.
    fn rejected(&self, ordinal: usize, wanting: &[bool], reason: &str) -> ByTable {
        let rejected = |(reader, wants): (&TableReader<'_>, &bool)| {
            wants.then(|| ObjectRows::rejected(ordinal, reader.shaper.discreet(reason)))
        };
        self.readers.iter().zip(wanting).map(rejected).collect()
    }
}
