//! What is to be told to others.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::TableReport;

/// What is to be told of one table: a batch that is in, or where a run did not get through. It waits in the lake until
/// somebody has told it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct News {
    /// The same each time that it is told, and of nothing else.
    pub id: String,
    /// Id of the run that recorded it.
    pub run: String,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// What happened.
    pub table: TableReport,
}
