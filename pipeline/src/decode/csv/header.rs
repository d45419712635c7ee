//! Names of the columns: from the first record, or as declared.

use std::collections::BTreeSet;

use crate::contract::{CsvFormat, Header, alike};
use crate::{Error, Result};

/// What the first record turned out to be.
pub(super) enum First {
    /// A header with these canonical names.
    Header(Vec<String>),
    /// A row already; the columns are as declared.
    Row(Vec<String>),
}

/// The canonical names of the declared columns.
pub(super) fn declared(format: &CsvFormat) -> Result<Vec<String>> {
    if format.columns.is_empty() {
        return Err(Error::usage(
            "CSV without a header needs `columns`, the names in their order",
        ));
    }
    unique(
        format
            .columns
            .iter()
            .map(|name| renamed(name, format).unwrap_or(name).to_owned())
            .collect(),
    )
    .map_err(|name| Error::usage(format!("`columns` has {name:?} twice")))
}

/// Reads the first record.
///
/// A header that is always there is taken as it is, whatever contracts know: a contract that grows must not
/// change how a field is called. One that has to be recognised gets the known spelling of each name.
pub(super) fn first<'a>(
    cells: &(impl Iterator<Item = &'a [u8]> + Clone),
    format: &CsvFormat,
) -> Result<First> {
    let detect = format.header == Header::Detect && !format.known.is_empty();
    let mut names = Vec::new();
    let mut unknown = Vec::new();
    for (position, cell) in (1..).zip(cells.clone()) {
        let text = String::from_utf8_lossy(cell);
        let text = text.trim();
        let spelled = || known(text, format).filter(|known| detect || *known == text);
        let canonical = renamed(text, format).or_else(spelled);
        if canonical.is_none() {
            unknown.push((position, text.to_owned()));
        }
        names.push(canonical.unwrap_or(text).to_owned());
    }
    if !detect || format.columns.is_empty() {
        // The first record can only be a header: what is not known in it is kept by its name, as long as something is
        // known. Else it may be the page of an error, and what follows it no report.
        if unknown.len() == names.len() && !format.known.is_empty() {
            return Err(Error::data(
                "the first record names no field that the contract knows: is this such a file at all? If it is its \
                 header, name its fields in `rename`; if it has none, declare the order of its `columns`",
            ));
        }
    } else if !unknown.is_empty() {
        // Cells that happen to be names are rare; most of them being names is no accident.
        if unknown.len() * 2 < names.len() {
            return Err(Error::data(format!(
                "the first record looks like a header, but {} no known field: name it in `rename` or in a \
                 contract, or say `header = \"present\"`",
                sentence(&unknown)
            )));
        }
        return declared(format).map(First::Row);
    }
    if cells.clone().any(|cell| std::str::from_utf8(cell).is_err()) {
        return Err(Error::data(format!("the header is not valid {}", format.charset)));
    }
    if let Some(position) = names.iter().position(String::is_empty) {
        return Err(Error::data(format!(
            "cell {} of the header is empty",
            position + 1
        )));
    }
    unique(names)
        .map(First::Header)
        .map_err(|name| Error::data(format!("the header names the field {:?} twice", shortened(&name))))
}

/// The canonical name that `rename` gives: for the very name, else for the name in other letter case.
fn renamed<'a>(name: &str, format: &'a CsvFormat) -> Option<&'a str> {
    let same = format.rename.get(name);
    let similar = || {
        format
            .rename
            .iter()
            .find(|(from, _)| alike(from, name))
            .map(|(_, to)| to)
    };
    same.or_else(similar).map(String::as_str)
}

/// Whether a canonical name is one that contracts know; where they know none, any is.
pub(super) fn is_known(name: &str, format: &CsvFormat) -> bool {
    format.known.is_empty() || known(name, format).is_some()
}

/// The known spelling of a name.
fn known<'a>(name: &str, format: &'a CsvFormat) -> Option<&'a str> {
    let names = || {
        format
            .known
            .iter()
            .chain(&format.columns)
            .chain(format.rename.values())
    };
    names()
        .find(|known| *known == name)
        .or_else(|| names().find(|known| alike(known, name)))
        .map(String::as_str)
}

/// The names, or the first that is there twice.
fn unique(names: Vec<String>) -> Result<Vec<String>, String> {
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(name) => Err(name.clone()),
        None => Ok(names),
    }
}

/// At most three of the cells by their places, each with its text, which is cut, and the verb: what stands there may be
/// anything.
fn sentence(cells: &[(usize, String)]) -> String {
    let shown: Vec<_> = cells
        .iter()
        .take(3)
        .map(|(position, name)| format!("cell {position} {:?}", shortened(name)))
        .collect();
    let more = if cells.len() > 3 { " and more" } else { "" };
    format!(
        "{}{more} {}",
        shown.join(", "),
        if cells.len() == 1 { "is" } else { "are" }
    )
}

fn shortened(name: &str) -> String {
    name.chars().take(40).collect()
}
