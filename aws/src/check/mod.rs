//! Whether the program may do at AWS what it has to, asked in ways that leave nothing behind.

mod bucket;
mod identity;
mod topics;

use schemars::JsonSchema;
use serde::Serialize;

use crate::Aws;

pub use bucket::{Clock, Zone};

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// What was looked at, and for what.
    pub what: String,
    /// How it is.
    pub state: State,
    /// What was found, what is wrong and what to do, or why it was not looked at.
    pub said: String,
    /// The statement that the policy of the program's role lacks, where that is what is wrong; or what it has to have, where
    /// that was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<Statement>,
}

/// How something is that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it has to be.
    Ok,
    /// Not as it has to be.
    Failed,
    /// Not looked at.
    Skipped,
}

/// A statement of an IAM policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    /// `Allow`.
    effect: &'static str,
    /// What the program has to be allowed.
    action: Vec<&'static str>,
    /// On what: ARNs, or what to put in the place of one that is not known.
    resource: Vec<String>,
}

impl Statement {
    /// One that allows these actions on these resources.
    pub fn allows(action: &[&'static str], resource: &[String]) -> Self {
        Self {
            effect: "Allow",
            action: action.to_vec(),
            resource: resource.to_vec(),
        }
    }
}

impl Check {
    /// It is as it has to be.
    pub fn ok(what: impl Into<String>, said: impl Into<String>) -> Self {
        Self::new(what, State::Ok, said)
    }

    /// It is not.
    pub fn failed(what: impl Into<String>, said: impl Into<String>) -> Self {
        Self::new(what, State::Failed, said)
    }

    /// It was not looked at.
    pub fn skipped(what: impl Into<String>, said: impl Into<String>) -> Self {
        Self::new(what, State::Skipped, said)
    }

    /// The same, which a statement mends or needs.
    #[must_use]
    pub fn lacking(self, statement: Statement) -> Self {
        Self {
            statement: Some(statement),
            ..self
        }
    }

    fn new(what: impl Into<String>, state: State, said: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            state,
            said: said.into(),
            statement: None,
        }
    }
}

impl Aws {
    /// The ARN of something of a service, in whichever account the program is.
    pub fn resource(&self, service: &str, what: &str) -> String {
        let region = self.config().region().map(AsRef::as_ref);
        format!(
            "arn:{}:{service}:{}:*:{what}",
            partition(region),
            region.unwrap_or("*")
        )
    }
}

/// What the ARNs of a region begin with.
pub(crate) fn partition(region: Option<&str>) -> &'static str {
    match region {
        Some(region) if region.starts_with("cn-") => "aws-cn",
        Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}
