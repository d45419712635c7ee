//! What has to be true of the tables when the demo is over, and whether it is.

use std::fmt::Write;

use anyhow::{Context, Result};
use pipeline::lake::Lake;
use pipeline::request::QuarantineFilter;
use schemars::JsonSchema;
use serde::Serialize;

use super::questions::{beside, settled};
use crate::cli::RowFormat;
use crate::commands::printed;
use demo::Generated;

/// A claim and what speaks against it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Check {
    /// What should be true of the tables.
    pub(crate) claim: String,
    /// Rows that contradict it: 0 when it is true.
    pub(crate) contradictions: u64,
}

impl Check {
    /// A claim that so much speaks against.
    pub(crate) fn new(claim: impl Into<String>, contradictions: u64) -> Self {
        Self {
            claim: claim.into(),
            contradictions,
        }
    }
}

/// Tables in which a one-time password could be.
const CONNECTED: [&str; 3] = ["events", "orders", "order_status_history"];

/// Checks everything.
pub(super) async fn all(lake: &Lake, made: &Generated) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (claim, sql) in claims(made) {
        checks.push(Check {
            claim,
            contradictions: contradictions(lake, &sql).await?,
        });
    }
    checks.push(Check {
        claim: format!(
            "None of {} one-time passwords is in a table or in quarantine",
            made.passwords.len()
        ),
        contradictions: passwords_kept(lake, made).await?,
    });
    Ok(checks)
}

/// A line each.
pub(super) fn text(checks: &[Check]) -> String {
    let mut text = String::from("\nChecked:\n");
    for check in checks {
        let _ = match check.contradictions {
            0 => writeln!(text, "  yes  {}", check.claim),
            rows => writeln!(text, "  NO   {}: {rows} contradict it", check.claim),
        };
    }
    text
}

/// Claims, each with a SELECT of the rows that contradict it.
fn claims(made: &Generated) -> Vec<(String, String)> {
    let mut claims: Vec<(String, String)> = CLAIMS
        .iter()
        .map(|(claim, sql)| ((*claim).to_owned(), (*sql).to_owned()))
        .collect();
    if let Some((from, to)) = settled(made) {
        claims.push((
            format!("Ads reports and Marketing Stream agree on every campaign from {from} to {to}"),
            format!(
                "SELECT 1 FROM ({}) AS beside WHERE coalesce(clicks, 0) <> coalesce(stream_clicks, 0)
                 OR coalesce(cost, 0) <> coalesce(stream_cost, 0) OR coalesce(sales, 0) <> coalesce(stream_sales, 0)",
                beside(from, to)
            ),
        ));
    }
    if let Some((merchant, day)) = &made.emptied {
        let tables = [
            "sp_campaigns",
            "sp_search_term",
            "sp_advertised_product",
            "campaign_daily",
        ];
        let rows = tables.map(|table| {
            format!("SELECT 1 FROM ads.{table} WHERE merchant = '{merchant}' AND activity_date = '{day}'")
        });
        claims.push((
            format!("Nothing is left of {merchant}'s ads on {day}, whose newest reports are empty"),
            rows.join(" UNION ALL "),
        ));
    }
    claims
}

const CLAIMS: [(&str, &str); 6] = [
    (
        "All five sources have rows",
        "SELECT 1 FROM (SELECT count(*) AS rows FROM jwo.orders UNION ALL SELECT count(*) FROM ams.sp_hourly
             UNION ALL SELECT count(*) FROM ads.campaign_daily UNION ALL SELECT count(*) FROM sp_api.vendor_sales
             UNION ALL SELECT count(*) FROM sp_api.orders UNION ALL SELECT count(*) FROM sp_api.settlement
             UNION ALL SELECT count(*) FROM yojaka.orders) AS counts WHERE rows = 0",
    ),
    (
        "Both views of the vendor's sales agree, day by day, on what was shipped of each product",
        "SELECT 1 FROM (SELECT * FROM sp_api.vendor_sales
             WHERE report_period = 'DAY' AND distributor_view = 'SOURCING') AS sourced
         FULL JOIN (SELECT * FROM sp_api.vendor_sales
             WHERE report_period = 'DAY' AND distributor_view = 'MANUFACTURING') AS all_sold
         ON sourced.activity_date = all_sold.activity_date AND sourced.asin = all_sold.asin
         WHERE coalesce(sourced.shipped_revenue, 0) <> coalesce(all_sold.shipped_revenue, 0)",
    ),
    (
        "Ads and sales of both merchants meet: on no day do ads sell more than was sold",
        "SELECT 1 FROM (SELECT merchant, count(ad_sales_share) AS days, max(ad_sales_share) AS most
             FROM retail.ad_share_daily GROUP BY merchant) AS shares WHERE days = 0 OR most > 1",
    ),
    (
        "Each settlement is there once, and its amounts add up to its total",
        "SELECT 1 FROM sp_api.settlement GROUP BY settlement_id
         HAVING count(*) FILTER (WHERE is_total) <> 1 OR sum(amount) <> max(total_amount)",
    ),
    (
        "Each order of the seller is in one state",
        "SELECT 1 FROM sp_api.orders GROUP BY amazon_order_id HAVING count(DISTINCT order_status) > 1",
    ),
    (
        "No order of Smart Connect is in an older state than one that it was in",
        "SELECT 1 FROM yojaka.orders JOIN yojaka.order_status_history AS history
         ON orders.stage = history.stage AND orders.merchant_id = history.merchant_id
         AND orders.order_id = history.order_id WHERE history.last_seen_at > orders.status_at",
    ),
];

async fn contradictions(lake: &Lake, sql: &str) -> Result<u64> {
    let batches = lake
        .query(sql)
        .await
        .with_context(|| format!("this fails: {sql}"))?;
    Ok(batches.iter().map(|batch| batch.num_rows() as u64).sum())
}

/// How often a password is a word of a table or of what was rejected.
async fn passwords_kept(lake: &Lake, made: &Generated) -> Result<u64> {
    let mut kept = 0;
    let mut look = |text: &str| {
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
        kept += words
            .filter(|word| made.passwords.iter().any(|one| one == word))
            .count() as u64;
    };
    for table in CONNECTED {
        let rows = lake.query(&format!("SELECT * FROM yojaka.{table}")).await?;
        look(&printed(&rows, RowFormat::Json)?);
    }
    let filter = QuarantineFilter {
        table: Some(super::table("yojaka", "events")),
        ..QuarantineFilter::default()
    };
    for rejected in lake.quarantine_show(&filter, usize::MAX).await? {
        look(&format!(
            "{} {}",
            rejected.reason,
            rejected.text.unwrap_or_default()
        ));
    }
    Ok(kept)
}
