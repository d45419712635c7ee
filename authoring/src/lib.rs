//! A first contract and a first case for a table, from samples of its raw objects.
//!
//! ```text
//!  samples -> format -> rows (the program's decoders) -> columns -> keep, key, partition -> contract (.toml, .sql)
//!         \-> place in the raw zone                   \-> first rows, personal values masked -> case
//! ```
//!
//! A sample cannot tell what a person knows of the source. So what is guessed is guessed to the side on which nothing is
//! lost (ids are text, keys rather too wide, personal columns dropped), and says in a comment what to decide.

mod column;
mod contract;
mod fixture;
mod format;
mod keep;
mod kind;
mod name;
mod observe;
mod personal;
mod place;
mod sample;
mod written;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use chrono::NaiveDate;
use pipeline::Error;
use pipeline::account::Account;
use pipeline::contract::{
    Column, ColumnType, Contract, Contracts, Feed, Format, OPTION, RawFeed, TableName, Zone, is_lineage,
};
use schemars::JsonSchema;

use column::Proposed;
pub use fixture::ROWS as CASE_ROWS;
use keep::{Keeping, Known, RAW_FILE, REPORT_DAY};
use observe::Observed;
use place::{Place, Surroundings};
use sample::Sample;

/// A mistake of the person who called.
fn usage(message: impl Into<String>) -> anyhow::Error {
    Error::usage(message).into()
}

/// Name of the column for the account.
const ACCOUNT: &str = "account";

/// What there is to go by.
pub struct Request<'a> {
    /// Name of the new table.
    pub table: &'a TableName,
    /// The samples.
    pub samples: &'a [PathBuf],
    /// Path of the rows in a JSON document, where somebody said it.
    pub rows: Option<&'a str>,
    /// Root of the raw zone, where it is a folder.
    pub raw: Option<&'a Path>,
    /// Configured accounts.
    pub accounts: &'a [Account],
    /// Contracts in force.
    pub contracts: &'a Contracts,
    /// What the tables of the source share.
    pub defaults: &'a toml::Table,
}

/// Files to be written and what to say about them.
pub struct Proposal {
    /// Text of the contract.
    pub contract: String,
    /// Text of the SELECT over `raw`, where rows need one.
    pub sql: Option<String>,
    /// Files of the case by their path in its folder.
    pub case: Vec<(String, Vec<u8>)>,
    /// The columns.
    pub columns: Vec<ProposedColumn>,
    /// Format of the samples.
    pub format: &'static str,
    /// Rows of the samples.
    pub rows: usize,
    /// Pattern of the paths of raw objects.
    pub path: String,
    /// Where each sample should lie below the raw root.
    pub keys: Vec<String>,
    /// Whether the samples' own paths told pattern and places.
    pub path_known: bool,
    /// What a person should know, a sentence each.
    pub notes: Vec<String>,
}

/// A column for those who read about the proposal.
#[derive(Debug, serde::Serialize, JsonSchema)]
pub struct ProposedColumn {
    /// Its name.
    name: String,
    /// Its type, in the words of contracts.
    #[serde(rename = "type")]
    ty: String,
    /// The raw fields that it is taken from, the first that has a value.
    from: Vec<String>,
    /// Whether its values are about people, so that they are not stored.
    pub personal: bool,
    /// What a person should check.
    check: Option<String>,
}

/// Reads the samples and makes a contract and a case of them.
///
/// # Errors
///
/// Usage errors that say which sample cannot be read, why, and what to do.
pub fn propose(request: &Request<'_>) -> Result<Proposal> {
    let samples = request
        .samples
        .iter()
        .map(|path| Sample::read(path))
        .collect::<Result<Vec<_>>>()?;
    let (guess, observed) = format::guess(&samples, request.rows)?;
    let like = nearest(request, &guess.format, &observed);
    let plain = is_plain(request);
    let path = place_of(request, &samples[0], plain, None);
    let has_account = path.pattern.contains("{account}");
    let mut taken = BTreeSet::from([ACCOUNT, REPORT_DAY, RAW_FILE].map(str::to_owned));
    let mut lineage = lineage_columns(like, &observed, &samples, has_account, &mut taken);
    let (mut columns, mut notes) = column::propose(&observed, like, &mut taken)?;
    let added = add_day(&mut columns, &observed, &mut taken);
    let messages = matches!(guess.format, Format::JsonRows(_)) && !request.defaults.contains_key("keep");
    let known = Known {
        observed: &observed,
        columns: &columns,
        scope: &scope(&lineage, &columns, &observed),
        messages,
        documents: is_document(request, &guess.format, &samples, &path),
        manifest: samples.iter().all(|sample| sample.manifest.is_some()),
        table: &request.table.table,
    };
    let all: Vec<String> = lineage
        .iter()
        .chain(&columns)
        .map(|column| column.name().to_owned())
        .collect();
    let keeping = like
        .and_then(|like| keep::like(like, &known, &all))
        .unwrap_or_else(|| keep::propose(&known));
    add_own_columns(&keeping, &mut lineage);
    columns.retain(|column| Some(column.name()) != added.as_deref() || keeping.names(column.name()));
    notes.extend(like.map(|like| {
        format!(
            "CHECK: columns of fields that {} reads, too, are called, typed and described as there.",
            like.name
        )
    }));
    let day = newest_day(&keeping, &columns, &observed);
    let places = places(request, &samples, plain, day);
    notes.extend(guess.notes);
    notes.extend(malformed(&observed, &samples));
    let columns: Vec<Proposed> = lineage.into_iter().chain(columns).collect();
    let case = fixture::files(&fixture::Source {
        table: request.table,
        samples: &samples,
        format: &guess.format,
        observed: &observed,
        columns: &columns,
        places: &places,
        accounts: request.accounts,
    })?;
    let draft = contract::Draft {
        table: request.table,
        samples: &samples,
        rows: observed.rows(),
        place: &places[0],
        format: &guess.format,
        keeping: &keeping,
        columns: &columns,
        notes: &notes,
        explicit_csv: request.defaults.contains_key("csv"),
    };
    Ok(Proposal {
        contract: contract::toml(&draft),
        sql: contract::sql(&columns),
        case,
        format: guess.format.name(),
        rows: observed.rows(),
        path: places[0].pattern.clone(),
        path_known: places[0].known,
        keys: places.into_iter().map(|place| place.key).collect(),
        columns: columns.into_iter().map(ProposedColumn::from).collect(),
        notes,
    })
}

impl From<Proposed> for ProposedColumn {
    fn from(proposed: Proposed) -> Self {
        Self {
            personal: proposed.is_personal(),
            check: proposed.check,
            ty: proposed.column.ty.to_string(),
            name: proposed.column.name,
            from: proposed.column.from,
        }
    }
}

/// The other tables of the source that read raw objects.
fn siblings<'a>(request: &Request<'a>) -> impl Iterator<Item = (&'a Contract, &'a RawFeed)> {
    let table = request.table;
    let contracts = request.contracts.iter();
    contracts.filter_map(move |(name, contract)| match &contract.feed {
        Feed::Raw(raw) if name.source == table.source && name != table => Some((contract, raw)),
        _ => None,
    })
}

/// The table of the source whose rows have the most of the same fields, if these are many or a good part.
fn nearest<'a>(request: &Request<'a>, format: &Format, observed: &Observed) -> Option<&'a Contract> {
    let in_rows = |field: &String| observed.field(field).is_some_and(|field| !field.header);
    let count = observed.fields.iter().filter(|field| !field.header).count();
    let shared = |contract: &Contract| {
        let shows = |column: &&Column| column.from.first().is_some_and(in_rows);
        contract.columns.iter().filter(shows).count()
    };
    siblings(request)
        .filter(|(contract, raw)| contract.sql.is_none() && raw.format.name() == format.name())
        .map(|(contract, _)| (shared(contract), contract))
        .filter(|(shared, _)| *shared >= 5 || (*shared >= 3 && shared * 3 >= count))
        .max_by_key(|(shared, contract)| (*shared, std::cmp::Reverse(&contract.name)))
        .map(|(_, contract)| contract)
}

/// Whether the source's tables have no accounts in their paths.
fn is_plain(request: &Request<'_>) -> bool {
    let mut paths = siblings(request).flat_map(|(_, raw)| &raw.paths).peekable();
    paths.peek().is_some() && paths.all(|path| !path.names_account())
}

fn place_of(request: &Request<'_>, sample: &Sample, plain: bool, day: Option<NaiveDate>) -> Place {
    let of_source = request
        .accounts
        .iter()
        .filter(|account| account.source == request.table.source);
    let aliases: Vec<String> = of_source.map(|account| account.alias.clone()).collect();
    let manifest = sample.manifest.as_ref();
    let stated = manifest.and_then(|manifest| manifest.get("report_type")?.as_str());
    let name = sample.name();
    let folder = stated
        .or_else(|| place::report_type(&name))
        .filter(|word| {
            word.chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        })
        .unwrap_or(&request.table.table);
    let surroundings = Surroundings {
        raw: request.raw,
        table: request.table,
        aliases: &aliases,
        plain,
    };
    surroundings.place(&sample.path, folder, day)
}

/// The place of each sample; no two have the same.
fn places(request: &Request<'_>, samples: &[Sample], plain: bool, day: Option<NaiveDate>) -> Vec<Place> {
    let mut taken = BTreeSet::new();
    let mut places = Vec::new();
    for (number, sample) in samples.iter().enumerate() {
        let mut place = place_of(request, sample, plain, day);
        if !taken.insert(place.key.clone()) {
            let (folder, name) = place.key.rsplit_once('/').unwrap_or(("", &place.key));
            place.key = format!("{folder}/{}-{name}", number + 1);
            taken.insert(place.key.clone());
        }
        places.push(place);
    }
    places
}

/// Columns that say where a row comes from and what was asked for, as a similar table has them; else the account and
/// what manifests say.
fn lineage_columns(
    like: Option<&Contract>,
    observed: &Observed,
    samples: &[Sample],
    has_account: bool,
    taken: &mut BTreeSet<String>,
) -> Vec<Proposed> {
    let mut columns: Vec<Proposed> = Vec::new();
    let stated = options(samples);
    let from_lineage = |column: &&Column| {
        let observed = column.from.iter().any(|field| observed.field(field).is_some());
        let says = |field: &String| match field.strip_prefix(OPTION) {
            Some(option) => stated.iter().any(|stated| stated == option),
            None => is_lineage(field),
        };
        !observed && column.from.iter().any(says)
    };
    for column in like.iter().flat_map(|like| &like.columns).filter(from_lineage) {
        taken.insert(column.name.clone());
        columns.push(Proposed {
            column: column.clone(),
            field: None,
            written: None,
            check: None,
        });
    }
    let has = |columns: &[Proposed], field: &str| {
        columns
            .iter()
            .any(|column| column.column.from.iter().any(|from| from == field))
    };
    if has_account && !has(&columns, "_account") {
        let account = Proposed::new(ACCOUNT, "_account", ColumnType::Text);
        columns.insert(0, account.meaning("Alias of the account that delivered the row."));
    }
    for option in &stated {
        let field = format!("{OPTION}{option}");
        let in_document = observed
            .fields
            .iter()
            .any(|field| field.name.rsplit('.').next() == Some(option));
        if !has(&columns, &field) && !in_document {
            let name = name::snake(option).unwrap_or_else(|| "option".to_owned());
            let column = Proposed::new(&name::unique(name, taken), &field, ColumnType::Text);
            columns.push(column.meaning("Option of the request, as the manifest states it."));
        }
    }
    let has_manifest = samples.iter().all(|sample| sample.manifest.is_some());
    if has_manifest && !has(&columns, "_document") {
        let report = Proposed::new(
            &name::unique("report_id".to_owned(), taken),
            "_document",
            ColumnType::Text,
        );
        columns.push(report.meaning("Report that the row stands in."));
    }
    columns
}

/// Options of the request that the manifests of all samples state.
fn options(samples: &[Sample]) -> Vec<String> {
    let of = |sample: &Sample| -> BTreeSet<String> {
        let options = sample
            .manifest
            .as_ref()
            .and_then(|manifest| manifest.get("options")?.as_object());
        options
            .into_iter()
            .flat_map(|options| options.keys().cloned())
            .collect()
    };
    let mut all = samples.iter().map(of);
    let first = all.next().unwrap_or_default();
    all.fold(first, |common, other| &common & &other)
        .into_iter()
        .collect()
}

/// A column for the day of the first time, where no field is a day; its name.
fn add_day(columns: &mut Vec<Proposed>, observed: &Observed, taken: &mut BTreeSet<String>) -> Option<String> {
    let is_full = |column: &Proposed| {
        let field = column.field.as_deref().and_then(|field| observed.field(field));
        field.is_some_and(|field| field.is_full() && !field.header)
    };
    let changes = |column: &Proposed| column.name().contains("updat") || column.name().contains("modif");
    let is =
        |column: &Proposed, ty: ColumnType| column.column.ty == ty && is_full(column) && !changes(column);
    if columns.iter().any(|column| is(column, ColumnType::Date)) {
        return None;
    }
    let position = columns
        .iter()
        .position(|column| is(column, ColumnType::Timestamp))?;
    let time = &columns[position];
    let stem = ["_date_time", "_datetime", "_timestamp", "_date", "_time", "_at"]
        .iter()
        .find_map(|ending| time.name().strip_suffix(ending))
        .unwrap_or(time.name());
    let mut day = time.clone();
    day.column.name = name::unique(format!("{stem}_day"), taken);
    day.column.ty = ColumnType::Date;
    day.column.zone = Zone::AsWritten;
    day.column.doc = None;
    day.check = Some(format!(
        "the day of {}, as it is written there; zone = \"account\" takes it on the account's clock",
        time.name()
    ));
    let name = day.name().to_owned();
    columns.insert(position + 1, day);
    Some(name)
}

/// Columns that say to whom a document belongs and what was asked for: the same in all of it.
fn scope(lineage: &[Proposed], columns: &[Proposed], observed: &Observed) -> Vec<String> {
    let asked = ["reportOptions", "options", "marketplaceIds", "marketplaceId"];
    let of_request = |column: &&Proposed| {
        let field = column.field.as_deref().and_then(|field| observed.field(field));
        field.is_some_and(|field| {
            field.header && field.is_full() && field.name.split('.').any(|part| asked.contains(&part))
        })
    };
    let of_lineage = |column: &&Proposed| {
        column
            .column
            .from
            .iter()
            .any(|from| from == "_account" || from.starts_with(OPTION))
    };
    let first = lineage.iter().filter(of_lineage);
    let mut accounts = 0;
    let first = first.filter(move |column| {
        let account = column.column.from.iter().any(|from| from == "_account");
        accounts += usize::from(account);
        !account || accounts == 1
    });
    let all = first.chain(columns.iter().filter(of_request));
    all.map(|column| column.name().to_owned()).collect()
}

/// Whether an object is a report that a newer one takes the place of.
fn is_document(request: &Request<'_>, format: &Format, samples: &[Sample], place: &Place) -> bool {
    let by_default = request.defaults.get("keep").and_then(toml::Value::as_str) == Some("latest_document");
    let has_header = matches!(format, Format::Json(document) if !document.header.is_empty());
    let is_report = place.key.split('/').any(|folder| folder.starts_with("GET_"));
    by_default || has_header || is_report || samples.iter().any(|sample| sample.manifest.is_some())
}

/// Columns that the way to keep rows needs beside those of fields.
fn add_own_columns(keeping: &Keeping, lineage: &mut Vec<Proposed>) {
    if keeping.per.iter().any(|name| name == REPORT_DAY) {
        let day = Proposed::new(REPORT_DAY, "_period", ColumnType::Date);
        lineage.push(day.meaning("Day in the path of the raw object."));
    }
    if keeping.per.iter().any(|name| name == RAW_FILE) {
        let file = Proposed::new(RAW_FILE, "_path", ColumnType::Text);
        lineage.push(file.meaning("Path of the raw object."));
    }
}

/// The greatest day by which files are laid out.
fn newest_day(keeping: &Keeping, columns: &[Proposed], observed: &Observed) -> Option<NaiveDate> {
    let column = columns
        .iter()
        .find(|column| keeping.partition.iter().any(|name| name == column.name()))?;
    let field = observed.field(column.field.as_deref()?)?;
    let days = (0..observed.rows()).filter_map(|row| {
        let text = field.value(row)?.trim();
        let text = column
            .written
            .map_or_else(|| text.to_owned(), |way| way.apply(text));
        text.get(..10)?.parse().ok()
    });
    days.max()
}

/// What is said of records that are no rows.
fn malformed(observed: &Observed, samples: &[Sample]) -> Option<String> {
    let (sample, row, reason) = observed.malformed.first()?;
    Some(format!(
        "{} of {} records of the samples are no rows and would go to quarantine, such as record {row} of {}: {reason}.",
        observed.malformed.len(),
        observed.malformed.len() + observed.rows(),
        samples[*sample].name()
    ))
}

#[cfg(test)]
mod tests;
