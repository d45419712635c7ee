//! A view in the words of its users.

use std::fmt::Write;

use pipeline::contract;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::Grid;

/// One view, as documents and people are told.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::commands) struct View {
    /// `source.view`.
    pub(super) view: String,
    /// What one row is.
    pub(super) description: String,
    /// Tables that it reads.
    inputs: Vec<String>,
    /// Columns in their order.
    columns: Vec<Column>,
    /// Its SELECT.
    pub(super) sql: String,
}

/// A column of a view.
#[derive(Debug, Serialize, JsonSchema)]
struct Column {
    /// Name.
    name: String,
    /// Type in the words of a contract: `text`, `decimal(18,4)`, `timestamp` …
    #[serde(rename = "type")]
    ty: String,
    /// Meaning, unit, source.
    doc: Option<String>,
}

/// What a view is.
pub(super) fn view(view: &contract::View) -> View {
    let column = |column: &contract::Column| Column {
        name: column.name.clone(),
        ty: column.ty.to_string(),
        doc: column.doc.clone(),
    };
    View {
        view: view.name.to_string(),
        description: view.description.clone(),
        inputs: view.inputs.iter().map(ToString::to_string).collect(),
        columns: view.columns.iter().map(column).collect(),
        sql: view.sql.clone(),
    }
}

/// The view for people.
pub(super) fn text(view: &View) -> String {
    let mut text = format!("{}: {}\n\n", view.view, view.description);
    let _ = writeln!(text, "view over  {}\n", view.inputs.join(", "));
    let mut grid = Grid::new(&["column", "type", "meaning"]);
    for column in &view.columns {
        grid.row([
            column.name.clone(),
            column.ty.clone(),
            column.doc.clone().unwrap_or_default(),
        ]);
    }
    text + &grid.to_string()
}
