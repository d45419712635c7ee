//! The commit of a batch: the only moment at which a table changes.

mod attempt;
mod batch;

pub(crate) use attempt::{Attempt, Attempted};
pub(super) use batch::{Proposal, TableRun, commit_batch};

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

use super::tally::Summary;

/// What the commit of a batch says about itself, so that whoever comes next can record it.
pub(crate) fn about(batch: i64, side: &str, summary: &Summary) -> Result<Map<String, Value>> {
    let Value::Object(mut about) = json!(summary) else {
        return Err(Error::internal("summary of a batch has no JSON form"));
    };
    about.insert("batch".to_owned(), json!(batch));
    about.insert("side".to_owned(), json!(side));
    Ok(about)
}
