//! `catalog`: what other engines are told of the tables. A run tells what it changed; here it is compared and mended.

use std::collections::BTreeSet;
use std::fmt::Write;

use anyhow::{Error, Result};
use catalog::{Catalog, Change, Difference, Moves};
use pipeline::contract::TableName;
use pipeline::lake::Lake;
use pipeline::report::SCHEMA;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::{CatalogArgs, CatalogCommand};
use crate::exit::{ATTENTION, DONE, FAILED, usage};
use crate::output::{Grid, chain};
use crate::registry::{InForce, Wanted, in_force, wanted};
use crate::session::{Session, find};

/// Where the catalog says something else than the tables.
#[derive(Serialize, JsonSchema)]
pub(super) struct Compared {
    /// Version of this document's shape.
    schema: u32,
    /// Tables that exist, by name, then views over them.
    entries: Vec<ComparedEntry>,
}

/// One table, as the catalog has it.
#[derive(Serialize, JsonSchema)]
struct ComparedEntry {
    /// `source.table`.
    table: String,
    /// The name by which SQL finds it.
    name: String,
    /// `same`, `missing`, `different` or `failed`.
    state: &'static str,
    /// Where the catalog says something else.
    differences: Vec<Differing>,
    /// Why nothing is known of it; null where all is.
    error: Option<String>,
}

/// A fact that the catalog has another way.
#[derive(Serialize, JsonSchema)]
struct Differing {
    /// What it is about: `location`, `column price`, `parameter table_type`.
    what: String,
    /// What the catalog says; null where it says nothing. Long texts are cut.
    found: Option<String>,
    /// What it should say; null where it should say nothing.
    wanted: Option<String>,
}

/// What was done to the catalog.
#[derive(Serialize, JsonSchema)]
pub(super) struct Synced {
    /// Version of this document's shape.
    schema: u32,
    /// Databases that were made.
    databases: Vec<String>,
    /// Tables that exist, by name, then views over them.
    entries: Vec<SyncedEntry>,
}

/// What became of the entry of one table.
#[derive(Serialize, JsonSchema)]
struct SyncedEntry {
    /// `source.table`.
    table: String,
    /// The name by which SQL finds it.
    name: String,
    /// `added`, `updated`, `unchanged` or `failed`.
    change: &'static str,
    /// Why it failed; null where it did not.
    error: Option<String>,
}

/// Compares or mends.
pub(super) async fn catalog(session: &Session, command: &CatalogCommand) -> Result<u8> {
    let (CatalogCommand::Diff(arguments)
    | CatalogCommand::Sync {
        tables: arguments, ..
    }) = command;
    let lake = session.lake().await?;
    let tables = selected(&lake, arguments)?;
    let create = matches!(
        command,
        CatalogCommand::Sync {
            create_databases: true,
            ..
        }
    );
    let is_diff = matches!(command, CatalogCommand::Diff(_));
    // One of two, which have no type in common.
    let work = async {
        match in_force(session).await? {
            Some(InForce::Local(local)) if is_diff => diff(session, &lake, &tables, &local).await,
            Some(InForce::Local(local)) => sync(session, &lake, &tables, create, &local).await,
            Some(InForce::Glue(glue)) if is_diff => diff(session, &lake, &tables, &glue).await,
            Some(InForce::Glue(glue)) => sync(session, &lake, &tables, create, &glue).await,
            None => Err(usage(
                "a lake in a bucket has no catalog of its own; set catalog = \"glue\"",
            )),
        }
    };
    session.stop.unless(async { Ok(work.await) }).await?
}

fn selected(lake: &Lake, arguments: &CatalogArgs) -> Result<BTreeSet<TableName>> {
    for table in &arguments.tables {
        if !lake.contracts().views().contains_key(table) {
            find(lake.contracts(), table)?;
        }
    }
    Ok(match arguments.tables.is_empty() {
        true => lake.contracts().keys().cloned().collect(),
        false => arguments.tables.iter().cloned().collect(),
    })
}

async fn diff(
    session: &Session,
    lake: &Lake,
    tables: &BTreeSet<TableName>,
    catalog: &impl Catalog,
) -> Result<u8> {
    let mut entries = Vec::new();
    for Wanted { name, entry, .. } in wanted(lake, tables, |name| catalog.name_of(name)).await {
        let compared = async { Ok::<_, Error>(catalog.compare(&entry?).await?) };
        let (differences, error) = match compared.await {
            Ok(differences) => (differences, None),
            Err(error) => (Vec::new(), Some(chain(&error))),
        };
        entries.push(ComparedEntry {
            name: catalog.name_of(&name.to_string()),
            table: name.to_string(),
            state: state(&differences, error.is_some()),
            differences: differences.into_iter().map(differing).collect(),
            error,
        });
    }
    let is_any = |state: &str| entries.iter().any(|entry| entry.state == state);
    let code = match (is_any("failed"), is_any("missing") || is_any("different")) {
        (true, _) => FAILED,
        (false, true) => ATTENTION,
        (false, false) => DONE,
    };
    let document = Compared {
        schema: SCHEMA,
        entries,
    };
    session
        .output
        .show(&document, || compared_text(&document.entries))?;
    Ok(code)
}

fn state(differences: &[Difference], failed: bool) -> &'static str {
    match differences {
        _ if failed => "failed",
        [] => "same",
        [one] if one.is_of_all() => "missing",
        _ => "different",
    }
}

fn differing(difference: Difference) -> Differing {
    Differing {
        what: difference.what,
        found: difference.found,
        wanted: difference.wanted,
    }
}

/// A line per table, and one per difference.
fn compared_text(entries: &[ComparedEntry]) -> String {
    let mut text = String::new();
    for entry in entries.iter().filter(|entry| entry.state != "same") {
        let _ = writeln!(text, "{} ({}): {}", entry.table, entry.name, entry.state);
        for one in &entry.differences {
            let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            if entry.state == "different" {
                let _ = writeln!(
                    text,
                    "  {}: {}, not {}",
                    one.what,
                    said(&one.found),
                    said(&one.wanted)
                );
            }
        }
        if let Some(error) = &entry.error {
            let _ = writeln!(text, "  {error}");
        }
    }
    let same = entries.iter().filter(|entry| entry.state == "same").count();
    let _ = writeln!(text, "{same} of {} tables are as the catalog says", entries.len());
    text
}

async fn sync(
    session: &Session,
    lake: &Lake,
    tables: &BTreeSet<TableName>,
    create_databases: bool,
    catalog: &impl Catalog,
) -> Result<u8> {
    let mut databases = Vec::new();
    if create_databases {
        let sources: BTreeSet<&str> = tables.iter().map(|table| table.source.as_str()).collect();
        for source in sources {
            databases.extend(catalog.make_room(source).await?);
        }
    }
    let mut entries = Vec::new();
    for Wanted { name, entry, .. } in wanted(lake, tables, |name| catalog.name_of(name)).await {
        let registered = async { Ok::<_, Error>(catalog.register(&entry?, Moves::Followed).await?) };
        let (change, error) = match registered.await {
            Ok(Change::Added) => ("added", None),
            Ok(Change::Updated) => ("updated", None),
            Ok(Change::Unchanged) => ("unchanged", None),
            Err(error) => ("failed", Some(chain(&error))),
        };
        entries.push(SyncedEntry {
            name: catalog.name_of(&name.to_string()),
            table: name.to_string(),
            change,
            error,
        });
    }
    let failed = entries.iter().any(|entry| entry.error.is_some());
    let document = Synced {
        schema: SCHEMA,
        databases,
        entries,
    };
    session.output.show(&document, || synced_text(&document))?;
    Ok(if failed { FAILED } else { DONE })
}

/// What was made, a line per table with news, and one for all others.
fn synced_text(document: &Synced) -> String {
    let mut text = String::new();
    for database in &document.databases {
        let _ = writeln!(text, "database {database} made");
    }
    let mut grid = Grid::new(&["table", "name", "entry"]);
    let mut unchanged = 0;
    for entry in &document.entries {
        match entry.change {
            "unchanged" => unchanged += 1,
            change => grid.row([entry.table.clone(), entry.name.clone(), change.to_owned()]),
        }
    }
    if unchanged < document.entries.len() {
        text.push_str(&grid.to_string());
    }
    for entry in &document.entries {
        if let Some(error) = &entry.error {
            let _ = writeln!(text, "{}: {error}", entry.table);
        }
    }
    let _ = writeln!(
        text,
        "{unchanged} of {} tables were registered as they are",
        document.entries.len()
    );
    text
}
