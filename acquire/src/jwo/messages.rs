//! What messages of a merchant's queue say, and what is done about it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws::Received;
use aws::event::{self, Said};
use futures::StreamExt;
use futures::stream;

use super::copy::{Copied, Copies, Wanted};
use super::{Day, Merchant, of_day};
use crate::error::Result;
use crate::intake::{Fate, Work};
use crate::sns::{Sent, Verifier};

/// The merchants whose reports one queue tells of.
pub struct Merchants<'a> {
    merchants: Vec<(Merchant, Copies)>,
    verifier: &'a Verifier,
    parallel: usize,
    /// Days of which something was copied, by account.
    days: BTreeSet<(usize, String)>,
    /// Paths of copies.
    copied: Vec<String>,
}

impl<'a> Merchants<'a> {
    /// Merchants with what was copied of them; so many reports are copied at the same time.
    pub fn new(merchants: Vec<(Merchant, Copies)>, verifier: &'a Verifier, parallel: usize) -> Self {
        Self {
            merchants,
            verifier,
            parallel: parallel.max(1),
            days: BTreeSet::new(),
            copied: Vec::new(),
        }
    }

    /// How complete the days are that something was copied of.
    ///
    /// # Errors
    ///
    /// When the raw zone cannot be listed.
    pub async fn days(&self) -> Result<Vec<Day>> {
        let mut days = Vec::new();
        for (index, date) in &self.days {
            if let (Some((merchant, copies)), Ok(date)) = (self.merchants.get(*index), date.parse()) {
                days.push(of_day(&merchant.account, copies.raw(), date).await?);
            }
        }
        Ok(days)
    }

    /// Paths of what was copied.
    pub fn copied(&self) -> &[String] {
        &self.copied
    }

    /// What one message comes to, and what it named that was copied.
    async fn one(&self, message: &Received) -> (Fate, Vec<(usize, String)>) {
        match Sent::read(&message.body) {
            Sent::Bare => {}
            Sent::Notification(envelope) => match self.verifier.verify(&envelope).await {
                Ok(Ok(())) => {}
                Ok(Err(forged)) => return (Fate::Dead(forged.to_string()), Vec::new()),
                Err(error) => return (Fate::Later(error.to_string()), Vec::new()),
            },
            // Whoever subscribed the queue confirms it; nobody else's topics are confirmed here.
            Sent::Confirmation(_) | Sent::Farewell(_) => return (Fate::Foreign, Vec::new()),
        }
        let objects = match event::read(&message.body) {
            Said::Objects(objects) => objects,
            Said::Test => return (Fate::Nothing, Vec::new()),
            Said::Foreign => {
                let why = "it is no event of S3";
                return (Fate::Dead(why.to_owned()), Vec::new());
            }
        };
        let (mut fate, mut copied) = (Fate::Nothing, Vec::new());
        for object in objects.iter().filter(|object| !object.is_gone) {
            let found = self
                .merchants
                .iter()
                .enumerate()
                .find_map(|(index, (merchant, copies))| {
                    let is_there = merchant.bucket == object.bucket;
                    let place = is_there.then(|| merchant.place_of(&object.key)).flatten()?;
                    Some((index, copies, place))
                });
            let Some((index, copies, place)) = found else {
                return (Fate::Foreign, copied);
            };
            let wanted = Wanted {
                key: &object.key,
                place,
                version: object.version.as_deref().filter(|version| *version != "null"),
                sequencer: object.sequencer.as_deref(),
            };
            match copies.copy(&wanted).await {
                Ok(Copied::New) => {
                    fate = Fate::Landed;
                    copied.push((index, place.to_owned()));
                }
                Ok(Copied::Known) if fate == Fate::Nothing => fate = Fate::Known,
                Ok(Copied::Known) => {}
                Ok(Copied::Gone) => {
                    let why = format!(
                        "{} is not in {} any more in that version",
                        object.key, object.bucket
                    );
                    return (Fate::Dead(why), copied);
                }
                Err(error) => return (Fate::Later(error.to_string()), copied),
            }
        }
        (fate, copied)
    }
}

#[async_trait]
impl Work for Merchants<'_> {
    async fn take(&mut self, messages: Vec<Received>) -> Vec<(String, Fate)> {
        let this = &*self;
        let works = messages.into_iter().map(|message| async move {
            let (fate, copied) = this.one(&message).await;
            (message.id, fate, copied)
        });
        let done: Vec<_> = stream::iter(works)
            .buffer_unordered(self.parallel)
            .collect()
            .await;
        let mut fates = Vec::new();
        for (id, fate, copied) in done {
            for (index, place) in copied {
                let (_, copies) = &self.merchants[index];
                let day = place.split('/').nth(1).unwrap_or_default().to_owned();
                self.copied.push(copies.raw().below(&place).to_string());
                self.days.insert((index, day));
            }
            fates.push((id, fate));
        }
        fates
    }
}
