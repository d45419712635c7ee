//! A user's own source: visits of a shop, and the guests of a day.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use cases::{Delivery, LakeUnderTest};

use crate::new_lake;

/// Contract of the visits of a shop.
pub const VISITS: &str = r#"description = "One visit of a shop."
path      = "shop/{account}/{date}/{name}.csv"
format    = "csv"
keep      = "latest_row"
key       = ["day", "visit_id"]
newest_by = ["_generated_at", "_modified", "_row"]
partition = ["day"]

[columns]
day      = { type = "date", from = "_period" }
shop     = { type = "text", from = "_account" }
visit_id = "text"
minutes  = "decimal(10,1)"
guests   = "int"

[checks]
somebody_came = { sql = "guests > 0", else = "quarantine" }
"#;

/// SQL of the visits.
pub const VISITS_SQL: &str = "SELECT visit_id, round(CAST(seconds AS DOUBLE) / 60, 1) AS minutes, guests
FROM raw
WHERE visit_id NOT LIKE 'test%'
";

/// Contract of the guests of a day, computed from the visits.
pub const DAILY: &str = r#"description = "Guests of a day."
inputs    = ["shop.visits"]
key       = ["day"]
recompute = ["day"]
partition = ["day"]

[columns]
day    = "date"
guests = "int"
"#;

/// SQL of the guests of a day.
pub const DAILY_SQL: &str = "SELECT day, sum(guests) AS guests FROM shop.visits GROUP BY day\n";

/// A lake with the user's two tables.
pub struct Shop {
    /// The lake.
    pub lake: LakeUnderTest,
    folder: PathBuf,
}

impl Shop {
    /// A lake without configuration.
    pub fn open() -> Result<Self> {
        Self::configured("")
    }

    /// A lake with that text in its `marketlake.toml`.
    pub fn configured(configuration: &str) -> Result<Self> {
        let lake = new_lake(configuration)?;
        let folder = lake.path().join("contracts");
        let shop = Self {
            lake: lake.with_contracts(folder.clone()),
            folder,
        };
        for (file, text) in [
            ("visits.toml", VISITS),
            ("visits.sql", VISITS_SQL),
            ("daily.toml", DAILY),
            ("daily.sql", DAILY_SQL),
        ] {
            shop.write(file, text)?;
        }
        Ok(shop)
    }

    /// The folder of its contracts.
    pub fn contracts(&self) -> PathBuf {
        self.folder.join("shop")
    }

    /// Writes a file of the folder of its contracts.
    pub fn write(&self, file: &str, text: &str) -> Result<()> {
        fs::create_dir_all(self.contracts())?;
        Ok(fs::write(self.contracts().join(file), text)?)
    }

    /// Delivers a file of visits.
    pub fn deliver(&self, day: &str, name: &str, text: &str) -> Result<()> {
        self.lake
            .deliver(&Delivery::new(format!("shop/main/{day}/{name}.csv"), text))
    }

    /// The rows of a table as CSV.
    pub fn rows(&self, table: &str) -> Result<String> {
        Ok(self.lake.rows(table)?.to_csv())
    }
}
