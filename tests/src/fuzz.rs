//! Any bytes at all, for every decoder: what must hold whatever they are.
//!
//! A decoder neither panics nor hangs, numbers its records in order, and says the same of the same bytes however they
//! arrive. `fuzz/` gives these functions what cargo-fuzz finds, the tests what a few thousand mutations make of
//! the seeds of each [`Target`].

use std::io::{self, Read};
use std::ops::Range;

use arrow::array::{Array, AsArray};
use bytes::Bytes;
use pipeline::Result;
use pipeline::contract::{Charset, CsvFormat, Format, Header, JsonDocument, JsonFormat, TsvFormat};
use pipeline::decode::{Decoded, InMemory, Input, decode};

/// A decoder under any bytes.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Panics when something does not hold.
    pub check: fn(&[u8]),
    /// Bytes to begin with.
    pub seeds: &'static [&'static [u8]],
}

/// All of them.
pub const TARGETS: [Target; 5] = [
    Target {
        name: "csv",
        check: csv,
        seeds: &[
            b"a,b,c\n1,2,3\n\"x\"\"y\",,\"z\nz\"\r\n",
            b"\xef\xbb\xbfa|b\r1|2\r",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03KT0\xe42\xe2\x02\x00\xf3\xbb\x8a\x12\x06\x00\x00\x00",
        ],
    },
    Target {
        name: "tsv",
        check: tsv,
        seeds: &[b"a\tb\n1\t\"2\n\n3\t4\r\n", b"a\tb\n\x81\x40\t\xe9\n"],
    },
    Target {
        name: "json_rows",
        check: json_rows,
        seeds: &[
            b"{\"a\":1,\"b\":{\"c\":[1,\"x\"]}}\n{\"a\":null}{\"a\":-1.5e+3}",
            b"[{\"a\":\"\\u00e9\\ud83d\\ude00\"},{\"b\":true}]",
            b"{\"Type\":\"Notification\",\"Message\":\"{\\\"a\\\":1}\"}",
        ],
    },
    Target {
        name: "json_document",
        check: json_document,
        seeds: &[
            b"{\"head\":{\"day\":\"2026-03-01\"},\"rows\":[{\"a\":1},{\"a\":{\"b\":2}}],\"tail\":[3]}",
            b"{\"rows\":[{\"id\":1,\"items\":[{\"a\":1},{\"a\":2}]},{\"id\":2,\"items\":[]}]}",
            b"[{\"a\":1}]",
        ],
    },
    Target {
        name: "parquet",
        check: parquet,
        seeds: &[include_bytes!("../seeds/every_type.parquet")],
    },
];

/// CSV with and without a header, in every charset.
pub fn csv(bytes: &[u8]) {
    for header in [Header::Present, Header::Absent, Header::Detect] {
        let format = CsvFormat {
            header,
            delimiter: if bytes.len().is_multiple_of(2) { b',' } else { b'|' },
            columns: match header {
                Header::Present => Vec::new(),
                _ => vec!["a".to_owned(), "b".to_owned()],
            },
            known: vec!["a".to_owned(), "b".to_owned()],
            ..CsvFormat::default()
        };
        in_every_charset(bytes, &Format::Csv(format));
    }
}

/// TSV in every charset.
pub fn tsv(bytes: &[u8]) {
    in_every_charset(bytes, &Format::Tsv(TsvFormat::default()));
}

/// JSON objects one after another, in envelopes or not.
pub fn json_rows(bytes: &[u8]) {
    for sns_envelope in [false, true] {
        holds(bytes, &Format::JsonRows(JsonFormat { sns_envelope }), None);
    }
}

/// One JSON document, with its rows in several places.
pub fn json_document(bytes: &[u8]) {
    for (array, inner) in [
        (vec!["rows"], None),
        (vec!["rows"], Some("items")),
        (vec![], None),
    ] {
        let format = JsonDocument {
            array: array.into_iter().map(str::to_owned).collect(),
            inner: inner.map(str::to_owned),
            header: vec!["head".to_owned(), "tail".to_owned()],
        };
        holds(bytes, &Format::Json(format), None);
    }
}

/// A Parquet file.
pub fn parquet(bytes: &[u8]) {
    holds(bytes, &Format::Parquet, None);
}

fn in_every_charset(bytes: &[u8], format: &Format) {
    for charset in [Charset::Utf8, Charset::Windows1252, Charset::ShiftJis] {
        holds(bytes, format, Some(charset));
    }
}

/// What an object gives: per record its ordinal and what it says.
type Said = std::result::Result<Vec<(i64, String)>, String>;

fn holds(bytes: &[u8], format: &Format, charset: Option<Charset>) {
    let whole = said(bytes, usize::MAX, format, charset);
    let pieces = said(bytes, 1 + bytes.len() % 7, format, charset);
    assert_eq!(whole, pieces, "it matters in which pieces the bytes come");
}

fn said(bytes: &[u8], piece: usize, format: &Format, charset: Option<Charset>) -> Said {
    let input = Pieces {
        bytes: InMemory::new(bytes.to_vec()),
        piece,
    };
    let mut records = Vec::new();
    let mut last = 0;
    for decoded in decode(Box::new(input), format, charset).map_err(|error| error.chain())? {
        match decoded.map_err(|error| error.chain())? {
            Decoded::Nothing => records.push((0, "nothing".to_owned())),
            Decoded::CutShort => records.push((0, "cut short".to_owned())),
            Decoded::Header(header) => records.push((0, format!("{header:?}"))),
            Decoded::Malformed(malformed) => records.push((malformed.row, malformed.reason)),
            Decoded::Rows(batch) => {
                assert_eq!(batch.rows.len(), batch.fields.num_rows());
                let fields = batch.texts().unwrap();
                for (index, ordinal) in batch.rows.iter().enumerate() {
                    assert!(*ordinal > last, "records are not in order");
                    last = *ordinal;
                    records.push((*ordinal, row(&fields, index)));
                }
            }
        }
    }
    records.sort();
    Ok(records)
}

fn row(fields: &arrow::array::RecordBatch, index: usize) -> String {
    let schema = fields.schema();
    let mut cells: Vec<String> = schema
        .fields()
        .iter()
        .zip(fields.columns())
        .filter(|(_, column)| column.is_valid(index))
        .map(|(field, column)| format!("{}={:?}", field.name(), column.as_string::<i32>().value(index)))
        .collect();
    cells.sort();
    cells.join(",")
}

/// Bytes that come in pieces of at most some size.
struct Pieces {
    bytes: InMemory,
    piece: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.piece.min(buffer.len());
        self.bytes.read(&mut buffer[..size])
    }
}

impl Input for Pieces {
    fn again(&self) -> Result<Box<dyn Input>> {
        Ok(Box::new(Self {
            bytes: self.bytes.from_start(),
            piece: self.piece,
        }))
    }

    fn length(&self) -> u64 {
        self.bytes.length()
    }

    fn range(&self, range: Range<u64>) -> Result<Bytes> {
        self.bytes.range(range)
    }
}
