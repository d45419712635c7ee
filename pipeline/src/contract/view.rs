//! A query with a name.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, visit_relations_mut};

use super::rules::sql::names::{parse, table_of};
use super::{Column, TableName};

/// A query over tables that is computed whenever somebody asks for it; other engines find it beside the tables.
#[derive(Debug, Clone)]
pub struct View {
    /// Name of the view.
    pub name: TableName,
    /// One sentence: what one row is.
    pub description: String,
    /// Columns in their order; of each name, type and meaning.
    pub columns: Vec<Column>,
    /// Tables that the query reads.
    pub inputs: Vec<TableName>,
    /// The query, in what DataFusion and Trino have in common.
    pub sql: String,
}

impl View {
    /// The query over tables that have other names elsewhere, `source.table` by `name`.
    pub fn sql_over(&self, name: impl Fn(&str) -> String) -> String {
        let Ok(query) = parse(&self.sql) else {
            // A view that does not parse is refused before anybody asks.
            return self.sql.clone();
        };
        let mut query = query.as_ref().clone();
        let _ = visit_relations_mut(&mut query, |relation| {
            let mut known = self.inputs.iter().map(ToString::to_string);
            if let Some(known) = known.find(|known| *known == table_of(relation).join(".")) {
                let parts = name(&known);
                *relation = ObjectName::from(parts.split('.').map(Ident::new).collect::<Vec<_>>());
            }
            ControlFlow::<()>::Continue(())
        });
        query.to_string()
    }
}
