use std::collections::BTreeSet;

use super::*;

/// Every edit of a file makes exactly the mistake on its left.
fn assert_each(path: &str, cases: &[(&str, &str, &str)]) -> BTreeSet<String> {
    let made = |(_, from, to): &(&str, &str, &str)| (to.to_string(), mistakes_of(&edited(path, from, to)));
    let wanted =
        |(code, _, to): &(&str, &str, &str)| (to.to_string(), vec![code.replace(" :", &format!(" {path}:"))]);
    assert_eq!(
        cases.iter().map(made).collect::<Vec<_>>(),
        cases.iter().map(wanted).collect::<Vec<_>>()
    );
    cases.iter().map(|(code, ..)| code[..4].to_owned()).collect()
}

/// The SQL at that path makes exactly the mistake on its left.
pub(super) fn assert_each_sql(path: &str, cases: &[(&str, &str)]) -> BTreeSet<String> {
    let made = |(_, sql): &(&str, &str)| (sql.to_string(), mistakes_of(&with(path, sql)));
    let wanted =
        |(code, sql): &(&str, &str)| (sql.to_string(), vec![code.replace(" :", &format!(" {path}:"))]);
    assert_eq!(
        cases.iter().map(made).collect::<Vec<_>>(),
        cases.iter().map(wanted).collect::<Vec<_>>()
    );
    cases.iter().map(|(code, _)| code[..4].to_owned()).collect()
}

fn keys_of_raw_tables() -> BTreeSet<String> {
    assert_each(
        "shop/orders.toml",
        &[
            ("C001 :4", "keep", "kep = 'x'\nkeep"),
            ("C002 :8", "\"35d\"", "35"),
            ("C002 :5", "[\"id\"]", "[\"id\", 1]"),
            ("C004 :1", "description = \"One order.\"", ""),
            ("C005 :4", "latest_row", "first_row"),
            ("C005 :8", "\"35d\"", "\"35h\""),
            ("C005 :3", "\"csv\"", "\"xml\""),
            ("C005 :4", "keep", "unknown = 'drop'\nkeep"),
            (
                "C005 :4",
                "keep",
                "expect = { every = '15', within = '1h' }\nkeep",
            ),
            ("C004 :4", "keep", "expect = { every = '15m' }\nkeep"),
            ("C005 :4", "keep", "siblings = ['shop.daily']\nkeep"),
            ("C002 :4", "keep", "only = 'sales'\nkeep"),
            ("C002 :4", "keep", "only = { kind = 1 }\nkeep"),
            ("C005 :4", "keep", "only = { kind = [] }\nkeep"),
            ("C010 :4", "keep", "only = { _rows = 'x' }\nkeep"),
            ("C011 :2", "{date}", "{day}"),
            ("C012 :4", "keep", "csv = { delimiter = ', ' }\nkeep"),
            ("C012 :4", "keep", "csv = { header = 'absent' }\nkeep"),
            (
                "C012 :4",
                "keep",
                "csv = { header = 'detect', columns = ['a', 'a'] }\nkeep",
            ),
            ("C012 :4", "keep", "csv = { columns = ['a'] }\nkeep"),
            ("C005 :4", "keep", "file_size = '128'\nkeep"),
            ("C008 :4", "keep", "sort = ['id', 'id']\nkeep"),
            ("C037 :4", "keep", "sort = ['nothing']\nkeep"),
            ("C038 :4", "keep", "covers = 'rows'\nkeep"),
            ("C022 :4", "keep", "recompute = ['day']\nkeep"),
            ("C022 :4", "keep", "json = { sns_envelope = true }\nkeep"),
            ("C023 :4", "keep", "siblings = ['shop.nothing']\nkeep"),
        ],
    )
}

fn formats_of_raw_tables() -> BTreeSet<String> {
    let cases = [
        ("C001 :4", "format = 'tsv'\ntsv = { delimiter = '|' }"),
        ("C001 :4", "format = 'json'\njson = { rows = 'a', head = ['b'] }"),
        ("C002 :4", "format = 'json'\njson = { rows = ['a'] }"),
        ("C004 :3", "format = 'json'"),
        ("C004 :4", "format = 'json'\njson = { header = ['a'] }"),
        ("C005 :4", "format = 'tsv'\ncharset = 'latin-1'"),
        ("C022 :4", "format = 'tsv'\ncsv = { null = ['-'] }"),
        ("C022 :4", "format = 'csv'\ntsv = { null = ['-'] }"),
        ("C022 :4", "format = 'parquet'\ncharset = 'utf-8'"),
        ("C022 :4", "format = 'json_rows'\ncharset = 'utf-8'"),
        ("C022 :4", "format = 'json_rows'\njson = { rows = 'a' }"),
        (
            "C022 :4",
            "format = 'json'\njson = { rows = 'a', sns_envelope = true }",
        ),
        ("C039 :4", "format = 'json'\njson = { rows = 'a..b' }"),
        ("C039 :4", "format = 'json'\njson = { rows = 'a[].b[].c' }"),
        (
            "C039 :4",
            "format = 'json'\njson = { rows = '$', header = ['a'] }",
        ),
        (
            "C039 :4",
            "format = 'json'\njson = { rows = 'a.b', header = ['a'] }",
        ),
        (
            "C039 :4",
            "format = 'json'\njson = { rows = 'a', header = ['a.b'] }",
        ),
        (
            "C039 :4",
            "format = 'json'\njson = { rows = 'a', header = ['b', 'b.c'] }",
        ),
        (
            "C039 :4",
            "format = 'json'\njson = { rows = 'a', header = ['b.'] }",
        ),
    ];
    let cases = cases.map(|(code, to)| (code, "format = \"csv\"", to));
    assert_each("shop/orders.toml", &cases)
}

fn columns_of_raw_tables() -> BTreeSet<String> {
    assert_each(
        "shop/orders.toml",
        &[
            ("C001 :14", "\"decimal(10,2)\"", "{ type = 'int', kind = 'x' }"),
            ("C002 :14", "\"decimal(10,2)\"", "3"),
            ("C004 :14", "\"decimal(10,2)\"", "{ doc = 'x' }"),
            ("C005 :14", "\"decimal(10,2)\"", "{ type = 'int', zone = 'utc' }"),
            (
                "C005 :12",
                "\"timestamp\"",
                "{ type = 'timestamp', zone = 'as_written' }",
            ),
            ("C006 :14", "amount", "Amount"),
            ("C007 :14", "amount", "_amount"),
            ("C007 :14", "amount", "extra"),
            ("C008 :14", "amount", "price"),
            ("C009 :14", "decimal(10,2)", "timestamp_ntz"),
            ("C009 :14", "decimal(10,2)", "struct<a int>"),
            ("C009 :14", "decimal(10,2)", "decimal(39,2)"),
            ("C010 :14", "\"decimal(10,2)\"", "{ type = 'int', from = [] }"),
            (
                "C010 :14",
                "\"decimal(10,2)\"",
                "{ type = 'int', from = '_rows' }",
            ),
            ("C010 :14", "\"decimal(10,2)\"", "{ type = 'int', from = '*' }"),
            ("C010 :14", "decimal(10,2)", "map"),
            (
                "C020 :12",
                "\"timestamp\"",
                "{ type = 'timestamp', pick = 'min' }",
            ),
            (
                "C036 :14",
                "\"decimal(10,2)\"",
                "{ type = 'int', personal = 'hash' }",
            ),
            (
                "C036 :15",
                "personal = \"drop\"",
                "personal = \"drop\", required = true",
            ),
            ("C036 :7", "\"date\"", "{ type = 'date', personal = 'drop' }"),
            (
                "C036 :14",
                "\"decimal(10,2)\"",
                "{ type = 'text', from = 'name' }",
            ),
            (
                "C036 :14",
                "amount = \"decimal(10,2)\"",
                "who = 'text'\nmail = { type = 'text', from = 'who.mail', personal = 'drop' }",
            ),
            (
                "C010 :14",
                "\"decimal(10,2)\"",
                "{ type = 'text', from = '*.pin' }",
            ),
            ("C036 :4", "keep", "harmless = ['Name.first']\nkeep"),
            ("C036 :4", "keep", "only = { Name = 'x' }\nkeep"),
            (
                "C005 :14",
                "\"decimal(10,2)\"",
                "{ type = 'decimal(10,2)', unreadable = 'null', required = true }",
            ),
            (
                "C005 :14",
                "\"decimal(10,2)\"",
                "{ type = 'text', unreadable = 'null' }",
            ),
            ("C005 :11", "\"date\"", "{ type = 'date', unreadable = 'null' }"),
            (
                "C036 :6",
                "\"timestamp\"",
                "{ type = 'timestamp', personal = 'drop' }",
            ),
        ],
    )
}

fn key_order_and_partition() -> BTreeSet<String> {
    assert_each(
        "shop/orders.toml",
        &[
            ("C008 :5", "[\"id\"]", "[\"id\", \"id\"]"),
            ("C013 :5", "[\"id\"]", "[]"),
            ("C014 :6", "[\"id\"]", "[\"id\",\n\"x\"]"),
            ("C014 :5", "[\"id\"]", "[\"id\", \"name\"]"),
            ("C014 :5", "[\"id\"]", "[\"price\"]"),
            ("C014 :6", "key = [\"id\"]", "key = [\"id\"]\nidentity = [\"id\"]"),
            (
                "C014 :6",
                "key = [\"id\"]",
                "key = [\"id\"]\nidentity = [\"seen\"]",
            ),
            ("C015 :6", "[\"seen\"]", "[\"seen\", \"_object\"]"),
            ("C015 :6", "[\"seen\"]", "[\"amount\"]"),
            ("C016 :4", "newest_by = [\"seen\"]", ""),
            ("C016 :6", "latest_row", "every_row"),
            ("C017 :7", "[\"day\"]", "[\"day\", \"month\"]"),
            ("C018 :7", "key_window = \"35d\"", ""),
            ("C019 :8", "key = [\"id\"]", "key = [\"id\", \"day\"]"),
        ],
    )
}

fn tables_with_inputs() -> BTreeSet<String> {
    assert_each(
        "shop/daily.toml",
        &[
            ("C005 :2", "[\"shop.orders\"]", "[\"shop.orders\", \"orders\"]"),
            ("C018 :5", "partition = [\"day\"]", "partition = [\"n\"]"),
            ("C022 :3", "key", "newest_by = ['n']\nkey"),
            ("C022 :9", "\"int\"", "{ type = 'int', from = 'x' }"),
            ("C025 :4", "recompute = [\"day\"]", "recompute = []"),
            (
                "C025 :4",
                "key = [\"day\", \"id\"]\nrecompute = [\"day\"]\npartition = [\"day\"]",
                "key = ['id']\nrecompute = ['day']",
            ),
        ],
    )
}

fn sql_over_raw() -> BTreeSet<String> {
    assert_each_sql(
        "shop/orders.sql",
        &[
            ("C027 :2", "SELECT *\nFROM raw WHERE )"),
            ("C028 :1", "SELECT * FROM shop.daily"),
            ("C029 :1", "SELECT DISTINCT * FROM raw"),
            ("C029 :1", "SELECT * FROM raw ORDER BY id"),
            ("C029 :1", "SELECT * FROM raw LIMIT 3"),
            ("C029 :1", "SELECT * FROM raw UNION ALL SELECT * FROM raw"),
            ("C029 :1", "SELECT raw.* FROM raw JOIN raw r ON raw.id = r.id"),
            ("C029 :2", "SELECT * EXCEPT (id),\nmax(id) AS id FROM raw"),
            (
                "C029 :2",
                "SELECT * EXCEPT (id),\nrow_number() OVER (PARTITION BY day ORDER BY _row) AS id FROM raw",
            ),
            ("C029 :1", "SELECT * EXCEPT (id), (SELECT 1) AS id FROM raw"),
            ("C030 :1", "SELECT * EXCEPT (seen), now() AS seen FROM raw"),
            ("C032 :1", "SELECT *, upper(id) AS big FROM raw"),
            ("C032 :1", "SELECT *, upper(id) AS _row FROM raw"),
            ("C032 :1", "SELECT *, upper(id) FROM raw"),
            ("C032 :1", "SELECT id, day, seen, price, name FROM raw"),
            (
                "C033 :1",
                "SELECT * EXCEPT (id), row_number() OVER (PARTITION BY _object) AS id FROM raw",
            ),
        ],
    )
}

fn sql_over_inputs() -> BTreeSet<String> {
    assert_each_sql(
        "shop/daily.sql",
        &[
            ("C027 :1", "DROP TABLE x"),
            (
                "C028 :2",
                "SELECT o.day, o.id, 1 AS n FROM shop.orders o\nJOIN orders p ON o.day = p.day",
            ),
            (
                "C030 :1",
                "SELECT day, id, 1 AS n FROM shop.orders WHERE seen < current_timestamp",
            ),
            (
                "C031 :1",
                "SELECT day, id, count(*) AS n FROM shop.orders GROUP BY id, seen",
            ),
            ("C031 :1", "SELECT seen AS day, id, 1 AS n FROM shop.orders"),
            (
                "C031 :1",
                "SELECT day, id, 1 AS n FROM (SELECT DISTINCT id FROM shop.orders) AS ids",
            ),
            (
                "C031 :2",
                "SELECT o.day, o.id, 1 AS n FROM shop.orders o JOIN\nshop.orders p ON o.id = p.id",
            ),
            (
                "C031 :2",
                "SELECT o.day, o.id, 1 AS n FROM shop.orders o CROSS JOIN\nshop.orders p",
            ),
            (
                "C031 :2",
                "SELECT day, id,\nrow_number() OVER (PARTITION BY id ORDER BY seen) AS n FROM shop.orders",
            ),
            (
                "C031 :2",
                "SELECT day, id, 1 AS n FROM shop.orders\nWHERE seen = (SELECT seen FROM shop.orders)",
            ),
            (
                "C031 :1",
                "SELECT day, id, 1 AS n FROM shop.orders UNION SELECT day, id, 2 AS n FROM shop.orders",
            ),
            ("C032 :1", "SELECT * FROM shop.orders"),
            ("C032 :1", "SELECT day, id FROM shop.orders"),
            ("C032 :2", "SELECT day, id, 1 AS n,\n2 AS m FROM shop.orders"),
            ("C033 :1", "SELECT day, id, 1 AS n FROM shop.orders LIMIT 5"),
            (
                "C033 :1",
                "SELECT day, id, sum(price) AS n FROM shop.orders GROUP BY day, id",
            ),
            (
                "C033 :1",
                "SELECT day, id, avg(amount) AS n FROM shop.orders GROUP BY day, id",
            ),
            (
                "C033 :1",
                "SELECT day, id, array_agg(seen) AS n FROM shop.orders GROUP BY day, id",
            ),
        ],
    )
}

fn checks() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for (wanted, check) in [
        ("C004 shop/orders.toml:17", "{ else = 'warn' }"),
        (
            "C005 shop/orders.toml:17",
            "{ sql = 'amount > 0', else = 'stop' }",
        ),
        ("C030 shop/orders.toml:17", "{ sql = 'seen < now()' }"),
        ("C034 shop/orders.toml:17", "{ sql = 'amount >' }"),
        ("C034 shop/orders.toml:17", "{ sql = 'amuont > 0' }"),
        ("C034 shop/orders.toml:17", "{ sql = 'max(amount) > 0' }"),
    ] {
        let found = mistakes_of(&with(
            "shop/orders.toml",
            &format!("{ORDERS}[checks]\npositive = {check}\n"),
        ));
        assert_eq!(found, [wanted], "{check}");
        codes.insert(wanted[..4].to_owned());
    }
    codes
}

fn files() -> BTreeSet<String> {
    let mut ring = with("shop/left.toml", "extends = 'shop.right'");
    ring.push(file("shop/right.toml", "extends = 'shop.left'"));
    let fed_by_itself = edited("shop/daily.toml", "[\"shop.orders\"]", "[\"shop.daily\"]");
    let fed_by_itself: Vec<_> = fed_by_itself
        .into_iter()
        .filter(|file| file.path != "shop/daily.sql")
        .collect();
    let mut unknown_input = edited("shop/daily.toml", "shop.orders", "shop.nothing");
    unknown_input.retain(|file| file.path != "shop/daily.sql");
    unknown_input.push(file("shop/daily.sql", "SELECT day, id, 1 AS n FROM shop.nothing"));
    let mut codes = BTreeSet::new();
    for (wanted, files) in [
        (
            vec!["C003 shop/orders.toml:5"],
            edited("shop/orders.toml", "key = [\"id\"]", "key = [\"id\"] x"),
        ),
        (vec!["C023 shop/daily.toml:2"], unknown_input),
        (
            vec!["C023 shop/more.toml:1"],
            with("shop/more.toml", "extends = 'shop.nothing'"),
        ),
        (vec!["C024 shop/left.toml:1", "C024 shop/right.toml:1"], ring),
        (
            vec!["C024 shop/daily.toml:2", "C026 shop/daily.toml:2"],
            fed_by_itself,
        ),
        (vec!["C035 shop/lost.sql:1"], with("shop/lost.sql", "SELECT 1")),
        (vec!["C035 Shop/x.toml:1"], with("Shop/x.toml", "")),
    ] {
        assert_eq!(mistakes_of(&files), wanted);
        codes.extend(wanted.iter().map(|wanted| wanted[..4].to_owned()));
    }
    codes
}

fn keys_of_documents() -> BTreeSet<String> {
    let rows = "keep = \"latest_row\"\nkey = [\"id\"]\nnewest_by = [\"seen\"]\npartition = [\"day\"]\nkey_window = \"35d\"";
    let documents = |keys: &str| {
        format!(
            "keep = \"latest_document\"\nper = [\"day\"]\nnewest_by = [\"seen\"]\npartition = [\"day\"]\n{keys}"
        )
    };
    let edits = [
        (
            "C038 :1",
            documents("").replace("per = [\"day\"]", "key = [\"id\"]"),
        ),
        (
            "C014 :5",
            documents("").replace("per = [\"day\"]", "per = [\"price\"]"),
        ),
        ("C015 :6", documents("").replace("\"seen\"", "\"_row\"")),
        ("C019 :8", documents("key_window = \"3d\"")),
        ("C014 :8", documents("identity = [\"day\"]")),
        ("C038 :8", documents("covers = \"seen\"")),
        ("C038 :8", documents("period = [\"day\"]")),
        ("C038 :8", documents("period = [\"day\"]\ncovers = \"day\"")),
        ("C038 :8", documents("period = [\"seen\"]\ncovers = \"day\"")),
        ("C004 :8", documents("shrink = { else = \"hold\" }")),
        ("C005 :8", documents("shrink = { below = 2 }")),
        ("C002 :8", documents("shrink = { below = \"0.8\" }")),
        (
            "C005 :8",
            documents("shrink = { below = 0.8, else = \"quarantine\" }"),
        ),
        (
            "C005 :8",
            documents("shrink = { below = 0.8, older_than = \"3h\" }"),
        ),
        ("C005 :8", documents("quarantine = { rows = 1.5 }")),
        ("C002 :8", documents("quarantine = { rows = \"1%\" }")),
        (
            "C005 :8",
            documents("quarantine = { rows = 0.1, else = \"quarantine\" }"),
        ),
    ];
    let edits: Vec<(&str, &str, &str)> = edits
        .iter()
        .map(|(code, to)| (*code, rows, to.as_str()))
        .collect();
    let good = documents(
        "covers = \"day\"\nquarantine = { rows = 0, else = \"hold\" }\nperiod = []\nshrink = { below = 1, older_than = \"3d\" }",
    );
    assert_eq!(mistakes_of(&edited("shop/orders.toml", rows, &good)), [""; 0]);
    assert_each("shop/orders.toml", &edits)
}

#[test]
fn a_folder_without_mistakes_loads() {
    assert_eq!(mistakes_of(&shop()), [""; 0]);
}

#[test]
fn every_mistake_is_reported_with_its_code_and_line_and_nothing_else_is() {
    let groups = [
        keys_of_raw_tables(),
        keys_of_documents(),
        formats_of_raw_tables(),
        columns_of_raw_tables(),
        key_order_and_partition(),
        tables_with_inputs(),
        sql_over_raw(),
        sql_over_inputs(),
        checks(),
        files(),
    ];
    let shown: BTreeSet<String> = groups.into_iter().flatten().collect();
    // What cannot be planned is found where plans are made; views have tests of their own.
    let all: BTreeSet<String> = Code::ALL
        .iter()
        .filter(|code| ![Code::SqlPlan, Code::ViewSql].contains(code))
        .map(Code::to_string)
        .collect();
    assert_eq!(shown, all);
}

#[test]
fn all_mistakes_of_a_file_are_reported_and_read_as_one_line_each() {
    let mut files = edited("shop/orders.toml", "[\"id\"]", "[\"nr\"]");
    files[0].text.push_str("Bad = \"string\"\n");
    let said: Vec<_> = load(&[], &files)
        .unwrap_err()
        .iter()
        .map(Diagnostic::to_string)
        .collect();
    assert_eq!(
        said,
        [
            "shop/orders.toml:5: C014 key column \"nr\" is not a column; \
             columns are id, day, seen, price, amount, name, Bad",
            "shop/orders.toml:16: C006 column \"Bad\" is not [a-z][a-z0-9_]*; give it another name and say from",
            "shop/orders.toml:16: C009 \"string\" is not a type; use text",
        ]
    );
}

#[test]
fn codes_have_a_meaning_in_words() {
    assert_eq!(Code::UnknownKey.meaning(), "A key that no contract has.");
}
