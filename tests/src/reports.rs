//! Documents of the tests' own source, with their manifests.

use std::path::Path;

use anyhow::Result;
use cases::{Delivery, LakeUnderTest};
use serde_json::json;

use crate::new_lake;

/// A lake with the tables of the tests' own source.
pub fn reports() -> Result<LakeUnderTest> {
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
    Ok(new_lake("")?.with_contracts(contracts))
}

/// Path of a report in the raw zone.
pub fn key(name: &str) -> String {
    format!("reports/corner/2026-03-04/{name}.csv")
}

/// A report with these rows.
pub fn report(name: &str, rows: &[&str]) -> Delivery {
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    Delivery::new(key(name), format!("day,campaign,clicks\n{lines}"))
}

/// The manifest of a report about the first days of March that was made at that hour.
pub fn manifest(name: &str, id: &str, days: (u32, u32), hour: u32, parts: (u32, u32)) -> Delivery {
    let said = json!({
        "schema": 1,
        "document_id": id,
        "period": {"from": format!("2026-03-{:02}", days.0), "to": format!("2026-03-{:02}", days.1)},
        "generated_at": format!("2026-03-04T{hour:02}:00:00Z"),
        "parts": {"number": parts.0, "of": parts.1},
    });
    Delivery::new(format!("{}.manifest.json", key(name)), said.to_string())
}
