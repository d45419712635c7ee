//! What other engines are told of the tables of a lake, in the catalog that is in force.

mod entries;

use std::collections::BTreeSet;

use anyhow::{Error, Result};
use catalog::{Catalog, GlueCatalog, LocalCatalog, Moves};
use pipeline::contract::{Feed, TableName};
use pipeline::lake::Lake;
use pipeline::report::News;

use crate::config::WhichCatalog;
use crate::session::Session;

pub(crate) use entries::{Wanted, wanted};

/// The catalog that is in force.
pub(crate) enum InForce {
    /// A file beside the tables.
    Local(LocalCatalog),
    /// AWS Glue.
    Glue(GlueCatalog),
}

/// None for a lake in a bucket without one.
pub(crate) async fn in_force(session: &Session) -> Result<Option<InForce>> {
    let config = &session.config;
    Ok(match config.catalog {
        WhichCatalog::Glue => {
            let aws = session.at_aws.get().await?;
            let glue = GlueCatalog::new(aws.config(), config.databases.clone());
            Some(InForce::Glue(glue))
        }
        WhichCatalog::Local => {
            let folder = config.curated_folder();
            folder.map(|folder| InForce::Local(LocalCatalog::in_folder(&folder)))
        }
    })
}

/// What is not registered.
pub(crate) struct Unregistered {
    /// Tables that it is of: of a view those below it.
    pub(crate) tables: BTreeSet<String>,
    /// Why.
    pub(crate) error: Error,
}

/// Registers the tables that news tell of, and views over them: what was committed and is not known to be registered, also by
/// runs that died. Gives what is not registered.
pub(crate) async fn register(session: &Session, lake: &Lake, news: &[&News]) -> Vec<Unregistered> {
    let committed = news.iter().filter(|news| news.table.batches > 0);
    let mut tables: BTreeSet<TableName> = committed
        .filter_map(|news| news.table.table.parse().ok())
        .collect();
    // Inputs without a row are made when something is computed from them, and no news tells of that.
    let inputs: Vec<TableName> = tables
        .iter()
        .flat_map(|table| inputs_of(lake, table))
        .cloned()
        .collect();
    tables.extend(inputs);
    if tables.is_empty() {
        return Vec::new();
    }
    match in_force(session).await {
        Ok(Some(InForce::Local(local))) => registered(lake, &tables, &local).await,
        Ok(Some(InForce::Glue(glue))) => registered(lake, &tables, &glue).await,
        Ok(None) => Vec::new(),
        Err(error) => vec![Unregistered {
            tables: tables.iter().map(ToString::to_string).collect(),
            error: error.context("nothing is registered in the catalog"),
        }],
    }
}

/// Tables that a table is computed from; none of one that is fed by raw objects.
fn inputs_of<'a>(lake: &'a Lake, table: &TableName) -> &'a [TableName] {
    match lake.contracts().get(table).map(|contract| &contract.feed) {
        Some(Feed::Inputs(feed)) => &feed.inputs,
        _ => &[],
    }
}

async fn registered(lake: &Lake, tables: &BTreeSet<TableName>, catalog: &impl Catalog) -> Vec<Unregistered> {
    let mut failed = Vec::new();
    for Wanted { name, entry, over } in wanted(lake, tables, |name| catalog.name_of(name)).await {
        let registered = async { Ok::<_, Error>(catalog.register(&entry?, Moves::Refused).await?) };
        match registered.await {
            Ok(change) => tracing::debug!(table = %name, ?change, "registered in the catalog"),
            Err(error) => failed.push(Unregistered {
                tables: over.iter().map(ToString::to_string).collect(),
                error: error.context(format!("{name} is not registered in the catalog")),
            }),
        }
    }
    failed
}
