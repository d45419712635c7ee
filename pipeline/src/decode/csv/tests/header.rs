//! Headers: renamed, declared, detected.

use super::*;

#[test]
fn header_cells_are_trimmed_and_renamed() {
    let rename = [("Order ID", "order_id"), ("amt", "amount")];
    let rename = rename.map(|(from, to)| (from.to_owned(), to.to_owned())).into();
    let format = CsvFormat {
        rename,
        known: vec!["qty".to_owned()],
        ..present()
    };
    let all = read(" order id ,amt,\"Qty\"\n1,2,3\n", format).unwrap();
    assert_eq!(
        all.columns,
        [["order_id", "amount", "Qty"]],
        "known names do not touch a header that is there"
    );
}

#[test]
fn declared_columns_are_renamed() {
    let format = CsvFormat {
        rename: [("a".to_owned(), "x".to_owned())].into(),
        ..declared(&["a", "b"])
    };
    assert_eq!(read("1,2\n", format).unwrap().columns, [["x", "b"]]);
}

#[test]
fn headers_that_cannot_be_are_errors_of_the_object() {
    assert!(message("a,b,a\n1,2,3\n", present()).contains("\"a\" twice"));
    let rename = CsvFormat {
        rename: [("b".to_owned(), "a".to_owned())].into(),
        ..present()
    };
    assert!(message("a,b\n1,2\n", rename).contains("\"a\" twice"));
    assert!(message("\na,b\n1,2\n", present()).contains("first line is empty"));
    assert!(message("\r\n1,2\n", present()).contains("first line is empty"));
    assert!(message(",\n1,2\n", present()).contains("cell 1 of the header is empty"));
    assert!(message("a, ,c\n1,2,3\n", present()).contains("cell 2 of the header is empty"));
    assert!(message("a,\"b\n1,2\n", present()).contains("not closed"));
    let error = read(b"a,\xFF\n1,2\n", present()).unwrap_err();
    assert!(error.message().contains("not valid UTF-8"));
}

#[test]
fn columns_that_cannot_be_are_errors_of_usage() {
    assert_eq!(read("1\n", declared(&[])).unwrap_err().kind(), Kind::Usage);
    assert_eq!(
        read("1,2\n", declared(&["a", "a"])).unwrap_err().kind(),
        Kind::Usage
    );
}

#[test]
fn a_header_is_detected_when_all_its_cells_are_known() {
    let mut format = detected(&["id", "name"], &["amount", "name"]);
    format.rename.insert("ident".to_owned(), "id".to_owned());
    for header in ["id,name", " ID ,Name", "ident,NAME", "name,id"] {
        let all = read(format!("{header}\n1,2\n"), format.clone()).unwrap();
        assert_eq!(all.ordinals(), [1], "{header}");
        let mut names = all.columns[0].clone();
        names.sort();
        assert_eq!(names, ["id", "name"], "{header}");
    }
    for first in ["1,2", "id,2", "x,y"] {
        let all = read(format!("{first}\n3,4\n"), format.clone()).unwrap();
        assert_eq!(all.ordinals(), [1, 2], "{first}");
        assert_eq!(all.columns, [["id", "name"]], "{first}");
    }
}

#[test]
fn a_first_record_that_is_no_header_is_judged_as_a_row() {
    let all = read(b"1,\xFF\n3,4\n", detected(&["a", "b"], &["a", "b"])).unwrap();
    assert_eq!(all.reasons(), [(1, "is not valid UTF-8")]);
    assert_eq!(all.ordinals(), [2]);
}

#[test]
fn detection_without_known_names_takes_the_first_record_as_header() {
    assert_eq!(
        read("x,y\n1,2\n", detected(&[], &[])).unwrap().columns,
        [["x", "y"]]
    );
}

#[test]
fn detection_does_not_guess() {
    let format = detected(&["a", "b", "c"], &["a", "b"]);
    assert!(message("a,b,new\n1,2,3\n", format).contains("\"new\" is no known field"));
}

#[test]
fn without_declared_columns_one_known_name_makes_a_header() {
    let all = read("mood,ID,Weather\ngood,1,dry\n", detected(&[], &["id", "name"])).unwrap();
    assert_eq!(all.columns, [["mood", "id", "Weather"]]);
    assert_eq!(all.ordinals(), [1]);
    let error = message("1,2\n3,4\n", detected(&[], &["a"]));
    assert!(
        error.contains("names no field") && !error.contains(['1', '2']),
        "cells that may be personal are not shown: {error}"
    );
}

#[test]
fn a_header_that_has_to_be_there_has_a_field_that_the_contract_names_as_it_names_it() {
    let format = |known: &[&str]| CsvFormat {
        header: Header::Present,
        ..detected(&[], known)
    };
    let all = read("mood,id\ngood,1\n", format(&["id"])).unwrap();
    assert_eq!(all.columns, [["mood", "id"]]);
    for page in ["<html>\n", "ID,mood\n1,good\n"] {
        assert!(
            message(page, format(&["id"])).contains("names no field"),
            "{page}"
        );
    }
    assert_eq!(
        read("anything\n1\n", format(&[])).unwrap().columns,
        [["anything"]]
    );
}

#[test]
fn a_header_that_ends_within_a_name_is_a_cut_report() {
    let format = || CsvFormat {
        known: ["day", "sku", "units"].map(str::to_owned).to_vec(),
        ..CsvFormat::default()
    };
    for (text, is_cut) in [
        ("day,s", true),
        ("day,sku,uni", true),
        ("day,sku,units", false),
        ("day,sku,units,more\n", false),
    ] {
        let all = read(text, format()).unwrap();
        assert_eq!((all.rows.len(), all.cut_short), (0, is_cut), "{text}");
    }
    assert!(!read("day,s\n1,2", format()).unwrap().cut_short);
}
