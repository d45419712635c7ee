//! An entry that is there with what this program has to say in it: everything else stays as others left it.

use std::collections::HashMap;

use aws_sdk_glue::error::BuildError;
use aws_sdk_glue::types::{Column, SerDeInfo, StorageDescriptor, Table, TableInput};

use super::shape::{PATH, SCHEMA};
use crate::difference::Facts;

/// An entry as it was read, in the form in which it is written: what only Glue says of it is left away.
///
/// # Errors
///
/// Where it has no name, which cannot be.
pub(super) fn as_read(table: &Table) -> Result<TableInput, BuildError> {
    TableInput::builder()
        .name(table.name())
        .set_description(table.description.clone())
        .set_owner(table.owner.clone())
        .set_last_access_time(table.last_access_time)
        .set_last_analyzed_time(table.last_analyzed_time)
        .retention(table.retention())
        .set_storage_descriptor(table.storage_descriptor.clone())
        .set_partition_keys(table.partition_keys.clone())
        .set_view_original_text(table.view_original_text.clone())
        .set_view_expanded_text(table.view_expanded_text.clone())
        .set_table_type(table.table_type.clone())
        .set_parameters(table.parameters.clone())
        .set_target_table(table.target_table.clone())
        .build()
}

/// What is wanted, with what the entry has beside it: owner, retention, parameters and whatever else others wrote.
pub(super) fn merged(read: &TableInput, wanted: &TableInput) -> TableInput {
    let mut all = read.clone();
    all.description.clone_from(&wanted.description);
    if wanted.owner.is_some() {
        all.owner.clone_from(&wanted.owner);
    }
    all.storage_descriptor = match (&read.storage_descriptor, &wanted.storage_descriptor) {
        (Some(read), Some(wanted)) => Some(storage(read, wanted)),
        (_, wanted) => wanted.clone(),
    };
    all.partition_keys = columns(read.partition_keys(), wanted.partition_keys());
    all.view_original_text.clone_from(&wanted.view_original_text);
    all.view_expanded_text.clone_from(&wanted.view_expanded_text);
    all.table_type.clone_from(&wanted.table_type);
    all.parameters = together(read.parameters(), wanted.parameters());
    all
}

fn storage(read: &StorageDescriptor, wanted: &StorageDescriptor) -> StorageDescriptor {
    let mut all = read.clone();
    all.columns = columns(read.columns(), wanted.columns());
    all.location.clone_from(&wanted.location);
    all.input_format.clone_from(&wanted.input_format);
    all.output_format.clone_from(&wanted.output_format);
    all.serde_info = match (&read.serde_info, &wanted.serde_info) {
        (Some(read), Some(wanted)) => Some(serde(read, wanted)),
        (_, wanted) => wanted.clone(),
    };
    // The columns are said here.
    all.schema_reference = None;
    all
}

fn serde(read: &SerDeInfo, wanted: &SerDeInfo) -> SerDeInfo {
    let mut all = read.clone();
    all.serialization_library
        .clone_from(&wanted.serialization_library);
    all.parameters = together(read.parameters(), wanted.parameters());
    all
}

type Parameters = HashMap<String, String>;

/// Those of others and the wanted ones, without parts of a longer schema.
fn together(read: Option<&Parameters>, wanted: Option<&Parameters>) -> Option<Parameters> {
    let mut all = read.cloned().unwrap_or_default();
    all.retain(|name, _| !name.starts_with(SCHEMA));
    all.extend(wanted.cloned().unwrap_or_default());
    (!all.is_empty()).then_some(all)
}

/// The wanted columns, with the parameters that those of the same names have; a comment stays where none is wanted.
fn columns(read: &[Column], wanted: &[Column]) -> Option<Vec<Column>> {
    let column = |wanted: &Column| {
        let mut column = wanted.clone();
        if let Some(known) = read.iter().find(|known| known.name == wanted.name) {
            column.comment = wanted.comment.clone().or_else(|| known.comment.clone());
            column.parameters.clone_from(&known.parameters);
        }
        column
    };
    Some(wanted.iter().map(column).collect())
}

/// Everything that an entry says and that this program has a say in.
pub(super) fn facts(input: &TableInput) -> Facts {
    let mut facts = Facts::new();
    let mut say = |what: String, value: Option<&str>| {
        // An empty text says as much as none.
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.insert(what, value.to_owned());
        }
    };
    say("table type".to_owned(), input.table_type());
    say("description".to_owned(), input.description());
    say("owner".to_owned(), input.owner());
    say("view".to_owned(), input.view_original_text());
    say("view text".to_owned(), input.view_expanded_text());
    for (name, value) in input.parameters().into_iter().flatten() {
        say(format!("parameter {name}"), Some(value));
    }
    list("partition", input.partition_keys(), &mut say);
    if let Some(storage) = input.storage_descriptor() {
        say("location".to_owned(), storage.location());
        say("input format".to_owned(), storage.input_format());
        say("output format".to_owned(), storage.output_format());
        list("column", storage.columns(), &mut say);
        if let Some(serde) = storage.serde_info() {
            say("SerDe".to_owned(), serde.serialization_library());
            for (name, value) in serde.parameters().into_iter().flatten() {
                say(format!("SerDe parameter {name}"), Some(value));
            }
        }
    }
    facts
}

fn list(what: &str, columns: &[Column], say: &mut impl FnMut(String, Option<&str>)) {
    let names: Vec<&str> = columns.iter().map(Column::name).collect();
    say(format!("{what}s"), Some(&names.join(", ")));
    for column in columns {
        say(format!("{what} {}", column.name), column.r#type());
        say(format!("comment of {}", column.name), column.comment());
    }
}

/// Where an entry says that the table is; none for a view.
pub(super) fn location(input: &TableInput) -> Option<&str> {
    let storage = input.storage_descriptor()?;
    let of_serde = storage
        .serde_info()
        .and_then(|serde| serde.parameters()?.get(PATH));
    let location = of_serde.map(String::as_str).or_else(|| storage.location());
    location.filter(|location| !location.is_empty())
}

/// Whether two addresses are of one folder, however programs write them.
pub(super) fn is_same_place(one: &str, other: &str) -> bool {
    let bare = |address: &str| {
        let path = address.split_once("://").map_or(address, |(_, path)| path);
        path.trim_end_matches('/').to_owned()
    };
    bare(one) == bare(other)
}
