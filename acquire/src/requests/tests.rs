//! Whoever dies when, a report is asked for once and lies in the raw zone once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use fakes::http::{Answer, Server};
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use tokio::sync::Notify;
use url::Url;

use super::*;
use crate::{
    Book, Downloaded, Error, Manifest, Outcome, Place, Refused, Result, Settings, Spool, Transport, Wait,
};

/// What a source does when it is asked for the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// The process dies before the source hears it.
    Before,
    /// It dies after the source did it.
    After,
}

/// A source with two marketplaces and reports that differ in options alone.
struct Source {
    folder: Place,
    documents: Server,
    state: Mutex<Kept>,
    dead: Notify,
}

#[derive(Default)]
struct Kept {
    /// Reports that were made: type, marketplaces, when. The id is the position.
    made: Vec<(Want, DateTime<Utc>)>,
    /// Calls until now, and at which one the process dies.
    calls: usize,
    dies: Option<(usize, Death)>,
    /// Answers to creates that are lost after they were carried out, and before.
    lost: Vec<bool>,
    /// How reports end, the first one first.
    ends: Vec<Ended>,
    polled: Vec<String>,
    /// Whether nobody is let in.
    is_refused: bool,
    downloads: usize,
}

impl Source {
    fn new(store: &Arc<InMemory>) -> Arc<Self> {
        let document = Answer {
            body: b"day\tunits\n".to_vec(),
            ..Answer::empty(200)
        };
        Arc::new(Self {
            folder: Place::new(store.clone(), Path::from("raw"), true),
            documents: Server::start(move |_| document.clone()),
            state: Mutex::default(),
            dead: Notify::new(),
        })
    }

    /// Reports that were made.
    fn made(&self) -> usize {
        self.kept().made.len()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.state.lock().unwrap()
    }

    /// Does something, unless the process dies of it.
    async fn step<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        let (done, dies) = {
            let kept = &mut *self.kept();
            kept.calls += 1;
            let dies = kept
                .dies
                .filter(|(call, _)| *call == kept.calls)
                .map(|(_, death)| death);
            let done = (dies != Some(Death::Before)).then(|| act(kept));
            (done, dies.is_some())
        };
        match done {
            Some(done) if !dies => done,
            _ => {
                self.dead.notify_one();
                std::future::pending().await
            }
        }
    }
}

#[async_trait]
impl Reports for Source {
    async fn create(&self, want: &Want) -> Result<Created> {
        self.step(|kept| {
            if kept.is_refused {
                return Err(Error::Refused(Refused {
                    what: "access token".to_owned(),
                    status: 400,
                    code: Some("invalid_grant".to_owned()),
                    said: String::new(),
                }));
            }
            if kept.lost.first() == Some(&false) {
                kept.lost.remove(0);
                return Err(lost());
            }
            kept.made.push((want.clone(), Utc::now()));
            if kept.lost.first() == Some(&true) {
                kept.lost.remove(0);
                return Err(lost());
            }
            Ok(Created::Id((kept.made.len() - 1).to_string()))
        })
        .await
    }

    async fn find(
        &self,
        want: &Want,
        since: DateTime<Utc>,
        known: &BTreeSet<String>,
    ) -> Result<Option<String>> {
        self.step(|kept| {
            let same = |made: &Want| {
                (&made.report, &made.marketplaces, made.period)
                    == (&want.report, &want.marketplaces, want.period)
            };
            let found = kept
                .made
                .iter()
                .enumerate()
                .find(|(id, (made, at))| same(made) && *at >= since && !known.contains(&id.to_string()));
            Ok(found.map(|(id, _)| id.to_string()))
        })
        .await
    }

    async fn poll(&self, _: &Request, id: &str) -> Result<Polled> {
        self.step(|kept| {
            kept.polled.push(id.to_owned());
            if !kept.ends.is_empty() {
                return Ok(Polled::Ended(kept.ends.remove(0)));
            }
            Ok(Polled::Ready(Document {
                id: Some(format!("document-{id}")),
                ..Document::default()
            }))
        })
        .await
    }

    async fn locate(&self, _: &Request, _: &Document) -> Result<Result<Located, Ended>> {
        self.step(|kept| kept.downloads += 1).await;
        Ok(Ok(Located {
            url: Url::parse(&self.documents.url()).unwrap(),
            plain: true,
        }))
    }

    async fn delivery(&self, request: &Request, _: &mut Downloaded) -> Result<Result<Delivery, Ended>> {
        let id = request.id.clone().unwrap();
        self.step(|_| ()).await;
        Ok(Ok(Delivery {
            folder: self.folder.below(&request.want.report),
            name: format!("{id}.txt"),
            manifest: Manifest::new(id, "corner"),
        }))
    }
}

fn lost() -> Error {
    Error::Lost {
        what: "createReport".to_owned(),
        why: "the answer broke off".to_owned(),
    }
}

fn wants() -> Vec<Want> {
    let want = |report: &str, option: &str, marketplace: &str| Want {
        report: report.to_owned(),
        options: [("view".to_owned(), option.to_owned())].into(),
        marketplaces: vec![marketplace.to_owned()],
        period: None,
        round: None,
    };
    vec![
        want("SALES", "a", "M1"),
        want("SALES", "b", "M1"),
        want("SALES", "a", "M2"),
        want("STOCK", "a", "M1"),
    ]
}

fn settings() -> Settings {
    Settings {
        poll: Wait(Duration::from_millis(1)),
        poll_most: Wait(Duration::from_millis(2)),
        ..Settings::default()
    }
}

/// One process: what it told; none where it died.
async fn process(
    source: &Source,
    store: &Arc<InMemory>,
    settings: &Settings,
    again: bool,
) -> Option<Vec<Told>> {
    let lake = Place::new(store.clone(), Path::from("lake"), true);
    let book = Book::open(&lake, "requests").await.unwrap();
    let (transport, spool) = (Transport::new().unwrap().impatient(), Spool::new(None));
    let drive = Drive {
        account: "corner",
        book: &book,
        reports: source,
        transport: &transport,
        spool: &spool,
        settings,
        again,
    };
    tokio::select! {
        told = drive.run(wants()) => Some(told.unwrap()),
        () = source.dead.notified() => None,
    }
}

async fn objects(store: &Arc<InMemory>) -> usize {
    let listed: Vec<_> = store.list(Some(&Path::from("raw"))).try_collect().await.unwrap();
    listed
        .iter()
        .filter(|object| !object.location.as_ref().ends_with(crate::SUFFIX))
        .count()
}

#[tokio::test]
async fn whoever_dies_when_each_report_is_asked_for_and_laid_down_once() {
    let settings = settings();
    // Four reports are created, polled, located and laid down.
    for call in 1..=16 {
        for death in [Death::Before, Death::After] {
            let store = Arc::new(InMemory::new());
            let source = Source::new(&store);
            source.kept().dies = Some((call, death));
            let first = process(&source, &store, &settings, false).await;
            assert!(first.is_none(), "call {call} is never reached");
            let told = process(&source, &store, &settings, false).await.unwrap();
            let context = format!("{death:?} at call {call}: {told:#?}");
            assert!(
                told.iter().all(|told| told.outcome == Outcome::Landed),
                "{context}"
            );
            assert_eq!((source.made(), objects(&store).await), (4, 4), "{context}");
            let made: BTreeSet<String> = source.kept().made.iter().map(|(want, _)| want.key()).collect();
            assert_eq!(made.len(), 4, "{context}");
            let calls = source.kept().calls;
            let again = process(&source, &store, &settings, false).await.unwrap();
            assert!(
                again.is_empty() && source.kept().calls == calls,
                "a second call asks for nothing"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_is_looked_for_before_it_is_asked_for_again() {
    for lost in [
        vec![true],
        vec![false],
        vec![false, true],
        vec![true, true, false],
    ] {
        let store = Arc::new(InMemory::new());
        let source = Source::new(&store);
        source.kept().lost = lost.clone();
        let told = process(&source, &store, &settings(), false).await.unwrap();
        assert!(
            told.iter().all(|told| told.outcome == Outcome::Landed),
            "{lost:?}: {told:#?}"
        );
        assert_eq!((source.made(), objects(&store).await), (4, 4), "{lost:?}");
    }
}

#[tokio::test]
async fn what_ended_without_a_report_is_asked_for_again_no_sooner_than_it_may() {
    let store = Arc::new(InMemory::new());
    let source = Source::new(&store);
    let ended = |state, said: &str, again_at| Ended {
        state,
        said: Some(said.to_owned()),
        again_at,
    };
    let until = Utc::now() + TimeDelta::hours(3);
    source.kept().ends = vec![
        ended(State::NoData, "nothing was sold", None),
        ended(State::Failed, "FATAL", None),
        ended(State::Refused, "not for this account", None),
        ended(State::CoolDown, "too soon", Some(until)),
    ];
    let mut alone = settings();
    alone.parallel = 1;
    let outcomes = |told: &[Told]| -> Vec<Outcome> { told.iter().map(|told| told.outcome).collect() };
    let first = process(&source, &store, &alone, false).await.unwrap();
    let all = [
        Outcome::NoData,
        Outcome::Failed,
        Outcome::Refused,
        Outcome::CoolDown,
    ];
    assert_eq!(outcomes(&first), all);
    let calls = source.kept().calls;
    let second = process(&source, &store, &alone, false).await.unwrap();
    assert_eq!(
        outcomes(&second),
        all[1..],
        "what came to nothing is told, and not asked for"
    );
    assert_eq!(source.kept().calls, calls);
    assert_eq!(second[2].again_at, Some(until));
    alone.again_after = Wait(Duration::ZERO);
    let third = process(&source, &store, &alone, true).await.unwrap();
    assert_eq!(outcomes(&third), [Outcome::Landed; 3]);
}

#[tokio::test]
async fn a_type_that_cools_down_does_so_for_every_marketplace() {
    let store = Arc::new(InMemory::new());
    let source = Source::new(&store);
    source.kept().ends = vec![Ended {
        state: State::CoolDown,
        said: None,
        again_at: Some(Utc::now() + TimeDelta::hours(1)),
    }];
    let mut alone = settings();
    alone.parallel = 1;
    let told = process(&source, &store, &alone, false).await.unwrap();
    let cooling = told
        .iter()
        .filter(|told| told.outcome == Outcome::CoolDown)
        .count();
    assert_eq!((cooling, source.kept().made.len()), (3, 2), "{told:#?}");
}

#[tokio::test]
async fn what_is_not_ready_in_time_is_gone_on_with_by_the_next_call() {
    let store = Arc::new(InMemory::new());
    let source = Source::new(&store);
    let mut brief = settings();
    brief.wait = Wait(Duration::ZERO);
    let told = process(&source, &store, &brief, false).await.unwrap();
    assert!(
        told.iter().all(|told| told.outcome == Outcome::NotYet),
        "{told:#?}"
    );
    assert_eq!(source.kept().made.len(), 0);
    let told = process(&source, &store, &settings(), false).await.unwrap();
    assert_eq!(told.len(), 4);
    let kept = source.kept();
    assert_eq!((kept.made.len(), kept.polled.len()), (4, 4));
}

#[tokio::test]
async fn credentials_that_are_refused_end_the_call_and_leave_nothing_asked_for() {
    let store = Arc::new(InMemory::new());
    let source = Source::new(&store);
    source.kept().is_refused = true;
    let lake = Place::new(store.clone(), Path::from("lake"), true);
    let book = Book::open(&lake, "requests").await.unwrap();
    let (transport, spool) = (Transport::new().unwrap(), Spool::new(None));
    let settings = settings();
    let drive = Drive {
        account: "corner",
        book: &book,
        reports: &*source,
        transport: &transport,
        spool: &spool,
        settings: &settings,
        again: false,
    };
    let refused = drive.run(wants()).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(_)), "{refused}");
    source.kept().is_refused = false;
    let told = process(&source, &store, &settings, false).await.unwrap();
    assert!(
        told.iter().all(|told| told.outcome == Outcome::Landed),
        "{told:#?}"
    );
    assert_eq!(source.made(), 4);
}
