//! In which format samples are.

mod delimited;
mod documents;

use std::io::Read;

use anyhow::Result;
use arrow::array::{Array, StringArray};
use pipeline::contract::{Charset, ColumnType, CsvFormat, Format, TsvFormat};
use pipeline::decode::text;

use super::kind;
use super::observe::{Field, Observed, observe};
use super::sample::Sample;
use crate::usage;

/// First bytes of a Parquet file.
const PARQUET: &[u8] = b"PAR1";

/// Texts that programs write where there is no value.
const NULLS: [&str; 6] = ["\\N", "NULL", "null", "N/A", "n/a", "--"];

/// A format, and what was seen on the way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Guess {
    /// The format.
    pub(super) format: Format,
    /// What a person should know, as sentences for comments.
    pub(super) notes: Vec<String>,
}

/// Finds the format of all samples and reads them. `rows` is the path of the rows where it is known.
///
/// # Errors
///
/// Usage errors that say which sample cannot be read, why, and what to do.
pub(super) fn guess(samples: &[Sample], rows: Option<&str>) -> Result<(Guess, Observed)> {
    let first = samples.first().ok_or_else(|| usage("there is no sample"))?;
    let mut guess = of_sample(first, rows)?;
    let mut observed = read(samples, &guess.format)?;
    let nulls = nulls(&observed)?;
    if !nulls.is_empty() {
        for null in &nulls {
            let has = |field: &&Field| (0..observed.rows()).any(|row| field.value(row) == Some(null));
            let texts = observed.fields.iter().filter(has);
            let texts: Vec<&str> = texts
                .filter_map(|field| match is_more_than_text(field, &[null]) {
                    Ok(false) => Some(field.name.as_str()),
                    _ => None,
                })
                .collect();
            if !texts.is_empty() {
                guess.notes.push(format!(
                    "CHECK: {null:?} stands for no value in every column, also in {}, where it may be a text",
                    texts.join(", ")
                ));
            }
        }
        add_nulls(&mut guess.format, &nulls);
        observed = read(samples, &guess.format)?;
    }
    if observed.rows() == 0 {
        let why = observed
            .malformed
            .first()
            .map_or_else(String::new, |(_, row, reason)| format!(": record {row} {reason}"));
        return Err(usage(format!(
            "sample {} has no row when it is read as {}{why}; take a file with rows",
            first.path.display(),
            guess.format.name()
        )));
    }
    Ok((guess, observed))
}

fn read(samples: &[Sample], format: &Format) -> Result<Observed> {
    observe(samples, format).map_err(|error| {
        usage(format!(
            "{}; it was read as {}, as the first sample looks: samples of one table have one format",
            error.chain(),
            format.name()
        ))
    })
}

fn of_sample(sample: &Sample, rows: Option<&str>) -> Result<Guess> {
    if sample.bytes.starts_with(PARQUET) {
        return Ok(Guess {
            format: Format::Parquet,
            notes: Vec::new(),
        });
    }
    let (text, charset) = characters(sample)?;
    let guessed = (charset == Charset::Windows1252).then(|| {
        "CHECK: the bytes are no UTF-8 and are read as Western European; are all letters right? Other charsets than \
         utf-8, windows-1252 and shift_jis have to be converted before."
            .to_owned()
    });
    let start = text.trim_start();
    if start.is_empty() {
        let shown = sample.path.display();
        return Err(usage(format!("sample {shown} holds nothing but white space")));
    }
    let guess = match start.starts_with(['{', '[']) {
        true => documents::guess(start, rows),
        false => delimited::guess(sample, &text, charset),
    };
    let guess = guess.map(|mut guess| {
        guess.notes.extend(guessed);
        guess
    });
    guess.map_err(|why| {
        usage(format!(
            "sample {} is in no format that is known: {why}; formats are CSV, TSV, JSON and Parquet, plain or gzip",
            sample.path.display()
        ))
    })
}

/// The whole text, and how its bytes mean it.
fn characters(sample: &Sample) -> Result<(String, Charset)> {
    let cannot = |why: String| usage(format!("sample {} cannot be read: {why}", sample.path.display()));
    let bytes = |charset| {
        let mut bytes = Vec::new();
        let mut reader = text(sample.input(), charset).map_err(|error| cannot(error.chain()))?;
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| cannot(error.to_string()))?;
        Ok::<_, anyhow::Error>(bytes)
    };
    let plain = match String::from_utf8(bytes(Charset::Utf8)?) {
        Ok(text) => return Ok((text, Charset::Utf8)),
        Err(error) => error.into_bytes(),
    };
    if plain.contains(&0) {
        return Err(cannot(
            "it is neither text nor Parquet; a spreadsheet or an archive must be saved or unpacked as CSV first".to_owned(),
        ));
    }
    // What is Japanese has kana; other texts have none of them, however they are read.
    if let (japanese, _, false) = encoding_rs::SHIFT_JIS.decode(&plain)
        && japanese.chars().any(|c| matches!(c, '\u{3041}'..='\u{30FF}'))
    {
        return Ok((japanese.into_owned(), Charset::ShiftJis));
    }
    let (western, _, _) = encoding_rs::WINDOWS_1252.decode(&plain);
    Ok((western.into_owned(), Charset::Windows1252))
}

/// Texts that stand for nothing: without them their column would be more than text.
fn nulls(observed: &Observed) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for field in &observed.fields {
        let has = |null: &&str| (0..observed.rows()).any(|row| field.value(row) == Some(null));
        let present: Vec<&str> = NULLS.into_iter().filter(has).collect();
        if !present.is_empty() && is_more_than_text(field, &present)? {
            found.extend(present.into_iter().map(str::to_owned));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn is_more_than_text(field: &Field, nulls: &[&str]) -> Result<bool> {
    let values = field.values();
    let others = values
        .iter()
        .map(|text| text.filter(|text| !nulls.contains(text)));
    let others: StringArray = others.collect();
    let some = others.null_count() < others.len();
    let ty = kind::infer("value", &others)?.ty;
    Ok(some && ty != ColumnType::Text)
}

fn add_nulls(format: &mut Format, nulls: &[String]) {
    if let Format::Csv(CsvFormat { null, .. }) | Format::Tsv(TsvFormat { null, .. }) = format {
        null.extend(nulls.iter().cloned());
    }
}

#[cfg(test)]
mod tests;
