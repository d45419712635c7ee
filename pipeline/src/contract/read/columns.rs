//! The `[columns]` of a contract.

use super::section::{Section, mistyped, owned};
use crate::contract::diagnostic::{Code, Findings, Position};
use crate::contract::files::toml::{Entry, Table, Value};
use crate::contract::name::is_name;
use crate::contract::{Column, ColumnType, LINEAGE, Pick, Unreadable, Zone, is_lineage};

/// Reads the columns in their order. Where the rows come from other tables, only type and doc can be said.
pub(crate) fn read(
    section: &Section<'_>,
    start: &Position,
    has_inputs: bool,
    found: &mut Findings,
) -> Vec<Column> {
    let empty = Table::default();
    let table = section.table("columns", found).unwrap_or(&empty);
    if table.entries.is_empty() && !section.has("columns") {
        found.add(Code::MissingKey, start, "columns are missing");
    }
    table
        .entries
        .iter()
        .filter_map(|entry| column(entry, has_inputs, found))
        .collect()
}

fn column(entry: &Entry, has_inputs: bool, found: &mut Findings) -> Option<Column> {
    let name = entry.key.as_str();
    check_name(name, &entry.node.at, found);
    let mut column = Column::plain(name, ColumnType::Text);
    match &entry.node.value {
        Value::Text(text) => column.ty = column_type(text, &entry.node.at, found),
        Value::Table(table) => fill(
            &mut column,
            &Section::new(table),
            &entry.node.at,
            has_inputs,
            found,
        ),
        _ => return mistyped(name, &entry.node, "a type or a table", found),
    }
    Some(column)
}

fn fill(column: &mut Column, section: &Section<'_>, at: &Position, has_inputs: bool, found: &mut Findings) {
    section.only(
        &[
            "type",
            "from",
            "doc",
            "zone",
            "personal",
            "required",
            "pick",
            "unreadable",
        ],
        "a column",
        found,
    );
    match section.text("type", found) {
        Some(ty) => column.ty = column_type(ty.text, ty.at, found),
        None if section.has("type") => {}
        None => found.add(
            Code::MissingKey,
            at,
            format!("column {:?} has no type", column.name),
        ),
    }
    column.doc = section.text("doc", found).map(|doc| doc.text.to_owned());
    if has_inputs {
        for key in ["from", "zone", "personal", "required", "pick", "unreadable"]
            .into_iter()
            .filter(|key| section.has(key))
        {
            let message = format!(
                "column {:?} has {key}, but its values come from other tables",
                column.name
            );
            found.add_with_help(Code::WrongFeed, at, message, "say it in the SQL");
        }
        return;
    }
    if section.has("from") {
        column.from = owned(section.text_or_list("from", found));
    }
    check_from(column, at, found);
    check_zone(column, section, at, found);
    column.personal = section.word("personal", found);
    column.required = section.flag("required", found).unwrap_or(false);
    column.pick = section.word("pick", found).unwrap_or(Pick::Newest);
    column.unreadable = section.word("unreadable", found).unwrap_or(Unreadable::Reject);
}

fn check_name(name: &str, at: &Position, found: &mut Findings) {
    if name.starts_with('_') {
        let message = format!("column {name:?} starts with an underscore, as bookkeeping columns do");
        found.add_with_help(
            Code::ReservedName,
            at,
            message,
            "give it another name and say from",
        );
    } else if name == crate::contract::EXTRA {
        let message = format!("column {name:?} is where unknown raw fields go");
        found.add_with_help(Code::ReservedName, at, message, "give it another name");
    } else if !is_name(name) {
        let message = format!("column {name:?} is not [a-z][a-z0-9_]*");
        found.add_with_help(Code::BadName, at, message, "give it another name and say from");
    }
}

fn column_type(text: &str, at: &Position, found: &mut Findings) -> ColumnType {
    text.parse().unwrap_or_else(|message: String| {
        match instead(text) {
            Some(help) => found.add_with_help(Code::UnknownType, at, format!("{text:?} is not a type"), help),
            None => found.add(Code::UnknownType, at, message),
        }
        ColumnType::Text
    })
}

/// What to write for types that others have.
fn instead(text: &str) -> Option<&'static str> {
    let word = text
        .split(['(', '<', ' '])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    Some(match word.as_str() {
        "string" | "varchar" | "char" | "utf8" | "uuid" | "json" => "use text",
        "boolean" => "use bool",
        "integer" | "bigint" | "long" | "smallint" | "tinyint" | "int64" | "int32" => "use int",
        "float" | "real" | "float64" | "number" | "numeric" | "money" => {
            "use decimal(p,s), or double if it is not money"
        }
        "datetime" | "timestamptz" | "timestamp_ntz" | "timestamp_ltz" => {
            "use timestamp: not every reader knows timestamps without a zone; zone says how texts without an offset are read"
        }
        "struct" | "array" | "list" | "row" | "object" => {
            "use one column per field, or text with the JSON of it"
        }
        _ => return None,
    })
}

fn check_from(column: &mut Column, at: &Position, found: &mut Findings) {
    let name = &column.name;
    if column.from.is_empty() {
        let message = format!("column {name:?} is from no field");
        found.add_with_help(Code::BadFrom, at, message, "name a field, or leave from away");
    }
    for field in &column.from {
        if field.is_empty() {
            found.add(
                Code::BadFrom,
                at,
                format!("column {name:?} is from a field without a name"),
            );
        } else if field.starts_with('_') && !is_lineage(field) {
            let message = format!("column {name:?} is from {field:?}, which is not a lineage field");
            found.add_with_help(
                Code::BadFrom,
                at,
                message,
                format!("use {} or _option.<name>", LINEAGE.join(", ")),
            );
        }
    }
    let all = column.from.iter().any(|field| field == "*");
    if all && (column.from.len() > 1 || column.ty != ColumnType::Map) {
        let message = format!("column {name:?} is from all fields, but is not a map of them alone");
        found.add_with_help(Code::BadFrom, at, message, "use { from = \"*\", type = \"map\" }");
    }
}

fn check_zone(column: &mut Column, section: &Section<'_>, at: &Position, found: &mut Findings) {
    let Some(zone) = section.word("zone", found) else {
        return;
    };
    let fits = match column.ty {
        ColumnType::Date => true,
        ColumnType::Timestamp => zone != Zone::AsWritten,
        _ => false,
    };
    if fits {
        column.zone = zone;
    } else {
        let message = format!(
            "column {:?} of type {} cannot have that zone",
            column.name, column.ty
        );
        found.add_with_help(
            Code::BadValue,
            at,
            message,
            "zones are for timestamp and date, as_written for date alone",
        );
    }
}
