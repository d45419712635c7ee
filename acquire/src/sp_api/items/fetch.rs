//! Asks for batches, page by page, and lays the pages down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures::stream;
use futures::{StreamExt, TryStreamExt};
use reqwest::StatusCode;
use reqwest::header::DATE;
use serde::{Deserialize, Serialize};

use super::page::{self, Page};
use super::{Api, Batch, Items};
use crate::book::Book;
use crate::deliver::deliver;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::place::Place;
use crate::settings::Settings;
use crate::sp_api::{Operation, SpApi};
use crate::told::{Outcome, Told};
use crate::transport::{Answer, Call, Downloaded, Spool};

/// Products that the API pages through in one search; it goes on with a search that begins where the last one ended.
const REACH: u64 = 1000;
/// What was noted is of use for so many days.
const KEPT_DAYS: i64 = 7;

/// What left no page behind.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Noted {
    at: DateTime<Utc>,
    outcome: Outcome,
    said: String,
}

/// One of the two APIs for one account.
pub struct Pages<'a> {
    api: &'a SpApi,
    which: Api,
    asked: &'a Items,
    settings: &'a Settings,
    /// The folder of the account in the raw zone.
    raw: Place,
    spool: Spool,
    notes: Book<Noted>,
    /// Whether what failed or was refused is asked for before its time.
    again: bool,
    /// Whether the API said that only vendors may ask for some of it.
    is_seller: AtomicBool,
}

/// From where a page is asked for.
#[derive(Debug, Clone, Default)]
struct From {
    token: Option<String>,
    /// What is asked for was listed then or later.
    after: Option<String>,
    /// Whether the token comes from a page that a former call laid down: it may be over.
    is_old: bool,
}

/// How a batch went.
#[derive(Default)]
struct Went {
    told: Vec<Told>,
    found: BTreeSet<String>,
}

impl<'a> Pages<'a> {
    /// Pages of an account, which lie below its folder of the raw zone; notes lie in its folder of the lake.
    ///
    /// # Errors
    ///
    /// When the notes cannot be read.
    pub async fn open(
        api: &'a SpApi,
        which: Api,
        (asked, settings): (&'a Items, &'a Settings),
        (raw, lake): (Place, &Place),
        spool: Spool,
        again: bool,
    ) -> Result<Self> {
        let notes = Book::<Noted>::open(lake, which.folder()).await?;
        let is_seller = notes
            .get(which.of_vendors())
            .await
            .is_some_and(|noted| noted.is_kept());
        Ok(Self {
            api,
            which,
            asked,
            settings,
            raw,
            spool,
            notes,
            again,
            is_seller: AtomicBool::new(is_seller),
        })
    }

    /// Asks for all batches, several at a time, and tells of each page and of what was not found as it is known. A batch that
    /// fails does not keep the others from being asked for.
    ///
    /// # Errors
    ///
    /// When nothing can be asked or noted at all.
    pub async fn fetch(&self, batches: &[Batch], tell: &(dyn Fn(Told) + Sync)) -> Result<()> {
        // The first one shows whether the account may ask, and for what: the others need not find out, too.
        let Some((first, others)) = batches.split_first() else {
            return Ok(());
        };
        if let Some(denied) = self.one(first, tell).await? {
            if let Some(next) = others.first() {
                let said = format!("{} batches were not asked for: {denied}", others.len());
                tell(self.told(next, Outcome::Refused, Some(said)));
            }
            return Ok(());
        }
        let mut others = stream::iter(others)
            .map(|batch| self.one(batch, tell))
            .buffer_unordered(self.settings.parallel.max(1));
        while let Some(went) = others.next().await {
            went?;
        }
        Ok(())
    }

    /// How many of the batches would be asked for now, and how long that takes at least: a batch may have several pages.
    ///
    /// # Errors
    ///
    /// When the raw zone cannot be read.
    pub async fn would(&self, batches: &[Batch]) -> Result<(u64, Duration)> {
        let day = Utc::now().date_naive().to_string();
        let missing = stream::iter(batches).map(|batch| self.is_missing(batch, &day));
        let missing = missing.buffer_unordered(self.settings.parallel.max(1));
        let missing: Vec<Option<&Operation>> = missing.try_collect().await?;
        let mut requests = BTreeMap::new();
        for operation in missing.into_iter().flatten() {
            requests.entry(operation.name).or_insert((operation, 0)).1 += 1;
        }
        let (mut all, mut takes) = (0, Duration::ZERO);
        for (operation, requests) in requests.into_values() {
            all += requests;
            takes += self.api.bucket(operation).await.takes(requests);
        }
        Ok((all, takes))
    }

    /// The operation that would be asked for a batch; none where its pages lie there, or it has to wait.
    async fn is_missing(&self, batch: &Batch, day: &str) -> Result<Option<&'static Operation>> {
        let name = batch.name(&self.api.account, self.asked);
        let noted = self.notes.get(&format!("{day} {name}")).await;
        if noted.is_some_and(|noted| !self.may_be_asked_again(&noted)) {
            return Ok(None);
        }
        let folder = self.raw.below(batch.folder()).below(day);
        let lies = folder.below(&page_name(&name, 1)).size().await?.is_some();
        Ok((!lies).then(|| batch.operation()))
    }

    /// Asks for a batch; the refusal where the account itself was refused.
    async fn one(&self, batch: &Batch, tell: &(dyn Fn(Told) + Sync)) -> Result<Option<String>> {
        let day = Utc::now().date_naive();
        let name = batch.name(&self.api.account, self.asked);
        let note = format!("{day} {name}");
        if let Some(noted) = self
            .notes
            .get(&note)
            .await
            .filter(|noted| !self.may_be_asked_again(noted))
        {
            let mut told = self.told(batch, noted.outcome, Some(noted.said));
            told.again_at = (noted.outcome == Outcome::Failed).then(|| noted.at + self.again_after());
            tell(told);
            return Ok(None);
        }
        let mut went = Went::default();
        let end = self.pages(batch, day, &name, &mut went).await;
        went.told.drain(..).for_each(tell);
        let missing: Vec<&str> = match &end {
            Ok(()) => batch
                .ids
                .iter()
                .map(String::as_str)
                .filter(|id| !went.found.contains(*id))
                .collect(),
            Err(_) => Vec::new(),
        };
        if !missing.is_empty() {
            let said = format!("not found: {}", missing.join(", "));
            tell(self.told(batch, Outcome::NoData, Some(said)));
        }
        let error = match end {
            Ok(()) => return Ok(None),
            Err(error @ (Error::Raced { .. } | Error::Mistake(_))) => return Err(error),
            Err(error) => error,
        };
        let outcome = match &error {
            Error::Refused(refused) if refused.status == StatusCode::NOT_FOUND => Outcome::NoData,
            Error::Refused(_) => Outcome::Refused,
            _ => Outcome::Failed,
        };
        let (now, said) = (Utc::now(), error.to_string());
        let mut told = self.told(batch, outcome, Some(said.clone()));
        told.again_at = (outcome == Outcome::Failed).then(|| now + self.again_after());
        tell(told);
        match &error {
            // Whoever mends what the account may do wants to see at once whether that was it.
            Error::Refused(refused) if is_of_account(refused.status, &refused.what, batch) => Ok(Some(said)),
            _ => {
                let noted = Noted {
                    at: now,
                    outcome,
                    said,
                };
                self.note(&note, noted).await?;
                Ok(None)
            }
        }
    }

    /// All pages of a batch: those that lie there are read, the others asked for.
    async fn pages(&self, batch: &Batch, day: NaiveDate, name: &str, went: &mut Went) -> Result<()> {
        let folder = self.raw.below(batch.folder()).below(&day.to_string());
        let mut from = From::default();
        // Pages and products of the search so far, and all of it as its first page counted them.
        let (mut pages, mut seen, mut total) = (0_u64, 0_u64, 0_u64);
        for number in 1_u32.. {
            let file = page_name(name, number);
            let object = folder.below(&file);
            let lies = object.read().await?;
            let is_old = lies.is_some();
            let page = match lies {
                Some(seen) => page::read(&seen.body, batch)?,
                None => self.page(batch, &from, pages, (&folder, &file)).await?,
            };
            if !is_old {
                let mut told = self.told(batch, Outcome::Landed, None);
                told.id = Some(document_id(&object));
                told.object = Some(object.to_string());
                went.told.push(told);
            }
            let wanted = batch
                .ids
                .iter()
                .filter(|id| page.items.iter().any(|item| page::is(item, batch, id)));
            went.found.extend(wanted.cloned());
            (pages, seen) = (pages + 1, seen + page.items.len() as u64);
            if pages == 1 {
                total = page.total;
            }
            let is_cut = batch.is_all() && seen < total && (page.next.is_none() || seen >= REACH);
            from = match &page.next {
                _ if is_cut => {
                    (pages, seen) = (0, 0);
                    self.after(batch, &page, from.after.as_deref())?
                }
                Some(_) => From {
                    token: page.next,
                    after: from.after,
                    is_old,
                },
                None => return Ok(()),
            };
        }
        Ok(())
    }

    /// Where the next search begins after one that came to its end before all was told.
    fn after(&self, batch: &Batch, page: &Page, before: Option<&str>) -> Result<From> {
        let after = page::listed_at(page, &batch.marketplace);
        if after.is_none() || after.as_deref() == before {
            let why = "more was listed at one moment than the API pages through; give SKUs instead";
            return Err(Error::odd(batch.operation().name, why));
        }
        Ok(From {
            after,
            ..From::default()
        })
    }

    /// Asks for a page and lays it down.
    async fn page(&self, batch: &Batch, from: &From, number: u64, at: (&Place, &str)) -> Result<Page> {
        let requested_at = Utc::now();
        let answer = match self.ask(batch, from).await {
            // A token is good for a while, which nobody says how long it is: the pages before are asked for again.
            Err(Error::Refused(refused)) if from.is_old && refused.status == StatusCode::BAD_REQUEST => {
                self.ask(batch, &self.way_to(batch, from, number).await?).await?
            }
            answer => answer?,
        };
        let page = page::read(&answer.body, batch)?;
        let made = answer
            .header(&DATE)
            .and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        let (folder, file) = at;
        let mut manifest = Manifest::new(document_id(&folder.below(file)), &self.api.account);
        manifest.report_type = Some(batch.folder().to_owned());
        manifest.marketplace_ids = vec![batch.marketplace.clone()];
        manifest.options = self.parameters(batch);
        if let Some(after) = &from.after {
            manifest.options.insert("createdAfter".to_owned(), after.clone());
        }
        manifest.requested_at = Some(requested_at);
        manifest.generated_at = Some(made.map_or_else(Utc::now, |made| made.to_utc()));
        let kind = answer.header(&reqwest::header::CONTENT_TYPE).map(str::to_owned);
        let document = Downloaded::of_bytes(&self.spool, &answer.body, kind)?;
        deliver(folder, file, manifest, document).await?;
        Ok(page)
    }

    /// Where the page behind so many of a search is asked for, by a token that is new.
    async fn way_to(&self, batch: &Batch, from: &From, number: u64) -> Result<From> {
        let mut way = From {
            after: from.after.clone(),
            ..From::default()
        };
        for _ in 0..number {
            let answer = self.ask(batch, &way).await?;
            way.token = page::read(&answer.body, batch)?.next;
            if way.token.is_none() {
                let why = "there are fewer pages than a moment ago; the next day begins anew";
                return Err(Error::odd(batch.operation().name, why));
            }
        }
        Ok(way)
    }

    /// Asks for a page; what only vendors may ask for is left out once the API says so.
    async fn ask(&self, batch: &Batch, from: &From) -> Result<Answer> {
        let operation = batch.operation();
        loop {
            let was_seller = self.is_seller.load(Ordering::Relaxed);
            let mut url = self.api.url(&batch.path())?;
            {
                let mut query = url.query_pairs_mut();
                query.append_pair("marketplaceIds", &batch.marketplace);
                query.extend_pairs(self.parameters(batch));
                query.extend_pairs(from.after.iter().map(|after| ("createdAfter", after)));
                query.extend_pairs(from.token.iter().map(|token| ("pageToken", token)));
            }
            let answer = self.api.call(operation, Call::get(operation.name, url)).await?;
            if answer.status.is_success() {
                return Ok(answer);
            }
            if !was_seller && self.asked.included.is_empty() && self.is_about_vendors(&answer) {
                self.is_seller.store(true, Ordering::Relaxed);
                let noted = Noted {
                    at: Utc::now(),
                    outcome: Outcome::Refused,
                    said: self.api.refused(&answer, operation.name).to_string(),
                };
                self.note(self.which.of_vendors(), noted).await?;
                continue;
            }
            return Err(Error::Refused(self.api.refused(&answer, operation.name)));
        }
    }

    /// Whether a refusal is about data that only vendors may ask for.
    fn is_about_vendors(&self, answer: &Answer) -> bool {
        let text = String::from_utf8_lossy(&answer.body);
        let is_it = text.contains("includedData") && text.to_lowercase().contains("vendor");
        matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN)
            && (is_it || text.contains(self.which.of_vendors()))
    }

    fn parameters(&self, batch: &Batch) -> BTreeMap<String, String> {
        let mut included = self.asked.included.clone();
        if included.is_empty() {
            let left_out = self
                .is_seller
                .load(Ordering::Relaxed)
                .then(|| self.which.of_vendors());
            let all = self.which.everything().iter();
            included = all
                .filter(|data| Some(**data) != left_out)
                .map(|&data| data.to_owned())
                .collect();
        }
        let needed = batch.needs().map(str::to_owned);
        included.extend(needed.filter(|needed| !included.contains(needed)));
        batch.parameters(self.asked, &included)
    }

    fn told(&self, batch: &Batch, outcome: Outcome, said: Option<String>) -> Told {
        Told {
            account: self.api.account.clone(),
            kind: batch.folder().to_owned(),
            id: None,
            period: None,
            options: self.parameters(batch),
            marketplaces: vec![batch.marketplace.clone()],
            outcome,
            said,
            object: None,
            again_at: None,
        }
    }

    fn again_after(&self) -> TimeDelta {
        TimeDelta::from_std(self.settings.again_after.0).unwrap_or(TimeDelta::MAX)
    }

    /// What was refused stays so for the day; what failed is tried again after a while.
    fn may_be_asked_again(&self, noted: &Noted) -> bool {
        let is_over = noted.outcome == Outcome::Failed && Utc::now() >= noted.at + self.again_after();
        self.again || is_over
    }

    async fn note(&self, name: &str, noted: Noted) -> Result<()> {
        self.notes
            .change(|notes| {
                notes.retain(|_, noted| noted.is_kept());
                notes.insert(name.to_owned(), noted);
            })
            .await
    }
}

impl Noted {
    fn is_kept(&self) -> bool {
        self.at > Utc::now() - TimeDelta::days(KEPT_DAYS)
    }
}

/// Whether a refusal is about the account rather than about what was asked for.
fn is_of_account(status: u16, what: &str, batch: &Batch) -> bool {
    let denied = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN]
        .iter()
        .any(|denied| *denied == status);
    denied || what != batch.operation().name
}

/// What a page of a batch is called in its folder.
fn page_name(batch: &str, number: u32) -> String {
    format!("{batch}-{number:04}.json")
}

/// The id of the page that lies there: kind, day and name.
fn document_id(object: &Place) -> String {
    let path = object.path().to_string();
    let names: Vec<&str> = path.trim_end_matches(".json").rsplit('/').take(3).collect();
    names.into_iter().rev().collect::<Vec<_>>().join("/")
}
