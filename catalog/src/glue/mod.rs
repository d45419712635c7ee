//! The Data Catalog of AWS Glue, in which Athena looks tables up.
//!
//! An entry is read first, and written only where it says something else than it should: readers take the version of a
//! table from its log. What others wrote into an entry stays. Who writes names the version that it has read, so that of
//! two writers the second one reads again.

mod check;
mod databases;
mod merge;
mod refused;
mod shape;
#[cfg(test)]
mod tests;
mod view;

use std::time::Duration;

use aws_sdk_glue::Client;
use aws_sdk_glue::types::{DatabaseInput, TableInput};
use aws_types::SdkConfig;
use uuid::Uuid;

use crate::{Catalog, Change, Difference, Entry, Error, Moves, Result};

pub use check::Looked;
pub use databases::Databases;
use merge::{as_read, facts, is_same_place, location, merged};
use refused::Refused;
use shape::OURS;

/// Rounds of reading and writing before it is given up; the client repeats what it can by itself.
const ROUNDS: u32 = 8;
/// The first pause between two rounds; each is up to twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(100);

/// A Data Catalog, whose databases hold the tables of sources.
#[derive(Debug, Clone)]
pub struct GlueCatalog {
    client: Client,
    databases: Databases,
}

/// An entry as it is there.
struct Known {
    input: TableInput,
    version: Option<String>,
}

/// How a round ended.
enum Round {
    Done(Change),
    /// Somebody else was first, or too much was asked for.
    Again(Refused),
}

impl GlueCatalog {
    /// The catalog of who the program is at AWS. Nothing is asked of it.
    pub fn new(config: &SdkConfig, databases: Databases) -> Self {
        Self {
            client: Client::new(config),
            databases,
        }
    }

    /// The database and the name of an entry.
    fn place<'a>(&self, entry: &'a Entry) -> (String, &'a str) {
        let name = entry.name();
        let (_, table) = name.split_once('.').unwrap_or((name, name));
        (self.databases.of(name), table)
    }

    fn wanted(&self, entry: &Entry) -> Result<TableInput> {
        let (_, name) = self.place(entry);
        match entry {
            Entry::Table(table) => shape::table(table, name),
            Entry::View(view) => view::view(view, &self.databases, name),
        }
    }

    /// The entry; none where its database has none.
    async fn known(&self, entry: &Entry) -> Result<Option<Known>, Ending> {
        let (database, name) = self.place(entry);
        let asked = self.client.get_table().database_name(&database).name(name);
        let answer = match asked.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let refused = Refused::of("glue:GetTable", &format!("{database}.{name}"), &error);
                if !refused.is_missing() {
                    return Err(refused.into());
                }
                // The same is said where there is no database.
                self.look_for(&database).await?;
                return Ok(None);
            }
        };
        let Some(table) = answer.table else {
            return Ok(None);
        };
        let input = as_read(&table).map_err(|error| Error::Unfit {
            name: entry.name().to_owned(),
            why: error.to_string(),
        })?;
        Ok(Some(Known {
            input,
            version: table.version_id,
        }))
    }

    async fn look_for(&self, database: &str) -> Result<(), Ending> {
        match self.client.get_database().name(database).send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let refused = Refused::of("glue:GetDatabase", database, &error);
                Err(match refused.is_missing() {
                    true => Ending::Failed(Error::NoDatabase {
                        database: database.to_owned(),
                    }),
                    false => refused.into(),
                })
            }
        }
    }

    /// Reads, and writes what has to be written.
    async fn round(&self, entry: &Entry, wanted: &TableInput, moves: Moves) -> Result<Round, Ending> {
        let Some(known) = self.known(entry).await? else {
            return self.create(entry, wanted).await;
        };
        self.check_owner(entry, &known.input, wanted, moves)?;
        let input = merged(&known.input, wanted);
        if facts(&input) == facts(&known.input) {
            return Ok(Round::Done(Change::Unchanged));
        }
        let (database, name) = self.place(entry);
        let update = self
            .client
            .update_table()
            .database_name(&database)
            .table_input(input);
        let update = update.set_version_id(known.version).skip_archive(true);
        match update.send().await {
            Ok(_) => Ok(Round::Done(Change::Updated)),
            Err(error) => {
                let refused = Refused::of("glue:UpdateTable", &format!("{database}.{name}"), &error);
                // Somebody has dropped it meanwhile.
                match refused.is_missing() {
                    true => Ok(Round::Again(refused)),
                    false => Err(refused.into()),
                }
            }
        }
    }

    async fn create(&self, entry: &Entry, wanted: &TableInput) -> Result<Round, Ending> {
        let (database, name) = self.place(entry);
        let create = self
            .client
            .create_table()
            .database_name(&database)
            .table_input(wanted.clone());
        match create.send().await {
            Ok(_) => Ok(Round::Done(Change::Added)),
            Err(error) => {
                let refused = Refused::of("glue:CreateTable", &format!("{database}.{name}"), &error);
                match refused.is_there() {
                    true => Ok(Round::Again(refused)),
                    false => Err(refused.into()),
                }
            }
        }
    }

    /// Refuses to write over the entry of somebody else, and unasked over that of another lake.
    fn check_owner(
        &self,
        entry: &Entry,
        known: &TableInput,
        wanted: &TableInput,
        moves: Moves,
    ) -> Result<()> {
        let name = self.name_of(entry.name());
        let is_ours = known.parameters().is_some_and(|all| all.get(OURS).is_some());
        let is_alike = known.table_type() == wanted.table_type();
        let (there, here) = (location(known), location(wanted));
        let is_here = match (there, here) {
            (Some(there), Some(here)) => is_same_place(there, here),
            (there, here) => there.is_none() && here.is_none(),
        };
        let what = || match known.table_type() {
            Some("VIRTUAL_VIEW") => "a view".to_owned(),
            _ => there.unwrap_or("a table without a location").to_owned(),
        };
        // A table that somebody made by hand for the same folder is this one; a view has nothing to tell by.
        if !is_ours && (!is_here || !is_alike || here.is_none()) {
            return Err(Error::Foreign { name, there: what() });
        }
        if is_alike && !is_here && moves == Moves::Refused {
            return Err(Error::Elsewhere {
                name,
                there: what(),
                here: here.unwrap_or_default().to_owned(),
            });
        }
        Ok(())
    }
}

impl Catalog for GlueCatalog {
    async fn register(&self, entry: &Entry, moves: Moves) -> Result<Change> {
        let wanted = self.wanted(entry)?;
        let (mut round, mut pause) = (1, PAUSE);
        loop {
            let refused = match self.round(entry, &wanted, moves).await {
                Ok(Round::Done(change)) => return Ok(change),
                Ok(Round::Again(refused)) => refused,
                Err(Ending::Refused(refused)) if refused.passes() => refused,
                Err(ending) => return Err(ending.into()),
            };
            if round == ROUNDS {
                return Err(refused.explained());
            }
            tracing::debug!(?refused, round, "Glue is asked again");
            // Between a half and the whole, so that two that met do not meet again.
            let half = pause / 2;
            let jitter = Uuid::new_v4().as_u128() % (half.as_micros() + 1);
            tokio::time::sleep(half + Duration::from_micros(jitter as u64)).await;
            (round, pause) = (round + 1, pause * 2);
        }
    }

    async fn compare(&self, entry: &Entry) -> Result<Vec<Difference>> {
        let wanted = self.wanted(entry)?;
        let Some(known) = self.known(entry).await? else {
            return Ok(vec![Difference::missing(self.name_of(entry.name()))]);
        };
        let merged = merged(&known.input, &wanted);
        Ok(Difference::between(&facts(&known.input), &facts(&merged)))
    }

    async fn make_room(&self, source: &str) -> Result<Option<String>> {
        let database = self.databases.of_source(source);
        match self.look_for(&database).await {
            Ok(()) => return Ok(None),
            Err(Ending::Failed(Error::NoDatabase { .. })) => {}
            Err(ending) => return Err(ending.into()),
        }
        let input = DatabaseInput::builder()
            .name(&database)
            .description(format!(
                "Tables of the source {source}, registered by marketlake."
            ))
            .build()
            .map_err(|error| Error::Unfit {
                name: database.clone(),
                why: error.to_string(),
            })?;
        match self.client.create_database().database_input(input).send().await {
            Ok(_) => Ok(Some(database)),
            Err(error) => {
                let refused = Refused::of("glue:CreateDatabase", &database, &error);
                match refused.is_there() {
                    true => Ok(None),
                    false => Err(refused.explained()),
                }
            }
        }
    }

    fn name_of(&self, name: &str) -> String {
        let (_, table) = name.split_once('.').unwrap_or((name, name));
        format!("{}.{table}", self.databases.of(name))
    }
}

/// Why a round has no result.
enum Ending {
    Refused(Refused),
    Failed(Error),
}

impl From<Refused> for Ending {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Ending> for Error {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Refused(refused) => refused.explained(),
            Ending::Failed(error) => error,
        }
    }
}
