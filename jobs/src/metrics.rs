//! Metrics as lines of CloudWatch's embedded metric format, among the lines of the log: where those go to CloudWatch Logs, it
//! makes metrics of them.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The namespace of all metrics.
const NAMESPACE: &str = "marketlake";

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MetricsFormat {
    /// CloudWatch's embedded metric format.
    Emf,
}

/// What a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    Count,
    Milliseconds,
    Seconds,
}

impl Unit {
    /// As CloudWatch spells it.
    fn name(self) -> &'static str {
        match self {
            Self::Bytes => "Bytes",
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
        }
    }
}

/// A name, its unit and its value.
pub(crate) type Metric = (&'static str, Unit, u64);

/// Metrics of one thing.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// What they are kept apart by.
    pub(crate) dimensions: Vec<(&'static str, String)>,
    /// What else a line of the log says.
    pub(crate) about: Vec<(&'static str, String)>,
    /// Their values, not more than a hundred.
    pub(crate) values: Vec<Metric>,
}

impl Metrics {
    /// The line.
    fn document(&self, at: DateTime<Utc>) -> Value {
        let names: Vec<&str> = self.dimensions.iter().map(|(name, _)| *name).collect();
        let metrics = self.values.iter();
        let metrics: Vec<Value> = metrics
            .map(|(name, unit, _)| json!({"Name": name, "Unit": unit.name()}))
            .collect();
        let about = json!({
            "Timestamp": at.timestamp_millis(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": metrics}],
        });
        let mut document = Map::from_iter([("_aws".to_owned(), about)]);
        for (name, text) in self.dimensions.iter().chain(&self.about) {
            document.insert((*name).to_owned(), text.as_str().into());
        }
        for (name, _, value) in &self.values {
            document.insert((*name).to_owned(), (*value).into());
        }
        Value::Object(document)
    }

    /// Writes them to the log of this process.
    pub(crate) fn write(&self) {
        // In one piece, so that lines do not mix; metrics are no reason to fail.
        let line = format!("{}\n", self.document(Utc::now()));
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_shape_that_cloudwatch_reads() {
        let metrics = Metrics {
            dimensions: vec![
                ("Lake", "s3://lake/prod".to_owned()),
                ("Table", "jwo.orders".to_owned()),
            ],
            about: vec![("run", "2026-03-01T04:00:00Z".to_owned())],
            values: vec![("Rows", Unit::Count, 7), ("Bytes", Unit::Bytes, 1 << 40)],
        };
        let at = DateTime::from_timestamp_millis(1_772_337_600_123).unwrap();
        let wanted = json!({
            "_aws": {
                "Timestamp": 1_772_337_600_123_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "marketlake",
                    "Dimensions": [["Lake", "Table"]],
                    "Metrics": [{"Name": "Rows", "Unit": "Count"}, {"Name": "Bytes", "Unit": "Bytes"}],
                }],
            },
            "Lake": "s3://lake/prod",
            "Table": "jwo.orders",
            "run": "2026-03-01T04:00:00Z",
            "Rows": 7,
            "Bytes": 1_u64 << 40,
        });
        assert_eq!(metrics.document(at), wanted);
    }
}
