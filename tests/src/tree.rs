//! What lies in a folder, to see whether something changed, and in the log of a table.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use cases::LakeUnderTest;
use serde_json::Value;

/// Every file and folder with size and time of change.
pub fn tree(root: &Path) -> Result<BTreeMap<PathBuf, (u64, SystemTime)>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_dir() {
                folders.push(entry.path());
            }
            found.insert(entry.path(), (about.len(), about.modified()?));
        }
    }
    Ok(found)
}

/// The log entries of a table, oldest first.
pub fn log_entries(lake: &LakeUnderTest, table: &str) -> Result<Vec<PathBuf>> {
    let folder = lake.table(table).join("_delta_log");
    let entries = fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    Ok(paths)
}

/// The actions of a log entry.
pub fn actions(path: &Path) -> Result<Vec<Value>> {
    fs::read_to_string(path)?
        .lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

/// Writes the next log entry of a table by hand.
pub fn append(lake: &LakeUnderTest, table: &str, actions: &[Value]) -> Result<()> {
    let next = log_entries(lake, table)?.len();
    let path = lake
        .table(table)
        .join("_delta_log")
        .join(format!("{next:020}.json"));
    let lines: Vec<String> = actions.iter().map(Value::to_string).collect();
    Ok(fs::write(path, lines.join("\n") + "\n")?)
}

/// An action that adds the newest file of a table once more, under another name.
pub fn again(lake: &LakeUnderTest, table: &str) -> Result<Value> {
    let entries = log_entries(lake, table)?;
    let newest = actions(entries.last().context("no log")?)?;
    let mut add = newest
        .iter()
        .find_map(|action| action.get("add"))
        .context("no file")?
        .clone();
    let path = add["path"].as_str().context("no path")?.to_owned();
    let copied = path.replace(".parquet", "-again.parquet");
    fs::copy(lake.table(table).join(&path), lake.table(table).join(&copied))?;
    add["path"] = Value::String(copied);
    Ok(add)
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
