//! `tables`: what the contracts say, and the SQL that makes the rows.

pub(super) mod describe;
pub(super) mod view;

use anyhow::Result;
use pipeline::report::SCHEMA;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::TablesArgs;
use crate::exit::DONE;
use crate::output::Grid;
use crate::session::{Session, find};

/// The tables of the contracts in force.
#[derive(Serialize, JsonSchema)]
pub(super) struct Document {
    /// Version of this document's shape.
    schema: u32,
    /// By name.
    tables: Vec<describe::Table>,
    /// Views over them, by name.
    views: Vec<view::View>,
}

/// Lists the tables, describes one, or prints its SQL.
pub(super) async fn tables(session: &Session, arguments: &TablesArgs) -> Result<u8> {
    let Some(name) = &arguments.table else {
        let contracts = session.contracts()?;
        let tables: Vec<_> = contracts.values().map(describe::table).collect();
        let document = Document {
            schema: SCHEMA,
            tables,
            views: contracts.views().values().map(view::view).collect(),
        };
        session.output.show(&document, || list(&document))?;
        return Ok(DONE);
    };
    if let Some(view) = session.contracts()?.views().get(name) {
        let view = view::view(view);
        match arguments.sql {
            true => session.output.data(&format!("{}\n", view.sql.trim_end()))?,
            false => session.output.show(&view, || view::text(&view))?,
        }
        return Ok(DONE);
    }
    if arguments.sql {
        let lake = session.lake().await?;
        find(lake.contracts(), name)?;
        let sql = lake.generated_sql(name)?;
        session.output.data(&format!("{}\n", sql.trim_end()))?;
        return Ok(DONE);
    }
    let contracts = session.contracts()?;
    let table = describe::table(find(&contracts, name)?);
    session.output.show(&table, || describe::text(&table))?;
    Ok(DONE)
}

fn list(document: &Document) -> String {
    let mut grid = Grid::new(&["table", "keeps", "description"]);
    let tables = document
        .tables
        .iter()
        .map(|table| (&table.table, table.keep, &table.description));
    let views = document
        .views
        .iter()
        .map(|view| (&view.view, "view", &view.description));
    for (name, keeps, description) in tables.chain(views) {
        let sentence = description.split(". ").next().unwrap_or_default();
        grid.row([
            name.clone(),
            keeps.to_owned(),
            sentence.trim_end_matches('.').to_owned(),
        ]);
    }
    grid.to_string()
}
