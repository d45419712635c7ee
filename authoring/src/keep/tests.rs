//! Ways to keep rows, from samples.

use std::collections::BTreeSet;

use super::super::column;
use super::super::format::guess;
use super::super::sample::Sample;
use super::*;

struct Table<'a> {
    text: &'a str,
    name: &'a str,
    scope: &'a [&'a str],
    messages: bool,
    documents: bool,
    manifest: bool,
}

impl Default for Table<'_> {
    fn default() -> Self {
        Self {
            text: "",
            name: "visits",
            scope: &[],
            messages: false,
            documents: false,
            manifest: false,
        }
    }
}

impl Table<'_> {
    fn keeping(&self) -> Keeping {
        let sample = Sample {
            path: "a".into(),
            bytes: self.text.as_bytes().to_vec().into(),
            manifest: None,
        };
        let (_, observed) = guess(&[sample], None).unwrap();
        let (columns, _) = column::propose(&observed, None, &mut BTreeSet::new()).unwrap();
        let scope: Vec<String> = self.scope.iter().map(|name| (*name).to_owned()).collect();
        propose(&Known {
            observed: &observed,
            columns: &columns,
            scope: &scope,
            messages: self.messages,
            documents: self.documents,
            manifest: self.manifest,
            table: self.name,
        })
    }
}

#[test]
fn a_column_that_is_called_like_the_table_is_its_key_within_the_day() {
    let table = Table {
        text: "day,visit_id,store_id,guests\n2026-03-01,1,9,2\n2026-03-01,2,9,2\n",
        scope: &["account"],
        ..Table::default()
    };
    let keeping = table.keeping();
    assert_eq!(
        (keeping.keep, keeping.key.join(" ")),
        ("latest_row", "account day visit_id".to_owned())
    );
    assert_eq!(keeping.partition, ["day"]);
}

#[test]
fn a_key_takes_all_identifiers_and_what_else_is_needed() {
    let table = Table {
        text: "date,campaign_id,ad_group_id,match_type,clicks\n2026-03-01,1,5,EXACT,3\n2026-03-01,1,5,BROAD,3\n",
        ..Table::default()
    };
    assert_eq!(
        table.keeping().key,
        ["date", "campaign_id", "ad_group_id", "match_type"]
    );
}

#[test]
fn empty_and_personal_columns_are_in_no_key() {
    let table = Table {
        text: "order_id,item_id,buyer_email\n1,,a@b.de\n2,7,c@d.de\n",
        ..Table::default()
    };
    assert_eq!(table.keeping().key, ["order_id"]);
}

#[test]
fn rows_that_nothing_tells_apart_stay_with_their_file() {
    let table = Table {
        text: "kind,amount\nfee,1.5\nfee,2.5\n",
        ..Table::default()
    };
    let keeping = table.keeping();
    assert_eq!(
        (keeping.keep, keeping.per.join(" ")),
        ("latest_document", RAW_FILE.to_owned())
    );
}

#[test]
fn copies_of_a_row_do_not_spoil_its_key() {
    let table = Table {
        text: "visit_id,n\n1,5\n2,6\n1,5\n",
        ..Table::default()
    };
    assert_eq!(table.keeping().key, ["visit_id"]);
    let table = Table {
        text: "visit_id,n\n1,5\n2,6\n1,7\n",
        ..Table::default()
    };
    assert_ne!(table.keeping().key, ["visit_id"]);
}

#[test]
fn messages_with_an_id_are_kept_once_and_versions_by_the_greatest() {
    let messages = Table {
        text: "{\"dataset_id\": \"x\", \"idempotency_id\": \"a\", \"n\": 1}{\"dataset_id\": \"x\", \"idempotency_id\": \"b\", \"n\": 1}",
        messages: true,
        ..Table::default()
    };
    let keeping = messages.keeping();
    assert_eq!(
        (keeping.keep, keeping.key.join(" ")),
        ("every_row", "dataset_id idempotency_id".to_owned())
    );
    let versions = Table {
        text: "{\"campaignId\": 1, \"version\": 1}{\"campaignId\": 1, \"version\": 2}",
        messages: true,
        ..Table::default()
    };
    let keeping = versions.keeping();
    assert_eq!(
        (keeping.keep, keeping.key.join(" ")),
        ("latest_row", "campaign_id".to_owned())
    );
    assert_eq!(keeping.newest_by[0], "version");
}

#[test]
fn reports_supersede_each_other_by_account_and_day() {
    let report = Table {
        text: "date,asin,units\n2026-03-01,B1,3\n",
        scope: &["account"],
        documents: true,
        ..Table::default()
    };
    let keeping = report.keeping();
    assert_eq!(
        (keeping.keep, keeping.per.join(" ")),
        ("latest_document", "account date".to_owned())
    );
    assert_eq!(keeping.covers.as_deref(), Some("rows"));
    let with_manifest = Table {
        manifest: true,
        ..report
    };
    assert_eq!(with_manifest.keeping().covers.as_deref(), Some("date"));
    let stock = Table {
        text: "sku,stock\nA,3\nB,4\n",
        scope: &["account"],
        documents: true,
        ..Table::default()
    };
    let keeping = stock.keeping();
    assert_eq!(keeping.per, ["account", REPORT_DAY]);
    assert_eq!(keeping.covers.as_deref(), Some("document"));
}

#[test]
fn a_day_of_change_is_no_day_of_a_row() {
    let table = Table {
        text: "order_id,last_updated\n1,2026-03-01\n2,2026-03-01\n",
        name: "orders",
        ..Table::default()
    };
    let keeping = table.keeping();
    assert_eq!(keeping.key, ["order_id"]);
    assert!(keeping.partition.is_empty());
}

#[test]
fn a_report_that_says_for_which_days_it_was_asked_covers_them() {
    let report = Table {
        text: r#"{"spec": {"dataStartTime": "2026-03-01", "dataEndTime": "2026-03-07"}, "rows": [{"date": "2026-03-01", "asin": "B1", "units": 1}, {"date": "2026-03-02", "asin": "B1", "units": 2}]}"#,
        scope: &["account"],
        documents: true,
        ..Table::default()
    };
    let keeping = report.keeping();
    assert_eq!(keeping.per, ["account", "date"]);
    assert_eq!(keeping.covers.as_deref(), Some("date"));
    assert_eq!(keeping.period, ["data_start_time", "data_end_time"]);
}

#[test]
fn a_report_whose_rows_have_no_day_is_told_by_the_first_day_that_it_is_about() {
    let report = Table {
        text: r#"{"spec": {"dataStartTime": "2026-03-01", "dataEndTime": "2026-03-07"}, "rows": [{"term": "mug", "rank": 1}, {"term": "cup", "rank": 2}]}"#,
        scope: &["account"],
        documents: true,
        ..Table::default()
    };
    let keeping = report.keeping();
    assert_eq!(keeping.per, ["account", "data_start_time"]);
    assert_eq!(keeping.covers.as_deref(), Some("document"));
}
