//! The keys of `latest_document`: what a document covers, and how far a table may shrink.

use super::sql::names;
use crate::contract::diagnostic::{Code, Findings};
use crate::contract::read::draft::Draft;
use crate::contract::read::keep::DOCUMENT_KEYS;
use crate::contract::read::section::list;
use crate::contract::{ColumnType, Covers, Feed, Format, Keep};

/// Lineage that differs from row to row or part to part, so that no document is newest by it.
const WITHIN_DOCUMENT: [&str; 2] = ["_row", "_part"];

/// Reports what of `per`, `covers` and the order of documents cannot hold.
pub(crate) fn check(draft: &Draft, keep: &Keep, found: &mut Findings) {
    let Keep::LatestDocument {
        per,
        newest_by,
        covers,
        period,
        ..
    } = keep
    else {
        let own = |key: &&str| draft.says(key) && !draft.at(key).is_shared();
        for key in DOCUMENT_KEYS.into_iter().filter(own) {
            let message = format!("{key} is for latest_document, and {} keeps rows", keep.name());
            found.add(Code::Documents, &draft.at(key), message);
        }
        return;
    };
    if per.is_empty() && !draft.says("per.0") {
        let help = "name the columns by whose values a newer document takes the place of an older one";
        found.add_with_help(
            Code::Documents,
            &draft.at("per"),
            "latest_document needs per",
            help,
        );
    }
    if let Covers::Days(column) = covers {
        let is_day = draft
            .contract
            .column(column)
            .is_some_and(|column| column.ty == ColumnType::Date);
        if !is_day || !per.contains(column) {
            let message = format!("covers {column:?} is not a date column of per");
            let help = "use a date column of per, \"document\" or \"rows\"";
            found.add_with_help(Code::Documents, &draft.at("covers"), message, help);
        }
    }
    check_period(draft, covers, period, found);
    for (index, name) in newest_by.iter().enumerate() {
        if WITHIN_DOCUMENT.contains(&name.as_str()) {
            let message = format!("{name} tells rows of a document apart, not documents");
            let help = format!("leave {} away", list(&WITHIN_DOCUMENT));
            found.add_with_help(
                Code::NewestByColumn,
                &draft.at(&format!("newest_by.{index}")),
                message,
                help,
            );
        }
    }
}

/// Reports what cannot say which days were asked for.
fn check_period(draft: &Draft, covers: &Covers, period: &[String], found: &mut Findings) {
    let at = draft.at("period");
    if period.is_empty() {
        return;
    }
    if !matches!(covers, Covers::Days(_)) {
        if !at.is_shared() {
            let message = format!("period tells days, but the table covers {covers}");
            let help = "say covers with a date column of per, or period = []";
            found.add_with_help(Code::Documents, &at, message, help);
        }
        return;
    }
    if period.len() > 2 {
        let message = format!("period has {} columns", period.len());
        let help = "name the columns of the first and of the last day that was asked for";
        return found.add_with_help(Code::Documents, &at, message, help);
    }
    let made = draft.sql.as_ref().map(|sql| names::fields(&sql.text).made);
    let made = made.unwrap_or_default();
    for (index, name) in period.iter().enumerate() {
        let at = draft.at(&format!("period.{index}"));
        let column = draft.contract.column(name);
        let Some(column) = column.filter(|column| column.ty == ColumnType::Date) else {
            found.add(
                Code::Documents,
                &at,
                format!("period {name:?} is not a date column"),
            );
            continue;
        };
        let field = column.from.iter().find(|field| is_of_document(draft, field));
        let help = "name a column that is from a field of json.header as it stands there";
        match field {
            None => {
                let message = format!("period {name:?} is from no field that a document has beside its rows");
                found.add_with_help(Code::Documents, &at, message, help);
            }
            Some(field) if made.contains(field) => {
                let message = format!("period {name:?} is from {field:?}, which the SQL makes for each row");
                found.add_with_help(Code::Documents, &at, message, help);
            }
            Some(_) => {}
        }
    }
}

/// Whether a field has one value in all of a document.
fn is_of_document(draft: &Draft, field: &str) -> bool {
    let Feed::Raw(raw) = &draft.contract.feed else {
        return false;
    };
    let Format::Json(json) = &raw.format else {
        return false;
    };
    let is_below = |head: &String| {
        let rest = field.strip_prefix(head.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    json.header.iter().any(is_below)
}
