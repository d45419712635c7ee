//! Tables with raw rows: shape, type, reject, keep.

use std::collections::BTreeSet;

use crate::contract::{
    Column, ColumnType, Contract, Covers, EXTRA, Keep, LINEAGE, Otherwise, Pick, RawFeed, Unknown,
};
use crate::layout::{self, BATCH, HASH, LOADED_AT, OBJECT, OLDER, ORDER, ROW};

use super::names::{list, name};
use super::values::{cast, from_fields};
use super::{Item, comment, indented, items, one_line, remarks_on_checks};

/// Lineage field with the id of the document that a row is from.
const DOCUMENT: &str = "_document";

/// The statement over `raw`, with what `raw` is.
pub(super) fn statement(contract: &Contract, feed: &RawFeed) -> String {
    let mut text = preface(contract, feed);
    text.push_str("WITH ");
    if let Some(sql) = &contract.sql {
        text.push_str("shaped AS (\n");
        text.push_str("    -- Beside these columns stays where each row comes from.\n");
        text.push_str(&indented(sql, "    "));
        text.push_str("),\n");
    }
    text.push_str(&typed(contract, feed));
    text.push_str(&good(contract, feed));
    text.push_str(&kept(contract, &feed.keep));
    text
}

fn preface(contract: &Contract, feed: &RawFeed) -> String {
    let paths: Vec<_> = feed.paths.iter().map(ToString::to_string).collect();
    let mut text = comment(&format!(
        "raw has the rows of the objects at {}: each field as text as it was delivered, where a row lacks it as the \
         account states it, else null; and where the row comes from ({}).",
        paths.join(" and "),
        LINEAGE.join(", ")
    ));
    text.push_str(&comment(
        "Over all objects the statement gives the table. A run does the same with the rows of new objects and those \
         rows of the table that have their keys, and replaces these.",
    ));
    text.push_str(&remarks_on_checks(contract));
    text.push('\n');
    text
}

/// Columns with their types, and the lineage that is still needed.
fn typed(contract: &Contract, feed: &RawFeed) -> String {
    let mut columns: Vec<Item> = contract.columns.iter().map(from_fields).collect();
    let declared = |column: &str| contract.column(column).is_some();
    let schema = layout::schema(contract);
    columns.extend(
        schema
            .fields()
            .iter()
            .skip(contract.columns.len())
            .filter_map(|field| bookkeeping(field.name())),
    );
    let ordering = feed.keep.newest_by().iter().map(String::as_str);
    let mut lineage: BTreeSet<&str> = ordering
        .filter(|column| *column != ROW && !declared(column))
        .collect();
    lineage.extend(
        feed.key_window_days
            .and(contract.window_column())
            .map(|_| "_period"),
    );
    if matches!(feed.keep, Keep::LatestDocument { .. }) {
        lineage.insert(DOCUMENT);
    }
    for column in lineage {
        let ty = match column {
            "_modified" | "_generated_at" | "_requested_at" => ColumnType::Timestamp,
            "_part" => ColumnType::Int,
            "_period" => ColumnType::Date,
            _ => ColumnType::Text,
        };
        let value = cast(column, &ty);
        columns.push(Item::new(if value == column {
            value
        } else {
            format!("{value} AS {column}")
        }));
    }
    let from = if contract.sql.is_some() { "shaped" } else { "raw" };
    format!(
        "typed AS (\n    SELECT\n{}    FROM {from}\n),\n",
        items(&columns, "        ")
    )
}

/// A column that says where a row comes from; none for those that only keeping rows makes.
fn bookkeeping(column: &str) -> Option<Item> {
    Some(match column {
        EXTRA => Item::noted(EXTRA, "map of the fields that no column takes"),
        ROW => Item::new(format!("{} AS {ROW}", cast(ROW, &ColumnType::Int))),
        BATCH => Item::noted(BATCH, "number of the batch that wrote the row"),
        LOADED_AT => Item::noted(LOADED_AT, "time at which that batch was claimed"),
        HASH => Item::noted(HASH, "hash of the fields as delivered"),
        ORDER | OLDER => return None,
        column => Item::new(name(column)),
    })
}

/// Rows that are not rejected.
fn good(contract: &Contract, feed: &RawFeed) -> String {
    let mut text = String::from(
        "good AS (\n    -- Other rows go to quarantine, as do those with a text that is no value of its type.\n",
    );
    if feed.unknown == Unknown::Refuse {
        text.push_str("    -- So do those with a field that the contract does not name.\n");
    }
    let newest_by = feed.keep.newest_by();
    if newest_by.is_empty() {
        text.push_str("    SELECT *\n");
    } else {
        text.push_str("    SELECT\n        *,\n");
        text.push_str(&format!(
            "        struct({}) AS {ORDER} -- stored as a text that sorts alike\n",
            list(newest_by)
        ));
    }
    text.push_str("    FROM typed\n    WHERE ");
    text.push_str(&conditions(contract, feed).join("\n        AND "));
    text.push_str("\n)\n");
    text
}

fn conditions(contract: &Contract, feed: &RawFeed) -> Vec<String> {
    let is_needed = |column: &&Column| column.required || contract.scope().contains(&column.name);
    let needed = contract.columns.iter().filter(is_needed);
    let mut conditions: Vec<_> = needed
        .map(|column| match contract.key().contains(&column.name) {
            true if column.ty == ColumnType::Text => format!("trim({}) <> ''", name(&column.name)),
            _ => format!("{} IS NOT NULL", name(&column.name)),
        })
        .collect();
    for column in contract
        .partition
        .iter()
        .filter_map(|column| contract.column(column))
    {
        if column.ty == ColumnType::Text {
            conditions.push(format!("{} IS DISTINCT FROM ''", name(&column.name)));
        }
    }
    if let (Some(days), Some(column)) = (feed.key_window_days, contract.window_column()) {
        let column = name(column);
        conditions.push(format!(
            "({column} IS NULL OR {column} BETWEEN _period - INTERVAL '{days} days' AND _period + INTERVAL '1 day')"
        ));
    }
    for check in contract
        .checks
        .iter()
        .filter(|check| check.otherwise == Otherwise::Quarantine)
    {
        conditions.push(format!(
            "({}) IS NOT FALSE -- check {}",
            one_line(&check.sql),
            check.name
        ));
    }
    conditions
}

/// What of the good rows stays.
fn kept(contract: &Contract, keep: &Keep) -> String {
    match keep {
        Keep::EveryRow { key } => {
            let about =
                "every_row: copies of a row are dropped. One with other content is counted as a conflict.";
            first_of_key(contract, key, &format!("{HASH}, {OBJECT}, {ROW}"), about)
        }
        Keep::LatestRow { key, newest_by } => {
            let about =
                "latest_row: the newest row of a key stays; equal ones are told apart by their content.";
            let newest: Vec<_> = newest_by
                .iter()
                .map(|by| format!("{} DESC NULLS LAST", name(by)))
                .collect();
            let order = newest.join(",\n                ");
            first_of_key(
                contract,
                key,
                &format!("{order},\n                {HASH} DESC, {OBJECT}, {ROW}"),
                about,
            )
        }
        Keep::LatestValue { key, .. } => newest_values(contract, key),
        Keep::LatestDocument {
            per,
            covers,
            newest_by,
            ..
        } => newest_documents(contract, per, covers, newest_by),
    }
}

/// Rows of the newest document of each value of `per`.
fn newest_documents(contract: &Contract, per: &[String], covers: &Covers, newest_by: &[String]) -> String {
    let columns: Vec<_> = layout::schema(contract)
        .fields()
        .iter()
        .map(|field| Item::new(name(field.name())))
        .collect();
    let covered = match covers {
        Covers::Rows => "A document covers the values of which it has rows.".to_owned(),
        Covers::Document => {
            "A document covers one value, which is the same for all of it: one without rows takes those of the older \
             document away."
                .to_owned()
        }
        Covers::Days(day) => format!(
            "A document covers every {day} from _requested_from to _requested_to, of the value that the other columns \
             have in all of it: where it has no row, it takes those of the older document away. Rows with another \
             {day} go to quarantine. Without a manifest a document covers the values of which it has rows."
        ),
    };
    let newest = newest_by.iter().map(|by| name(by)).chain([DOCUMENT.to_owned()]);
    let mut order: Vec<String> = newest.map(|by| format!("{by} DESC NULLS LAST")).collect();
    order.push(OBJECT.to_owned());
    let about = format!(
        "latest_document: of each value of {} the rows of the newest document that covers it stay. Documents of which \
         nothing else is newest are told apart by id and content. {covered}",
        list(per)
    );
    format!(
        "{}SELECT\n{}FROM (\n    SELECT\n        *,\n        first_value({OBJECT}) OVER (\n            PARTITION BY {}\n            ORDER BY {}\n        ) AS newest -- all parts of it\n    FROM good\n) AS placed\nWHERE {OBJECT} = newest;\n",
        comment(&about),
        items(&columns, "    "),
        list(per),
        order.join(", ")
    )
}

fn first_of_key(contract: &Contract, key: &[String], order: &str, about: &str) -> String {
    let columns: Vec<_> = layout::schema(contract)
        .fields()
        .iter()
        .map(|field| Item::new(name(field.name())))
        .collect();
    format!(
        "{}SELECT\n{}FROM (\n    SELECT\n        *,\n        row_number() OVER (\n            PARTITION BY {}\n            ORDER BY {order}\n        ) AS place\n    FROM good\n\
         ) AS placed\nWHERE place = 1;\n",
        comment(about),
        items(&columns, "    "),
        list(key)
    )
}

fn newest_values(contract: &Contract, key: &[String]) -> String {
    let newest = |column: &str| format!("last_value({column} ORDER BY {ORDER}) AS {column}");
    let item = |column: &String| -> Option<Item> {
        let quoted = name(column);
        Some(match column.as_str() {
            OLDER => return None,
            OBJECT | ROW | ORDER => Item::new(newest(column)),
            BATCH | LOADED_AT => Item::new(format!("max({column}) AS {column}")),
            EXTRA => Item::noted(
                format!("last_value({EXTRA} ORDER BY {ORDER}) IGNORE NULLS AS {EXTRA}"),
                "each of its keys by itself, as if it were a column",
            ),
            _ if key.contains(column) => Item::new(quoted),
            _ => match contract.column(column).map_or(Pick::Newest, |column| column.pick) {
                Pick::Min => Item::new(format!("min({quoted}) AS {quoted}")),
                Pick::Max => Item::new(format!("max({quoted}) AS {quoted}")),
                Pick::Newest => Item::new(format!(
                    "last_value({quoted} ORDER BY {ORDER}, {quoted}) IGNORE NULLS AS {quoted}"
                )),
            },
        })
    };
    let schema = layout::schema(contract);
    let columns: Vec<_> = schema
        .fields()
        .iter()
        .filter_map(|field| item(field.name()))
        .collect();
    let about = "latest_value: of each column the newest value that is not null stays (of a row of an account \
                 that states whole rows, null counts as a value), and what only the account states where there is none. The \
                 table also has _older: for each value that is older than its row, how old it is, and how old the newest \
                 whole row is.";
    format!(
        "{}SELECT\n{}FROM good\nGROUP BY {};\n",
        comment(about),
        items(&columns, "    "),
        list(key)
    )
}
