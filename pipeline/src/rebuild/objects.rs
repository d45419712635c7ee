//! The raw objects of a table, and which of them are gone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use chrono::{DateTime, Utc};
use datafusion::logical_expr::ident;
use object_store::ObjectStoreExt;
use url::Url;

use crate::contract::RawFeed;
use crate::delta::Snapshot;
use crate::error::{Context, Error, Kind, Result};
use crate::ingest;
use crate::layout;
use crate::query::{SnapshotTable, session};
use crate::raw::manifest;
use crate::raw::{Beside, Identity, Listing, RawObject};
use crate::request::Selection;
use crate::storage::Stores;
use crate::system::ledger::{Ledger, LedgerRow, latest_results};

use super::Job;
use super::range::within;
use super::standing::Standing;

/// What a table is made of.
#[derive(Default)]
pub(super) struct Sources {
    /// Objects to take in, those that are gone and were accepted among them: a batch rejects them by name.
    pub(super) objects: BTreeMap<Identity, RawObject>,
    /// Objects whose rows will be missing, with why.
    pub(super) missing: Vec<String>,
    /// Objects that were delivered again since, of the same size, or with another manifest: what lies there now is taken in
    /// instead, and what a former state gave cannot be made again.
    pub(super) delivered_again: HashSet<Identity>,
}

/// Finds the objects that the ledger names for the table, and where the ledger does not know all of them, what the raw
/// zone has.
pub(super) async fn sources(
    job: &Job<'_>,
    feed: &RawFeed,
    ledger: &Ledger,
    standing: &Standing,
) -> Result<Sources> {
    let selection = Selection {
        from: job.options.from,
        to: job.options.to,
        ..Selection::default()
    };
    let zone = job.lake.raw_zone();
    let listing = zone.list(job.contract, feed, &[], &selection).await?;
    if standing.adopts
        && let Some(refused) = listing.refused.first()
    {
        // The ledger does not know what may lie there.
        return Err(Error::new(Kind::Io, refused.why.clone()));
    }
    let rows = ledger.rows(&job.contract.name).await?;
    let rejected: HashSet<Identity> = latest_results(&rows)
        .into_iter()
        .filter(|(_, row)| row.is_reject())
        .map(|(identity, _)| identity)
        .collect();
    let listed = by_path(&listing);
    let mut sources = Sources::default();
    for mut object in claimed(&rows, &selection) {
        let now = state_now(job, &listed, &mut object).await?;
        let is_rejected = rejected.contains(&object.identity());
        sources.add_claimed(object, now, is_rejected);
    }
    if standing.adopts {
        if let Some(snapshot) = &standing.snapshot {
            let rows_of = objects_of_rows(job, snapshot).await?;
            sources.miss_unknown(rows_of, &listing);
        }
        for object in &listing.objects {
            sources.take(object.clone());
        }
    }
    ingest::name_documents(job.lake.stores(), job.contract, sources.objects.values_mut()).await?;
    Ok(sources)
}

fn by_path(listing: &Listing) -> HashMap<&str, &RawObject> {
    let objects = listing.objects.iter();
    objects.map(|object| (object.path.as_str(), object)).collect()
}

/// The objects of the selected days that were claimed, each state of one once.
fn claimed(rows: &[LedgerRow], selection: &Selection) -> impl Iterator<Item = RawObject> {
    let mut seen = HashSet::new();
    rows.iter()
        .filter(|row| row.is_claim())
        .filter_map(LedgerRow::raw_object)
        .filter(|object| within(object.period.date(), selection.from, selection.to))
        .filter(move |object| seen.insert(object.identity()))
}

/// What lies there now of a claimed object, which is told where that is; none where nothing does.
async fn state_now(
    job: &Job<'_>,
    listed: &HashMap<&str, &RawObject>,
    object: &mut RawObject,
) -> Result<Option<State>> {
    if let Some(now) = listed.get(object.path.as_str()) {
        object.uri.clone_from(&now.uri);
        return Ok(Some(State::of(now)));
    }
    job.lake.raw_zone().relocate(job.contract, [&mut *object]);
    if let Some(moved_to) = object.moved_to.take() {
        object.uri = moved_to;
    }
    head(object, job.lake.stores()).await
}

impl Sources {
    fn take(&mut self, object: RawObject) {
        self.objects.insert(object.identity(), object);
    }

    fn miss(&mut self, object: RawObject, why: &str) {
        self.missing.push(format!("{}: {why}", object.uri));
        self.take(object);
    }

    /// Adds a claimed object by what lies there now; whether all that it gave was a reject.
    fn add_claimed(&mut self, object: RawObject, now: Option<State>, is_rejected: bool) {
        match now {
            Some(State { manifest: None, .. }) if object.manifest.is_some() && !is_rejected => {
                self.miss(object, "its manifest is gone");
            }
            Some(now) if now.size == object.size => {
                let claimed = object.identity();
                let object = RawObject {
                    modified: now.modified,
                    tag: now.tag,
                    manifest: now.manifest,
                    ..object
                };
                let identity = object.identity();
                if identity != claimed {
                    self.delivered_again.insert(identity);
                }
                self.take(object);
            }
            // What gave nothing but a reject is not missed, and its reject goes where something else was delivered in its
            // place, which is an object of its own.
            Some(_) if is_rejected => {}
            None if is_rejected => self.take(object),
            Some(_) => self.miss(object, "other content was delivered in its place"),
            None => self.miss(object, "is gone"),
        }
    }

    /// Notes the objects of these addresses that neither the ledger names nor the raw zone has.
    fn miss_unknown(&mut self, addresses: Vec<String>, listing: &Listing) {
        let known: HashSet<&str> = self
            .objects
            .values()
            .chain(&listing.objects)
            .map(|object| object.uri.as_str())
            .collect();
        let unknown = addresses
            .into_iter()
            .filter(|address| !known.contains(address.as_str()));
        self.missing
            .extend(unknown.map(|address| format!("{address} is gone, and the table has rows of it")));
    }
}

/// What lies at the address of an object.
struct State {
    size: u64,
    modified: DateTime<Utc>,
    tag: Option<String>,
    manifest: Option<Beside>,
}

impl State {
    fn of(object: &RawObject) -> Self {
        Self {
            size: object.size,
            modified: object.modified,
            tag: object.tag.clone(),
            manifest: object.manifest.clone(),
        }
    }
}

/// What lies at the address of an object, and the manifest beside it; none where nothing does.
async fn head(object: &RawObject, stores: &Stores) -> Result<Option<State>> {
    let Some(found) = head_of(object, &object.uri, stores).await? else {
        return Ok(None);
    };
    let manifest = format!("{}{}", object.uri, manifest::SUFFIX);
    Ok(Some(State {
        size: found.size,
        modified: found.modified,
        tag: found.tag,
        manifest: head_of(object, &manifest, stores).await?,
    }))
}

async fn head_of(object: &RawObject, uri: &str, stores: &Stores) -> Result<Option<Beside>> {
    let uri = Url::parse(uri).context(Kind::Internal, "object address in the ledger is no URI")?;
    let place = stores.place(&uri)?;
    match place.store().head(place.path()).await {
        Ok(meta) => Ok(Some(Beside::found(&place, &meta))),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Error::from(error).with("object", &object.uri)),
    }
}

/// Addresses of the objects that rows of the table come from.
async fn objects_of_rows(job: &Job<'_>, snapshot: &Snapshot) -> Result<Vec<String>> {
    if snapshot.schema.column_with_name(layout::OBJECT).is_none() {
        return Ok(Vec::new());
    }
    let log = job.lake.table_log(&job.contract.name)?;
    let context = session(job.lake.room())?;
    let named = context
        .read_table(Arc::new(SnapshotTable::new(&log, snapshot)))?
        .select(vec![ident(layout::OBJECT)])?
        .distinct()?
        .collect()
        .await
        .context(
            Kind::Foreign,
            "the objects that the table's rows come from cannot be read",
        )?;
    let mut objects = Vec::new();
    for batch in named {
        if let Some(column) = batch.column(0).as_string_opt::<i32>() {
            let rows = (0..column.len()).filter(|row| column.is_valid(*row));
            objects.extend(rows.map(|row| column.value(row).to_owned()));
        }
    }
    objects.sort();
    Ok(objects)
}
