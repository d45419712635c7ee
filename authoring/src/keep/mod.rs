//! What of the rows stays: proposals for `keep`, `key`, `per`, `newest_by` and `partition`.

mod known;

use pipeline::contract::{ColumnType, Contract, Feed, Keep};

use super::column::Proposed;

pub(super) use known::Known;

/// Name of a column for the day of an object's path.
pub(super) const REPORT_DAY: &str = "report_day";

/// Name of a column for the path of an object.
pub(super) const RAW_FILE: &str = "raw_file";

/// How rows are kept, in the words of a contract.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Keeping {
    /// `every_row`, `latest_row` or `latest_document`.
    pub(super) keep: &'static str,
    /// Columns that identify a row; may be empty where documents are kept.
    pub(super) key: Vec<String>,
    /// Columns by whose values documents supersede each other.
    pub(super) per: Vec<String>,
    /// What a document covers; none where rows are kept.
    pub(super) covers: Option<String>,
    /// Columns of the first and the last day that a document was asked for; may be empty.
    pub(super) period: Vec<String>,
    /// The order in which rows or documents supersede each other.
    pub(super) newest_by: Vec<String>,
    /// By what files are laid out.
    pub(super) partition: Vec<String>,
    /// How far a partition can move, in days.
    pub(super) key_window: Option<u32>,
    /// Columns of the key from which the rest of it is assumed to follow; may be empty.
    pub(super) identity: Vec<String>,
    /// Why, and what else could be, for a comment.
    pub(super) why: String,
}

impl Keeping {
    /// Whether a column decides about what stays, or where it lies.
    pub(super) fn names(&self, column: &str) -> bool {
        let all = [
            &self.key,
            &self.per,
            &self.period,
            &self.newest_by,
            &self.partition,
        ];
        all.into_iter().flatten().any(|name| name == column)
    }
}

/// Proposes how rows are kept. [`REPORT_DAY`] or [`RAW_FILE`] may be named in `per`, which are no fields.
pub(super) fn propose(known: &Known<'_>) -> Keeping {
    if known.messages {
        if let Some(id) = known.message_id() {
            return every_message(known, id);
        }
        if let Some(keeping) = versions(known) {
            return keeping;
        }
    }
    if known.documents {
        return documents(known);
    }
    match known.key() {
        Some(key) => latest_row(known, key),
        None => files(),
    }
}

/// The way in which another table of the source keeps its rows, if that fits the columns and rows of the samples.
pub(super) fn like(other: &Contract, known: &Known<'_>, all: &[String]) -> Option<Keeping> {
    let Feed::Raw(raw) = &other.feed else { return None };
    let lineage = |name: &String| name.starts_with('_');
    let keep = &raw.keep;
    let needed = [keep.key(), keep.scope(), &other.partition];
    let mut named = needed.iter().flat_map(|names| names.iter());
    let there = named.all(|name| all.contains(name))
        && keep
            .newest_by()
            .iter()
            .all(|name| lineage(name) || all.contains(name));
    let full = keep
        .scope()
        .iter()
        .all(|name| known.scope.contains(name) || known.is_full(name));
    if !there || !full {
        return None;
    }
    let mut keeping = Keeping {
        keep: keep.name(),
        newest_by: keep.newest_by().to_vec(),
        partition: other.partition.clone(),
        key_window: raw.key_window_days,
        identity: raw.identity.clone(),
        why: format!("As {}, which reads the same fields.", other.name),
        ..Keeping::default()
    };
    match keep {
        Keep::LatestDocument {
            per,
            covers,
            period,
            key,
            ..
        } => {
            if period.iter().all(|name| all.contains(name)) {
                keeping.period = period.clone();
            }
            keeping.per = per.clone();
            keeping.covers = Some(covers.to_string());
            let fits = key.iter().all(|name| all.contains(name)) && known.is_unique(key);
            keeping.key = if fits {
                key.clone()
            } else {
                known.key().unwrap_or_default()
            };
        }
        Keep::EveryRow { key } | Keep::LatestRow { key, .. } if known.is_unique(key) => {
            keeping.key = key.clone()
        }
        _ => return None,
    }
    Some(keeping)
}

fn every_message(known: &Known<'_>, id: &Proposed) -> Keeping {
    let mut key: Vec<String> = known
        .column("dataset_id")
        .map(|_| "dataset_id".to_owned())
        .into_iter()
        .collect();
    key.push(id.name().to_owned());
    Keeping {
        keep: "every_row",
        key,
        why: format!(
            "{} tells the messages apart: each is kept once, a second copy is dropped. If newer messages state a thing anew, \
             keep = \"latest_row\" with the key of the thing and newest_by keeps the newest of each.",
            id.name()
        ),
        ..Keeping::default()
    }
}

fn documents(known: &Known<'_>) -> Keeping {
    let own = known.day().or_else(|| known.first_day_asked_for());
    let day = own.map_or(REPORT_DAY, Proposed::name).to_owned();
    let mut per = known.scope.to_vec();
    per.push(day.clone());
    let period = known.days_asked_for().unwrap_or_default();
    let covers = match known.day() {
        Some(_) if known.manifest || !period.is_empty() => day.clone(),
        Some(_) => "rows".to_owned(),
        None => "document".to_owned(),
    };
    let said = match covers.as_str() {
        "rows" => " Without a manifest a report covers the days of its rows; with manifests beside the objects say covers = \
                 the day, so that a report without rows empties its days."
            .to_owned(),
        "document" => " The rows do not say their day, so one of the whole report stands for it.".to_owned(),
        _ if !period.is_empty() => {
            " It says itself which days it was asked for (period), the last one included: rows of other days are rejected, and \
                 days without rows are emptied."
                .to_owned()
        }
        _ => String::new(),
    };
    Keeping {
        keep: "latest_document",
        key: known.key().unwrap_or_default(),
        partition: vec![day],
        per,
        covers: Some(covers),
        period,
        newest_by: vec!["_generated_at".to_owned()],
        why: format!(
            "A newer report takes the place of older ones, for each value of per: those columns say what a report is about \
             as a whole.{said}"
        ),
        ..Keeping::default()
    }
}

fn latest_row(known: &Known<'_>, key: Vec<String>) -> Keeping {
    let mut newest_by: Vec<String> = known
        .changed()
        .map(|column| column.name().to_owned())
        .into_iter()
        .collect();
    newest_by.extend(["_generated_at", "_part", "_modified", "_row"].map(str::to_owned));
    let partition = known
        .day()
        .map(|day| day.name().to_owned())
        .filter(|day| key.contains(day));
    Keeping {
        keep: "latest_row",
        key,
        newest_by,
        partition: partition.into_iter().collect(),
        why: "Of each key the newest row stays, and rows that a newer file does not have stay, too. If a file states a day as \
              a whole, keep = \"latest_document\" with per = [account, day] is right."
            .to_owned(),
        ..Keeping::default()
    }
}

fn files() -> Keeping {
    Keeping {
        keep: "latest_document",
        per: vec![RAW_FILE.to_owned()],
        covers: Some("document".to_owned()),
        newest_by: vec!["_modified".to_owned()],
        why: "No columns identify a row of the samples. So each file stays as it is, and one that is written anew takes the \
              place of itself. If files can speak about the same things, find a key, or say what a file is about with per."
            .to_owned(),
        ..Keeping::default()
    }
}

/// Things that say their own version.
fn versions(known: &Known<'_>) -> Option<Keeping> {
    let version = known
        .column("version")
        .filter(|column| column.column.ty == ColumnType::Int)?;
    let key = known.identifiers();
    if key.is_empty() || !known.is_full("version") {
        return None;
    }
    let mut newest_by = vec![version.name().to_owned()];
    newest_by.extend(["_generated_at", "_modified", "_row"].map(str::to_owned));
    Some(Keeping {
        keep: "latest_row",
        key: known.with_account(key),
        newest_by,
        why: "Of each key the row with the greatest version stays.".to_owned(),
        ..Keeping::default()
    })
}

#[cfg(test)]
mod tests;
