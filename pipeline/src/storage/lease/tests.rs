//! Who works when, on disks and in buckets.

use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use crate::storage::{Place, Stores};

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn tables(names: &[&str]) -> Vec<TableName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn bucket() -> Leases {
    let root = Url::parse("s3://bucket/locks").unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let stores = Stores::default().with(&root, store).unwrap();
    Leases::at(stores.place(&root).unwrap()).beating(Duration::from_millis(50))
}

async fn objects(leases: &Leases) -> usize {
    let files = leases.place.files().await.unwrap();
    let is_lease = |path: &&ObjectMeta| path.location.as_ref().ends_with(".lease");
    files.iter().filter(is_lease).count()
}

#[tokio::test]
async fn a_second_runner_waits_for_the_first_and_then_gives_up() {
    let folder = tempfile::tempdir().unwrap();
    for leases in [Leases::at(Place::of_folder(folder.path())), bucket()] {
        let both = tables(&["jwo.orders", "jwo.order_lines"]);
        let (orders, others) = (tables(&["jwo.orders"]), tables(&["ams.campaigns"]));
        let first = Lease::take(&leases, &both, Duration::ZERO).await.unwrap();
        let first = first.unwrap();
        let wait = Duration::from_millis(60);
        assert!(Lease::take(&leases, &orders, wait).await.unwrap().is_none());
        let other = Lease::take(&leases, &others, wait).await.unwrap().unwrap();
        other.release().await;
        first.release().await;
        assert!(
            Lease::take(&leases, &orders, Duration::ZERO)
                .await
                .unwrap()
                .is_some()
        );
    }
}

#[tokio::test]
async fn nothing_is_asked_of_a_bucket_before_there_is_work_and_nothing_stays() {
    let leases = bucket();
    let mut lease = Lease::ask(&leases, &tables(&["a.b", "a.c"]), LONG)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(objects(&leases).await, 0);
    assert_eq!(lease.give_way().await.unwrap(), Turn::Ours);
    assert_eq!(objects(&leases).await, 0);
    assert_eq!(lease.hold().await.unwrap(), Turn::Ours);
    assert_eq!(objects(&leases).await, 2);
    lease.release().await;
    assert_eq!(objects(&leases).await, 0);
}

#[tokio::test]
async fn who_holds_one_of_several_gives_it_back_when_another_is_taken() {
    let leases = bucket();
    let second = Lease::take(&leases, &tables(&["a.c"]), LONG)
        .await
        .unwrap()
        .unwrap();
    let both = tables(&["a.b", "a.c"]);
    assert!(
        Lease::take(&leases, &both, Duration::ZERO)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        Lease::take(&leases, &tables(&["a.b"]), Duration::ZERO)
            .await
            .unwrap()
            .is_some()
    );
    drop(second);
}

#[tokio::test]
async fn who_lives_keeps_it_and_who_waits_is_let_in_between_batches() {
    let leases = bucket();
    let names = tables(&["a.b"]);
    let mut holder = Lease::take(&leases, &names, LONG).await.unwrap().unwrap();
    let waiter = tokio::spawn({
        let (leases, names) = (leases.clone(), names.clone());
        async move { Lease::take(&leases, &names, LONG).await.unwrap().unwrap() }
    });
    // Far longer than it takes to be thought dead.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!waiter.is_finished());
    let turn = tokio::spawn(async move { (holder.give_way().await.unwrap(), holder) });
    let waiter = waiter.await.unwrap();
    waiter.release().await;
    let (turn, holder) = turn.await.unwrap();
    assert!(turn != Turn::Theirs);
    assert!(
        Lease::take(&leases, &names, Duration::ZERO)
            .await
            .unwrap()
            .is_none()
    );
    holder.release().await;
    assert_eq!(objects(&leases).await, 0);
}

#[tokio::test]
async fn who_waits_never_writes_the_lease_of_somebody_else() {
    let leases = Leases {
        // No beat changes it.
        beat: LONG,
        ..bucket()
    };
    let names = tables(&["a.b"]);
    let holder = Lease::take(&leases, &names, LONG).await.unwrap().unwrap();
    let lease = leases.place.files().await.unwrap().remove(0);
    let waiter = Lease::take(&leases, &names, Duration::ZERO).await.unwrap();
    assert!(waiter.is_none());
    let files = leases.place.files().await.unwrap();
    let same = files.iter().find(|file| file.location == lease.location).unwrap();
    assert_eq!(same.e_tag, lease.e_tag);
    // What it said instead is about this holder alone.
    assert_eq!(files.len(), 2);
    holder.release().await;
    let mut next = Lease::take(&leases.clone().beating(Duration::from_millis(10)), &names, LONG)
        .await
        .unwrap()
        .unwrap();
    let by = async || {
        let found = leases.place.store().get(&lease.location).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&found.bytes().await.unwrap()).unwrap();
        body["holder"].clone()
    };
    let before = by().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    next.give_way().await.unwrap();
    assert_eq!(by().await, before);
}

#[tokio::test]
async fn after_a_death_the_next_one_takes_over_with_what_was_left() {
    let leases = bucket();
    let names = tables(&["a.b", "a.c"]);
    let lease = Lease::take(&leases, &names, LONG).await.unwrap().unwrap();
    let notes = lease.carried("l", &names[0], 7).unwrap();
    notes.add("attempt", false).await.unwrap();
    notes.add("begin x", true).await.unwrap();
    notes.add("end x", false).await.unwrap();
    drop(lease);

    let second = Lease::take(&leases, &names, LONG).await.unwrap().unwrap();
    let notes = second.carried("l", &names[0], 7).unwrap();
    assert_eq!(notes.text().await, ("attempt\nbegin x\n".to_owned(), 1));
    // Given back without a success: the notes stay for the next one.
    second.release().await;
    assert_eq!(objects(&leases).await, 1);
    let third = Lease::take(&leases, &names, LONG).await.unwrap().unwrap();
    let notes = third.carried("l", &names[0], 7).unwrap();
    assert_eq!(notes.text().await.0, "attempt\nbegin x\n");
    // Those of a batch that is in are forgotten by the next one.
    let next = third.carried("l", &names[0], 8).unwrap();
    assert_eq!(next.text().await.0, "");
    next.remove().await;
    third.release().await;
    assert_eq!(objects(&leases).await, 0);
}

#[tokio::test]
async fn one_that_was_taken_from_us_is_not_taken_back_by_a_beat() {
    let leases = bucket();
    let names = tables(&["a.b"]);
    let lease = Lease::take(&leases, &names, LONG).await.unwrap().unwrap();
    let path = leases.place.files().await.unwrap()[0].location.clone();
    leases
        .place
        .store()
        .put(
            &path,
            "{\"holder\":\"x\",\"beat\":1,\"beaten_at\":\"2100-01-01T00:00:00Z\"}".into(),
        )
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let read = async || {
        leases
            .place
            .store()
            .get(&path)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
    };
    assert!(read().await.starts_with(b"{\"holder\":\"x\""));
    // Nor does giving back what is not ours touch it.
    lease.release().await;
    assert!(read().await.starts_with(b"{\"holder\":\"x\""));
    // Its clock is far ahead, so that it is dead only before our eyes.
    let next = Lease::take(&leases, &names, LONG).await.unwrap();
    assert!(next.is_some());
}
