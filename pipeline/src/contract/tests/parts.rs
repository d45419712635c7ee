//! SQL over inputs that `load` lets pass, made by chance: what is computed in parts is the whole, in whatever order the
//! rows come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::{MemTable, MemorySchemaProvider};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::chance::{Chance, Statement, statement};
use super::*;

/// From which number the first statement follows.
const SEED: u64 = 20_261_130;

/// How many statements are made up: `MARKETLAKE_STATEMENTS`, else enough for every day.
fn statements() -> u64 {
    let wanted = std::env::var("MARKETLAKE_STATEMENTS").ok();
    wanted.map_or(1000, |wanted| wanted.parse().unwrap())
}

/// One row of an input: values of `day`, `id`, `t`, `n`, `x` and `s`.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    day: Option<i32>,
    id: String,
    t: i64,
    n: Option<i64>,
    x: f64,
    s: Option<&'static str>,
}

/// The tables `shop.a` (one row an id), `shop.b` (one row an id and day) and `shop.c` (documents: rows may be alike).
type Inputs = BTreeMap<&'static str, Vec<Row>>;

fn input(keep: &str) -> String {
    format!(
        "description = 'Rows.'\npath = 'shop/{{date}}/{{name}}'\nformat = 'csv'\nunknown = 'ignore'\n{keep}\n[columns]\n\
         day = 'date'\nid = 'text'\nt = 'int'\nn = 'int'\nx = 'double'\ns = 'text'\n"
    )
}

/// Whether the statement passes as a contract.
fn passes(statement: &Statement) -> bool {
    let Statement {
        sql,
        columns,
        recompute,
    } = statement;
    let mut toml = format!(
        "description = 'Computed.'\ninputs = ['shop.a', 'shop.b', 'shop.c']\nkey = {recompute:?}\n\
         recompute = {recompute:?}\n[columns]\n"
    );
    for column in columns {
        let ty = if column == "day" { "date" } else { "text" };
        toml.push_str(&format!("{column} = '{ty}'\n"));
    }
    let files = [
        file(
            "shop/a.toml",
            &input("keep = 'latest_row'\nkey = ['id']\nnewest_by = ['t']"),
        ),
        file(
            "shop/b.toml",
            &input("keep = 'latest_row'\nkey = ['day', 'id']\nnewest_by = ['t']"),
        ),
        file(
            "shop/c.toml",
            &input("keep = 'latest_document'\nper = ['id']\nnewest_by = ['_generated_at']"),
        ),
        file("shop/computed.toml", &toml),
        file("shop/computed.sql", sql),
    ];
    match load(&[], &files) {
        Ok(_) => true,
        // Every input has to be read, which these statements need not.
        Err(found) => found
            .iter()
            .all(|one| one.message.starts_with("the SQL does not read the input")),
    }
}

fn row(chance: &mut Chance, id: usize) -> Row {
    let texts = [None, Some("u"), Some("v"), Some("w")];
    Row {
        day: [None, Some(20000), Some(20001), Some(20002)][chance.below(4)],
        id: ["a", "b", "c", "d", "e", "f", "g", "h"][id % 8].to_owned(),
        t: chance.below(3) as i64,
        n: (chance.below(6) > 0).then(|| chance.below(5) as i64),
        x: [0.1, 0.2, 0.3, 1e16, -1e16, 7.0][chance.below(6)],
        s: texts[chance.below(4)],
    }
}

fn inputs(chance: &mut Chance) -> Inputs {
    let a = (0..8).map(|id| row(chance, id)).collect();
    let days = (0..16).map(|id| Row {
        day: Some(20000 + id as i32 / 8),
        ..row(chance, id)
    });
    let b = days.collect();
    let c = (0..12).map(|_| {
        let id = chance.below(8);
        row(chance, id)
    });
    BTreeMap::from([("a", a), ("b", b), ("c", c.collect())])
}

/// The same keys with some rows gone and others changed.
fn changed(inputs: &Inputs, chance: &mut Chance) -> Inputs {
    let mut next = inputs.clone();
    for (name, rows) in &mut next {
        rows.retain(|_| chance.below(8) > 0);
        for (at, old) in rows.iter_mut().enumerate().filter(|(at, _)| at % 3 == 0) {
            let new = row(chance, at);
            *old = Row {
                id: old.id.clone(),
                day: if *name == "b" { old.day } else { new.day },
                ..new
            };
        }
    }
    next
}

fn part_of(row: &Row, recompute: &[String]) -> Vec<Option<String>> {
    let value = |name: &String| match name.as_str() {
        "day" => row.day.map(|day| day.to_string()),
        _ => Some(row.id.clone()),
    };
    recompute.iter().map(value).collect()
}

/// The parts of rows that came or went.
fn touched(old: &Inputs, new: &Inputs, recompute: &[String]) -> BTreeSet<Vec<Option<String>>> {
    let gone = |one: &Inputs, other: &Inputs| {
        let rows = one
            .iter()
            .flat_map(|(name, rows)| rows.iter().map(move |row| (*name, row)));
        let rows = rows.filter(|(name, row)| {
            let count = |rows: &[Row]| rows.iter().filter(|one| one == row).count();
            count(&one[name]) != count(&other[name])
        });
        rows.map(|(_, row)| part_of(row, recompute)).collect::<Vec<_>>()
    };
    gone(old, new).into_iter().chain(gone(new, old)).collect()
}

fn batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from_iter(rows.iter().map(|row| row.day))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.id))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.t))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.n))),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.x))),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.s))),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn schema() -> Arc<Schema> {
    let types = [
        ("day", DataType::Date32),
        ("id", DataType::Utf8),
        ("t", DataType::Int64),
        ("n", DataType::Int64),
        ("x", DataType::Float64),
        ("s", DataType::Utf8),
    ];
    let fields = types.map(|(name, ty)| Field::new(name, ty, true));
    Arc::new(Schema::new(fields.to_vec()))
}

/// The rows that the SQL gives, each as a text after its part; none where it cannot be planned.
async fn run(
    statement: &Statement,
    inputs: &Inputs,
    chance: &mut Chance,
) -> Option<Vec<(Vec<Option<String>>, String)>> {
    let partitions = 1 + chance.below(3);
    let config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(2 + chance.below(6));
    let context = SessionContext::new_with_config(config);
    let tables = Arc::new(MemorySchemaProvider::new());
    context
        .catalog("datafusion")
        .unwrap()
        .register_schema("shop", tables)
        .unwrap();
    for (name, rows) in inputs {
        let mut rows = rows.clone();
        chance.shuffle(&mut rows);
        let pieces = rows
            .chunks(rows.len().div_ceil(partitions).max(1))
            .map(|rows| vec![batch(rows)]);
        let table = MemTable::try_new(schema(), pieces.chain([vec![]]).collect()).unwrap();
        context
            .register_table(format!("shop.{name}"), Arc::new(table))
            .unwrap();
    }
    let frame = context.sql(&statement.sql).await.ok()?;
    let task = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await.ok()?;
    let batches = match collect(plan, task).await {
        Ok(batches) => batches,
        // The engine's own mistakes are told as such, and nothing is computed.
        Err(DataFusionError::Internal(_)) => return None,
        Err(error) => panic!("{}: {error}", statement.sql),
    };
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let part = statement.recompute.iter().map(|name| {
                let column = batch.column_by_name(name)?;
                match name.as_str() {
                    "day" => column
                        .as_primitive_opt()
                        .filter(|days: &&Date32Array| days.is_valid(row))
                        .map(|days| days.value(row).to_string()),
                    _ => column.is_valid(row).then(|| text(column, row)),
                }
            });
            let values: Vec<String> = batch.columns().iter().map(|column| text(column, row)).collect();
            rows.push((part.collect(), values.join("|")));
        }
    }
    rows.sort();
    Some(rows)
}

/// A value as text, of floating point its bits.
fn text(column: &ArrayRef, row: usize) -> String {
    match column.as_primitive_opt::<Float64Type>() {
        Some(numbers) if numbers.is_valid(row) => format!("{:016x}", numbers.value(row).to_bits()),
        _ => {
            let options = FormatOptions::default().with_null("∅");
            ArrayFormatter::try_new(column, &options)
                .unwrap()
                .value(row)
                .to_string()
        }
    }
}

/// What is wrong with what the statement gives; none where all is right.
async fn wrong(statement: &Statement, chance: &mut Chance) -> Option<String> {
    let mut now = inputs(chance);
    let mut table = run(statement, &now, chance).await?;
    for _ in 0..2 {
        let next = changed(&now, chance);
        let touched = touched(&now, &next, &statement.recompute);
        let cut = |rows: &Vec<Row>| {
            let rows = rows
                .iter()
                .filter(|row| touched.contains(&part_of(row, &statement.recompute)));
            rows.cloned().collect::<Vec<_>>()
        };
        let parts: Inputs = next.iter().map(|(name, rows)| (*name, cut(rows))).collect();
        table.retain(|(part, _)| !touched.contains(part));
        table.extend(run(statement, &parts, chance).await?);
        table.sort();
        let whole = run(statement, &next, chance).await?;
        if table != whole {
            return Some(format!("in parts {table:#?}\nas a whole {whole:#?}"));
        }
        for _ in 0..2 {
            let again = run(statement, &next, chance).await?;
            if again != whole {
                return Some(format!("in one order {whole:#?}\nin another {again:#?}"));
            }
        }
        now = next;
    }
    None
}

#[tokio::test]
async fn sql_that_passes_gives_equal_parts_in_whatever_order_the_rows_come() {
    let (mut passed, mut shapes) = (0, BTreeMap::<&str, usize>::new());
    let statements = statements();
    for number in 0..statements {
        let mut chance = Chance::new(SEED + number);
        let statement = statement(&mut chance);
        if !passes(&statement) {
            continue;
        }
        passed += 1;
        for word in [
            "JOIN",
            "FULL JOIN",
            "OVER",
            "GROUP BY",
            "UNION ALL",
            "DISTINCT ",
            "WITH",
            ") AS r",
            "ORDER BY",
        ] {
            *shapes.entry(word).or_default() += usize::from(statement.sql.contains(word));
        }
        let wrong = wrong(&statement, &mut chance).await;
        assert_eq!(wrong, None, "seed {}: {}", SEED + number, statement.sql);
    }
    // The rules let enough pass of everything.
    assert!(passed > statements / 10, "{passed} {shapes:?}");
    assert!(shapes.values().all(|many| *many > 10), "{passed} {shapes:?}");
}
