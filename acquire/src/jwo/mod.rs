//! Just Walk Out: order reports in buckets of Amazon's, which tells of each by a topic.
//!
//! What a message names is copied as it is, that version and no other. Each copy is written down, so that who is told twice
//! asks Amazon's bucket once.

mod copy;
mod day;
mod messages;

use std::sync::Arc;

use aws::{Access, Aws, Role};
use object_store::ObjectStore;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::intake;

pub use copy::{Copied, Copies};
pub use day::{Day, DayCopied, copy_day, lacking, of_day};
pub use messages::Merchants;

/// A merchant, as a configuration names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merchant {
    /// Alias of the account.
    pub account: String,
    /// URL of the queue that its topic sends to. Merchants may share one.
    pub queue: String,
    /// Region of the queue, where the URL does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_region: Option<String>,
    /// URL of the queue for messages that cannot be used, in the same region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<String>,
    /// Amazon's bucket with its reports.
    pub bucket: String,
    /// What stands before `Order/` in its keys.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Region of the bucket, where it is not that of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The role that may read the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What the owner of the role wants to hear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

impl Merchant {
    /// Its queue.
    pub fn named(&self) -> intake::Named {
        intake::Named {
            url: self.queue.clone(),
            region: self.queue_region.clone(),
            dead_letters: self.dead_letters.clone(),
        }
    }

    /// Amazon's bucket. Nothing is asked of it.
    ///
    /// # Errors
    ///
    /// When no region is known.
    pub fn store(&self, aws: &Aws) -> Result<Arc<dyn ObjectStore>> {
        if self.external_id.is_some() && self.role.is_none() {
            return Err(Error::mistake(format!(
                "acquire.jwo of {}: external_id is for a role; set role, too",
                self.account
            )));
        }
        let role = self.role.clone().map(|arn| Role {
            arn,
            external_id: self.external_id.clone(),
        });
        let access = Access {
            region: self.region.clone(),
            role,
            kms_key: None,
        };
        Ok(aws.bucket(&self.bucket, &access)?)
    }

    /// Where a key of its bucket belongs below the folder of the account: `Order/<date>/<hour>/<file>`; none where it is no
    /// report.
    pub fn place_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        let below = key.strip_prefix(self.prefix.trim_matches('/'))?;
        let below = below.strip_prefix('/').unwrap_or(below);
        let rest = below.strip_prefix("Order/")?;
        let mut parts = rest.split('/');
        let is_date = parts
            .next()
            .is_some_and(|date| date.parse::<chrono::NaiveDate>().is_ok());
        let is_hour = parts
            .next()
            .is_some_and(|hour| hour.parse::<u32>().is_ok_and(|hour| hour < 24));
        let is_file = parts
            .next()
            .is_some_and(|file| !file.is_empty() && file != "." && file != "..");
        (is_date && is_hour && is_file && parts.next().is_none()).then_some(below)
    }
}

#[cfg(test)]
mod tests;
