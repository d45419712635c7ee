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
use crate::raw::{Beside, Identity, RawObject};
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
    let (lake, name) = (job.lake, &job.contract.name);
    let selection = Selection {
        from: job.options.from,
        to: job.options.to,
        ..Selection::default()
    };
    let zone = lake.raw_zone();
    let listing = zone.list(job.contract, feed, &[], &selection).await?;
    if standing.adopts
        && let Some(refused) = listing.refused.first()
    {
        // The ledger does not know what may lie there.
        return Err(Error::new(Kind::Io, refused.clone()));
    }
    let listed: HashMap<&str, &RawObject> = listing
        .objects
        .iter()
        .map(|object| (object.path.as_str(), object))
        .collect();
    let rows = ledger.rows(name).await?;
    let rejected: HashSet<Identity> = latest_results(&rows)
        .into_iter()
        .filter(|(_, row)| row.is_reject())
        .map(|(identity, _)| identity)
        .collect();
    let mut sources = Sources::default();
    let mut seen = HashSet::new();
    for mut object in rows
        .iter()
        .filter(|row| row.is_claim())
        .filter_map(LedgerRow::raw_object)
        .filter(|object| within(object.period.date(), selection.from, selection.to))
    {
        if !seen.insert(object.identity()) {
            continue;
        }
        let now = match listed.get(object.path.as_str()) {
            Some(now) => {
                object.uri.clone_from(&now.uri);
                Some(State::of(now))
            }
            None => {
                zone.relocate(job.contract, [&mut object]);
                object.uri = object.moved_to.take().unwrap_or(object.uri);
                head(&object, lake.stores()).await?
            }
        };
        match now {
            Some(State { manifest: None, .. })
                if object.manifest.is_some() && !rejected.contains(&object.identity()) =>
            {
                sources.miss(object, "its manifest is gone");
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
                    sources.delivered_again.insert(identity);
                }
                sources.take(object);
            }
            // What gave nothing but a reject is not missed, and its reject goes where something else was delivered in its
            // place, which is an object of its own.
            Some(_) if rejected.contains(&object.identity()) => {}
            None if rejected.contains(&object.identity()) => sources.take(object),
            Some(_) => sources.miss(object, "other content was delivered in its place"),
            None => sources.miss(object, "is gone"),
        }
    }
    if standing.adopts {
        if let Some(snapshot) = &standing.snapshot {
            let known: HashSet<String> = sources
                .objects
                .values()
                .map(|object| object.uri.clone())
                .chain(listed.values().map(|object| object.uri.clone()))
                .collect();
            for object in objects_of_rows(job, snapshot).await? {
                if !known.contains(&object) {
                    sources
                        .missing
                        .push(format!("{object} is gone, and the table has rows of it"));
                }
            }
        }
        for object in &listing.objects {
            sources.take(object.clone());
        }
    }
    ingest::name_documents(lake.stores(), job.contract, sources.objects.values_mut()).await?;
    Ok(sources)
}

impl Sources {
    fn take(&mut self, object: RawObject) {
        self.objects.insert(object.identity(), object);
    }

    fn miss(&mut self, object: RawObject, why: &str) {
        self.missing.push(format!("{}: {why}", object.uri));
        self.take(object);
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
