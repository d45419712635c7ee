use std::collections::HashMap;

use aws_sdk_glue::types::{Column as GlueColumn, Table as GlueTable, TableInput};
use aws_smithy_types::base64;

use super::merge::{as_read, facts, is_same_place, merged};
use super::{Databases, shape, view};
use crate::{Column, Difference, Table, View};

fn column(name: &str, ty: &str, doc: Option<&str>) -> Column {
    Column {
        name: name.to_owned(),
        ty: ty.to_owned(),
        doc: doc.map(str::to_owned),
    }
}

fn orders() -> Table {
    Table {
        name: "jwo.orders".to_owned(),
        description: "One order.".to_owned(),
        location: "s3://lake/curated/jwo/orders/".to_owned(),
        columns: vec![
            column("order_id", "text", Some("Id of\nthe order.")),
            column("order_date", "date", None),
            column("total", "decimal(18,4)", Some(&"long ".repeat(100))),
            column("extra", "map", None),
        ],
        partition: vec!["order_date".to_owned()],
        key: vec!["order_id".to_owned(), "order_date".to_owned()],
        delta_schema: "é".repeat(8_001),
    }
}

fn wanted(table: &Table) -> TableInput {
    shape::table(table, "orders").unwrap()
}

/// What Glue gives back of what it was given.
fn given_back(input: &TableInput) -> GlueTable {
    GlueTable::builder()
        .name(&input.name)
        .database_name("marketlake_jwo")
        .version_id("7")
        .created_by("arn:somebody")
        .set_description(input.description.clone())
        .set_owner(input.owner.clone())
        .retention(input.retention)
        .set_storage_descriptor(input.storage_descriptor.clone())
        .set_partition_keys(input.partition_keys.clone())
        .set_table_type(input.table_type.clone())
        .set_parameters(input.parameters.clone())
        .build()
        .unwrap()
}

fn names(columns: &[GlueColumn]) -> Vec<(&str, Option<&str>)> {
    columns
        .iter()
        .map(|column| (column.name(), column.r#type()))
        .collect()
}

#[test]
fn a_table_has_the_shape_that_athena_leaves() {
    let input = wanted(&orders());
    assert_eq!(input.name, "orders");
    assert_eq!(input.table_type(), Some("EXTERNAL_TABLE"));
    assert_eq!(names(input.partition_keys()), [("order_date", Some("date"))]);
    let storage = input.storage_descriptor().unwrap();
    assert_eq!(
        names(storage.columns()),
        [
            ("order_id", Some("string")),
            ("total", Some("decimal(18,4)")),
            ("extra", Some("map<string,string>"))
        ]
    );
    assert_eq!(storage.location(), Some("s3://lake/curated/jwo/orders/"));
    let serde = storage.serde_info().unwrap();
    assert_eq!(
        serde.parameters().unwrap()["path"],
        "s3://lake/curated/jwo/orders/"
    );
    let parameters = input.parameters().unwrap();
    let said = |name: &str| parameters[name].as_str();
    assert_eq!(
        [
            "EXTERNAL",
            "table_type",
            "spark.sql.sources.provider",
            "marketlake.table",
            "marketlake.key"
        ]
        .map(said),
        ["TRUE", "delta", "delta", "jwo.orders", "order_id, order_date"]
    );
}

#[test]
fn the_schema_is_in_parts_of_4000_characters() {
    let input = wanted(&orders());
    let parameters = input.parameters().unwrap();
    assert_eq!(parameters["spark.sql.sources.schema.numParts"], "3");
    let part = |index| {
        parameters[&format!("spark.sql.sources.schema.part.{index}")]
            .chars()
            .count()
    };
    assert_eq!([part(0), part(1), part(2)], [4000, 4000, 1]);
}

#[test]
fn a_comment_is_one_line_that_glue_takes() {
    let input = wanted(&orders());
    let columns = input.storage_descriptor().unwrap().columns();
    assert_eq!(columns[0].comment(), Some("Id of the order."));
    let long = columns[1].comment().unwrap();
    assert!(long.len() <= 255 && long.ends_with('…'), "{long}");
    assert_eq!(columns[2].comment(), None);
}

#[test]
fn what_others_wrote_stays_and_what_is_ours_follows() {
    let mut foreign = wanted(&orders());
    foreign.owner = Some("somebody".to_owned());
    foreign.retention = 12;
    let parameters = foreign.parameters.as_mut().unwrap();
    for (name, value) in [
        ("team", "retail"),
        ("trino_last_transaction_version", "4"),
        ("spark.sql.sources.schema.part.9", "rest"),
        ("table_type", "EXTERNAL"),
    ] {
        parameters.insert(name.to_owned(), value.to_owned());
    }
    let storage = foreign.storage_descriptor.as_mut().unwrap();
    storage.location = Some("s3://other/".to_owned());
    let columns = storage.columns.as_mut().unwrap();
    columns[2].comment = Some("by somebody".to_owned());
    columns[2].parameters = Some(HashMap::from([("tag".to_owned(), "x".to_owned())]));
    columns.push(
        GlueColumn::builder()
            .name("gone")
            .r#type("string")
            .build()
            .unwrap(),
    );

    let read = as_read(&given_back(&foreign)).unwrap();
    let merged = merged(&read, &wanted(&orders()));
    assert_eq!((merged.owner(), merged.retention()), (Some("somebody"), 12));
    let parameters = merged.parameters().unwrap();
    assert_eq!(parameters["team"], "retail");
    assert_eq!(parameters["trino_last_transaction_version"], "4");
    assert_eq!(parameters["table_type"], "delta");
    assert!(!parameters.contains_key("spark.sql.sources.schema.part.9"));
    let storage = merged.storage_descriptor().unwrap();
    assert_eq!(storage.columns().len(), 3);
    assert_eq!(storage.columns()[2].comment(), Some("by somebody"));
    assert!(storage.columns()[2].parameters().is_some());
    let differs: Vec<String> = Difference::between(&facts(&read), &facts(&merged))
        .into_iter()
        .map(|difference| difference.what)
        .collect();
    assert_eq!(
        differs,
        [
            "columns",
            "location",
            "parameter table_type",
            "column gone",
            "parameter spark.sql.sources.schema.part.9"
        ]
    );
}

#[test]
fn an_entry_as_it_should_be_has_no_difference() {
    let input = wanted(&orders());
    let read = as_read(&given_back(&input)).unwrap();
    assert_eq!(merged(&read, &input), read);
    assert_eq!(facts(&merged(&read, &input)), facts(&read));
}

#[test]
fn a_view_is_cast_and_has_an_owner_and_no_description() {
    let databases = Databases::new("marketlake_{source}").unwrap();
    let daily = View {
        name: "jwo.daily".to_owned(),
        description: "Orders of a day.".to_owned(),
        sql: "SELECT day, at, total FROM marketlake_jwo.orders".to_owned(),
        columns: vec![
            column("day", "date", None),
            column("at", "timestamp", None),
            column("total", "decimal(38,4)", None),
        ],
    };
    let input = view::view(&daily, &databases, "daily").unwrap();
    assert_eq!((input.description(), input.owner()), (None, Some("marketlake")));
    assert_eq!(input.table_type(), Some("VIRTUAL_VIEW"));
    let parameters = input.parameters().unwrap();
    assert_eq!(
        ["presto_view", "comment"].map(|name| parameters[name].as_str()),
        ["true", "Presto View"]
    );
    let columns = input.storage_descriptor().unwrap().columns();
    assert_eq!(
        names(columns),
        [
            ("day", Some("date")),
            ("at", Some("timestamp")),
            ("total", Some("decimal(38,4)"))
        ]
    );
    let text = input.view_original_text().unwrap();
    let blob = text
        .strip_prefix("/* Presto View: ")
        .unwrap()
        .strip_suffix(" */")
        .unwrap();
    let blob: serde_json::Value = serde_json::from_slice(&base64::decode(blob).unwrap()).unwrap();
    assert_eq!(
        blob,
        serde_json::json!({
            "originalSql": "SELECT CAST(\"day\" AS date) AS \"day\", CAST(\"at\" AT TIME ZONE 'UTC' AS timestamp(3)) AS \"at\", \
                            CAST(\"total\" AS decimal(38,4)) AS \"total\" FROM (SELECT day, at, total FROM \
                            marketlake_jwo.orders) AS v",
            "catalog": "awsdatacatalog",
            "schema": "marketlake_jwo",
            "columns": [
                {"name": "day", "type": "date"},
                {"name": "at", "type": "timestamp(3)"},
                {"name": "total", "type": "decimal(38,4)"},
            ],
            "runAsInvoker": false,
            "path": [],
        })
    );
    let map = View {
        columns: vec![column("all", "map", None)],
        ..daily
    };
    assert!(view::view(&map, &databases, "daily").is_err());
}

#[test]
fn a_pattern_of_databases_tells_sources_apart_and_athena_can_name_them() {
    let databases = Databases::new("marketlake_{source}").unwrap();
    assert_eq!(databases.of("jwo.orders"), "marketlake_jwo");
    for wrong in [
        "marketlake",
        "Lake_{source}",
        "lake-{source}",
        "{source}.x",
        "{source}_{source}",
        "9_{source}",
    ] {
        assert!(Databases::new(wrong).is_err(), "{wrong}");
    }
    assert!(Databases::new("{source}").is_ok());
}

#[test]
fn an_address_is_the_same_however_programs_write_it() {
    assert!(is_same_place("s3://lake/a/", "s3a://lake/a"));
    assert!(!is_same_place("s3://lake/a", "s3://lake/b"));
}
