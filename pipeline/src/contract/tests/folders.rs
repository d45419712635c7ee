use super::*;

const SHARED: &str =
    "path = \"shop/{date}/{name}\"\nformat = \"csv\"\ncsv = { delimiter = \"|\", null = [\"-\"] }\n";

fn user(files: &[(&str, &str)]) -> Vec<SourceFile> {
    files.iter().map(|(path, text)| file(path, text)).collect()
}

fn csv(contract: &Contract) -> CsvFormat {
    match &contract.feed {
        Feed::Raw(RawFeed {
            format: Format::Csv(csv),
            ..
        }) => csv.clone(),
        other => panic!("not CSV: {other:?}"),
    }
}

#[test]
fn defaults_lie_below_the_keys_of_raw_tables_and_not_below_those_with_inputs() {
    let mut files = edited(
        "shop/orders.toml",
        "format = \"csv\"\n",
        "csv = { delimiter = \";\" }\n",
    );
    files.push(file("shop/_defaults.toml", SHARED));
    let contracts = load(&files, &[]).unwrap();
    let csv = csv(&table(&contracts, "shop.orders"));
    assert_eq!((csv.delimiter, csv.null), (b';', vec!["-".to_owned()]));
    assert!(matches!(table(&contracts, "shop.daily").feed, Feed::Inputs(_)));
}

#[test]
fn tables_that_keep_rows_may_lie_among_those_that_keep_documents() {
    let shared = "newest_by = [\"_generated_at\"]\nper = [\"day\"]\ncovers = \"day\"\n\
                  shrink = { below = 0.8, else = \"warn\" }\n";
    for (before, after) in [
        ("keep", "keep"),
        (
            "keep = \"latest_row\"\nkey = [\"id\"]\nnewest_by = [\"seen\"]\n",
            "keep = \"every_row\"\nkey = [\"id\"]\n",
        ),
    ] {
        let mut files = edited("shop/orders.toml", before, after);
        files.push(file("shop/_defaults.toml", shared));
        assert_eq!(mistakes_of(&files), Vec::<String>::new(), "{after}");
    }
}

/// A table of documents that say for which days they were asked, with some more keys, and its SQL.
fn stating(keys: &str, sql: &str) -> Vec<SourceFile> {
    let base = "description = \"Stock.\"\npath = \"shop/{date}/{name}\"\nformat = \"json\"\n\
                json = { rows = \"rows\", header = [\"spec\"] }\nkeep = \"latest_document\"\nper = [\"day\"]\n\
                newest_by = [\"_generated_at\"]\ncovers = \"day\"\nperiod = [\"first\", \"last\"]\n\
                [columns]\nday = \"date\"\nfirst = { type = \"date\", from = \"spec.from\" }\n\
                last = { type = \"date\", from = \"spec.to\" }\n";
    let own = format!("extends = \"shop.base\"\n{keys}");
    user(&[
        ("shop/base.toml", base),
        ("shop/own.toml", &own),
        ("shop/own.sql", sql),
    ])
}

#[test]
fn days_that_documents_state_are_taken_as_they_stand_there() {
    let as_is = "SELECT * FROM raw";
    let made = "SELECT * EXCEPT (\"spec.to\"), trim(\"spec.to\") AS \"spec.to\" FROM raw";
    for (keys, sql, wanted) in [
        ("", as_is, vec![]),
        ("period = [\"last\"]\n", as_is, vec![]),
        ("period = []\ncovers = \"rows\"\n", as_is, vec![]),
        ("", made, vec!["C038 shop/base.toml:9"]),
        ("covers = \"rows\"\n", as_is, vec!["C038 shop/base.toml:9"]),
        ("period = [\"day\"]\n", as_is, vec!["C038 shop/own.toml:2"]),
    ] {
        assert_eq!(mistakes_of(&stating(keys, sql)), wanted, "{keys}{sql}");
    }
}

#[test]
fn a_mistake_in_defaults_is_reported_once_where_it_is() {
    let mut files = with("shop/_defaults.toml", "colour = \"red\"\n");
    files.push(file("shop/more.toml", ORDERS));
    assert_eq!(mistakes_of(&files), ["C001 shop/_defaults.toml:1"]);
}

#[test]
fn a_table_that_extends_another_takes_over_keys_columns_and_sql() {
    let mut files = with("shop/orders.sql", "SELECT * FROM raw");
    files.push(file(
        "own/orders.toml",
        "extends = \"shop.orders\"\n[columns]\namount = \"decimal(20,4)\"\nmore = \"int\"\n",
    ));
    let contracts = load(&files, &[]).unwrap();
    let own = table(&contracts, "own.orders");
    let names: Vec<_> = own.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "day", "seen", "price", "amount", "name", "more"]);
    assert_eq!(own.columns[4].ty, ColumnType::Decimal(20, 4));
    assert_eq!(own.sql.as_deref(), Some("SELECT * FROM raw"));
    assert_eq!(table(&contracts, "shop.orders").columns.len(), 6);
}

#[test]
fn a_users_file_stands_on_top_of_the_one_it_extends_and_takes_the_place_of_the_one_it_does_not() {
    let builtin = with("shop/orders.sql", "SELECT * FROM raw");
    let on_top = load(
        &builtin,
        &user(&[(
            "shop/orders.toml",
            "extends = \"shop.orders\"\ndescription = \"Mine.\"",
        )]),
    );
    let on_top = table(&on_top.unwrap(), "shop.orders");
    assert_eq!((on_top.description.as_str(), on_top.columns.len()), ("Mine.", 6));
    assert!(on_top.sql.is_some());

    let instead = table(
        &load(&builtin, &user(&[("shop/orders.toml", ORDERS)])).unwrap(),
        "shop.orders",
    );
    assert_eq!(instead.sql, None);

    let other_sql = load(
        &builtin,
        &user(&[("shop/orders.sql", "SELECT * FROM raw WHERE id <> ''")]),
    )
    .unwrap();
    assert_eq!(
        table(&other_sql, "shop.orders").sql.as_deref(),
        Some("SELECT * FROM raw WHERE id <> ''")
    );
}

#[test]
fn a_users_defaults_can_stand_on_top_of_the_built_in_ones() {
    let mut builtin = edited("shop/orders.toml", "format = \"csv\"\n", "");
    builtin.push(file("shop/_defaults.toml", SHARED));
    let mine = "extends = \"shop._defaults\"\ncsv = { delimiter = \"\\t\" }";
    let contracts = load(&builtin, &user(&[("shop/_defaults.toml", mine)])).unwrap();
    let csv = csv(&table(&contracts, "shop.orders"));
    assert_eq!((csv.delimiter, csv.null), (b'\t', vec!["-".to_owned()]));
}

#[test]
fn siblings_name_each_others_fields_and_what_of_them_is_personal() {
    let mut files = edited("shop/orders.toml", "keep", "siblings = [\"shop.lines\"]\nkeep");
    let lines = ORDERS
        .replace("amount =", "quantity =")
        .replace("name = { type", "card = { type");
    files.push(file("shop/lines.toml", &lines));
    let orders = table(&load(&files, &[]).unwrap(), "shop.orders");
    let Feed::Raw(raw) = &orders.feed else {
        panic!("not raw: {:?}", orders.feed)
    };
    assert_eq!(raw.elsewhere["quantity"], None);
    assert_eq!(raw.elsewhere["card"], Some(Personal::Drop));
    let personal = orders.personal_fields();
    assert_eq!(personal.keys().collect::<Vec<_>>(), ["card", "name"]);
}

#[test]
fn unknown_fields_beside_personal_ones_show_their_names_unless_they_are_harmless() {
    let unknown = |to: &str| {
        let contract = orders("keep", &format!("{to}keep"));
        let Feed::Raw(raw) = &contract.feed else {
            panic!("not raw: {:?}", contract.feed)
        };
        (
            raw.unknown,
            ["id", "note", "Name", "name.first"].map(|field| contract.privacy().shown(field)),
        )
    };
    use Shown::{Name, Nothing, Value};
    let hidden = [Value, Name, Nothing, Nothing];
    assert_eq!(unknown(""), (Unknown::Names, hidden));
    assert_eq!(unknown("unknown = \"keep\"\n"), (Unknown::Names, hidden));
    assert_eq!(unknown("unknown = \"ignore\"\n"), (Unknown::Ignore, hidden));
    let shown = [Value, Value, Nothing, Nothing];
    assert_eq!(unknown("harmless = [\"note\"]\n"), (Unknown::Names, shown));
    assert_eq!(unknown("harmless = [\"*\"]\n"), (Unknown::Keep, shown));
    let nobody = orders(", personal = \"drop\"", "");
    assert_eq!(nobody.privacy().shown("note"), Value);
    assert!(!nobody.privacy().has_secrets());
}

#[test]
fn what_a_personal_column_is_made_of_is_personal() {
    let sql =
        "SELECT * EXCEPT (name), concat(first, ' ', \"Last\", day) AS name, length(last_4) AS price FROM raw";
    let contract = table(&load(&with("shop/orders.sql", sql), &[]).unwrap(), "shop.orders");
    let personal = contract.personal_fields();
    assert_eq!(personal.keys().collect::<Vec<_>>(), ["Last", "first", "name"]);
    assert!(contract.made_of_secrets(&contract.privacy()).contains("name"));
    assert!(!contract.made_of_secrets(&contract.privacy()).contains("price"));
}

#[test]
fn the_fields_of_a_table_with_sql_are_those_that_it_reads_and_not_those_that_it_makes() {
    let sql = "SELECT * EXCEPT (amount), coalesce(total, gross) AS amount FROM raw WHERE raw.kind = 'x'";
    let contracts = load(&with("shop/orders.sql", sql), &[]).unwrap();
    let named = table(&contracts, "shop.orders").named_fields();
    assert_eq!(
        named.iter().map(String::as_str).collect::<Vec<_>>(),
        ["day", "gross", "id", "kind", "name", "price", "seen", "total"]
    );
}

#[test]
fn no_folder_has_the_name_of_tables_that_are_not_made_by_contracts() {
    for source in ["marketlake", "information_schema"] {
        let path = format!("{source}/quarantine.toml");
        let files = with(&path, "description = \"Ours.\"\n");
        assert_eq!(mistakes_of(&files), [format!("C006 {path}:1")]);
    }
}
