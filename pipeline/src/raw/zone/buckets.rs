//! Buckets as raw zones: what is refused, odd or paged there.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::NaiveDate;
use futures::FutureExt;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use object_store::list::PaginatedListOptions;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::storage::{Page, Paged};

use super::tests::{contract, feed};
use super::*;

/// Keys of one answer to a listing.
const PAGE: usize = 3;

/// A bucket that lists few keys at a time, and nothing below a prefix that is not ours to see.
#[derive(Debug, Default)]
struct Bucket {
    objects: InMemory,
    refused: Option<Path>,
    /// Answers to listings.
    pages: Arc<AtomicUsize>,
}

impl Bucket {
    async fn holding(keys: &[&str]) -> Self {
        let bucket = Self::default();
        for key in keys {
            let bytes = if key.ends_with('/') { "" } else { "x" };
            let key = Path::from(key.trim_end_matches('/'));
            bucket.objects.put(&key, bytes.into()).await.unwrap();
        }
        bucket
    }

    fn paged(
        &self,
        listed: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let pages = self.pages.clone();
        let chunks = listed.chunks(PAGE).then(move |page| {
            pages.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::task::yield_now().await;
                stream::iter(page)
            }
        });
        chunks.flatten().boxed()
    }

    fn refuses(&self, prefix: Option<&Path>) -> Option<Error> {
        let refused = self.refused.as_ref()?;
        let prefix = prefix?;
        prefix.prefix_matches(refused).then(|| Error::PermissionDenied {
            path: prefix.to_string(),
            source: "403 AccessDenied".into(),
        })
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bucket")
    }
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.objects.put_opts(path, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.objects.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.refuses(prefix) {
            Some(error) => stream::iter([Err(error)]).boxed(),
            None => self.paged(self.objects.list(prefix)),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.refuses(prefix) {
            Some(error) => stream::iter([Err(error)]).boxed(),
            None => self.paged(self.objects.list_with_offset(prefix, offset)),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

/// The same page by page, with keys that no path can have.
struct Pages {
    bucket: Arc<Bucket>,
    nameless: Vec<String>,
}

impl Pages {
    /// Objects, folders and what is neither below a prefix, in the order of their keys.
    async fn all(&self, prefix: &str, by_folder: bool) -> BTreeMap<String, Option<ObjectMeta>> {
        let objects: Vec<ObjectMeta> = self.bucket.objects.list(None).try_collect().await.unwrap();
        let objects = objects
            .into_iter()
            .map(|meta| (meta.location.to_string(), Some(meta)));
        let nameless = self.nameless.iter().map(|key| (key.clone(), None));
        let below = objects.chain(nameless).filter(|(key, _)| key.starts_with(prefix));
        let one = |(key, meta): (String, Option<ObjectMeta>)| match key[prefix.len()..].find('/') {
            Some(slash) if by_folder => (key[..=prefix.len() + slash].to_owned(), None),
            _ => (key, meta),
        };
        below.map(one).collect()
    }
}

impl Paged for Pages {
    fn page<'a>(
        &'a self,
        prefix: Option<&'a str>,
        options: PaginatedListOptions,
    ) -> BoxFuture<'a, Result<Page>> {
        async move {
            self.bucket.pages.fetch_add(1, Ordering::Relaxed);
            let all = self
                .all(prefix.unwrap_or_default(), options.delimiter.is_some())
                .await;
            let after = options.page_token.or(options.offset);
            let behind: Vec<_> = all
                .into_iter()
                .filter(|(key, _)| Some(key) > after.as_ref())
                .collect();
            let mut page = Page {
                next: (behind.len() > PAGE).then(|| behind[PAGE - 1].0.clone()),
                ..Page::default()
            };
            for (key, meta) in behind.into_iter().take(PAGE) {
                match (meta, Path::parse(&key)) {
                    (Some(meta), _) => page.objects.push(meta),
                    (None, Ok(folder)) => page.folders.push(folder),
                    (None, Err(_)) => page.nameless.push(key),
                }
            }
            Ok(page)
        }
        .boxed()
    }
}

async fn listing(bucket: Bucket, accounts: &[Account], selection: &Selection) -> Listing {
    let root = Url::parse("s3://bucket/raw").unwrap();
    let stores = Stores::default().with(&root, Arc::new(bucket)).unwrap();
    listed(&stores, accounts, selection).await
}

/// What is found of these objects among keys that no path can have, and how many pages were read.
async fn among(nameless: &[&str], keys: &[String], selection: &Selection) -> (Listing, usize) {
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let bucket = Arc::new(Bucket::holding(&keys).await);
    let pages = Pages {
        bucket: bucket.clone(),
        nameless: nameless.iter().map(|key| (*key).to_owned()).collect(),
    };
    let root = Url::parse("s3://bucket/raw").unwrap();
    let stores = Stores::default().with_pages(&root, bucket.clone(), Arc::new(pages));
    let found = listed(&stores.unwrap(), &[], selection).await;
    (found, bucket.pages.load(Ordering::Relaxed))
}

async fn listed(stores: &Stores, accounts: &[Account], selection: &Selection) -> Listing {
    let root = Url::parse("s3://bucket/raw").unwrap();
    let pattern = PathPattern::parse("jwo/{account}/Order/{date}/{hour}/ALL{minute}.csv{part}").unwrap();
    let zone = RawZone::new(&root, stores, accounts);
    let feed = feed(&pattern);
    zone.list(&contract(&pattern), &feed, &[&feed], selection)
        .await
        .unwrap()
}

fn paths(listing: &Listing) -> Vec<&str> {
    listing
        .objects
        .iter()
        .map(|object| object.path.as_str())
        .collect()
}

fn order(account: &str, day: u32, quarter: u32) -> String {
    format!(
        "raw/jwo/{account}/Order/2026-03-{day:02}/{:02}/ALL{:02}.csv000",
        quarter / 4,
        quarter % 4 * 15
    )
}

#[tokio::test]
async fn every_page_is_read_and_marks_of_folders_are_nothing() {
    let keys: Vec<String> = (1..=4)
        .flat_map(|day| (0..5).map(move |quarter| order("corner", day, quarter)))
        .collect();
    let mut all: Vec<&str> = keys.iter().map(String::as_str).collect();
    all.extend([
        "raw/jwo/corner/Order/2026-03-01/",
        "raw/jwo/corner/Order/2026-03-01/00/",
        "raw/jwo/corner/",
    ]);
    let found = listing(Bucket::holding(&all).await, &[], &Selection::default()).await;
    let wanted: Vec<&str> = keys.iter().map(|key| key.strip_prefix("raw/").unwrap()).collect();
    assert_eq!(paths(&found), wanted);
    assert!(
        found.unmatched.is_empty() && found.odd.is_empty() && found.refused.is_empty(),
        "{found:?}"
    );
    assert!(found.objects.iter().all(|object| object.tag.is_some()));
}

#[tokio::test]
async fn what_comes_before_the_first_day_is_not_asked_for() {
    let keys: Vec<String> = (1..=28)
        .flat_map(|day| (0..9).map(move |quarter| order("corner", day, quarter)))
        .collect();
    let all: Vec<&str> = keys.iter().map(String::as_str).collect();
    let bucket = Bucket::holding(&all).await;
    let pages = bucket.pages.clone();
    let since = Selection {
        from: NaiveDate::from_ymd_opt(2026, 3, 27),
        ..Selection::default()
    };
    let found = listing(bucket, &[Account::unconfigured("jwo", "corner")], &since).await;
    assert_eq!(found.objects.len(), 18);
    // Three days of nine objects each, and who delivers beside.
    assert_eq!(pages.load(Ordering::Relaxed), 27 / PAGE + 1);
}

#[tokio::test]
async fn a_prefix_that_may_not_be_listed_costs_its_account_alone() {
    let keys = [order("arena", 1, 0), order("corner", 1, 0), order("garden", 1, 0)];
    let all: Vec<&str> = keys.iter().map(String::as_str).collect();
    let bucket = Bucket {
        refused: Some(Path::from("raw/jwo/corner")),
        ..Bucket::holding(&all).await
    };
    let accounts = ["corner", "garden"].map(|alias| Account::unconfigured("jwo", alias));
    let found = listing(bucket, &accounts, &Selection::default()).await;
    assert_eq!(found.objects.len(), 2);
    let [refused] = &found.refused[..] else {
        panic!("{:?}", found.refused)
    };
    assert!(
        refused.why.contains("account: corner") && refused.why.contains("s3://bucket/raw/jwo/corner"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_account_in_a_bucket_that_nobody_set_up_costs_itself_alone() {
    let key = order("corner", 1, 0);
    let mut elsewhere = Account::unconfigured("jwo", "arena");
    elsewhere.raw = Some("s3://elsewhere/orders/".to_owned());
    let bucket = Bucket::holding(&[&key]).await;
    let found = listing(bucket, &[elsewhere], &Selection::default()).await;
    assert_eq!(found.objects.len(), 1);
    let [refused] = &found.refused[..] else {
        panic!("{:?}", found.refused)
    };
    assert!(
        refused.why.contains("no store is known") && refused.why.contains("arena"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn keys_that_no_path_can_have_are_told_and_everything_else_is_found() {
    let keys: Vec<String> = (0..7).map(|quarter| order("corner", 1, quarter)).collect();
    let (undisturbed, pages) = among(&[], &keys, &Selection::default()).await;
    assert_eq!((undisturbed.objects.len(), undisturbed.odd.len()), (7, 0));
    // Below an account's folder, beside that of its objects, and above the folders of accounts; alone, and one after another.
    let nameless = [
        "raw/jwo//x/y",
        "raw/jwo/../z",
        "raw/jwo/a\tb",
        "raw/jwo/corner//beside",
        "raw/jwo/corner/Order/../first",
        "raw/jwo/corner/Order/2026-03-01/00/ALL15.csv\n",
        "raw/jwo/corner/Order/2026-03-01/00/ALL15.csv\n\n",
        "raw/jwo/corner/Order/2026-03-01/01/a//b",
        "raw/jwo/corner/Order/2026-03-01/01/\u{7f}",
    ];
    for (at, one) in nameless.iter().enumerate() {
        for told in [std::slice::from_ref(one), &nameless[at..]] {
            let (found, _) = among(told, &keys, &Selection::default()).await;
            assert_eq!(paths(&found), paths(&undisturbed), "{told:?}");
            assert!(
                found.refused.is_empty() && found.unmatched.is_empty(),
                "{found:?}"
            );
            assert!(!found.odd.is_empty(), "{one:?} is not told");
        }
    }
    let (found, more) = among(&nameless, &keys, &Selection::default()).await;
    let words = |key: &str| format!("\"s3://bucket/raw/jwo/{key}\" has a name that no address can have");
    let wanted = [
        "../",
        "/",
        "a\\tb",
        "corner//",
        "corner/Order/../first",
        "corner/Order/2026-03-01/00/ALL15.csv\\n",
        "corner/Order/2026-03-01/00/ALL15.csv\\n\\n",
        "corner/Order/2026-03-01/01/\\u{7f}",
        "corner/Order/2026-03-01/01/a//b",
    ];
    assert_eq!(found.odd, wanted.map(words));
    // Such a key takes its place in a page, and no more: four are above the folder of the account, and twelve below it.
    assert_eq!(more, pages + 2);
    let (none, _) = among(&nameless, &[], &Selection::default()).await;
    assert_eq!((none.objects.len(), none.refused.len()), (0, 0));
    assert_eq!(none.odd, found.odd);
}

#[tokio::test]
async fn behind_the_day_before_keys_that_no_path_can_have_stop_nothing_either() {
    let keys: Vec<String> = (1..=9).map(|day| order("corner", day, 0)).collect();
    let since = Selection {
        from: NaiveDate::from_ymd_opt(2026, 3, 5),
        ..Selection::default()
    };
    let nameless = [
        "raw/jwo/corner/Order/2026-03-02//x",
        "raw/jwo/corner/Order/2026-03-05//x",
        "raw/jwo/corner/Order/2026-03-09/~\t",
    ];
    let (found, _) = among(&nameless, &keys, &since).await;
    assert_eq!((found.objects.len(), found.odd.len()), (5, 2), "{:?}", found.odd);
}
