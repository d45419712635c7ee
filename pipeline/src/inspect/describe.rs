//! Tables as other engines and people are told about them.

use arrow::datatypes::Field;
use futures::StreamExt;

use crate::contract::{ColumnType, Contract, TableName};
use crate::error::Result;
use crate::lake::Lake;
use crate::layout;
use crate::report::{ColumnDescription, TableDescription};

/// Tables looked at at the same time.
const AT_ONCE: usize = 8;

impl Lake {
    /// Those of these tables that exist, as a catalog lists them, each by itself: one that cannot be read, or that is not as
    /// the tables of a lake are, says so and keeps no other one from being told.
    pub async fn described(
        &self,
        tables: impl IntoIterator<Item = &TableName>,
    ) -> Vec<(TableName, Result<TableDescription>)> {
        let contracts: Vec<&Contract> = tables
            .into_iter()
            .filter_map(|table| self.contracts().get(table))
            .collect();
        let described = futures::stream::iter(contracts).map(async |contract| {
            let described = one(self, contract).await.transpose()?;
            Some((contract.name.clone(), described))
        });
        let described: Vec<_> = described.buffered(AT_ONCE).collect().await;
        described.into_iter().flatten().collect()
    }
}

async fn one(lake: &Lake, contract: &Contract) -> Result<Option<TableDescription>> {
    let log = lake.table_log(&contract.name)?;
    // After a run this is what it committed, and nothing is asked of a bucket.
    let Some(snapshot) = log.known().await? else {
        return Ok(None);
    };
    Ok(Some(TableDescription {
        table: contract.name.to_string(),
        description: contract.description.clone(),
        location: format!("{}/", log.place().address()),
        version: snapshot.version,
        columns: snapshot
            .schema
            .fields()
            .iter()
            .map(|field| column(contract, field))
            .collect(),
        partition: contract.partition.clone(),
        key: contract.key().to_vec(),
        delta_schema: snapshot.delta_schema()?,
    }))
}

fn column(contract: &Contract, field: &Field) -> ColumnDescription {
    let declared = contract.column(field.name());
    ColumnDescription {
        name: field.name().clone(),
        ty: ColumnType::of(field.data_type()).to_string(),
        doc: declared
            .and_then(|column| column.doc.clone())
            .or_else(|| layout::meaning(field.name()).map(str::to_owned)),
    }
}
