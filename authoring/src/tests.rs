//! Contracts from samples, all together.

use std::path::Path;

use pipeline::contract::{SourceFile, builtin, load};

use super::*;

/// Writes a sample at a path below a folder and proposes a table for it; the contract is one.
fn proposed(table: &str, path: &str, bytes: &[u8], manifest: Option<&str>) -> Proposal {
    let folder = tempfile::tempdir().unwrap();
    let sample = folder.path().join("raw").join(path);
    std::fs::create_dir_all(sample.parent().unwrap()).unwrap();
    std::fs::write(&sample, bytes).unwrap();
    if let Some(manifest) = manifest {
        std::fs::write(format!("{}.manifest.json", sample.display()), manifest).unwrap();
    }
    let table: TableName = table.parse().unwrap();
    let contracts = load(&builtin(), &[]).unwrap();
    let defaults = format!("{}/_defaults.toml", table.source);
    let defaults = builtin().into_iter().find(|file| file.path == defaults);
    let proposal = propose(&Request {
        table: &table,
        samples: &[sample],
        rows: None,
        raw: Some(Path::new(&folder.path().join("raw"))),
        accounts: &[],
        contracts: &contracts,
        defaults: &defaults
            .map(|file| file.text.parse().unwrap())
            .unwrap_or_default(),
    })
    .unwrap();
    check(&table, &proposal);
    proposal
}

fn check(table: &TableName, proposal: &Proposal) {
    let file = |ending: &str, text: &String| SourceFile {
        path: format!("{}/{}.{ending}", table.source, table.table),
        text: text.clone(),
    };
    let mut files = vec![file("toml", &proposal.contract)];
    files.extend(proposal.sql.iter().map(|sql| file("sql", sql)));
    if let Err(mistakes) = load(&builtin(), &files) {
        let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        panic!("{}\n{}", mistakes.join("\n"), proposal.contract);
    }
}

/// The lines of a contract that are no comments, without the spaces that align them.
fn lines(proposal: &Proposal) -> Vec<String> {
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = proposal
        .contract
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    said.map(squeezed).collect()
}

fn says(proposal: &Proposal, line: &str) {
    assert!(
        lines(proposal).iter().any(|own| own == line),
        "no line {line}\n{}",
        proposal.contract
    );
}

#[test]
fn a_file_of_ones_own_becomes_a_table_with_account_key_and_partition() {
    let text = "visitId,Day,Guests,Umsatz,Mail\n1,2026-03-01,2,10.5,a@b.de\n2,2026-03-01,0,7,\n";
    let visits = proposed(
        "shop.visits",
        "shop/corner/2026-03-01/visits.csv",
        text.as_bytes(),
        None,
    );
    assert_eq!(
        lines(&visits),
        [
            "description = \"One row of visits.\"",
            "path = \"shop/{account}/{date}/{name}.csv[.gz]\"",
            "format = \"csv\"",
            "keep = \"latest_row\"",
            "key = [\"account\", \"day\", \"visit_id\"]",
            "newest_by = [\"_generated_at\", \"_part\", \"_modified\", \"_row\"]",
            "partition = [\"day\"]",
            "[columns]",
            "account = { type = \"text\", from = \"_account\", doc = \"Alias of the account that delivered the row.\" }",
            "visit_id = { type = \"text\", from = \"visitId\" }",
            "day = { type = \"date\", from = \"Day\" }",
            "guests = { type = \"int\", from = \"Guests\" }",
            "umsatz = { type = \"decimal(18,4)\", from = \"Umsatz\" }",
            "mail = { type = \"text\", from = \"Mail\", personal = \"drop\" }",
        ]
    );
    let raw = visits
        .case
        .iter()
        .find(|(path, _)| path.starts_with("raw/"))
        .unwrap();
    assert_eq!(raw.0, "raw/shop/corner/2026-03-01/visits.csv");
    assert!(!String::from_utf8_lossy(&raw.1).contains("a@b.de"));
}

#[test]
fn a_report_of_a_known_source_is_kept_and_named_as_its_siblings_are() {
    let rows = r#"[{"date": "2026-03-01", "campaignId": 17, "campaignName": "Mugs", "cost": 1.5, "clicks": 3, "impressions": 40, "brandedSearches": 2}]"#;
    let report = proposed(
        "ads.sb_campaigns",
        "ads/corner/sbCampaigns/2026-03-05/r.json",
        rows.as_bytes(),
        None,
    );
    says(&report, "per = [\"profile_id\", \"activity_date\"]");
    says(&report, "covers = \"activity_date\"");
    says(
        &report,
        "path = \"ads/{account}/sbCampaigns/{date}/{name}.json[.gz]\"",
    );
    says(
        &report,
        "branded_searches = { type = \"int\", from = \"brandedSearches\" }",
    );
    let of_sibling = "campaign_id = { type = \"text\", from = \"campaignId\", doc = \"Campaign; unique within the profile only.\" }";
    says(&report, of_sibling);
}

#[test]
fn messages_of_a_known_source_are_kept_as_its_siblings_are() {
    let message = |id: &str| {
        format!(
            r#"{{"idempotency_id": "{id}", "dataset_id": "sb-traffic", "marketplace_id": "A1", "time_window_start": "2026-03-01T10:00:00-08:00",
            "campaign_id": "5", "advertiser_id": "A2", "currency": "USD", "clicks": 1, "cost": 1.4, "viewable_impressions": 9}}"#
        )
    };
    let text = format!("{}{}", message("a"), message("b"));
    let traffic = proposed(
        "ams.sb_traffic",
        "ams/sb-traffic/year=2026/month=03/day=01/hour=20/d-1",
        text.as_bytes(),
        None,
    );
    says(&traffic, "keep = \"every_row\"");
    says(
        &traffic,
        "key = [\"window_date\", \"dataset_id\", \"idempotency_id\"]",
    );
    says(&traffic, "identity = [\"dataset_id\", \"idempotency_id\"]");
    says(
        &traffic,
        "path = \"ams/sb-traffic/year={year}/month={month}/day={day}/hour={hour}/{name}\"",
    );
    assert!(!lines(&traffic).iter().any(|line| line.contains("_account")));
}

#[test]
fn a_manifest_tells_options_and_that_days_are_covered() {
    let text = "Date\tASIN\tUnits\n2026-03-01\tB1\t3\n";
    let manifest = r#"{"schema": 1, "document_id": "d-1", "options": {"view": "ALL"}, "period": {"from": "2026-03-01", "to": "2026-03-01"}}"#;
    let report = proposed(
        "shop.stock",
        "shop/corner/stock/2026-03-02/d-1.txt",
        text.as_bytes(),
        Some(manifest),
    );
    says(&report, "per = [\"account\", \"view\", \"date\"]");
    says(&report, "covers = \"date\"");
    says(
        &report,
        "report_id = { type = \"text\", from = \"_document\", doc = \"Report that the row stands in.\" }",
    );
}

#[test]
fn customs_of_a_country_are_written_anew_by_sql() {
    let text = "Datum;Artikel;Betrag\n31.12.2025;Tasse;1.234,56\n01.01.2026;Teller;7,00\n";
    let sales = proposed("shop.sales", "sales.csv", text.as_bytes(), None);
    says(&sales, "datum = { type = \"date\", from = \"datum_read\" }");
    says(
        &sales,
        "betrag = { type = \"decimal(18,4)\", from = \"betrag_read\" }",
    );
    says(&sales, "csv = { delimiter = \";\" }");
    assert!(sales.sql.as_ref().unwrap().contains("AS datum_read"));
    assert!(!sales.path_known);
    assert_eq!(sales.keys, ["shop/sample/sales/2026-01-01/sales.csv"]);
}

#[test]
fn a_time_gives_the_day_where_no_field_is_one() {
    let text = "approval-date\treimbursement-id\tamount-total\n2026-03-01T08:00:00-08:00\t17\t5.00\n";
    let report = proposed(
        "sp_api.reimbursements",
        "sp_api/corner/GET_FBA_REIMBURSEMENTS_DATA/2026-03-02/d.txt",
        text.as_bytes(),
        None,
    );
    says(
        &report,
        "approval_day = { type = \"date\", from = \"approval-date\", zone = \"as_written\" }",
    );
    says(&report, "per = [\"account\", \"approval_day\"]");
    says(&report, "keep = \"latest_document\"");
}
