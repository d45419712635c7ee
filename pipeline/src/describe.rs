//! Tables as other engines and people are told about them.

use arrow::datatypes::{DataType, Field};
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
        location: log.location().to_string(),
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
        ty: word(field.data_type()),
        doc: declared
            .and_then(|column| column.doc.clone())
            .or_else(|| layout::meaning(field.name()).map(str::to_owned)),
    }
}

/// A type in the words of a contract.
pub(crate) fn word(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => ColumnType::Bool.to_string(),
        DataType::Int64 => ColumnType::Int.to_string(),
        DataType::Float64 => ColumnType::Double.to_string(),
        DataType::Decimal128(precision, scale) => ColumnType::Decimal(*precision, *scale).to_string(),
        DataType::Date32 => ColumnType::Date.to_string(),
        DataType::Timestamp(..) => ColumnType::Timestamp.to_string(),
        DataType::Map(..) => ColumnType::Map.to_string(),
        _ => ColumnType::Text.to_string(),
    }
}
