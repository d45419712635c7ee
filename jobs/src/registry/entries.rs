//! What a catalog is to say of the tables of a lake.

use std::collections::BTreeSet;

use anyhow::{Error, Result};
use catalog::{Column, Entry, Table, View};
use pipeline::contract::{self, TableName};
use pipeline::lake::Lake;
use pipeline::report::{ColumnDescription, TableDescription};

/// What a catalog is to say of something, or why that is not known.
pub(crate) struct Wanted {
    /// `source.table`.
    pub(crate) name: TableName,
    /// What is to be said.
    pub(crate) entry: Result<Entry>,
    /// The tables that it is of.
    pub(crate) over: Vec<TableName>,
}

/// Those of these tables that exist, then views over them whose tables exist; `name_of` says what the catalog calls a table.
pub(crate) async fn wanted(
    lake: &Lake,
    tables: &BTreeSet<TableName>,
    name_of: impl Fn(&str) -> String,
) -> Vec<Wanted> {
    let mut wanted = of_tables(lake, tables).await;
    for view in lake.contracts().views().values() {
        let is_meant = tables.contains(&view.name) || view.inputs.iter().any(|input| tables.contains(input));
        if !is_meant {
            continue;
        }
        let inputs = lake.described(&view.inputs).await;
        if inputs.len() == view.inputs.len() {
            wanted.push(Wanted {
                name: view.name.clone(),
                entry: Ok(Entry::View(of_view(view, &name_of))),
                over: view.inputs.clone(),
            });
        }
    }
    wanted
}

async fn of_tables(lake: &Lake, tables: &BTreeSet<TableName>) -> Vec<Wanted> {
    let described = lake.described(tables).await;
    let described = described.into_iter().map(|(name, described)| Wanted {
        over: vec![name.clone()],
        name,
        entry: described
            .map(|table| Entry::Table(entry(table)))
            .map_err(Error::from),
    });
    described.collect()
}

fn of_view(view: &contract::View, name_of: impl Fn(&str) -> String) -> View {
    let column = |column: &contract::Column| Column {
        name: column.name.clone(),
        ty: column.ty.to_string(),
        doc: column.doc.clone(),
    };
    View {
        name: view.name.to_string(),
        description: view.description.clone(),
        sql: view.sql_over(name_of),
        columns: view.columns.iter().map(column).collect(),
    }
}

fn entry(table: TableDescription) -> Table {
    let column = |column: ColumnDescription| Column {
        name: column.name,
        ty: column.ty,
        doc: column.doc,
    };
    Table {
        name: table.table,
        description: table.description,
        location: table.location,
        columns: table.columns.into_iter().map(column).collect(),
        partition: table.partition,
        key: table.key,
        delta_schema: table.delta_schema,
    }
}
