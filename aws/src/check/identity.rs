//! Who the program is at AWS, and whether it may read what the configuration refers to.

use aws_sdk_sts::Client;
use aws_sdk_sts::error::ProvideErrorMetadata;

use super::bucket::{Clock, clock};
use super::{Check, Statement, partition};
use crate::answer::first_line;
use crate::error::Error;
use crate::explained::chain;
use crate::{Aws, Reference};

impl Aws {
    /// Asks AWS who the program is.
    pub async fn check_identity(&self) -> Check {
        let what = "credentials";
        if self.config().region().is_none() {
            return Check::failed(
                what,
                "no region is known: set region in the configuration, AWS_REGION, or region in the profile",
            );
        }
        let asked = Client::new(self.config()).get_caller_identity().send();
        match asked.await {
            Ok(answer) => Check::ok(what, answer.arn.unwrap_or_default()),
            Err(error) => Check::failed(
                what,
                match (error.code(), error.message()) {
                    (Some(code), message) => format!(
                        "AWS does not accept the credentials, {code}: {}",
                        first_line(message)
                    ),
                    (None, _) => chain(&error),
                },
            ),
        }
    }

    /// Whether the clock of this machine is right, by what buckets said.
    pub fn check_clock(&self, ahead: Clock) -> Check {
        clock(ahead)
    }
}

impl Error {
    /// The statement that a policy lacks, where that is what is wrong with a value by reference.
    pub fn statement(&self, region: Option<&str>) -> Option<Statement> {
        let Self::Denied {
            reference, action, ..
        } = self
        else {
            return None;
        };
        let partition = partition(region);
        let region = region.unwrap_or("*");
        let resource =
            match crate::Said::read(reference) {
                Ok(crate::Said::Reference(
                    Reference::Secret { name, .. } | Reference::Parameter { name },
                )) if name.starts_with("arn:") => name,
                // What Secrets Manager adds to a name is not known to who may not read it.
                Ok(crate::Said::Reference(Reference::Secret { name, .. })) => {
                    format!("arn:{partition}:secretsmanager:{region}:*:secret:{name}-??????")
                }
                Ok(crate::Said::Reference(Reference::Parameter { name })) => {
                    format!(
                        "arn:{partition}:ssm:{region}:*:parameter/{}",
                        name.trim_start_matches('/')
                    )
                }
                _ => return None,
            };
        match *action {
            "kms:Decrypt" => None,
            action => Some(Statement::allows(&[action], &[resource])),
        }
    }
}
