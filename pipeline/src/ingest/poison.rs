//! The poison log of a batch's attempts: how an object that kills the process is found.
//!
//! Each attempt leaves a line. After a few attempts that did not end in a commit, objects are read one at a time,
//! each announced before and crossed off after. An object that was announced last by several such attempts is suspected,
//! no more: the machine may have been switched off each time. It is read by a process of its own, and rejected when
//! that one dies of it before the eyes of this one. The poison log is no part of the protocol.
//!
//! A batch of a computed table is announced as a whole. Where several processes ended with it in hand, one of its own
//! computes it; the table is held as long as that one dies.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{join_all, try_join_all};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::contract::TableName;
use crate::error::{Context, Kind, Result};
use crate::isolated::Ending;
use crate::lake::Lake;
use crate::raw::RawObject;
use crate::report::Observer;
use crate::storage::{Lease, Place};

use super::notebook::Notes;
use super::watch::Watch;

/// Attempts without a commit after which objects are read one at a time.
const CAREFUL_AFTER: usize = 3;
/// Deaths with the same object in hand after which it is tried.
const SUSPECT: usize = 3;
/// Attempts in which storage did not let an object be read after which its batch goes on without it.
const REFUSED: usize = 3;
/// Attempts for which an object was too large after which it is rejected: until then others may have taken the room.
const TOO_LARGE: usize = 3;
/// Why it is.
const NO_ROOM: &str = "of all objects of its batch it takes the most room, and in several runs its rows fitted neither into \
                       memory nor into the folder for what does not; give spill_dir and spill_limit, or memory_limit, more, \
                       then bring it back with `marketlake quarantine replay`";
/// The line of an attempt that ended because somebody asked.
const STOPPED: &str = "stopped";
/// How long a trial takes that says something although nobody saw its end.
const LASTING: Duration = Duration::from_secs(1);
/// Weight of trials that nobody saw the end of after which their object is rejected: it may never end, or end the starter,
/// too. One that lasted weighs [`LASTED`], others one: processes that are killed all the time hardly get to read anything.
const TRIALS: usize = 200;
const LASTED: usize = 10;

/// The poison logs of the batches that are worked on together.
pub(crate) struct PoisonLog<'a> {
    /// One for each batch.
    notes: Mutex<Vec<Notes>>,
    careful: bool,
    deaths: HashMap<String, usize>,
    /// Earlier attempts in which objects were refused.
    refusals: HashMap<String, usize>,
    /// Whether the batch may go on without an object that is refused.
    goes_on: bool,
    /// Whether all objects may be gone.
    may_be_gone: bool,
    /// Weight of the trials that nobody saw the end of.
    trials: HashMap<String, usize>,
    /// Why objects are not read.
    deadly: HashMap<String, String>,
    observer: &'a dyn Observer,
}

impl<'a> PoisonLog<'a> {
    /// Notes a new attempt at the batches of these tables, as the ledger of this id numbers them: in their lease, or where
    /// that carries nothing in files of this folder.
    pub(crate) async fn open(
        folder: &Place,
        lease: &Lease,
        ledger: &str,
        batches: &[(TableName, i64)],
        observer: &'a dyn Observer,
    ) -> Result<Self> {
        let mut poison = Self {
            notes: Mutex::default(),
            careful: false,
            deaths: HashMap::new(),
            refusals: HashMap::new(),
            goes_on: true,
            may_be_gone: false,
            trials: HashMap::new(),
            deadly: HashMap::new(),
            observer,
        };
        let mut opened = Vec::new();
        let mut too_large: HashMap<String, usize> = HashMap::new();
        for (table, batch) in batches {
            let (notes, text, deaths) = match lease.carried(ledger, table, *batch) {
                Some(carried) => Notes::carried(carried).await,
                None => {
                    let name = format!("{ledger}-{table}-{batch}.journal");
                    let (notes, text) = Notes::file(folder, &name).await?;
                    (notes, text, 0)
                }
            };
            poison.read(&text, deaths);
            for object in text.lines().filter_map(|line| line.strip_prefix("too_large ")) {
                *too_large.entry(object.to_owned()).or_default() += 1;
            }
            opened.push(notes);
        }
        let known = opened.len().max(1);
        let too_large = too_large
            .into_iter()
            .filter(|(_, noted)| noted / known >= TOO_LARGE);
        poison.deadly = too_large
            .map(|(object, _)| (object, NO_ROOM.to_owned()))
            .collect();
        poison.notes = Mutex::new(opened);
        poison.write("attempt", "", false).await?;
        Ok(poison)
    }

    /// Who is told what is done.
    pub(crate) fn observer(&self) -> &'a dyn Observer {
        self.observer
    }

    /// Whether objects are to be read one at a time: one of them is suspected to kill the process.
    pub(crate) fn is_careful(&self) -> bool {
        self.careful
    }

    /// How often the process ended with this object in hand. Suspects are read first, while there is memory: an
    /// innocent object on which many others left too little is cleared by that.
    pub(crate) fn deaths(&self, object: &RawObject) -> usize {
        self.deaths_with(&object.uri)
    }

    fn deaths_with(&self, name: &str) -> usize {
        self.deaths.get(name).copied().unwrap_or(0)
    }

    /// For objects that are taken in for a table to be made anew: without one that is refused or too large its rows would
    /// go, and those that are gone were looked for before.
    pub(crate) fn for_rebuild(&mut self) {
        (self.goes_on, self.may_be_gone) = (false, true);
        self.deadly.clear();
    }

    /// The objects were not there for some attempts, and the places where they lay are.
    pub(crate) fn places_are_there(&mut self) {
        self.may_be_gone = true;
    }

    /// Has the suspects among the objects of these tables' batches read elsewhere. Who comes through is cleared.
    ///
    /// # Errors
    /// When the process that reads is stopped by somebody, or fails for another reason than the object.
    pub(crate) async fn try_suspects(
        &mut self,
        lake: &Lake,
        tables: &[TableName],
        objects: &[RawObject],
    ) -> Result<()> {
        for object in objects {
            if self.deadly.contains_key(&object.uri) {
                continue;
            }
            if let Some(reason) = self.tried(lake, tables, &object.uri, "read this object").await? {
                self.deadly.insert(object.uri.clone(), reason);
            }
        }
        Ok(())
    }

    /// Announces the batch of a computed table, which is in hand until the log is closed. A machine that is switched
    /// off is no death of it, so the disk is not waited for. Where several processes died before it is tried: why it is
    /// not to be computed.
    ///
    /// # Errors
    /// As [`PoisonLog::try_suspects`].
    pub(crate) async fn begin_batch(&mut self, lake: &Lake, table: &TableName) -> Result<Option<String>> {
        let (tables, name) = ([table.clone()], table.to_string());
        let reason = self.tried(lake, &tables, &name, "computed this batch").await?;
        if reason.is_none() {
            self.write("begin", &name, false).await?;
        }
        Ok(reason)
    }

    /// Has another process do what many of them died of, where that is so; why it is not to be done here.
    async fn tried(
        &mut self,
        lake: &Lake,
        tables: &[TableName],
        name: &str,
        did: &str,
    ) -> Result<Option<String>> {
        let Some(reader) = lake
            .isolated_reader()
            .filter(|_| self.deaths_with(name) >= SUSPECT)
        else {
            return Ok(None);
        };
        if self.trials.get(name).copied().unwrap_or(0) >= TRIALS {
            let reason = format!("runs ended while they {did}, and so did all trials of it");
            return Ok(Some(reason));
        }
        self.note("trying", name).await?;
        let (reader, curated) = (reader.clone(), lake.settings().curated.clone());
        let (tables, tried) = (tables.to_vec(), name.to_owned());
        let mut reading = spawn_blocking(move || reader.read(&curated, &tables, &tried));
        let ended = match timeout(LASTING, &mut reading).await {
            Ok(ended) => ended,
            Err(_) => {
                self.note("lasting", name).await?;
                reading.await
            }
        };
        match ended.context(Kind::Internal, "object could not be tried")?? {
            Ending::Returned => {
                self.note("cleared", name).await?;
                self.deaths.remove(name);
                Ok(None)
            }
            Ending::Died(how) => Ok(Some(format!("a process that only {did} died of it: {how}"))),
        }
    }

    /// Somebody asked for the end of this attempt: it says nothing about what is in hand.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub(crate) async fn stopped(&self) -> Result<()> {
        self.write(STOPPED, "", true).await
    }

    /// The batches are in: nothing is suspected any more.
    pub(crate) async fn close(self) {
        join_all(self.notes.into_inner().into_iter().map(Notes::remove)).await;
    }

    /// Reads what earlier attempts wrote; `unheard` others died before they could.
    fn read(&mut self, text: &str, unheard: usize) {
        let mut attempts = unheard;
        let mut in_hand: Option<String> = None;
        let (mut deaths, mut trials): (HashMap<_, usize>, HashMap<_, usize>) = Default::default();
        let mut refusals: HashMap<_, usize> = HashMap::new();
        for line in text.lines() {
            match line.split_once(' ') {
                None if line == "attempt" => {
                    attempts += 1;
                    if let Some(object) = in_hand.take() {
                        *deaths.entry(object).or_default() += 1;
                    }
                }
                None if line == STOPPED => {
                    attempts = attempts.saturating_sub(1);
                    in_hand = None;
                }
                Some(("begin", object)) => in_hand = Some(object.to_owned()),
                Some(("end", _)) => in_hand = None,
                Some(("trying", object)) => *trials.entry(object.to_owned()).or_default() += 1,
                Some(("lasting", object)) => *trials.entry(object.to_owned()).or_default() += LASTED - 1,
                Some(("refused", object)) => *refusals.entry(object.to_owned()).or_default() += 1,
                Some(("cleared", object)) => {
                    deaths.remove(object);
                    trials.remove(object);
                }
                _ => {}
            }
        }
        if let Some(object) = in_hand {
            *deaths.entry(object).or_default() += 1;
        }
        self.careful |= attempts >= CAREFUL_AFTER;
        for (known, found) in [
            (&mut self.deaths, deaths),
            (&mut self.trials, trials),
            (&mut self.refusals, refusals),
        ] {
            for (object, count) in found {
                let known = known.entry(object).or_default();
                *known = (*known).max(count);
            }
        }
    }

    async fn note(&self, word: &str, name: &str) -> Result<()> {
        match self.careful {
            true => self.write(word, name, true).await,
            false => Ok(()),
        }
    }

    async fn write(&self, word: &str, name: &str, waits: bool) -> Result<()> {
        let line = format!("{word} {name}");
        let mut notes = self.notes.lock().await;
        try_join_all(notes.iter_mut().map(|notes| notes.add(line.trim_end(), waits))).await?;
        Ok(())
    }
}

#[async_trait]
impl Watch for PoisonLog<'_> {
    async fn begin(&self, object: &RawObject) -> Result<Option<String>> {
        let deadly = self.deadly.get(&object.uri);
        if deadly.is_none() {
            self.note("begin", &object.uri).await?;
        }
        Ok(deadly.cloned())
    }

    async fn end(&self, object: &RawObject) -> Result<()> {
        self.observer.object_done(&object.uri, object.size);
        self.note("end", &object.uri).await
    }

    async fn refused(&self, object: &RawObject) -> Result<bool> {
        self.write("refused", &object.uri, true).await?;
        let before = self.refusals.get(&object.uri).copied().unwrap_or(0);
        Ok(self.goes_on && before + 1 >= REFUSED)
    }

    async fn too_large(&self, object: &RawObject) -> Result<()> {
        self.write("too_large", &object.uri, true).await
    }

    fn may_be_gone(&self) -> bool {
        self.may_be_gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Silent;
    use crate::storage::{Leases, Place};

    async fn after(lines: &[&str]) -> (usize, usize) {
        let folder = tempfile::tempdir().unwrap();
        let batches = [("shop.orders".parse().unwrap(), 7)];
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(folder.path().join("l-shop.orders-7.journal"), text).unwrap();
        let place = Place::of_folder(folder.path());
        let lease = Lease::take(&Leases::at(place.clone()), &[], Duration::ZERO)
            .await
            .unwrap()
            .unwrap();
        let poison = PoisonLog::open(&place, &lease, "l", &batches, &Silent)
            .await
            .unwrap();
        let of = |counts: &HashMap<String, usize>| counts.get("a").copied().unwrap_or(0);
        (of(&poison.deaths), of(&poison.trials))
    }

    #[tokio::test]
    async fn what_was_last_in_hand_is_a_death_and_a_trial_without_an_end_weighs_by_its_time() {
        let died = ["attempt", "begin a"];
        assert_eq!(after(&[died, died].concat()).await, (2, 0));
        assert_eq!(after(&["attempt", "begin a", "end a", "attempt"]).await, (0, 0));
        assert_eq!(after(&["attempt", "begin a", "stopped", "attempt"]).await, (0, 0));
        assert_eq!(
            after(&[&died[..], &["attempt", "trying a"]].concat()).await,
            (1, 1)
        );
        let lasted = ["attempt", "trying a", "lasting a"];
        assert_eq!(after(&lasted).await, (0, LASTED));
        assert_eq!(after(&lasted.repeat(TRIALS / LASTED)).await, (0, TRIALS));
    }

    #[tokio::test]
    async fn an_object_that_came_through_begins_anew() {
        let tried = ["attempt", "begin a", "attempt", "trying a", "cleared a"];
        assert_eq!(after(&tried.repeat(TRIALS)).await, (0, 0));
        assert_eq!(after(&[&tried[..], &["trying a"]].concat()).await, (0, 1));
    }
}
