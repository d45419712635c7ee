//! Formats from bytes.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use pipeline::contract::{Charset, Format, Header};

use super::*;

fn sample(bytes: &[u8]) -> Sample {
    Sample {
        path: "a.csv".into(),
        bytes: bytes.to_vec().into(),
        manifest: None,
    }
}

fn of(bytes: &[u8]) -> (Guess, Observed) {
    guess(&[sample(bytes)], None).unwrap()
}

fn refused(bytes: &[u8]) -> String {
    guess(&[sample(bytes)], None).unwrap_err().to_string()
}

fn names(observed: &Observed) -> Vec<&str> {
    observed.fields.iter().map(|field| field.name.as_str()).collect()
}

#[test]
fn delimiters_are_told_apart_by_what_makes_rows_of_all_records() {
    let delimiter = |text: &str| match of(text.as_bytes()).0.format {
        Format::Csv(csv) => char::from(csv.delimiter),
        other => panic!("{other:?}"),
    };
    assert_eq!(delimiter("a,b\n1,2\n"), ',');
    assert_eq!(delimiter("a;b\n1,5;2\n"), ';');
    assert_eq!(delimiter("a|b,c|d\n1|2|3\n"), '|');
    assert_eq!(delimiter("\"a\"\t\"b\"\n\"1\"\t\"2\"\n"), '\t');
    assert_eq!(of(b"a\tb\n1\t\"2\n").0.format.name(), "tsv");
}

#[test]
fn quotes_between_tabs_are_what_makes_rows_of_all_records() {
    let name = |text: &str| of(text.as_bytes()).0.format.name();
    assert_eq!(name("\"a\"\t\"b\"\n1\t27\" \"wide\"\n2\t\"27\" wide\n"), "tsv");
    assert_eq!(name("a\tb\n1\t\"x\ty\"\n2\t\"z\"\n"), "csv");
    assert_eq!(name("a\tb\n1\t\"x\"\n"), "tsv");
    let (_, observed) = of(b"a,b\n1,\"27\" wide\"\n2,x\n");
    assert_eq!(
        (observed.rows(), observed.malformed.len()),
        (1, 1),
        "what is no value is not altered"
    );
}

#[test]
fn a_first_line_of_values_is_no_header() {
    let (guess, observed) = of(b"17,2026-03-01,Mug\n18,2026-03-02,Cup\n");
    let Format::Csv(csv) = &guess.format else {
        panic!("not CSV")
    };
    assert_eq!(csv.header, Header::Absent);
    assert_eq!(csv.columns, ["column_1", "column_2", "column_3"]);
    assert_eq!(observed.rows(), 2);
    assert_eq!(guess.notes.len(), 1);
}

#[test]
fn characters_are_read_in_the_charset_that_they_are_in() {
    let charset = |bytes: &[u8]| match of(bytes).0.format {
        Format::Csv(csv) => csv.charset,
        other => panic!("{other:?}"),
    };
    assert_eq!(charset("a,b\nGröße,1\n".as_bytes()), Charset::Utf8);
    assert_eq!(charset(b"a,b\nGr\xF6\xDFe,1\n"), Charset::Windows1252);
    let (japanese, _, _) = encoding_rs::SHIFT_JIS.encode("商品,数\nマグカップ,1\n");
    assert_eq!(charset(&japanese), Charset::ShiftJis);
}

#[test]
fn gzip_is_looked_into() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"[{\"id\": 1}, {\"id\": 2}]").unwrap();
    let (guess, observed) = of(&encoder.finish().unwrap());
    assert_eq!((guess.format.name(), observed.rows()), ("json", 2));
}

#[test]
fn json_is_a_document_or_objects_one_after_another() {
    let (guess, observed) = of(
        br#"{"spec": {"view": "X"}, "lang": "en", "rows": [{"a": {"b": 1}}, {"c": 2}], "sums": [{"a": 3}]}"#,
    );
    let Format::Json(document) = &guess.format else {
        panic!("no document")
    };
    assert_eq!(
        (document.rows().as_str(), document.header.join(",")),
        ("rows", "lang,spec".to_owned())
    );
    assert!(guess.notes[0].contains("sums"));
    assert_eq!(names(&observed), ["lang", "spec.view", "a.b", "c"]);
    assert!(observed.fields[0].header && !observed.fields[2].header);

    assert_eq!(of(b"{\"id\": 1}\n{\"id\": 2}").0.format.name(), "json_rows");
    assert_eq!(of(b"{\"id\": 1, \"tags\": [1, 2]}").0.format.name(), "json_rows");
    let envelope = of(br#"{"Type": "Notification", "Message": "{\"id\": 1}"}{"Type": "Notification", "Message": "{\"id\": 2}"}"#);
    assert_eq!(
        envelope.0.format,
        Format::JsonRows(pipeline::contract::JsonFormat { sns_envelope: true })
    );
    assert_eq!(names(&envelope.1), ["id"]);
}

#[test]
fn rows_further_in_are_found_and_can_be_chosen() {
    let text =
        br#"{"meta": {"n": 2}, "data": {"page": 1, "rows": [{"a": 1}, {"a": 2}], "sums": [{"a": 3}]}}"#;
    let of_rows = |rows| match guess(&[sample(text)], rows).map(|(guess, _)| guess.format) {
        Ok(Format::Json(document)) => (document.rows(), document.header.join(",")),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        of_rows(None),
        ("data.rows".to_owned(), "meta,data.page".to_owned())
    );
    assert_eq!(of_rows(Some("data.sums")).0, "data.sums");
    let refused = guess(&[sample(text)], Some("rows")).unwrap_err().to_string();
    assert!(refused.contains("there is data.rows, data.sums"), "{refused}");
}

#[test]
fn texts_for_nothing_are_null_where_the_others_are_no_texts() {
    let (guess, observed) = of(b"n,t\n1,N/A\nN/A,x\n");
    let Format::Csv(csv) = &guess.format else {
        panic!("not CSV")
    };
    assert_eq!(csv.null, ["", "N/A"]);
    assert_eq!(observed.field("n").unwrap().value(1), None);
    let (guess, _) = of(b"n,t\n1,N/A\n2,x\n");
    let Format::Csv(csv) = &guess.format else {
        panic!("not CSV")
    };
    assert_eq!(csv.null, [""]);
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    assert!(refused(b"just a line of words\n").contains("no tab, comma"));
    assert!(refused(b"<html>\n<p>,</p>").contains("XML or HTML"));
    assert!(refused(b"  \n ").contains("white space"));
    assert!(refused(b"{\"a\": ").contains("begins like JSON"));
    assert!(refused(b"a,b\n").contains("no row"));
    assert!(refused(b"PK\x03\x04\x00\x00\xFF\xFF,").contains("neither text nor Parquet"));
    assert!(refused(&[0x28, 0xB5, 0x2F, 0xFD, 0, 0]).contains("zstd"));
    assert!(refused(&[0x1F, 0x8B, 8, 0]).contains("a.csv cannot be read"));
}
