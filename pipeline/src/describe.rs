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

/// The tables of the contracts that exist.
pub(crate) async fn described(lake: &Lake) -> Result<Vec<TableDescription>> {
    let descriptions: Vec<Option<TableDescription>> = futures::stream::iter(lake.contracts().values())
        .map(|contract| one(lake, contract))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(descriptions.into_iter().flatten().collect())
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
            .or_else(|| bookkeeping(field.name()).map(str::to_owned)),
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

fn bookkeeping(name: &str) -> Option<&'static str> {
    Some(match name {
        layout::EXTRA => {
            "Raw fields that no column names; an empty text stands for a value that may be personal."
        }
        layout::OBJECT => "Raw object that the row comes from.",
        layout::ROW => "Ordinal of the row in that object, from 1.",
        layout::BATCH => "Batch that wrote the row last.",
        layout::LOADED_AT => "Time of that batch's claim.",
        layout::HASH => "Hash of the raw fields as delivered.",
        layout::ORDER => "Place of the row among all observations of its key, as sortable text.",
        layout::OLDER => {
            "Place of each value that is older than its row, and of the newest row that states its whole record."
        }
        _ => return None,
    })
}
