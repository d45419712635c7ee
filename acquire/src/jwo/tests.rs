use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::copy::Wanted;
use super::*;
use crate::place::Place;
use crate::transport::Spool;

const PLACE: &str = "Order/2026-03-01/07/ALL15.csv000";

fn merchant() -> Merchant {
    toml::from_str("account = \"corner\"\nqueue = \"http://q\"\nbucket = \"amazons\"\nprefix = \"store/\"")
        .unwrap()
}

/// Amazon's bucket, and a lake.
struct Here {
    amazons: Arc<dyn ObjectStore>,
    lake: Arc<dyn ObjectStore>,
}

impl Here {
    fn new() -> Self {
        Self {
            amazons: Arc::new(InMemory::new()),
            lake: Arc::new(InMemory::new()),
        }
    }

    fn copies(&self) -> Copies {
        let to = Place::new(self.lake.clone(), Path::from("raw/jwo/corner"), true);
        let folder = Place::new(
            self.lake.clone(),
            Path::from("marketlake/acquire/jwo/corner"),
            true,
        );
        Copies::new(self.amazons.clone(), to, folder, Spool::new(None))
    }

    async fn put(&self, key: &str, text: &'static str) {
        self.amazons.put(&Path::from(key), text.into()).await.unwrap();
    }

    async fn lies(&self, place: &str) -> String {
        let path = Path::from(format!("raw/jwo/corner/{place}"));
        let bytes = self.lake.get(&path).await.unwrap().bytes().await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }
}

fn wanted(sequencer: &str) -> Wanted<'_> {
    Wanted {
        key: "store/Order/2026-03-01/07/ALL15.csv000",
        place: PLACE,
        version: None,
        sequencer: Some(sequencer),
    }
}

#[test]
fn reports_alone_have_a_place() {
    let merchant = merchant();
    assert_eq!(
        merchant.place_of("store/Order/2026-03-01/07/ALL15.csv000"),
        Some(PLACE)
    );
    for key in [
        "Order/2026-03-01/07/ALL15.csv000",
        "store/Order/2026-03-01/ALL15.csv000",
        "store/Order/2026-13-01/07/ALL15.csv000",
        "store/Order/2026-03-01/24/ALL15.csv000",
        "store/Order/2026-03-01/07/x/ALL15.csv000",
        "store/Order/2026-03-01/07/",
        "store/Order/2026-03-01/07/..",
        "store/other",
    ] {
        assert_eq!(merchant.place_of(key), None, "{key}");
    }
    let bare = Merchant {
        prefix: String::new(),
        ..merchant
    };
    assert_eq!(bare.place_of(PLACE), Some(PLACE));
}

#[tokio::test]
async fn a_report_is_copied_once_and_again_only_where_it_was_made_anew() {
    let here = Here::new();
    let key = "store/Order/2026-03-01/07/ALL15.csv000";
    here.put(key, "a\n1\n").await;
    assert_eq!(here.copies().copy(&wanted("0060")).await.unwrap(), Copied::New);
    assert_eq!(here.copies().copy(&wanted("0060")).await.unwrap(), Copied::Known);
    here.put(key, "a\n2\n").await;
    // What happened before what lies there is known, whatever the bucket has by now.
    assert_eq!(here.copies().copy(&wanted("005F")).await.unwrap(), Copied::Known);
    assert_eq!(here.lies(PLACE).await, "a\n1\n");
    assert_eq!(here.copies().copy(&wanted("0061")).await.unwrap(), Copied::New);
    assert_eq!(here.lies(PLACE).await, "a\n2\n");
    assert_eq!(here.copies().copy(&wanted("0060")).await.unwrap(), Copied::Known);
    let gone = Wanted {
        key: "store/Order/2026-03-01/08/ALL15.csv000",
        place: "Order/2026-03-01/08/ALL15.csv000",
        ..Wanted::default()
    };
    assert_eq!(here.copies().copy(&gone).await.unwrap(), Copied::Gone);
}

#[tokio::test]
async fn what_a_crash_left_is_written_down_and_not_written_anew() {
    let here = Here::new();
    here.put("store/Order/2026-03-01/07/ALL15.csv000", "a\n1\n").await;
    let path = Path::from(format!("raw/jwo/corner/{PLACE}"));
    for (left, copied) in [
        ("a\n1\n", Copied::Known),
        ("a\n0\n", Copied::New),
        ("a", Copied::New),
    ] {
        let lake = Here {
            amazons: here.amazons.clone(),
            ..Here::new()
        };
        let put = lake.lake.put(&path, left.into()).await.unwrap();
        assert_eq!(
            lake.copies().copy(&wanted("0060")).await.unwrap(),
            copied,
            "{left}"
        );
        let now = lake.lake.head(&path).await.unwrap();
        assert_eq!(now.e_tag == put.e_tag, copied == Copied::Known, "{left}");
        assert_eq!(lake.lies(PLACE).await, "a\n1\n");
    }
}

#[tokio::test]
async fn a_day_is_copied_whole_and_says_what_it_lacks() {
    let here = Here::new();
    for hour in 0..24 {
        for minute in [0, 15, 30, 45] {
            if (hour, minute) != (7, 30) {
                let key = format!("store/Order/2026-03-01/{hour:02}/ALL{minute:02}.csv000");
                here.put(&key, "a\n").await;
            }
        }
    }
    here.put("store/Order/2026-03-01/07/ALL15.csv001", "a\n").await;
    here.put("store/Order/2026-03-02/00/ALL00.csv000", "a\n").await;
    let date = "2026-03-01".parse().unwrap();
    let (keys, known) = lacking(&merchant(), &here.copies(), date).await.unwrap();
    assert_eq!((keys.len(), known), (96, 0));
    let first = copy_day(&merchant(), &here.copies(), date, 4).await.unwrap();
    assert_eq!((first.copied.len(), first.known, first.failed.len()), (96, 0, 0));
    let second = copy_day(&merchant(), &here.copies(), date, 4).await.unwrap();
    assert_eq!((second.copied.len(), second.known), (0, 96));
    let copies = here.copies();
    let day = of_day("corner", copies.raw(), date).await.unwrap();
    assert_eq!((day.reports, day.of), (95, 96));
    assert_eq!(day.lacking, [("07".to_owned(), 3)].into());
    // What is made anew there is copied by the next call.
    here.put("store/Order/2026-03-01/23/ALL45.csv000", "b\n").await;
    let third = copy_day(&merchant(), &here.copies(), date, 4).await.unwrap();
    assert_eq!((third.copied.len(), third.known), (1, 95));
}
