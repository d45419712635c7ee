//! Tables as other engines and people are told about them.

use arrow::datatypes::Field;
use futures::{StreamExt, TryStreamExt};

use crate::contract::{ColumnType, Contract};
use crate::error::Result;
use crate::lake::Lake;
use crate::layout;
use crate::report::{ColumnDescription, TableDescription};

/// Tables looked at at the same time.
const AT_ONCE: usize = 8;

impl Lake {
    /// The tables that exist, as a catalog lists them.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn described(&self) -> Result<Vec<TableDescription>> {
        let descriptions: Vec<Option<TableDescription>> = futures::stream::iter(self.contracts().values())
            .map(|contract| one(self, contract))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(descriptions.into_iter().flatten().collect())
    }
}

async fn one(lake: &Lake, contract: &Contract) -> Result<Option<TableDescription>> {
    let log = lake.table_log(&contract.name)?;
    let Some(snapshot) = log.load().await? else {
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
