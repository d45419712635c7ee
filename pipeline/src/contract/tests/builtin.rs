use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{MemTable, MemorySchemaProvider};
use datafusion::prelude::SessionContext;

use super::*;
use crate::contract::load::load_planning;

/// All of them, with SQL that was planned.
fn contracts() -> Contracts {
    load_planning(&builtin(), &[], |_| true).unwrap_or_else(|found| {
        let lines: Vec<_> = found.iter().map(Diagnostic::to_string).collect();
        panic!("{}", lines.join("\n"))
    })
}

fn schema(contract: &Contract) -> SchemaRef {
    let field = |column: &Column| Field::new(&column.name, column.ty.arrow(), true);
    Arc::new(Schema::new(
        contract.columns.iter().map(field).collect::<Vec<_>>(),
    ))
}

/// What `raw` looks like: lineage and every field that the contract names.
fn raw_schema(contract: &Contract) -> SchemaRef {
    let lineage = LINEAGE.iter().map(|name| match *name {
        "_row" => Field::new(*name, DataType::Int64, false),
        name => Field::new(name, DataType::Utf8, true),
    });
    let fields = contract
        .named_fields()
        .into_iter()
        .map(|name| Field::new(name, DataType::Utf8, true));
    Arc::new(Schema::new(lineage.chain(fields).collect::<Vec<_>>()))
}

/// A session in which every table of the contracts, and `raw` of one of them, is there and empty.
fn session(contracts: &Contracts, raw: &Contract) -> SessionContext {
    let session = SessionContext::new();
    let catalog = session.catalog("datafusion").unwrap();
    for contract in contracts.values() {
        let TableName { source, table } = &contract.name;
        if catalog.schema(source).is_none() {
            catalog
                .register_schema(source, Arc::new(MemorySchemaProvider::new()))
                .unwrap();
        }
        let empty = MemTable::try_new(schema(contract), vec![vec![]]).unwrap();
        session
            .register_table(format!("{source}.{table}"), Arc::new(empty))
            .unwrap();
    }
    let empty = MemTable::try_new(raw_schema(raw), vec![vec![]]).unwrap();
    session.register_table("raw", Arc::new(empty)).unwrap();
    session
}

#[test]
fn built_in_contracts_load_and_say_what_every_column_is() {
    let contracts = contracts();
    let names: Vec<_> = contracts.keys().map(TableName::to_string).collect();
    assert_eq!(
        names,
        [
            "ads.campaign_daily",
            "ads.sp_advertised_product",
            "ads.sp_campaigns",
            "ads.sp_search_term",
            "ams.budget_usage",
            "ams.campaigns",
            "ams.sp_conversion",
            "ams.sp_hourly",
            "ams.sp_traffic",
            "jwo.order_lines",
            "jwo.order_rows",
            "jwo.order_totals",
            "jwo.orders",
            "jwo.store_hourly",
            "retail.ad_share_daily",
            "sp_api.orders",
            "sp_api.sales_traffic_daily",
            "sp_api.settlement",
            "sp_api.vendor_inventory",
            "sp_api.vendor_sales",
            "yojaka.events",
            "yojaka.order_status_history",
            "yojaka.orders"
        ]
    );
    for contract in contracts.values() {
        for column in &contract.columns {
            assert!(
                column.doc.is_some(),
                "{}.{} has no doc",
                contract.name,
                column.name
            );
        }
    }
}

#[tokio::test]
async fn built_in_sql_gives_the_declared_columns_in_the_declared_types() {
    let contracts = contracts();
    for contract in contracts.values() {
        let Some(sql) = &contract.sql else { continue };
        let session = session(&contracts, contract);
        let frame = session
            .sql(sql)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", contract.name));
        for column in &contract.columns {
            let Feed::Inputs(_) = contract.feed else { continue };
            let field = frame.schema().field_with_unqualified_name(&column.name).unwrap();
            assert_eq!(
                field.data_type(),
                &column.ty.arrow(),
                "{}.{}",
                contract.name,
                column.name
            );
        }
        assert_eq!(frame.count().await.unwrap(), 0, "{}", contract.name);
    }
}

#[tokio::test]
async fn lines_without_an_id_get_one_by_what_they_are_and_headers_are_no_lines() {
    let contracts = contracts();
    let lines = table(&contracts, "jwo.order_lines");
    let session = session(&contracts, &lines);
    let raw = session.table("raw").await.unwrap();
    let names: Vec<_> = raw
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let row = |object: &str, row: u32, line: &str, sku: &str| {
        let cell = |name: &String| match name.as_str() {
            "_object" => format!("'{object}'"),
            "_row" => row.to_string(),
            "order_id" => "'o1'".to_owned(),
            "line_id" => line.to_owned(),
            "sku" => sku.to_owned(),
            _ => "CAST(NULL AS TEXT)".to_owned(),
        };
        format!("({})", names.iter().map(cell).collect::<Vec<_>>().join(", "))
    };
    let null = "CAST(NULL AS TEXT)";
    let rows = [
        row("f1", 1, null, "'banana'"),
        row("f1", 2, null, "'banana'"),
        row("f1", 3, "'7'", "'banana'"),
        row("f1", 4, null, null),
        row("f2", 1, null, "'banana'"),
    ];
    session.deregister_table("raw").unwrap();
    let view = format!(
        "CREATE VIEW raw ({}) AS VALUES {}",
        names.join(", "),
        rows.join(", ")
    );
    session.sql(&view).await.unwrap();
    let sql = lines.sql.unwrap();
    let list =
        format!("SELECT string_agg(_object || ' ' || line_id, ', ' ORDER BY _object, _row) FROM ({sql})");
    let ids = session.sql(&list).await.unwrap().collect().await.unwrap();
    let shown = arrow::util::pretty::pretty_format_batches(&ids)
        .unwrap()
        .to_string();
    let wanted = "| f1 derived||banana|||1, f1 derived||banana|||2, f1 7, f2 derived||banana|||1 ";
    assert!(shown.contains(wanted), "{shown}");
}

#[test]
fn personal_fields_of_orders_are_known_to_every_table_over_the_same_reports() {
    let contracts = contracts();
    for name in ["jwo.orders", "jwo.order_lines", "jwo.order_rows"] {
        let personal = table(&contracts, name).personal_fields();
        assert_eq!(personal["card_last4"], Personal::Drop, "{name}");
        assert_eq!(personal["shopper_ref"], Personal::Hash, "{name}");
    }
}

/// A batch of messages costs the days that it touches, however many came before.
#[test]
fn what_comes_as_a_stream_is_looked_for_in_its_own_day_alone() {
    let contracts = contracts();
    let is_delta = |contract: &&Contract| {
        let feed = contract.raw_feed();
        contract.name.source == "ams" && feed.is_some_and(|feed| matches!(feed.keep, Keep::EveryRow { .. }))
    };
    let deltas: Vec<_> = contracts.values().filter(is_delta).collect();
    assert_eq!(deltas.len(), 3);
    for contract in deltas {
        let days = &contract.partition;
        assert!(
            !days.is_empty() && days.iter().all(|day| contract.key().contains(day)),
            "{}",
            contract.name
        );
        assert_eq!(
            contract.raw_feed().unwrap().key_window_days,
            None,
            "{}",
            contract.name
        );
    }
}
