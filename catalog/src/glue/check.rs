//! Whether the program may register tables, asked in ways that change nothing.

use aws_sdk_glue::types::TableInput;

use super::{GlueCatalog, Refused};
use crate::{Error, Result};

/// A table that nobody has.
const NOBODYS: &str = "marketlake_doctor";

/// What was looked at in a database.
#[derive(Debug)]
pub struct Looked {
    /// Its name.
    pub database: String,
    /// The action, as policies name it.
    pub action: &'static str,
    /// Whether it may be done; none where it could not be found out without doing it.
    pub found: Option<Result<()>>,
    /// Whether the program may not do it.
    pub is_denied: bool,
}

impl GlueCatalog {
    /// Looks at the database of a source, and at what the program may do there with these tables of it.
    pub async fn look_at(&self, source: &str, tables: &[String]) -> Vec<Looked> {
        let database = self.databases.of_source(source);
        let looked = |action, refused: Option<Refused>, is_welcome: fn(&Refused) -> bool| {
            let refused = refused.filter(|refused| !is_welcome(refused));
            Looked {
                database: database.clone(),
                action,
                is_denied: refused.as_ref().is_some_and(Refused::is_denied),
                found: Some(match refused {
                    None => Ok(()),
                    Some(refused) if refused.is_missing() => Err(Error::NoDatabase {
                        database: database.clone(),
                    }),
                    Some(refused) => Err(refused.explained()),
                }),
            }
        };
        let get = self.client.get_database().name(&database).send().await;
        let get = get
            .err()
            .map(|error| Refused::of("glue:GetDatabase", &database, &error));
        let is_there = get.is_none();
        let mut all = vec![looked("glue:GetDatabase", get, |_| false)];
        if !is_there {
            return all;
        }
        // What is not there may be asked for by who may.
        let table = self
            .client
            .get_table()
            .database_name(&database)
            .name(NOBODYS)
            .send()
            .await;
        let table = table
            .err()
            .map(|error| Refused::of("glue:GetTable", &database, &error));
        all.push(looked("glue:GetTable", table, Refused::is_missing));
        let update = self.client.update_table().database_name(&database);
        let update = update.set_table_input(named(NOBODYS)).send().await;
        let update = update
            .err()
            .map(|error| Refused::of("glue:UpdateTable", &database, &error));
        all.push(looked("glue:UpdateTable", update, Refused::is_missing));
        all.push(match self.one_of(&database, tables).await {
            // A table that is there cannot be made.
            Some(known) => {
                let create = self.client.create_table().database_name(&database);
                let create = create.set_table_input(named(&known)).send().await;
                let create = create
                    .err()
                    .map(|error| Refused::of("glue:CreateTable", &database, &error));
                looked("glue:CreateTable", create, Refused::is_there)
            }
            None => Looked {
                database: database.clone(),
                action: "glue:CreateTable",
                found: None,
                is_denied: false,
            },
        });
        all
    }

    /// One of these tables that is there.
    async fn one_of(&self, database: &str, tables: &[String]) -> Option<String> {
        for table in tables {
            let known = self.client.get_table().database_name(database).name(table).send();
            if known.await.is_ok() {
                return Some(table.clone());
            }
        }
        None
    }
}

fn named(table: &str) -> Option<TableInput> {
    TableInput::builder().name(table).build().ok()
}
