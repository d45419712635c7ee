//! `schemas`: what programs can rely on in the documents that are printed and published.

use anyhow::Result;
use pipeline::report::{MaintainReport, SCHEMA, Status, WhyObject, WhyRows};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::{acquire, catalog, check, config, demo, doctor, new, quarantine, run, tables, test};
use crate::cli::SchemasArgs;
use crate::exit::{DONE, usage};
use crate::notice::Notice;
use crate::output::{Grid, Output};

/// All schemas.
#[derive(Serialize, JsonSchema)]
struct Document {
    /// Version of this document's shape.
    schema: u32,
    /// By name.
    documents: Vec<Described>,
}

/// A document with its schema.
#[derive(Serialize, JsonSchema)]
struct Described {
    /// Name of the document, and of its file in docs/schemas.
    name: &'static str,
    /// What prints or publishes it.
    from: &'static str,
    /// Its JSON Schema, draft 2020-12.
    json_schema: Schema,
}

/// A document with the schema of what is serialised: a field that can be missing is not required, every other one always
/// stands there, if only as null. Readers have to expect fields that they do not know: a document's `schema` number does
/// not grow with them.
fn described<T: JsonSchema>(name: &'static str, from: &'static str) -> Described {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut json_schema = generator.into_root_schema_for::<T>();
    json_schema.insert("title".to_owned(), from.into());
    Described {
        name,
        from,
        json_schema,
    }
}

/// Every document there is. A query prints rows, which are what the SQL says.
fn all() -> Vec<Described> {
    vec![
        described::<acquire::Acquired>("acquire", "marketlake acquire … --json"),
        described::<acquire::Drained>("acquire_messages", "marketlake acquire jwo|ams|yojaka --json"),
        described::<acquire::Profiles>("acquire_profiles", "marketlake acquire ads profiles --json"),
        described::<acquire::Matched>("acquire_pattern", "marketlake acquire yojaka pattern test --json"),
        described::<acquire::Subscribed>(
            "acquire_subscriptions",
            "marketlake acquire ams subscriptions … --json",
        ),
        described::<acquire::EventsSubscribed>(
            "acquire_yojaka",
            "marketlake acquire yojaka subscribe --json",
        ),
        described::<acquire::Arrangements>(
            "acquire_arranged",
            "marketlake acquire sp-api schedules|notifications --json",
        ),
        described::<catalog::Compared>("catalog_diff", "marketlake catalog diff --json"),
        described::<catalog::Synced>("catalog_sync", "marketlake catalog sync --json"),
        described::<check::Document>("check", "marketlake check --json"),
        described::<config::Document<'_>>("config", "marketlake config --json"),
        described::<demo::Document<'_>>("demo", "marketlake demo --json"),
        described::<doctor::Document>("doctor", "marketlake doctor --json"),
        described::<MaintainReport>("maintain", "marketlake maintain --json"),
        described::<new::Document<'_>>("new", "marketlake new --json"),
        described::<Notice<'_>>("notice", "a line of notices.jsonl, and a message on notice_topic"),
        described::<quarantine::Groups<'_>>("quarantine_list", "marketlake quarantine list --json"),
        described::<quarantine::Rows<'_>>("quarantine_show", "marketlake quarantine show --json"),
        described::<run::Document<'_>>("run", "marketlake run --json, as rebuild and quarantine replay"),
        described::<run::Plans<'_>>("run_dry_run", "marketlake run --dry-run --json"),
        described::<Document>("schemas", "marketlake schemas --json"),
        described::<Status>("status", "marketlake status --json"),
        described::<tables::describe::Table>("table", "marketlake tables TABLE --json"),
        described::<tables::Document>("tables", "marketlake tables --json"),
        described::<test::Document>("test", "marketlake test --json"),
        described::<tables::view::View>("view", "marketlake tables VIEW --json"),
        described::<WhyObject>("why_object", "marketlake why OBJECT --json"),
        described::<WhyRows>("why_rows", "marketlake why TABLE --where CONDITION --json"),
    ]
}

/// Lists the documents, or prints the schema of one.
pub(super) fn schemas(arguments: &SchemasArgs, output: &Output) -> Result<u8> {
    let documents = all();
    let Some(name) = &arguments.document else {
        let document = Document {
            schema: SCHEMA,
            documents,
        };
        output.show(&document, || {
            let mut grid = Grid::new(&["document", "from"]);
            for one in &document.documents {
                grid.row([one.name.to_owned(), one.from.to_owned()]);
            }
            grid.to_string()
        })?;
        return Ok(DONE);
    };
    let Some(one) = documents.iter().find(|one| one.name == name) else {
        let names: Vec<&str> = documents.iter().map(|one| one.name).collect();
        return Err(usage(format!(
            "there is no document {name}; there is {}",
            names.join(", ")
        )));
    };
    output.document(&one.json_schema)?;
    Ok(DONE)
}
