//! Buckets as listings: as those of folders, without what only a console takes for a folder.

use futures::stream::{self, StreamExt};
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::error::{Error, Result};

use super::entry::{Entries, Entry};
use super::place::Place;

/// The objects below a path, where `after` is given those behind it in the order of keys.
pub(super) fn below(place: &Place, path: &Path, after: Option<&Path>) -> Entries {
    let listed = match after {
        Some(after) => place.store().list_with_offset(Some(path), after),
        None => place.store().list(Some(path)),
    };
    let address = place.address_of(path).map(String::from).unwrap_or_default();
    // One that was seen waits for the next one, which says whether it is a folder's mark.
    let objects = stream::unfold((listed, None::<ObjectMeta>), move |(mut listed, mut waiting)| {
        let address = address.clone();
        async move {
            loop {
                return match (listed.next().await, waiting.take()) {
                    (Some(Ok(next)), Some(object)) if is_mark(&object, &next) => {
                        waiting = Some(next);
                        continue;
                    }
                    (Some(Ok(next)), Some(object)) => Some((Ok(Entry::File(object)), (listed, Some(next)))),
                    (Some(Ok(next)), None) => {
                        waiting = Some(next);
                        continue;
                    }
                    (Some(Err(error)), waiting) => Some((Err(refused(error, &address)), (listed, waiting))),
                    (None, Some(object)) => Some((Ok(Entry::File(object)), (listed, None))),
                    (None, None) => None,
                };
            }
        }
    });
    objects.boxed()
}

/// The objects and folders directly below a path.
pub(super) async fn inside(place: &Place, path: &Path) -> Result<Vec<Entry>> {
    let listed = place.store().list_with_delimiter(Some(path)).await;
    let listed = listed.map_err(|error| {
        let address = place.address_of(path).map(String::from).unwrap_or_default();
        refused(error, &address)
    })?;
    let objects = listed
        .objects
        .into_iter()
        .filter(|object| object.location != *path);
    let folders = listed.common_prefixes.into_iter().map(Entry::Folder);
    Ok(folders.chain(objects.map(Entry::File)).collect())
}

/// Whether an object is the mark that a console sets for a folder, an empty object `folder/`, whose slash its path here has
/// lost. What lies in the folder comes next.
fn is_mark(object: &ObjectMeta, next: &ObjectMeta) -> bool {
    object.size == 0 && next.location.prefix_matches(&object.location) && next.location != object.location
}

/// Why a prefix cannot be listed.
fn refused(error: object_store::Error, address: &str) -> Error {
    Error::from(error).with("listing", address)
}
