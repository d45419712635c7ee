mod builtin;
mod chance;
mod fingerprints;
mod folders;
mod formats;
mod mistakes;
mod parts;
mod planned;
mod reference;
mod views;

use super::*;

const ORDERS: &str = r#"description = "One order."
path = "shop/{date}/{name}"
format = "csv"
keep = "latest_row"
key = ["id"]
newest_by = ["seen"]
partition = ["day"]
key_window = "35d"
[columns]
id = "text"
day = "date"
seen = "timestamp"
price = "double"
amount = "decimal(10,2)"
name = { type = "text", personal = "drop" }
"#;

const DAILY: &str = r#"description = "One day."
inputs = ["shop.orders"]
key = ["day", "id"]
recompute = ["day"]
partition = ["day"]
[columns]
day = "date"
id = "text"
n = "int"
"#;

const DAILY_SQL: &str =
    "SELECT day, id, count(*) AS n FROM shop.orders WHERE day IS NOT NULL GROUP BY day, id";

/// Two tables without a mistake, one fed by raw objects and one by the other.
fn shop() -> Vec<SourceFile> {
    vec![
        file("shop/orders.toml", ORDERS),
        file("shop/daily.toml", DAILY),
        file("shop/daily.sql", DAILY_SQL),
    ]
}

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

/// The shop with the first occurrence of a text in a file replaced by another one.
fn edited(path: &str, from: &str, to: &str) -> Vec<SourceFile> {
    let mut files = shop();
    let file = files.iter_mut().find(|file| file.path == path).unwrap();
    assert!(file.text.contains(from), "{from:?} is not in {path}");
    file.text = file.text.replacen(from, to, 1);
    files
}

/// The shop with one file more, or another one of that path.
fn with(path: &str, text: &str) -> Vec<SourceFile> {
    let mut files = shop();
    files.retain(|file| file.path != path);
    files.push(file(path, text));
    files
}

fn table(contracts: &Contracts, name: &str) -> Contract {
    contracts[&name.parse().unwrap()].clone()
}

/// The raw-fed table of the shop with an edit.
fn orders(from: &str, to: &str) -> Contract {
    table(
        &load(&edited("shop/orders.toml", from, to), &[]).unwrap(),
        "shop.orders",
    )
}

/// `code file:line` of every mistake.
fn mistakes_of(files: &[SourceFile]) -> Vec<String> {
    let said = |found: &Diagnostic| format!("{} {}:{}", found.code, found.file, found.line);
    load(&[], files)
        .err()
        .unwrap_or_default()
        .iter()
        .map(said)
        .collect()
}
