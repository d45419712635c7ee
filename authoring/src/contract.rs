//! The text of a proposed contract.

use std::fmt::Write;

use pipeline::contract::{
    Charset, Column, ColumnType, CsvFormat, Format, Header, Personal, TableName, TsvFormat, Zone,
};

use super::column::Proposed;
use super::keep::Keeping;
use super::place::Place;
use super::sample::Sample;

/// Most characters of a line of comment.
const WIDTH: usize = 110;

/// Everything that a contract is made of.
pub(super) struct Draft<'a> {
    /// Name of the table.
    pub(super) table: &'a TableName,
    /// Where the guesses come from.
    pub(super) samples: &'a [Sample],
    /// Rows of the samples.
    pub(super) rows: usize,
    /// Where objects lie.
    pub(super) place: &'a Place,
    /// How they are read.
    pub(super) format: &'a Format,
    /// What stays of the rows.
    pub(super) keeping: &'a Keeping,
    /// The columns.
    pub(super) columns: &'a [Proposed],
    /// What else a person should know.
    pub(super) notes: &'a [String],
    /// Whether the source's tables share options of CSV, so that usual ones have to be said.
    pub(super) explicit_csv: bool,
}

/// `<table>.toml`.
pub(super) fn toml(draft: &Draft<'_>) -> String {
    let mut text = String::new();
    let names: Vec<String> = draft.samples.iter().map(Sample::name).collect();
    comment(
        &mut text,
        &format!(
            "Proposed by `marketlake new` from {} rows of {}. CHECK marks what a sample cannot tell: read it, mend it, delete \
             the comment. A column's meaning goes into doc: {{ type = \"int\", doc = \"Units.\" }}.",
            draft.rows,
            names.join(", ")
        ),
    );
    for note in draft.notes {
        comment(&mut text, note);
    }
    let line = |text: &mut String, key: &str, value: &str| {
        let _ = writeln!(text, "{key:<11} = {value}");
    };
    comment(
        &mut text,
        "CHECK: what is one row? For reports: of which type, asked for how?",
    );
    let words = draft.table.table.replace('_', " ");
    line(&mut text, "description", &quoted(&format!("One row of {words}.")));
    text.push('\n');
    if !draft.place.known {
        comment(
            &mut text,
            "CHECK: the sample's path does not tell where such objects lie in the raw zone; this is a proposal. {account} is \
             the alias of an account, {date} the day of delivery; docs/raw-zone.md has more.",
        );
    }
    line(&mut text, "path", &quoted(&draft.place.pattern));
    line(&mut text, "format", &quoted(draft.format.name()));
    for (key, value) in options(draft.format, draft.explicit_csv) {
        line(&mut text, key, &value);
    }
    text.push('\n');
    keeping(&mut text, draft.keeping, line);
    text.push('\n');
    comment(
        &mut text,
        "How often something should arrive, so that `marketlake status --gaps` misses it:",
    );
    text.push_str("# expect    = { every = \"1d\", within = \"12h\" }\n\n[columns]\n");
    columns(&mut text, draft.columns);
    let number = draft
        .columns
        .iter()
        .find(|column| matches!(column.column.ty, ColumnType::Int | ColumnType::Decimal(..)));
    let number = number.map_or("units", Proposed::name);
    let _ = write!(
        text,
        "\n# What should hold of every row; else: warn, quarantine (the row) or hold (the batch, for a person).\n# [checks]\n\
         # {number}_is_not_negative = {{ sql = \"{number} >= 0\", else = \"warn\" }}\n"
    );
    text
}

/// `<table>.sql`, where fields have to be written anew before they have a type.
pub(super) fn sql(columns: &[Proposed]) -> Option<String> {
    let mut made: Vec<String> = Vec::new();
    for column in columns {
        let (Some(way), Some(field), Some(name)) =
            (column.written, &column.field, column.column.from.first())
        else {
            continue;
        };
        let item = format!("    {} AS {name}", way.sql(field));
        if !made.contains(&item) {
            made.push(item);
        }
    }
    (!made.is_empty()).then(|| {
        format!(
            "-- Days and numbers that are written in the customs of a country, as 2026-12-31 and 1234.56.\nSELECT\n    *,\n{}\n\
             FROM raw\n",
            made.join(",\n")
        )
    })
}

fn keeping(text: &mut String, keeping: &Keeping, line: impl Fn(&mut String, &str, &str)) {
    comment(text, &format!("CHECK: {}", keeping.why));
    line(text, "keep", &quoted(keeping.keep));
    if !keeping.per.is_empty() {
        line(text, "per", &list(&keeping.per));
    }
    if let Some(covers) = &keeping.covers {
        line(text, "covers", &quoted(covers));
    }
    if !keeping.period.is_empty() {
        line(text, "period", &list(&keeping.period));
    }
    if !keeping.key.is_empty() {
        let what = match keeping.keep {
            "latest_document" => {
                "Rows of one report that have the same key are counted and said; it decides nothing."
            }
            _ => {
                "Rows with the same key are the same thing. A key that is too narrow loses rows, one that is too wide keeps \
                 what is stale."
            }
        };
        comment(
            text,
            &format!("CHECK: never empty in the sample, and unique among its different rows. {what}"),
        );
        line(text, "key", &list(&keeping.key));
    }
    if !keeping.identity.is_empty() {
        comment(
            text,
            "CHECK: the rest of the key is assumed to follow from these, which marketlake maintain audits.",
        );
        line(text, "identity", &list(&keeping.identity));
    }
    if !keeping.newest_by.is_empty() {
        line(text, "newest_by", &list(&keeping.newest_by));
    }
    if keeping.partition.is_empty() {
        comment(
            text,
            "A table that grows for years wants partition = [a date column]: put the column into the key, or say with \
             key_window how far the date of a key can move.",
        );
    } else {
        line(text, "partition", &list(&keeping.partition));
    }
    if let Some(days) = keeping.key_window {
        line(text, "key_window", &quoted(&format!("{days}d")));
    }
}

fn options(format: &Format, explicit: bool) -> Vec<(&'static str, String)> {
    let mut options = Vec::new();
    let charset = match format {
        Format::Csv(CsvFormat { charset, .. }) | Format::Tsv(TsvFormat { charset, .. }) => *charset,
        Format::JsonRows(_) | Format::Json(_) | Format::Parquet => Charset::Utf8,
    };
    match charset {
        Charset::Utf8 => {}
        Charset::Windows1252 => options.push(("charset", quoted("windows-1252"))),
        Charset::ShiftJis => options.push(("charset", quoted("shift_jis"))),
    }
    let mut keys: Vec<String> = Vec::new();
    let null = |null: &[String]| format!("null = {}", list(null));
    match format {
        Format::Csv(csv) => {
            let usual = CsvFormat::default();
            if csv.delimiter != usual.delimiter || explicit {
                keys.push(format!(
                    "delimiter = {}",
                    quoted(&char::from(csv.delimiter).to_string())
                ));
            }
            match csv.header {
                Header::Absent => keys.push(format!("header = \"absent\", columns = {}", list(&csv.columns))),
                _ if explicit => keys.push("header = \"present\"".to_owned()),
                _ => {}
            }
            if csv.null != usual.null || explicit {
                keys.push(null(&csv.null));
            }
        }
        Format::Tsv(tsv) if tsv.null != TsvFormat::default().null => keys.push(null(&tsv.null)),
        Format::Tsv(_) | Format::Parquet => {}
        Format::JsonRows(json) if json.sns_envelope => keys.push("sns_envelope = true".to_owned()),
        Format::JsonRows(_) => {}
        Format::Json(json) => {
            keys.push(format!("rows = {}", quoted(&json.rows())));
            if !json.header.is_empty() {
                keys.push(format!("header = {}", list(&json.header)));
            }
        }
    }
    if !keys.is_empty() {
        let key = match format {
            Format::Csv(_) => "csv",
            Format::Tsv(_) => "tsv",
            _ => "json",
        };
        options.push((key, format!("{{ {} }}", keys.join(", "))));
    }
    options
}

fn columns(text: &mut String, columns: &[Proposed]) {
    let width = columns
        .iter()
        .map(|column| column.name().len())
        .max()
        .unwrap_or(0);
    for column in columns {
        if let Some(check) = &column.check {
            comment(text, &format!("CHECK: {check}"));
        }
        let _ = writeln!(text, "{:<width$} = {}", column.name(), definition(&column.column));
    }
}

/// A type, or a table of what there is to say.
fn definition(column: &Column) -> String {
    let ty = quoted(&column.ty.to_string());
    let mut keys = vec![format!("type = {ty}")];
    match column.from.as_slice() {
        [own] if *own == column.name => {}
        [field] => keys.push(format!("from = {}", quoted(field))),
        fields => keys.push(format!("from = {}", list(fields))),
    }
    match column.zone {
        Zone::Utc => {}
        Zone::Account => keys.push("zone = \"account\"".to_owned()),
        Zone::AsWritten => keys.push("zone = \"as_written\"".to_owned()),
    }
    match column.personal {
        None => {}
        Some(Personal::Drop) => keys.push("personal = \"drop\"".to_owned()),
        Some(Personal::Hash) => keys.push("personal = \"hash\"".to_owned()),
    }
    if column.required {
        keys.push("required = true".to_owned());
    }
    keys.extend(column.doc.as_ref().map(|doc| format!("doc = {}", quoted(doc))));
    match keys.len() {
        1 => ty,
        _ => format!("{{ {} }}", keys.join(", ")),
    }
}

/// A text as TOML writes it, on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// Lines of comment, broken between words.
fn comment(text: &mut String, said: &str) {
    let mut line = String::from("#");
    for word in said.split_whitespace() {
        if line.len() + word.len() + 1 > WIDTH {
            let _ = writeln!(text, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_toml_reads_them() {
        for text in ["plain", "say \"hi\"", "a\\b", "tab\there", "line\nend", "größe"] {
            let line = format!("x = {}", quoted(text));
            let table: toml::Table = line.parse().unwrap();
            assert_eq!(table["x"].as_str(), Some(text), "{line}");
        }
    }

    #[test]
    fn comments_are_broken_between_words() {
        let mut text = String::new();
        comment(&mut text, &"word ".repeat(40));
        assert!(text.lines().count() > 1);
        assert!(
            text.lines()
                .all(|line| line.starts_with("# ") && line.len() <= WIDTH),
            "{text}"
        );
    }
}
