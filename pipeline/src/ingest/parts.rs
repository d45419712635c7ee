//! Documents that came in several objects: they are only taken in together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use futures::{StreamExt, TryStreamExt};

use crate::contract::Contract;
use crate::error::{Error, Kind, Result};
use crate::raw::manifest::Manifest;
use crate::raw::{Identity, RawObject};
use crate::storage::Stores;

use super::pending::keeps_documents;
use super::waiting::held_up;

/// Manifests read at the same time.
const AT_ONCE: usize = 8;

/// What a manifest says of the document that an object is one of several parts of. Parts that say the same belong together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    id: String,
    of: u32,
    made: Option<DateTime<Utc>>,
    days: Option<(NaiveDate, NaiveDate)>,
}

/// What manifests say about parts, each read once: of which document the object is a part, and which part.
pub(crate) struct Known<'a> {
    stores: &'a Stores,
    parts: HashMap<Identity, Option<(Said, u32)>>,
    /// Objects of which the manifest cannot be read: nobody knows of which document they are.
    refused: BTreeMap<Identity, String>,
}

/// Objects of a table that can be claimed.
pub(crate) struct Ready {
    /// By period and address.
    pub(crate) objects: Vec<RawObject>,
    /// Documents of which parts have not arrived.
    pub(crate) waiting: u64,
    /// What is said of objects of which the manifest cannot be read.
    pub(crate) refused: Vec<String>,
}

/// Writes into objects of a table that keeps documents of which document they are one of several parts, as far as their
/// claims have not said so.
pub(crate) async fn name_documents(
    stores: &Stores,
    contract: &Contract,
    objects: impl Iterator<Item = &mut RawObject>,
) -> Result<()> {
    if !keeps_documents(contract) {
        return Ok(());
    }
    let mut known = Known::new(stores);
    for object in objects.filter(|object| object.document.is_none()) {
        known.read(std::iter::once(&*object)).await?;
        object.document = known.part(object).map(|(said, _)| said.id);
    }
    match known.refused.into_values().next() {
        Some(refused) => Err(Error::new(Kind::Io, refused)),
        None => Ok(()),
    }
}

impl<'a> Known<'a> {
    /// Nothing is known yet of what these stores hold.
    pub(crate) fn new(stores: &'a Stores) -> Self {
        Self {
            stores,
            parts: HashMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Of the new objects those that are whole documents, and all parts of documents that have a new part and are
    /// complete. Parts lie in one folder.
    pub(crate) async fn ready(&mut self, listed: &[RawObject], new: Vec<RawObject>) -> Result<Ready> {
        self.read(new.iter()).await?;
        let (mut ready, mut open, mut refused) = (Vec::new(), BTreeSet::new(), Vec::new());
        for object in new {
            if let Some(what) = self.refused.get(&object.identity()) {
                refused.push(what.clone());
                continue;
            }
            match self.part(&object) {
                Some((said, _)) => {
                    open.insert((folder(&object).to_owned(), object.account.clone(), said));
                }
                None => ready.push(object),
            }
        }
        let mut waiting = 0;
        for (folder_of, account, said) in open {
            let neighbours = listed
                .iter()
                .filter(|object| folder(object) == folder_of && object.account == account);
            self.read(neighbours.clone()).await?;
            let parts: Vec<(&RawObject, u32)> = neighbours
                .filter_map(|object| {
                    let (of, number) = self.part(object)?;
                    (of == said).then_some((object, number))
                })
                .collect();
            let there: BTreeSet<u32> = parts.iter().map(|(_, number)| *number).collect();
            if there.len() as u32 == said.of {
                ready.extend(parts.into_iter().map(|(object, _)| RawObject {
                    document: Some(said.id.clone()),
                    ..object.clone()
                }));
            } else {
                waiting += 1;
            }
        }
        ready.sort_by(|a, b| (a.period, &a.uri).cmp(&(b.period, &b.uri)));
        Ok(Ready {
            objects: ready,
            waiting,
            refused,
        })
    }

    /// The document of which the object is one of several parts, and which part it is.
    fn part(&self, object: &RawObject) -> Option<(Said, u32)> {
        self.parts.get(&object.identity())?.clone()
    }

    /// Reads manifests that are not known yet. One that is wrong belongs to no document: taking its object in tells.
    async fn read(&mut self, objects: impl Iterator<Item = &RawObject>) -> Result<()> {
        let unread: BTreeMap<Identity, &RawObject> = objects
            .filter(|object| object.manifest.is_some())
            .map(|object| (object.identity(), object))
            .filter(|(identity, _)| !self.parts.contains_key(identity))
            .collect();
        let stores = self.stores;
        let read: Vec<(Identity, std::result::Result<_, String>)> = futures::stream::iter(unread)
            .map(|(identity, object)| async move {
                let manifest = match Manifest::of(object, stores).await {
                    Ok(manifest) => manifest.filter(|manifest| manifest.parts.of > 1),
                    Err(error) if error.kind() == Kind::Data => None,
                    Err(error) if error.is_refusal() => {
                        return Ok((identity, Err(held_up(&object.uri, Some(&error.reason())))));
                    }
                    Err(error) => return Err(error),
                };
                let said = |manifest: Manifest| {
                    let said = Said {
                        id: manifest.document_id,
                        of: manifest.parts.of,
                        made: manifest.generated_at,
                        days: manifest.period.map(|days| (days.from, days.to)),
                    };
                    (said, manifest.parts.number)
                };
                Ok((identity, Ok(manifest.map(said))))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        for (identity, read) in read {
            match read {
                Ok(part) => {
                    self.parts.insert(identity, part);
                }
                Err(refused) => {
                    self.refused.insert(identity, refused);
                }
            }
        }
        Ok(())
    }
}

/// The folder that an object lies in: parts of a document lie in one.
pub(crate) fn folder(object: &RawObject) -> &str {
    object.path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
