//! Buckets as listings: as those of folders, without what only a console takes for a folder.

use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use object_store::list::PaginatedListOptions;
use object_store::path::Path;

use url::Position;

use crate::error::{Error, Result};

use super::entry::{Entries, Entry, NAMELESS};
use super::paged::{Page, Paged};
use super::place::Place;

/// The objects below a path, where `after` is given those behind it in the order of keys.
pub(super) fn below(place: &Place, path: &Path, after: Option<&Path>) -> Entries {
    if let Some(pages) = place.pages() {
        let options = PaginatedListOptions {
            offset: after.map(Path::to_string),
            ..PaginatedListOptions::default()
        };
        let entries = entries(place, pages.clone(), path, options);
        return entries.map_ok(stream::iter).try_flatten().boxed();
    }
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
    if let Some(pages) = place.pages() {
        let options = PaginatedListOptions {
            delimiter: Some("/".into()),
            ..PaginatedListOptions::default()
        };
        let entries = entries(place, pages.clone(), path, options);
        return entries.map_ok(stream::iter).try_flatten().try_collect().await;
    }
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

/// What pages say of a path, one page after another.
fn entries(
    place: &Place,
    pages: Arc<dyn Paged>,
    path: &Path,
    options: PaginatedListOptions,
) -> impl Stream<Item = Result<Vec<Result<Entry>>>> + use<> {
    let prefix = Some(format!("{path}/")).filter(|_| !path.is_root());
    let address = place.address_of(path).map(String::from).unwrap_or_default();
    let bucket = format!("{}/", &place.address()[..Position::BeforePath]);
    let more = Some(options);
    stream::try_unfold(more, move |more| {
        let (pages, prefix) = (pages.clone(), prefix.clone());
        let (address, bucket) = (address.clone(), bucket.clone());
        async move {
            let Some(options) = more else { return Ok(None) };
            let page = pages.page(prefix.as_deref(), options.clone()).await;
            let mut page = page.map_err(|error| refused(error, &address))?;
            let more = page.next.take().map(|next| PaginatedListOptions {
                page_token: Some(next),
                ..options
            });
            Ok(Some((of_page(page, &bucket), more)))
        }
    })
}

fn of_page(page: Page, bucket: &str) -> Vec<Result<Entry>> {
    let folders = page.folders.into_iter().map(Entry::Folder);
    let objects = page.objects.into_iter().map(Entry::File);
    let nameless = page.nameless.into_iter();
    let nameless = nameless.map(|key| Entry::Odd(format!("{:?} {NAMELESS}", format!("{bucket}{key}"))));
    folders.chain(objects).chain(nameless).map(Ok).collect()
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
