//! The value of a column, from the fields that it takes.

use crate::contract::{Column, ColumnType, Personal, Zone};

use super::Item;
use super::names::name;

/// `CAST(coalesce(…) AS …) AS column` for a column that takes text fields.
pub(super) fn from_fields(column: &Column) -> Item {
    if column.from == ["*"] {
        let sql = format!("_fields AS {}", name(&column.name));
        return Item::noted(sql, "all fields as delivered, but for personal ones");
    }
    let fields: Vec<String> = column.from.iter().map(|field| name(field)).collect();
    let value = match fields.as_slice() {
        [field] => field.clone(),
        fields => format!("coalesce({})", fields.join(", ")),
    };
    match column.personal {
        Some(Personal::Drop) => Item::noted(
            aliased(&cast("NULL", &column.ty), column),
            "personal: never stored",
        ),
        Some(Personal::Hash) => Item::noted(
            aliased(&format!("hmac_sha256({value})"), column),
            "personal: hashed with the key of the lake; null without one",
        ),
        None => Item {
            sql: aliased(&cast(&value, &column.ty), column),
            note: zone(column),
        },
    }
}

/// `CAST(column AS …) AS column` for a column that a SELECT gives.
pub(super) fn from_column(column: &Column) -> Item {
    let value = name(&column.name);
    Item::new(format!("CAST({value} AS {}) AS {value}", type_of(&column.ty)))
}

/// A text as a value of a type.
pub(super) fn cast(value: &str, ty: &ColumnType) -> String {
    match ty {
        ColumnType::Text if value != "NULL" => value.to_owned(),
        ty => format!("CAST({value} AS {})", type_of(ty)),
    }
}

fn aliased(value: &str, column: &Column) -> String {
    let alias = name(&column.name);
    if value == alias {
        alias
    } else {
        format!("{value} AS {alias}")
    }
}

fn zone(column: &Column) -> Option<String> {
    let note = match (&column.ty, column.zone) {
        (ColumnType::Date, Zone::Account) => "the day in the account's zone",
        (ColumnType::Date, Zone::AsWritten) => "the day as written, whatever the offset",
        (ColumnType::Timestamp, Zone::Account) => "a text without an offset is in the account's zone",
        _ => return None,
    };
    Some(note.to_owned())
}

/// The type in SQL.
fn type_of(ty: &ColumnType) -> String {
    match ty {
        ColumnType::Text => "VARCHAR".to_owned(),
        ColumnType::Bool => "BOOLEAN".to_owned(),
        ColumnType::Int => "BIGINT".to_owned(),
        ColumnType::Decimal(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        ColumnType::Double => "DOUBLE".to_owned(),
        ColumnType::Date => "DATE".to_owned(),
        ColumnType::Timestamp => "TIMESTAMP WITH TIME ZONE".to_owned(),
        ColumnType::Map => "MAP(VARCHAR, VARCHAR)".to_owned(),
    }
}
