//! Ledgers of before.

use std::sync::Arc;

use arrow::datatypes::Schema;
use chrono::{NaiveDate, TimeDelta};

use crate::delta::{Snapshot, Which};
use crate::storage::Place;

use super::*;

const COLUMNS_OF_BEFORE: usize = 29;

fn object(name: &str, tag: Option<&str>) -> RawObject {
    RawObject {
        uri: format!("s3://bucket/raw/{name}"),
        moved_to: None,
        path: name.to_owned(),
        size: 3,
        modified: DateTime::UNIX_EPOCH,
        tag: tag.map(str::to_owned),
        account: None,
        period: NaiveDate::default().into(),
        part: 0,
        manifest: None,
        document: None,
    }
}

async fn claim(ledger: &mut Ledger, batch: i64, object: RawObject) {
    let draft = Draft {
        table: "shop.orders".parse().unwrap(),
        batch,
        rules: "r".to_owned(),
        objects: vec![object],
        inputs: Vec::new(),
    };
    let at = DateTime::UNIX_EPOCH + TimeDelta::days(batch);
    assert!(ledger.claim(&[draft], at, async { Ok(true) }).await.unwrap());
}

fn columns(snapshot: &Snapshot) -> usize {
    let names = ["tag", "manifest_tag", "object"];
    let lacks = |names: &[&str]| {
        let fields = names
            .iter()
            .map(|name| schema::schema().field_with_name(name).unwrap().clone());
        snapshot
            .grown(&Schema::new(fields.collect::<Vec<_>>()))
            .unwrap()
            .is_some()
    };
    names.iter().filter(|name| !lacks(&[name])).count()
}

#[tokio::test]
async fn a_ledger_of_before_learns_tags_with_the_first_claim_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let curated = Curated::at(Place::of_folder(folder.path()));
    let before = schema::schema().fields()[..COLUMNS_OF_BEFORE].to_vec();
    let log = Ledger::log(&curated).unwrap();
    let made = log
        .open_or_create(
            Which::Newest,
            &Arc::new(Schema::new(before)),
            &schema::partition(),
            &[],
            "of before",
        )
        .await
        .unwrap();
    assert_eq!(columns(&made), 1);

    let mut ledger = Ledger::open(&curated).await.unwrap();
    assert_eq!(ledger.id(), made.id);
    let (plain, tagged) = (object("a", None), object("b", Some("\"of b\"")));
    claim(&mut ledger, 1, plain.clone()).await;
    claim(&mut ledger, 2, tagged.clone()).await;

    let ledger = Ledger::open(&curated).await.unwrap();
    assert_eq!(columns(&ledger.snapshot), 3);
    let table = "shop.orders".parse().unwrap();
    let asked = [plain.clone(), tagged.clone(), object("b", Some("another"))];
    let known = ledger.known(&table, &asked).await.unwrap();
    assert_eq!(known, HashSet::from([plain.identity(), tagged.identity()]));
    // With the quotes of another answer of the same server, and only then.
    assert!(known.contains(&object("b", Some("of b")).identity()));
    assert!(!known.contains(&asked[2].identity()));
}
