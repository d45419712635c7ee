//! Whether columns, key, order and partition of one table fit together.

mod documents;
pub(crate) mod inputs;
pub(crate) mod sql;

use self::sql::names;
use super::diagnostic::{Code, Findings};
use super::read::draft::Draft;
use super::read::section::list;
use super::{
    ANYWHERE, Column, ColumnType, Feed, Keep, Personal, Pick, Privacy, RawFeed, Unreadable, is_lineage,
};
use crate::layout::{HASH, ROW};

/// Lineage fields that order rows although no column holds them.
const ORDERING_LINEAGE: [&str; 5] = ["_modified", "_row", "_part", "_generated_at", "_requested_at"];

/// Reports what of the table's own rules cannot hold.
pub(super) fn check(draft: &Draft, found: &mut Findings) {
    check_key(draft, found);
    check_partition(draft, found);
    check_sort(draft, found);
    if let Feed::Raw(raw) = &draft.contract.feed {
        documents::check(draft, &raw.keep, found);
        check_newest_by(draft, raw, found);
        check_key_window(draft, raw, found);
        check_assumed(draft, raw, found);
        let privacy = draft.contract.privacy();
        for column in &draft.contract.columns {
            check_raw_column(draft, raw, column, found);
            check_personal(draft, &privacy, column, found);
        }
        for field in raw.only.keys() {
            let place = draft.at(&format!("only.{field}"));
            if privacy.is_personal(field) {
                found.add(
                    Code::PersonalColumn,
                    &place,
                    format!("{field:?} tells data sets apart and is personal"),
                );
            }
            if [ROW, HASH].contains(&field.as_str()) || field.starts_with('_') && !is_lineage(field) {
                let message = format!("{field:?} says nothing of a data set");
                found.add_with_help(
                    Code::BadFrom,
                    &place,
                    message,
                    "use a raw field, or _report_type or _option.NAME",
                );
            }
        }
        for (index, field) in raw.harmless.iter().enumerate() {
            if privacy.is_personal(field) {
                let message = format!("{field:?} is harmless and personal");
                found.add(
                    Code::PersonalColumn,
                    &draft.at(&format!("harmless.{index}")),
                    message,
                );
            }
        }
    }
}

fn check_key(draft: &Draft, found: &mut Findings) {
    let key = draft.contract.key();
    if by_document(draft) {
        check_identity(draft, "per", draft.contract.scope(), found);
        check_identity(draft, "key", draft.contract.document_key(), found);
    } else if key.is_empty() && !draft.says("key.0") {
        let help = "name the columns that identify a row";
        found.add_with_help(Code::NoKey, &draft.at("key"), "the table has no key", help);
    }
    check_identity(draft, "key", key, found);
}

/// Whether rows are kept by document, so that no key decides about them.
fn by_document(draft: &Draft) -> bool {
    matches!(&draft.contract.feed, Feed::Raw(raw) if matches!(raw.keep, Keep::LatestDocument { .. }))
}

/// Reports columns, named under `key`, whose values cannot be compared.
fn check_identity(draft: &Draft, key: &str, names: &[String], found: &mut Findings) {
    for (index, name) in names.iter().enumerate() {
        let place = draft.at(&format!("{key}.{index}"));
        if names[..index].contains(name) {
            found.add(Code::Duplicate, &place, format!("{name:?} is in {key} twice"));
            continue;
        }
        let Some(column) = draft.contract.column(name) else {
            let message = format!("{key} column {name:?} is not a column");
            found.add_with_help(Code::KeyColumn, &place, message, columns(draft));
            continue;
        };
        match column.ty {
            ColumnType::Map | ColumnType::Double => {
                let message = format!(
                    "{key} column {name:?} is a {}, which has no exact equality",
                    column.ty
                );
                found.add(Code::KeyColumn, &place, message);
            }
            _ if column.personal == Some(Personal::Drop) => {
                let message =
                    format!("{key} column {name:?} is dropped as personal, so it would always be null");
                found.add_with_help(Code::KeyColumn, &place, message, "use personal = \"hash\"");
            }
            _ => {}
        }
    }
}

fn check_sort(draft: &Draft, found: &mut Findings) {
    let contract = &draft.contract;
    for (index, name) in contract.sort.iter().enumerate() {
        let place = draft.at(&format!("sort.{index}"));
        if contract.sort[..index].contains(name) {
            found.add(Code::Duplicate, &place, format!("{name:?} is in sort twice"));
            continue;
        }
        match contract.column(name) {
            None => {
                let message = format!("sort column {name:?} is not a column");
                found.add_with_help(Code::SortColumn, &place, message, columns(draft));
            }
            Some(column) if column.ty == ColumnType::Map => {
                let message = format!("sort column {name:?} is a map, which has no order");
                found.add(Code::SortColumn, &place, message);
            }
            Some(_) => {}
        }
    }
}

fn check_newest_by(draft: &Draft, raw: &RawFeed, found: &mut Findings) {
    let newest_by = raw.keep.newest_by();
    if newest_by.is_empty() && !matches!(raw.keep, Keep::EveryRow { .. }) {
        let message = format!("{} needs newest_by", raw.keep.name());
        let help = "such as newest_by = [\"_generated_at\", \"_part\", \"_modified\", \"_row\"]";
        found.add_with_help(Code::NewestBy, &draft.at("keep"), message, help);
    }
    for (index, name) in newest_by.iter().enumerate() {
        if ORDERING_LINEAGE.contains(&name.as_str()) {
            continue;
        }
        let place = draft.at(&format!("newest_by.{index}"));
        let Some(column) = draft.contract.column(name) else {
            let message = format!("newest_by {name:?} is not a column");
            let help = format!("{}; or lineage: {}", columns(draft), list(&ORDERING_LINEAGE));
            found.add_with_help(Code::NewestByColumn, &place, message, help);
            continue;
        };
        use ColumnType::{Date, Int, Text, Timestamp};
        if !matches!(column.ty, Int | Timestamp | Date | Text) {
            let message = format!(
                "newest_by {name:?} is a {}, not an int, timestamp, date or text",
                column.ty
            );
            found.add(Code::NewestByColumn, &place, message);
        }
        if column.personal.is_some() {
            found.add(
                Code::PersonalColumn,
                &place,
                format!("newest_by {name:?} is personal"),
            );
        }
    }
}

fn check_partition(draft: &Draft, found: &mut Findings) {
    let contract = &draft.contract;
    let mut dates = 0;
    for (index, name) in contract.partition.iter().enumerate() {
        let place = draft.at(&format!("partition.{index}"));
        if contract.partition[..index].contains(name) {
            found.add(Code::Duplicate, &place, format!("{name:?} is in partition twice"));
            continue;
        }
        let Some(column) = contract.column(name) else {
            let message = format!("partition column {name:?} is not a column");
            found.add_with_help(Code::PartitionColumn, &place, message, columns(draft));
            continue;
        };
        dates += u32::from(column.ty == ColumnType::Date);
        if !matches!(
            column.ty,
            ColumnType::Date | ColumnType::Text | ColumnType::Int | ColumnType::Bool
        ) {
            let message = format!(
                "partition column {name:?} is a {}, not a date, text, int or bool",
                column.ty
            );
            found.add(Code::PartitionColumn, &place, message);
        } else if column.ty == ColumnType::Date && dates == 2 {
            let message = format!("{name:?} is a second date in partition");
            found.add_with_help(
                Code::PartitionColumn,
                &place,
                message,
                "lay files out by one date",
            );
        }
        if column.personal.is_some() {
            let message = format!("partition column {name:?} is personal, and would stand in file names");
            found.add(Code::PersonalColumn, &place, message);
        }
        check_movable(draft, column, &format!("partition.{index}"), found);
    }
}

/// A partition column outside of the key can change for a key; only a date can be bounded by a window.
fn check_movable(draft: &Draft, column: &Column, path: &str, found: &mut Findings) {
    let contract = &draft.contract;
    // Rows of documents are found by content, wherever they are.
    if contract.key().contains(&column.name) || by_document(draft) {
        return;
    }
    let (name, place) = (&column.name, draft.at(path));
    match &contract.feed {
        Feed::Raw(raw) if column.ty == ColumnType::Date => {
            if raw.key_window_days.is_none() && !draft.says("key_window") {
                let message = format!("{name:?} is not in the key, so the partition of a row can change");
                let help = "say how far with key_window = \"35d\", or put the column into the key";
                found.add_with_help(Code::KeyWindowNeeded, &place, message, help);
            }
        }
        _ => {
            let message =
                format!("{name:?} is not in the key, so the partition of a row can change without bounds");
            found.add_with_help(
                Code::KeyWindowNeeded,
                &place,
                message,
                "put the column into the key",
            );
        }
    }
}

fn check_key_window(draft: &Draft, raw: &RawFeed, found: &mut Findings) {
    let contract = &draft.contract;
    let movable = |name: &String| {
        if by_document(draft) {
            return false;
        }
        let date = contract
            .column(name)
            .is_some_and(|column| column.ty == ColumnType::Date);
        date && !contract.key().contains(name)
    };
    if raw.key_window_days.is_some() && !contract.partition.iter().any(movable) {
        let message = "key_window bounds a date partition outside of the key, and there is none";
        found.add_with_help(
            Code::KeyWindowUseless,
            &draft.at("key_window"),
            message,
            "leave it away",
        );
    }
}

/// Reports an identity that assumes nothing of the key.
fn check_assumed(draft: &Draft, raw: &RawFeed, found: &mut Findings) {
    if raw.identity.is_empty() {
        return;
    }
    let key = draft.contract.key();
    check_identity(draft, "identity", &raw.identity, found);
    let is_part = |name: &String| key.contains(name);
    if by_document(draft)
        || !raw.identity.iter().all(is_part)
        || key.iter().all(|name| raw.identity.contains(name))
    {
        found.add_with_help(
            Code::KeyColumn,
            &draft.at("identity"),
            "identity is not a part of the key",
            "name the columns of key from which the others of it follow, or leave identity away",
        );
    }
}

fn check_raw_column(draft: &Draft, raw: &RawFeed, column: &Column, found: &mut Findings) {
    let (name, place) = (&column.name, draft.at(&format!("columns.{}", column.name)));
    if column.ty == ColumnType::Map && column.from != ["*"] && !column.from.is_empty() {
        let message = format!("column {name:?} is a map of a single field");
        let help = "a map takes all fields (from = \"*\"); use text for JSON";
        found.add_with_help(Code::BadFrom, &place, message, help);
    }
    if column.personal == Some(Personal::Hash) && column.ty != ColumnType::Text {
        let message = format!(
            "column {name:?} is hashed, so its type is text, not {}",
            column.ty
        );
        found.add(Code::PersonalColumn, &place, message);
    }
    if column.personal == Some(Personal::Drop) && column.required {
        let message = format!("column {name:?} is required and dropped");
        found.add(Code::PersonalColumn, &place, message);
    }
    if column.unreadable == Unreadable::Null {
        let decides = draft.contract.scope().contains(name)
            || raw.keep.newest_by().contains(name)
            || draft.contract.partition.contains(name);
        if column.required || decides || column.ty == ColumnType::Text {
            let why = match column.ty {
                ColumnType::Text => "is a text, which can always be read",
                _ if column.required => "is required",
                _ => "decides where its rows belong",
            };
            let message = format!("column {name:?} {why}: unreadable = \"null\" cannot be said of it");
            found.add(Code::BadValue, &place, message);
        }
    }
    if column.pick != Pick::Newest {
        let latest_value = matches!(raw.keep, Keep::LatestValue { .. });
        if !latest_value || column.ty == ColumnType::Map || raw.keep.key().contains(name) {
            let message =
                format!("column {name:?} has pick, which takes effect only on values of latest_value");
            found.add(Code::PickNotHere, &place, message);
        }
    }
}

/// Reports what would write a personal field down as it is, and names that stand for personal fields alone.
fn check_personal(draft: &Draft, privacy: &Privacy, column: &Column, found: &mut Findings) {
    if column.personal.is_some() {
        return;
    }
    let (name, place) = (&column.name, draft.at(&format!("columns.{}", column.name)));
    let made = draft
        .contract
        .sql
        .as_deref()
        .map(names::fields)
        .unwrap_or_default()
        .made;
    let fields = column
        .from
        .iter()
        .filter(|field| *field != "*" && !made.contains(*field));
    for field in fields {
        if field.starts_with(ANYWHERE) {
            let message = format!("column {name:?} is from {field:?}, and is not personal");
            let help = "names that begin with *. are for personal fields";
            found.add_with_help(Code::BadFrom, &place, message, help);
        } else if privacy.is_personal(field) {
            let message =
                format!("column {name:?} takes {field:?}, which is a personal field or can hold one");
            let help = "say personal here, too, or leave the column away";
            found.add_with_help(Code::PersonalColumn, &place, message, help);
        }
    }
}

fn columns(draft: &Draft) -> String {
    let names: Vec<_> = draft
        .contract
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    format!("columns are {}", names.join(", "))
}
