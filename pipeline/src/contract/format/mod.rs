//! How raw objects are encoded.

use std::collections::BTreeMap;
use std::fmt;

/// Encoding of raw objects. Gzip is recognised by its magic bytes in every format but Parquet, which compresses within.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// RFC 4180 and its relatives.
    Csv(CsvFormat),
    /// Lines of cells between tabs, without quotes.
    Tsv(TsvFormat),
    /// JSON objects one after another: an array, NDJSON, or concatenated without newlines.
    JsonRows(JsonFormat),
    /// One JSON document with rows in an array somewhere in it.
    Json(JsonDocument),
    /// Parquet files that another program wrote.
    Parquet,
}

impl Format {
    /// The word in contracts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Tsv(_) => "tsv",
            Self::JsonRows(_) => "json_rows",
            Self::Json(_) => "json",
            Self::Parquet => "parquet",
        }
    }

    /// The same format for an object in a charset of its own; formats that have no choice of it stay as they are.
    pub fn in_charset(&self, charset: Charset) -> Self {
        let mut format = self.clone();
        match &mut format {
            Self::Csv(CsvFormat { charset: own, .. }) | Self::Tsv(TsvFormat { charset: own, .. }) => {
                *own = charset;
            }
            Self::JsonRows(_) | Self::Json(_) | Self::Parquet => {}
        }
        format
    }
}

/// How a delimited text file is read.
#[derive(Debug, Clone, PartialEq)]
pub struct CsvFormat {
    /// Field delimiter.
    pub delimiter: u8,
    /// Whether the first record names the columns.
    pub header: Header,
    /// Declared order of the columns where there is no header.
    pub columns: Vec<String>,
    /// Cell texts that mean NULL.
    pub null: Vec<String>,
    /// Header cell (or declared column) to canonical field name, where they differ.
    pub rename: BTreeMap<String, String>,
    /// Every raw field that contracts name: by these a header is recognised. Where there are none, anything is one.
    pub known: Vec<String>,
    /// What its bytes mean.
    pub charset: Charset,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self {
            delimiter: b',',
            header: Header::Present,
            columns: Vec::new(),
            null: vec![String::new()],
            rename: BTreeMap::new(),
            known: Vec::new(),
            charset: Charset::Utf8,
        }
    }
}

/// Whether two names of fields are the same but for letter case and blanks at their ends: as what headers are recognised
/// by.
pub(crate) fn alike(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// Whether a CSV file starts with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Always; at least one of its cells must be a known name.
    Present,
    /// Never: `columns` gives the order.
    Absent,
    /// Where `columns` gives an order: when all cells of the first record are known names. Where it does not: as
    /// `Present`, and fields get the known spelling.
    Detect,
}

/// How a text of tab-separated cells is read, whose first line names the fields. Nothing is quoted: a quote is a
/// character of its cell, and no cell holds a tab or a line end.
#[derive(Debug, Clone, PartialEq)]
pub struct TsvFormat {
    /// Cell texts that mean NULL.
    pub null: Vec<String>,
    /// Header cell to canonical field name, where they differ.
    pub rename: BTreeMap<String, String>,
    /// As in [`CsvFormat`].
    pub known: Vec<String>,
    /// What its bytes mean.
    pub charset: Charset,
}

impl Default for TsvFormat {
    fn default() -> Self {
        Self {
            null: vec![String::new()],
            rename: BTreeMap::new(),
            known: Vec::new(),
            charset: Charset::Utf8,
        }
    }
}

/// How the bytes of a text become characters. Bytes that mean none are never replaced: their row is rejected. A text
/// that starts with the byte order mark of UTF-8 is UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Charset {
    /// UTF-8.
    #[default]
    Utf8,
    /// Western European, also known as cp1252; of ISO 8859-1 it has all but the control characters.
    Windows1252,
    /// Japanese as Windows writes it, also known as cp932 or windows-31j.
    ShiftJis,
}

impl Charset {
    /// The charset of one of the names that it goes by, such as `Cp1252` or `MS932`; none for others.
    pub(crate) fn of_label(label: &str) -> Option<Self> {
        if label.eq_ignore_ascii_case("cp932") {
            return Some(Self::ShiftJis);
        }
        let encoding = encoding_rs::Encoding::for_label(label.as_bytes())?;
        [
            (encoding_rs::UTF_8, Self::Utf8),
            (encoding_rs::WINDOWS_1252, Self::Windows1252),
            (encoding_rs::SHIFT_JIS, Self::ShiftJis),
        ]
        .into_iter()
        .find_map(|(known, charset)| (known == encoding).then_some(charset))
    }
}

impl fmt::Display for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Windows1252 => "windows-1252",
            Self::ShiftJis => "Shift_JIS",
        })
    }
}

/// How JSON objects one after another are read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JsonFormat {
    /// Unwrap an SNS envelope (`Type`, `Message`) around each object where there is one.
    pub sns_envelope: bool,
}

/// Where the rows of a JSON document are, and what around them belongs to each.
///
/// Fields of a row are named by their path in its object, header fields by theirs in the document.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JsonDocument {
    /// Keys from the document down to an array of objects; none when the document is that array.
    pub array: Vec<String>,
    /// Path, in each object of that array, of the array whose elements are the rows instead. The other fields of the
    /// object are copied down to its rows, named by their path in the document (`orders.id`).
    pub inner: Option<String>,
    /// Paths of objects, arrays and scalars outside of the rows that are copied down to each row.
    pub header: Vec<String>,
}

impl JsonDocument {
    /// The path of the rows as in a contract: `salesByAsin`, `orders[].items`, or `$` for the document itself.
    pub fn rows(&self) -> String {
        let array = self.array.join(".");
        match &self.inner {
            Some(inner) => format!("{array}[].{inner}"),
            None if array.is_empty() => "$".to_owned(),
            None => array,
        }
    }
}
