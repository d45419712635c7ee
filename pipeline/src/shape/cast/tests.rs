use arrow::array::AsArray;
use arrow::datatypes::{Date32Type, Decimal128Type, Int64Type, TimestampMicrosecondType};
use chrono_tz::Tz;

use super::*;
use crate::contract::Personal;

fn column(name: &str, ty: &str) -> Column {
    Column::plain(name, ty.parse().unwrap())
}

fn cast_utc(texts: &[Option<&str>], column: &Column) -> Cast {
    cast(&StringArray::from(texts.to_vec()), column, Tz::America__New_York).unwrap()
}

fn reason(text: &str, column: &Column) -> String {
    let cast = cast_utc(&[Some(text)], column);
    assert_eq!(cast.values.null_count(), 1);
    assert_eq!(cast.failures.len(), 1);
    cast.failures.into_iter().next().unwrap().1
}

#[test]
fn every_type_gives_its_arrow_type_and_length() {
    for ty in [
        "text",
        "bool",
        "int",
        "double",
        "date",
        "timestamp",
        "map",
        "decimal(18,4)",
        "decimal(38,0)",
    ] {
        let column = column("c", ty);
        let cast = cast_utc(&[None, Some("?"), Some("")], &column);
        assert_eq!(cast.values.data_type(), &column.ty.arrow(), "{ty}");
        assert_eq!(cast.values.len(), 3, "{ty}");
        assert_eq!(cast_utc(&[], &column).values.len(), 0, "{ty}");
    }
}

#[test]
fn failures_are_null_and_listed_by_row() {
    let cast = cast_utc(
        &[Some("1"), Some("x"), None, Some("4"), Some("y")],
        &column("n", "int"),
    );
    let values: Vec<_> = cast.values.as_primitive::<Int64Type>().iter().collect();
    assert_eq!(values, [Some(1), None, None, Some(4), None]);
    let failures = [
        (1, r#"n: "x" is not an int"#.to_owned()),
        (4, r#"n: "y" is not an int"#.to_owned()),
    ];
    assert_eq!(cast.failures, failures);
}

#[test]
fn reasons_name_column_value_and_type() {
    assert_eq!(
        reason("12,5", &column("order_total", "decimal(18,4)")),
        r#"order_total: "12,5" is not a decimal(18,4)"#
    );
    assert_eq!(
        reason("1.23456", &column("p", "decimal(18,4)")),
        r#"p: "1.23456" has more than 4 decimal places"#
    );
    assert_eq!(
        reason("maybe", &column("b", "bool")),
        r#"b: "maybe" is not a bool"#
    );
    assert_eq!(reason("[]", &column("m", "map")), r#"m: "[]" is not a map"#);
    assert_eq!(
        reason("03/01/2026", &column("d", "date")),
        r#"d: "03/01/2026" is not a date"#
    );
    let mut local = column("t", "timestamp");
    local.zone = Zone::Account;
    let wanted = r#"t: "2026-03-08 02:30:00" does not exist in America/New_York"#;
    assert_eq!(reason("2026-03-08 02:30:00", &local), wanted);
}

#[test]
fn a_personal_value_is_not_in_the_reason() {
    for personal in [Personal::Drop, Personal::Hash] {
        let mut column = column("card_last4", "int");
        column.personal = Some(personal);
        assert_eq!(reason("12x4", &column), "card_last4: value is not an int");
        assert_eq!(
            reason("99999999999999999999", &column),
            "card_last4: value is too large for an int"
        );
    }
}

#[test]
fn a_long_value_is_cut_in_the_reason() {
    let text = "é".repeat(101);
    let wanted = format!("n: \"{}\"… is not an int", "é".repeat(100));
    assert_eq!(reason(&text, &column("n", "int")), wanted);
}

#[test]
fn blanks_are_trimmed_except_in_text() {
    let texts = [Some(" 1 "), Some("\t\r\n"), Some("")];
    let cast = cast_utc(&texts, &column("n", "int"));
    assert_eq!(
        cast.values.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(),
        [Some(1), None, None]
    );
    assert_eq!(cast.failures, []);
    let cast = cast_utc(&texts, &column("n", "text"));
    assert_eq!(cast.values.as_string::<i32>().iter().collect::<Vec<_>>(), texts);
}

#[test]
fn truth_has_four_words_each_in_any_case() {
    let texts = ["true", "T", "1", "Yes", "FALSE", "f", "0", "no", "y", "on", "2"].map(Some);
    let cast = cast_utc(&texts, &column("b", "bool"));
    let (yes, no) = (Some(true), Some(false));
    let wanted = [yes, yes, yes, yes, no, no, no, no, None, None, None];
    assert_eq!(cast.values.as_boolean().iter().collect::<Vec<_>>(), wanted);
    assert_eq!(cast.failures.len(), 3);
}

#[test]
fn decimals_come_with_the_scale_of_the_column() {
    let cast = cast_utc(&[Some("12.5"), Some("-3")], &column("p", "decimal(10,2)"));
    let values = cast.values.as_primitive::<Decimal128Type>();
    assert_eq!(values.value_as_string(0), "12.50");
    assert_eq!(values.value_as_string(1), "-3.00");
}

#[test]
fn the_zone_of_the_column_says_which_clock_counts() {
    let midday = [Some("2026-01-15 12:00:00")];
    let evening = [Some("2026-01-16T02:00:00Z")];
    let mut at = column("t", "timestamp");
    let mut on = column("d", "date");
    let mut hours_and_day = |zone| {
        (at.zone, on.zone) = (zone, zone);
        let instant = cast_utc(&midday, &at)
            .values
            .as_primitive::<TimestampMicrosecondType>()
            .value(0);
        let day = cast_utc(&evening, &on)
            .values
            .as_primitive::<Date32Type>()
            .value_as_date(0)
            .unwrap();
        (instant / 3_600_000_000 % 24, day.to_string())
    };
    assert_eq!(hours_and_day(Zone::Utc), (12, "2026-01-16".to_owned()));
    assert_eq!(hours_and_day(Zone::Account), (17, "2026-01-15".to_owned()));
    assert_eq!(hours_and_day(Zone::AsWritten), (12, "2026-01-16".to_owned()));
}

#[test]
fn maps_keep_nulls_and_empty_maps_apart() {
    let cast = cast_utc(
        &[Some(r#"{"b":1,"a":null}"#), None, Some("{}"), Some("x")],
        &column("m", "map"),
    );
    let maps = cast.values.as_map();
    assert_eq!(
        (0..4).map(|row| maps.is_null(row)).collect::<Vec<_>>(),
        [false, true, false, true]
    );
    assert_eq!(maps.value(0).len(), 2);
    assert_eq!(maps.value(2).len(), 0);
    let keys: Vec<_> = maps.keys().as_string::<i32>().iter().flatten().collect();
    assert_eq!(keys, ["a", "b"]);
}
