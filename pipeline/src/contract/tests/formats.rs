use super::*;

/// The format of the shop's orders, written another way.
fn format(to: &str) -> Format {
    match orders("format = \"csv\"", to).feed {
        Feed::Raw(raw) => raw.format,
        other => panic!("not raw: {other:?}"),
    }
}

fn document(json: &str) -> JsonDocument {
    match format(&format!("format = \"json\"\njson = {json}")) {
        Format::Json(document) => document,
        other => panic!("not a document: {other:?}"),
    }
}

#[test]
fn every_format_is_read_with_its_options() {
    assert_eq!(format("format = 'parquet'"), Format::Parquet);
    assert_eq!(format("format = 'tsv'"), Format::Tsv(TsvFormat::default()));
    let tsv = TsvFormat {
        null: vec!["N/A".to_owned()],
        rename: [("sku code".to_owned(), "sku".to_owned())].into(),
        charset: Charset::ShiftJis,
        ..TsvFormat::default()
    };
    let text =
        "format = 'tsv'\ncharset = 'shift_jis'\ntsv = { null = ['N/A'], rename = { 'sku code' = 'sku' } }";
    assert_eq!(format(text), Format::Tsv(tsv));
    let csv = CsvFormat {
        charset: Charset::Windows1252,
        ..CsvFormat::default()
    };
    assert_eq!(
        format("format = 'csv'\ncharset = 'windows-1252'"),
        Format::Csv(csv)
    );
}

#[test]
fn rows_are_a_path_to_an_array_or_to_one_in_its_elements() {
    for (text, array, inner, rows) in [
        ("$", "", None, "$"),
        ("salesByAsin", "salesByAsin", None, "salesByAsin"),
        ("data.rows[]", "data.rows", None, "data.rows"),
        ("orders[].items", "orders", Some("items"), "orders[].items"),
        ("a.b[].c.d[]", "a.b", Some("c.d"), "a.b[].c.d"),
    ] {
        let read = document(&format!("{{ rows = '{text}' }}"));
        assert_eq!(read.array.join("."), array, "{text}");
        assert_eq!(read.inner.as_deref(), inner, "{text}");
        assert_eq!(read.rows(), rows);
    }
    let read = document("{ rows = 'data.rows', header = ['spec', 'data.at'] }");
    assert_eq!(read.header, ["spec", "data.at"]);
}

#[test]
fn options_of_another_format_may_be_a_folders_defaults() {
    let defaults =
        "charset = 'windows-1252'\njson = { header = ['spec'], sns_envelope = true }\ntsv = { null = ['-'] }";
    for own in [
        "format = 'parquet'",
        "format = 'json_rows'",
        "format = 'csv'",
        "format = 'tsv'",
    ] {
        let mut files = edited("shop/orders.toml", "format = \"csv\"", own);
        files.push(file("shop/_defaults.toml", defaults));
        assert_eq!(mistakes_of(&files), [""; 0], "{own}");
    }
    let own = "format = 'json'\njson = { rows = 'byAsin' }";
    let mut files = edited("shop/orders.toml", "format = \"csv\"", own);
    files.push(file("shop/_defaults.toml", defaults));
    let Feed::Raw(raw) = table(&load(&files, &[]).unwrap(), "shop.orders").feed else {
        panic!("not raw")
    };
    assert!(matches!(raw.format, Format::Json(json) if json.header == ["spec"]));
}

#[test]
fn the_fingerprint_knows_which_part_of_a_document_the_rows_are() {
    let rules = |to: &str| orders("format = \"csv\"", to).rules().format;
    assert_eq!(
        rules("format = 'csv'\ncharset = 'shift_jis'").as_deref(),
        Some("csv")
    );
    assert_eq!(
        rules("format = 'tsv'\ntsv = { null = ['-'] }").as_deref(),
        Some("tsv")
    );
    assert_eq!(rules("format = 'parquet'").as_deref(), Some("parquet"));
    assert_eq!(rules("format = 'json_rows'").as_deref(), Some("json_rows"));
    assert_eq!(
        rules("format = 'json'\njson = { rows = '$' }").as_deref(),
        Some("json $")
    );
    let with_header = rules("format = 'json'\njson = { rows = 'o[].i', header = ['a', 'b.c'] }");
    assert_eq!(with_header.as_deref(), Some("json o[].i with a, b.c"));
}
