//! What a catalog is to say of the tables of a lake.

use std::collections::BTreeSet;

use anyhow::{Error, Result};
use catalog::{Column, Entry, Table};
use pipeline::contract::TableName;
use pipeline::lake::Lake;
use pipeline::report::{ColumnDescription, TableDescription};

/// What a catalog is to say of something, or why that is not known.
pub(crate) struct Wanted {
    /// `source.table`.
    pub(crate) name: TableName,
    /// What is to be said.
    pub(crate) entry: Result<Entry>,
}

/// Those of these tables that exist.
pub(crate) async fn wanted(lake: &Lake, tables: &BTreeSet<TableName>) -> Vec<Wanted> {
    let described = lake.described(tables).await;
    let described = described.into_iter().map(|(name, described)| Wanted {
        name,
        entry: described
            .map(|table| Entry::Table(entry(table)))
            .map_err(Error::from),
    });
    described.collect()
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
