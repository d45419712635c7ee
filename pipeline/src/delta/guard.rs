//! Refuses tables that this program must not write to.

use crate::error::{Error, Kind, Result};

use super::snapshot::Snapshot;

/// Table properties that change what a correct writer has to do, and why they are refused.
const REFUSED: &[(&str, &str)] = &[
    (
        "delta.enableDeletionVectors",
        "rows would be hidden by deletion vectors, which readers of this lake need not know",
    ),
    (
        "delta.columnMapping.mode",
        "columns would be found by id instead of name",
    ),
    ("delta.appendOnly", "rows could not be replaced"),
    (
        "delta.enableChangeDataFeed",
        "every commit would need change files",
    ),
    (
        "delta.setTransactionRetentionDuration",
        "the record of batches would expire",
    ),
    ("delta.enableRowTracking", "every file would need row ids"),
    (
        "delta.enableInCommitTimestamps",
        "commits would need in-commit timestamps",
    ),
];

/// Harmless values of the properties above.
const OFF: &[&str] = &["false", "none", ""];

/// Checks protocol, properties and files of a snapshot; the error names what is wrong and the way out.
pub(super) fn check(table: &str, snapshot: &Snapshot) -> Result<()> {
    let (protocol, properties) = (snapshot.protocol(), &snapshot.properties);
    let features: Vec<String> = protocol
        .reader_features()
        .into_iter()
        .chain(protocol.writer_features())
        .flatten()
        .map(|feature| feature.to_string())
        .collect();
    let refuse = |what: String| {
        Err(Error::new(
            Kind::Foreign,
            format!("{what}; somebody else changed the table: undo that, or make it anew with `marketlake rebuild {table}`"),
        )
        .with("table", table)
        .with("version", snapshot.version))
    };
    if protocol.min_reader_version() > 1 || protocol.min_writer_version() > 2 || !features.is_empty() {
        return refuse(format!(
            "table needs reader {} and writer {} {features:?}, tables of this lake stay at 1 and 2",
            protocol.min_reader_version(),
            protocol.min_writer_version(),
        ));
    }
    for (key, why) in REFUSED {
        if let Some(value) = properties.get(*key)
            && !OFF.contains(&value.as_str())
        {
            return refuse(format!("property {key} = {value} is set: {why}"));
        }
    }
    if let Some(key) = properties
        .keys()
        .find(|key| key.starts_with("delta.constraints."))
    {
        return refuse(format!(
            "constraint {key} is set, which this program does not evaluate"
        ));
    }
    if let Some(file) = snapshot.files.iter().find(|file| file.has_deletion_vector()) {
        return Err(Error::new(
            Kind::Foreign,
            format!("a file has a deletion vector; make the table anew with `marketlake rebuild {table}`"),
        )
        .with("file", &file.path));
    }
    Ok(())
}
