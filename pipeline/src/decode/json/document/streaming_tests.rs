use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::contract::Format;
use crate::decode::{DecodedRows, decode_within};

fn rows_with(header: &str) -> JsonDocument {
    JsonDocument {
        array: vec!["byAsin".to_owned()],
        inner: None,
        header: vec![header.to_owned()],
    }
}

/// A document that is made while it is read: a header after `rows` rows.
struct Generated {
    rows: u64,
    /// The next piece: 0 is the start, then come the rows and the end.
    next: u64,
    piece: Cursor<Vec<u8>>,
    /// Rows made by all readers.
    made: Arc<AtomicU64>,
}

impl Generated {
    fn new(rows: u64, made: Arc<AtomicU64>) -> Self {
        Self {
            rows,
            next: 0,
            piece: Cursor::default(),
            made,
        }
    }
}

impl Read for Generated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.piece.read(buffer)?;
        if count > 0 || self.next > self.rows + 1 {
            return Ok(count);
        }
        let text = match self.next {
            0 => r#"{"early":1,"byAsin":["#.to_owned(),
            last if last == self.rows + 1 => r#"],"spec":{"day":"x"}}"#.to_owned(),
            row => {
                self.made.fetch_add(1, Ordering::Relaxed);
                let comma = if row == self.rows { "" } else { "," };
                format!(
                    "{{\"asin\":\"B{row}\",\"text\":\"{}\"}}{comma}\n",
                    "y".repeat(1000)
                )
            }
        };
        self.next += 1;
        self.piece = Cursor::new(text.into_bytes());
        self.piece.read(buffer)
    }
}

impl Input for Generated {
    fn again(&self) -> Result<Box<dyn Input>> {
        Ok(Box::new(Self::new(self.rows, Arc::clone(&self.made))))
    }

    fn length(&self) -> u64 {
        u64::MAX
    }

    fn range(&self, _: Range<u64>) -> Result<bytes::Bytes> {
        Err(Error::internal("a document is read from its start"))
    }
}

fn decoded_until_first_rows(header: &str, made: &Arc<AtomicU64>) -> DecodedRows {
    let format = Format::Json(rows_with(header));
    let input = Generated::new(40_000, Arc::clone(made));
    let mut rows = decode_within(Box::new(input), &format, Limits::default()).unwrap();
    assert!(matches!(rows.next(), Some(Ok(Decoded::Header(header))) if header.len() == 1));
    assert!(matches!(rows.next(), Some(Ok(Decoded::Rows(batch))) if batch.rows[0] == 1));
    rows
}

#[test]
fn rows_come_out_while_the_document_is_still_coming_in() {
    let made = Arc::default();
    let rows = decoded_until_first_rows("early", &made);
    assert!(
        made.load(Ordering::Relaxed) < 20_000,
        "half of the document is not needed"
    );
    let count = rows.map(|rows| match rows.unwrap() {
        Decoded::Rows(batch) => batch.rows.len(),
        other => panic!("{other:?}"),
    });
    assert!(count.sum::<usize>() > 30_000);
    assert_eq!(made.load(Ordering::Relaxed), 40_000, "the document is read once");
}

#[test]
fn a_header_after_the_rows_costs_a_second_look_but_no_memory() {
    let made = Arc::default();
    let rows = decoded_until_first_rows("spec", &made);
    let read = made.load(Ordering::Relaxed);
    assert!((40_000..60_000).contains(&read), "{read} rows were made");
    drop(rows);
}

#[test]
fn what_is_held_is_a_row_and_not_the_document() {
    let made = Arc::default();
    let format = rows_with("early");
    let input = Generated::new(20_000, made);
    let mut rows = DocumentRows::new(Box::new(input), &format, Limits::default()).unwrap();
    let mut largest = 0;
    while rows.next().is_some() {
        largest = largest.max(rows.walker.memory());
    }
    assert!(largest < 2 << 20, "{largest} bytes were held");
}
