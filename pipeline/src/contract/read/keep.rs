//! The keys of a way to keep rows, and durations.

use super::section::{Located, Section, owned};
use crate::contract::diagnostic::{Code, Findings};
use crate::contract::{Covers, Keep, Otherwise, Shrink};

const MINUTES_OF_DAY: u32 = 24 * 60;

/// The keys that only such tables have.
pub(crate) const DOCUMENT_KEYS: [&str; 4] = ["per", "covers", "period", "shrink"];

/// Reads the way to keep rows; where nothing is said, an order decides between rows of one key, if there is one.
pub(crate) fn read(section: &Section<'_>, found: &mut Findings) -> Keep {
    let key = owned(section.list("key", found));
    let newest_by = owned(section.list("newest_by", found));
    let word = section.text("keep", found);
    match word.as_ref().map(|keep| keep.text) {
        Some("every_row") => {
            section.with_position("newest_by", |at| {
                if !at.is_shared() {
                    found.add(Code::NewestBy, at, "every_row keeps every row, so none is newest");
                }
            });
            return Keep::EveryRow { key };
        }
        Some("latest_row") => return Keep::LatestRow { key, newest_by },
        Some("latest_value") => return Keep::LatestValue { key, newest_by },
        Some("latest_document") => return documents(section, found),
        _ => {}
    }
    if let Some(word) = word {
        found.add_with_help(
            Code::BadValue,
            word.at,
            format!("{:?} is not a way to keep rows", word.text),
            "use every_row, latest_row, latest_value or latest_document",
        );
    }
    if newest_by.is_empty() {
        Keep::EveryRow { key }
    } else {
        Keep::LatestRow { key, newest_by }
    }
}

/// Reads the way to keep documents.
fn documents(section: &Section<'_>, found: &mut Findings) -> Keep {
    let covers = match section.text("covers", found) {
        None => Covers::Rows,
        Some(text) if text.text == "rows" => Covers::Rows,
        Some(text) if text.text == "document" => Covers::Document,
        Some(column) => Covers::Days(column.text.to_owned()),
    };
    Keep::LatestDocument {
        per: owned(section.list("per", found)),
        newest_by: owned(section.list("newest_by", found)),
        covers,
        period: owned(section.list("period", found)),
        key: owned(section.list("key", found)),
        shrink: shrink(section, found),
    }
}

fn shrink(section: &Section<'_>, found: &mut Findings) -> Option<Shrink> {
    let shrink = Section::new(section.table("shrink", found)?);
    shrink.only(&["below", "older_than", "else"], "shrink", found);
    let below = shrink.number("below", found);
    if below.is_none() && !shrink.has("below") {
        section.with_position("shrink", |at| {
            found.add(Code::MissingKey, at, "shrink has no below");
        });
    }
    let below = below.filter(|below| {
        let fits = *below > 0.0 && *below <= 1.0;
        if !fits {
            shrink.with_position("below", |at| {
                let message = format!("below {below} is not a share of the rows");
                found.add_with_help(
                    Code::BadValue,
                    at,
                    message,
                    "write 0.8 for a loss of more than a fifth",
                );
            });
        }
        fits
    });
    let older_than_days = match shrink.text("older_than", found) {
        Some(text) => days("older_than", &text, found).unwrap_or(0),
        None => 0,
    };
    let otherwise = shrink.word("else", found).unwrap_or(Otherwise::Warn);
    if otherwise == Otherwise::Quarantine {
        shrink.with_position("else", |at| {
            found.add_with_help(
                Code::BadValue,
                at,
                "rows that are missing cannot be quarantined",
                "use warn or hold",
            );
        });
    }
    Some(Shrink {
        below: below?,
        older_than_days,
        otherwise,
    })
}

/// A number of days such as `35d`.
pub(crate) fn days(key: &str, text: &Located<'_>, found: &mut Findings) -> Option<u32> {
    let days = minutes(text.text)
        .filter(|minutes| minutes % MINUTES_OF_DAY == 0)
        .map(|m| m / MINUTES_OF_DAY);
    if days.is_none() {
        let message = format!("{key} {:?} is not a number of days", text.text);
        found.add_with_help(Code::BadValue, text.at, message, "write \"35d\"");
    }
    days
}

/// `15m`, `1h` or `35d` in minutes; none for anything else and for nothing.
pub(crate) fn minutes(text: &str) -> Option<u32> {
    let unit = match text.chars().last()? {
        'm' => 1,
        'h' => 60,
        'd' => MINUTES_OF_DAY,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    let count: u32 = digits
        .chars()
        .all(|c| c.is_ascii_digit())
        .then(|| digits.parse().ok())??;
    count.checked_mul(unit).filter(|minutes| *minutes > 0)
}
