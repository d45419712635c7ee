//! Samples: raw objects that somebody has, with what lies beside them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use bytes::Bytes;
use pipeline::decode::InMemory;
use serde_json::Value;

use crate::usage;

/// Most bytes of a sample.
const LARGEST: u64 = 256 << 20;

/// A file of raw data.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What is in it.
    pub(super) bytes: Bytes,
    /// The manifest beside it.
    pub(super) manifest: Option<Value>,
}

impl Sample {
    /// Reads a file and its manifest.
    ///
    /// # Errors
    ///
    /// Usage errors that say what is wrong with the file and what to do.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let cannot = |error: std::io::Error| usage(format!("sample {shown} cannot be read: {error}"));
        let metadata = std::fs::metadata(path).map_err(cannot)?;
        if metadata.is_dir() {
            return Err(usage(format!(
                "sample {shown} is a folder: name one of the files in it"
            )));
        }
        if metadata.len() > LARGEST {
            return Err(usage(format!(
                "sample {shown} has {} MiB: the first few thousand rows tell as much",
                metadata.len() >> 20
            )));
        }
        let bytes = std::fs::read(path).map_err(cannot)?;
        if bytes.is_empty() {
            return Err(usage(format!(
                "sample {shown} is empty: a contract can be inferred from a file with rows only"
            )));
        }
        let sample = Self {
            path: path.to_owned(),
            bytes: bytes.into(),
            manifest: manifest(path)?,
        };
        Ok(sample)
    }

    /// A reader of its content.
    pub(super) fn input(&self) -> Box<InMemory> {
        Box::new(InMemory::new(self.bytes.clone()))
    }

    /// Name of the file, without the ending of gzip.
    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        name.strip_suffix(".gz").unwrap_or(&name).to_owned()
    }
}

/// `X.manifest.json` beside `X`.
fn manifest(path: &Path) -> Result<Option<Value>> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".manifest.json");
    let beside = path.with_file_name(name);
    let text = match std::fs::read_to_string(&beside) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(usage(format!(
                "manifest {} cannot be read: {error}",
                beside.display()
            )));
        }
    };
    match serde_json::from_str(&text) {
        Ok(Value::Object(fields)) => Ok(Some(Value::Object(fields))),
        Ok(_) => Err(usage(format!("manifest {} is no JSON object", beside.display()))),
        Err(error) => Err(usage(format!(
            "manifest {} is no JSON: {error}",
            beside.display()
        ))),
    }
}
