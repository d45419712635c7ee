//! The start of reading an object: who delivered it, with what beside it, and in which dialect.

use object_store::{ObjectMeta, ObjectStoreExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use url::Url;

use crate::contract::Format;
use crate::decode::{Decoded, ObjectReader, decode};
use crate::error::{Context, Error, Kind, Result};
use crate::raw::account::Account;
use crate::raw::manifest::Manifest;
use crate::raw::{Deliveries, RawObject};
use crate::shape::Source;
use crate::storage::{Place, Stores};

use super::object_rows::CHANGED;

impl Source {
    /// Of an object, with what was delivered beside it; nothing of the object itself is read.
    pub(crate) async fn of(object: &RawObject, deliveries: Deliveries<'_>) -> Result<Self> {
        let manifest = Manifest::of(object, deliveries.stores()).await?;
        Ok(Self {
            object: object.clone(),
            account: account_of(object, manifest.as_ref(), deliveries)?,
            manifest,
            header: Vec::new(),
        })
    }

    /// Starts decoding the object on a thread of its own; an error ends the stream. So many decoded batches wait.
    pub(crate) async fn open(
        &self,
        stores: &Stores,
        format: &Format,
        waiting: usize,
    ) -> Result<(mpsc::Receiver<Result<Decoded>>, JoinHandle<()>)> {
        let uri = Url::parse(self.object.address())
            .context(Kind::Internal, "object address in the ledger is no URI")?;
        let place = stores.place(&uri)?;
        let meta = self.meta(&place).await?;
        let store = place.store().clone();
        let format = self.account.format(format)?;
        let charset = self.manifest.as_ref().and_then(|manifest| manifest.charset);
        let (sender, receiver) = mpsc::channel(waiting);
        let handle = Handle::current();
        let decoder = tokio::task::spawn_blocking(move || {
            let reader = ObjectReader::new(store, meta, handle);
            let rows = match decode(Box::new(reader), &format, charset) {
                Ok(rows) => rows,
                Err(error) => {
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
            };
            for next in rows {
                let failed = next.is_err();
                // The receiver is gone when another error has ended the work.
                if sender.blocking_send(next).is_err() || failed {
                    return;
                }
            }
        });
        Ok((receiver, decoder))
    }

    /// What a reader asks the store for. Where the listing gave a tag, the read itself is refused when the object has
    /// another one by now; a file is looked at.
    async fn meta(&self, place: &Place) -> Result<ObjectMeta> {
        if self.object.tag.is_some() {
            return Ok(ObjectMeta {
                location: place.path().clone(),
                last_modified: self.object.modified,
                size: self.object.size,
                e_tag: self.object.tag.clone(),
                version: None,
            });
        }
        let meta = place.store().head(place.path()).await;
        let meta = meta.map_err(|error| match error {
            object_store::Error::NotFound { .. } => Error::new(Kind::NotFound, "object is gone"),
            error => Error::from(error),
        })?;
        match self.object.is(place, &meta) {
            true => Ok(meta),
            false => Err(Error::data(format!(
                "object {CHANGED}; what it is now is taken in as another object"
            ))),
        }
    }
}

/// The account that delivered the object, by its path or by what was delivered beside it.
fn account_of(
    object: &RawObject,
    manifest: Option<&Manifest>,
    deliveries: Deliveries<'_>,
) -> Result<Account> {
    let said = manifest.and_then(|manifest| manifest.account.clone());
    match (&object.account, said) {
        (Some(path), Some(said)) if *path != said => Err(Error::data(format!(
            "path says account {path}, but the manifest says {said:?}"
        ))),
        (None, Some(said)) => Ok(deliveries.account(&RawObject {
            account: Some(said),
            ..object.clone()
        })),
        _ => Ok(deliveries.account(object)),
    }
}
