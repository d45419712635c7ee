//! What Glue is told about a view, in the shape in which Athena and Trino keep theirs.
//!
//! A view says the types of its columns beside its SQL, and does not run where these are not what the SQL gives. So each
//! column is cast. No view has a column of instants in a zone: they are read as UTC without one.

use aws_sdk_glue::types::{SerDeInfo, StorageDescriptor, TableInput};
use aws_smithy_types::base64;
use serde_json::json;

use super::Databases;
use super::shape::{OURS, glue_column};
use crate::{Column, Error, Result, View};

/// What Athena calls the Data Catalog in SQL.
const CATALOG: &str = "awsdatacatalog";
/// Without an owner Trino refuses a view.
const OWNER: &str = "marketlake";
/// Bytes of a view's text that Glue takes.
const TEXT: usize = 409_600;

const BEGIN: &str = "/* Presto View: ";
const END: &str = " */";

/// The entry of a view; `name` is its name in the database. It has no description, not even an empty one: that would take
/// the place of the comment by which a view is known.
pub(super) fn view(view: &View, databases: &Databases, name: &str) -> Result<TableInput> {
    let unfit = |why: String| Error::Unfit {
        name: view.name.clone(),
        why,
    };
    let mut columns = Vec::new();
    for column in &view.columns {
        let typed = json!({"name": column.name, "type": trino_type(column).map_err(unfit)?});
        columns.push((glue_column(column).map_err(unfit)?, typed));
    }
    let (columns, typed): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let blob = json!({
        "originalSql": sql(view).map_err(unfit)?,
        "catalog": CATALOG,
        "schema": databases.of(&view.name),
        "columns": typed,
        "runAsInvoker": false,
        "path": [],
    });
    let text = format!("{BEGIN}{}{END}", base64::encode(blob.to_string()));
    if text.len() > TEXT {
        return Err(unfit(format!(
            "its text has {} bytes, and Glue takes {TEXT}",
            text.len()
        )));
    }
    let storage = StorageDescriptor::builder()
        .set_columns(Some(columns))
        .location("")
        .serde_info(SerDeInfo::builder().build());
    TableInput::builder()
        .name(name)
        .owner(OWNER)
        .table_type("VIRTUAL_VIEW")
        .storage_descriptor(storage.build())
        .set_partition_keys(Some(Vec::new()))
        .parameters("presto_view", "true")
        .parameters("comment", "Presto View")
        .parameters(OURS, &view.name)
        .view_original_text(text)
        .view_expanded_text("/* Presto View */")
        .build()
        .map_err(|error| unfit(error.to_string()))
}

/// The query of the view with every column cast.
fn sql(view: &View) -> Result<String, String> {
    let columns: Result<Vec<String>, String> = view.columns.iter().map(cast).collect();
    Ok(format!("SELECT {} FROM ({}) AS v", columns?.join(", "), view.sql))
}

fn cast(column: &Column) -> Result<String, String> {
    let name = format!("\"{}\"", column.name);
    let ty = trino_type(column)?;
    let value = match column.ty.as_str() {
        "timestamp" => format!("{name} AT TIME ZONE 'UTC'"),
        _ => name.clone(),
    };
    Ok(format!("CAST({value} AS {ty}) AS {name}"))
}

/// The type as Trino writes it.
fn trino_type(column: &Column) -> Result<&str, String> {
    Ok(match column.ty.as_str() {
        "text" => "varchar",
        "bool" => "boolean",
        "int" => "bigint",
        "double" => "double",
        "date" => "date",
        "timestamp" => "timestamp(3)",
        decimal if decimal.starts_with("decimal(") => decimal,
        other => return Err(format!("column {} of a view cannot be a {other}", column.name)),
    })
}
