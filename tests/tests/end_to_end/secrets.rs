//! Secrets in every field, shape and place of raw objects: none of them is in anything that the program writes.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use arrow::array::{ArrayRef, ListArray, RecordBatch, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use marketlake_tests::{Delivery, LakeUnderTest, Run, new_lake, program};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// What every secret begins with. Nothing else does.
const WORD: &str = "zq7x";

const CONTRACT: &str = r#"description = "One visit, and what is said of the visitor."
path      = "people/TABLE/{date}/{name}"
format    = "FORMAT"
keep      = "latest_row"
key       = ["day", "id"]
newest_by = ["_modified", "_row"]
partition = ["day"]

[columns]
day  = { type = "date", from = "_period" }
id   = "text"
n    = "int"
mail = { type = "text", from = ["buyer", "contact.mail"], personal = "drop" }
age  = { type = "int", personal = "drop" }
card = { type = "text", personal = "hash" }
code = { type = "text", from = "*.otp", personal = "drop" }

[checks]
few = { sql = "n < 100", else = "quarantine" }
"#;

/// A column that is not personal and is made of one that is: its reasons may say nothing, either.
const MADE_SQL: &str =
    "SELECT id, CAST(n AS BIGINT) + CAST(coalesce(age, '0') AS BIGINT) AS n, age, buyer, card FROM raw\n";

const FORMATS: [&str; 5] = ["csv", "tsv", "json", "json_rows", "parquet"];

/// One secret after another.
#[derive(Default)]
struct Secrets(u32);

impl Secrets {
    fn next(&mut self) -> String {
        self.0 += 1;
        format!("{WORD}{:04}", self.0)
    }

    /// The text with a secret of its own in the place of every `$`.
    fn planted(&mut self, text: &str) -> String {
        let mut parts = text.split('$');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |made, part| made + &self.next() + part)
    }
}

/// `n` of rows that get in, that no type takes, and that a check refuses.
const FATES: [&str; 3] = ["5", "many", "500"];

/// Fields of cells whose values are personal or may be.
const NAMES: [&str; 14] = [
    "buyer",
    "Buyer",
    "BUYER",
    "buyer.name",
    "buyer.address.street",
    "contact",
    "Contact",
    "contact.mail",
    "card",
    "Card",
    "age",
    "otp",
    "detail.OTP",
    "nobody_knows",
];

/// What JSON says of a visitor, as members of an object.
const SHAPES: [&str; 18] = [
    r#""buyer": "$""#,
    r#""buyer": {"name": "$", "tags": ["$", {"x": "$"}]}"#,
    r#""buyer": ["$", "$"]"#,
    r#""BUYER": {"name": "$"}"#,
    r#""contact": {"mail": "$"}"#,
    r#""contact": {"Mail": {"at": "$"}}"#,
    r#""contact": [{"mail": "$"}, "$"]"#,
    r#""contact": "mail=$""#,
    r#""contact": "{\"mail\": \"$\"}""#,
    r#""card": "$""#,
    r#""card": {"number": "$"}"#,
    r#""age": "$""#,
    r#""nobody_knows": {"deep": [{"x": "$"}]}"#,
    r#""otp": "$""#,
    r#""detail": {"otp": {"value": "$"}}"#,
    r#""detail": {"metadata": [{"OTP": "$"}]}"#,
    r#""detail": {"note": "{\"otp\": \"$\"}"}"#,
    r#""otp_code": ["$"]"#,
];

/// Every name with every fate, and records that are none.
fn cells(separator: char, secrets: &mut Secrets) -> String {
    let line = |cells: Vec<String>| cells.join(&separator.to_string()) + "\n";
    let header = ["id", "n"].into_iter().chain(NAMES).map(str::to_owned).collect();
    let mut text = line(header);
    for (row, fate) in FATES.iter().enumerate() {
        let mut cells = vec![format!("r{row}"), (*fate).to_owned()];
        cells.extend(NAMES.map(|_| secrets.next()));
        text += &line(cells);
    }
    let too_many = (0..40).map(|_| secrets.next()).collect();
    let too_few = vec![secrets.next()];
    let no_key = ["", "5"]
        .map(str::to_owned)
        .into_iter()
        .chain(NAMES.map(|_| secrets.next()))
        .collect();
    text += &[too_many, too_few, no_key].map(line).concat();
    if separator == ',' {
        text += &secrets.planted("r8,5,\"$\" $,\"$\nr9,5,\"$\n");
    }
    text
}

/// Every shape with every fate.
fn objects(secrets: &mut Secrets) -> Vec<String> {
    let mut objects = Vec::new();
    for (shape, said) in SHAPES.iter().enumerate() {
        for (fate, n) in FATES.iter().enumerate() {
            let text = format!(r#"{{"id": "s{shape}-{fate}", "n": "{n}", {said}}}"#);
            objects.push(secrets.planted(&text));
        }
    }
    objects.push(secrets.planted(r#"{"n": 5, "buyer": "$"}"#));
    objects.push(secrets.planted(r#"{"id": {"deep": "$"}, "n": 5}"#));
    objects
}

/// Structs, lists of them, and texts.
fn parquet_file(secrets: &mut Secrets) -> Result<Vec<u8>> {
    let rows = FATES.len();
    let mut texts =
        || -> ArrayRef { Arc::new(StringArray::from_iter_values((0..rows).map(|_| secrets.next()))) };
    let person = |values: ArrayRef, name: &str| -> ArrayRef {
        let fields = Fields::from(vec![Field::new(name, DataType::Utf8, true)]);
        Arc::new(StructArray::new(fields, vec![values], None))
    };
    let buyer = person(texts(), "name");
    let mails = person(texts(), "mail");
    let item = Arc::new(Field::new("item", mails.data_type().clone(), true));
    let contact: ArrayRef = Arc::new(ListArray::new(
        item,
        OffsetBuffer::from_lengths(vec![1; rows]),
        mails,
        None,
    ));
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..rows).map(|row| format!("p{row}")),
    ));
    let fates: ArrayRef = Arc::new(StringArray::from(FATES.to_vec()));
    let batch = RecordBatch::try_from_iter([
        ("id", ids),
        ("n", fates),
        ("buyer", buyer),
        ("contact", contact),
        ("Card", texts()),
        ("age", texts()),
        ("otp", texts()),
        ("nobody_knows", person(texts(), "deep")),
    ])?;
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(bytes)
}

/// Objects of the tables of one's own.
fn people(secrets: &mut Secrets) -> Result<Vec<Delivery>> {
    let key = |table: &str, name: &str| format!("people/{table}/2026-03-01/{name}");
    let mut objects_of = vec![
        Delivery::new(key("csv", "a"), cells(',', secrets)),
        Delivery::new(key("tsv", "a"), cells('\t', secrets)),
        Delivery::new(key("parquet", "a"), parquet_file(secrets)?),
    ];
    for table in ["csv", "tsv"] {
        // Without a header the first record is one of values.
        let bare = if table == "csv" {
            "$,$,$\n$,$,$\n"
        } else {
            "$\t$\t$\n$\t$\t$\n"
        };
        objects_of.push(Delivery::new(key(table, "bare"), secrets.planted(bare)));
        let same = secrets.planted(&bare.replacen('$', "id", 2));
        objects_of.push(Delivery::new(key(table, "same"), same));
    }
    let rows = objects(secrets);
    let (between, cut) = (
        secrets.planted("garbage $ "),
        secrets.planted(r#"{"id": "z", "buyer": "$"#),
    );
    objects_of.push(Delivery::new(
        key("json_rows", "a"),
        format!("{}{between}{}{cut}", rows.join("\n"), rows.join("")),
    ));
    let document = format!(
        r#"{{"head": {{"buyer": "$", "otp": "$", "x": "$"}}, "rows": [{}]}}"#,
        objects(secrets).join(",")
    );
    let document = secrets.planted(&document);
    objects_of.push(Delivery::new(
        key("json", "cut"),
        document[..document.len() - 9].to_owned(),
    ));
    objects_of.push(Delivery::new(key("json", "a"), document));
    objects_of.push(Delivery::new(
        key("json", "other"),
        secrets.planted(r#"{"errors": ["$"], "code": "$"}"#),
    ));
    let made = "id,n,buyer,card,age\na,1,$,$,$\nb,x,$,$,7\nc,500,$,$,7\nd,1,$,$,7\n";
    objects_of.push(Delivery::new(key("made", "a"), secrets.planted(made)));
    Ok(objects_of)
}

/// Objects of built-in tables that personal data come with.
fn built_in(secrets: &mut Secrets) -> Vec<Delivery> {
    let orders = |header: &str| {
        format!(
            "order_id,order_date,{header},mystery\nA-1,2026-03-01,$,$,$,$\nA-2,2026-02-30,$,$,$,$\n,2026-03-01,$,$,$,$\n\
             A-3,\"$\" $,$\n"
        )
    };
    let report = "amazon-order-id\tpurchase-date\tlast-updated-date\torder-status\tsku\tasin\tquantity\tcurrency\titem-price\t\
                  order-item-id\tbuyer-email\tBuyer-Name\tship-address-1\tcpf\tgift-note\n\
                  702-1\t2026-03-01T09:00:00+00:00\t2026-03-02T10:00:00+00:00\tShipped\tCAN\tB0\t1\tUSD\t19.99\t31\t$\t$\t$\t$\t$\n\
                  702-2\t2026-03-01T09:00:00+00:00\t2026-03-02T10:00:00+00:00\tShipped\tCAN\tB0\tmany\tUSD\t19.99\t31\t$\t$\t$\t$\t$\n\
                  702-3\t$\t$\n";
    let event = |id: &str, at: &str, detail: &str| {
        format!(
            r#"{{"version": "0", "id": "{id}", "detail-type": "Returns.OutForDelivery", "source": "com.amazon.yojaka",
                "account": "1", "time": "{at}", "region": "eu-west-1", "resources": [],
                "detail": {{"merchantId": "M", "returnId": "R", {detail}}}}}"#
        )
    };
    let passwords = [
        r#""otp": "$""#,
        r#""otp": {"value": "$"}"#,
        r#""OTP": ["$"]"#,
        r#""oneTimePassword": "$""#,
        r#""metadata": {"otp": "$", "status": "X"}"#,
        r#""note": "{\"otp\": \"$\"}""#,
        r#""list": [{"passcode": "$"}]"#,
    ];
    let mut events = String::new();
    for (index, detail) in passwords.iter().enumerate() {
        events += &event(&format!("e{index}"), "2026-03-01T10:00:00Z", detail);
        events += &event(&format!("bad{index}"), "yesterday", detail);
    }
    events += "{\"id\": \"cut\", \"detail\": {\"otp\": \"$";
    let report_key = "sp_api/garden/GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL/2026-03-03/o-1.txt";
    vec![
        Delivery::new(
            "jwo/corner/Order/2026-03-01/07/ALL15.csv000",
            secrets.planted(&orders("card_last4,shopper_ref,loyalty_id")),
        ),
        Delivery::new(
            "jwo/corner/Order/2026-03-01/07/ALL30.csv000",
            secrets.planted(&orders("Card_Last4,Shopper-Ref,LOYALTY_ID")),
        ),
        Delivery::new(report_key, secrets.planted(report)),
        Delivery::new("yojaka/deccan/2026/03/01/10/returns-1", secrets.planted(&events)),
    ]
}

/// Calls the program so that it says all that it can say, and returns what it said.
fn say(lake: &LakeUnderTest, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program()?);
    command.current_dir(lake.path()).arg("--lake").arg(lake.path());
    command.arg("--contracts").arg(lake.path().join("contracts"));
    command.args(["--log", "trace,datafusion=info"]).args(arguments);
    let run: Run = command.output().context("the program cannot be started")?.into();
    ensure!(matches!(run.code, Some(0 | 3)), "{arguments:?}: {}", run.said());
    Ok(run.said())
}

/// What a file that the program wrote says, as text.
fn text_of(path: &Path) -> Result<String> {
    let bytes = fs::read(path)?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if path.extension().is_some_and(|extension| extension == "parquet") {
        for batch in ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))?.build()? {
            let batch = batch?;
            for column in batch.columns() {
                let options = FormatOptions::default();
                let formatter = ArrayFormatter::try_new(column, &options)?;
                for row in 0..batch.num_rows() {
                    text += &formatter.value(row).to_string();
                    text.push('\n');
                }
            }
        }
    }
    Ok(text)
}

/// Every file below the folder with what it says.
fn files(folder: &Path, found: &mut Vec<(String, String)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else {
            let text = text_of(&path).with_context(|| path.display().to_string())?;
            found.push((path.display().to_string(), text));
        }
    }
    Ok(())
}

/// The first secret of a text with what stands around it.
fn leak(text: &str) -> Option<&str> {
    let at = text.to_ascii_lowercase().find(WORD)?;
    let (from, to) = (
        text.floor_char_boundary(at.saturating_sub(120)),
        text.ceil_char_boundary(at + 60),
    );
    text.get(from..to)
}

fn lake_of(deliveries: &[Delivery]) -> Result<LakeUnderTest> {
    let lake = new_lake("personal_key = \"k\"\n")?;
    let folder = lake.path().join("contracts/people");
    fs::create_dir_all(&folder)?;
    for format in FORMATS {
        let mut contract = CONTRACT.replace("TABLE", format).replace("FORMAT", format);
        if format == "json" {
            let json = "json = { rows = 'rows', header = ['head'] }\nkeep ";
            contract = contract.replacen("keep ", json, 1);
        }
        fs::write(folder.join(format!("{format}.toml")), contract)?;
    }
    let made = CONTRACT.replace("TABLE", "made").replace("FORMAT", "csv");
    let made = made.replace(
        "code = { type = \"text\", from = \"*.otp\", personal = \"drop\" }\n",
        "",
    );
    let made = made.replace("[\"buyer\", \"contact.mail\"]", "\"buyer\"");
    fs::write(folder.join("made.toml"), made)?;
    fs::write(folder.join("made.sql"), MADE_SQL)?;
    lake.deliver_all(deliveries)?;
    let contracts = lake.path().join("contracts");
    Ok(lake.with_contracts(contracts))
}

#[test]
fn no_secret_of_any_raw_object_is_in_anything_that_is_written() -> Result<()> {
    let mut secrets = Secrets::default();
    let mut deliveries = people(&mut secrets)?;
    deliveries.extend(built_in(&mut secrets));
    ensure!(secrets.0 > 400, "only {} secrets are planted", secrets.0);
    let lake = lake_of(&deliveries)?;

    let mut said = vec![("run".to_owned(), say(&lake, &["run", "--from", "2020-01-01"])?)];
    let tables =
        ["csv", "tsv", "json", "json_rows", "parquet", "made"].map(|table| format!("people.{table}"));
    let built_in = ["jwo.orders", "jwo.order_rows", "sp_api.orders", "yojaka.events"].map(str::to_owned);
    let mut calls: Vec<Vec<String>> = Vec::new();
    let mut call = |words: &[&str]| calls.push(words.iter().map(|word| (*word).to_owned()).collect());
    for delivery in &deliveries {
        call(&["why", &format!("{}{}", lake.raw_uri(), delivery.key)]);
    }
    for table in tables.iter().chain(&built_in) {
        call(&["query", "--format", "json", &format!("SELECT * FROM {table}")]);
        call(&["why", table, "--where", "true"]);
        call(&["quarantine", "show", "--table", table, "--limit", "1000"]);
        call(&["tables", table]);
    }
    for words in [
        "quarantine list",
        "quarantine list --json",
        "quarantine replay --table people.csv",
        "rebuild people.json_rows",
        "status --runs --gaps --json",
        "maintain",
        "config",
        "query --format json SELECT_*_FROM_marketlake.ledger",
        "query --format json SELECT_*_FROM_marketlake.runs",
        "query --format json SELECT_*_FROM_marketlake.changes",
    ] {
        let words: Vec<String> = words.split(' ').map(|word| word.replace('_', " ")).collect();
        let is_query = words[0] == "query";
        let plain = |word: &String| {
            if is_query {
                word.clone()
            } else {
                word.replace(' ', "_")
            }
        };
        calls.push(words.iter().map(plain).collect());
    }
    for words in &calls {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        said.push((words.join(" "), say(&lake, &words)?));
    }

    let mut written = said;
    for folder in ["curated", "people"] {
        let folder = lake.path().join(folder);
        if folder.is_dir() {
            files(&folder, &mut written)?;
        }
    }
    for entry in fs::read_dir(lake.path())? {
        let path = entry?.path();
        if path.is_file() {
            written.push((path.display().to_string(), text_of(&path)?));
        }
    }
    let leaks: Vec<String> = written
        .iter()
        .filter_map(|(place, text)| Some(format!("{place}: …{}…", leak(text)?)))
        .collect();
    ensure!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));

    // What was read and rejected is what secrets were planted in: otherwise nothing was shown.
    for table in tables.iter().chain(&built_in) {
        let rows = lake.rows(table)?.len();
        ensure!(rows > 0, "no row of {table} got in");
        let rejected = lake.quarantine(table)?.len();
        ensure!(
            rejected > 0 || table == "jwo.order_rows",
            "nothing of {table} was rejected"
        );
    }
    Ok(())
}
