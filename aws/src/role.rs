//! Roles that others let the program take on.

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::error::ProvideErrorMetadata;

/// Who the program says that it is, to those whose role it takes on.
const SESSION: &str = "marketlake";

/// A role, such as that of a merchant whose bucket is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// What its owner agreed on with us, so that nobody else makes us take it on.
    pub external_id: Option<String>,
}

/// Asks for credentials of a role.
#[derive(Debug)]
pub(crate) struct Taking {
    client: Client,
    role: Role,
}

impl Taking {
    /// Nothing is asked yet. Where the program has no region, that of the bucket is asked.
    pub(crate) fn new(config: &SdkConfig, role: &Role, region: &str) -> Self {
        let config = match config.region() {
            Some(_) => config.clone(),
            None => config.to_builder().region(Region::new(region.to_owned())).build(),
        };
        Self {
            client: Client::new(&config),
            role: role.clone(),
        }
    }

    /// New credentials, or why there are none.
    pub(crate) async fn ask(&self) -> Result<Credentials, String> {
        let request = self
            .client
            .assume_role()
            .role_arn(&self.role.arn)
            .role_session_name(SESSION)
            .set_external_id(self.role.external_id.clone());
        let refused = |why: &str| format!("role {} cannot be taken on: {why}", self.role.arn);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let why = match (error.code(), error.message()) {
                    (Some("AccessDenied"), message) => format!(
                        "{}; this program needs sts:AssumeRole on it, and its trust policy has to name this program, and the \
                         external id where one is agreed on",
                        message.unwrap_or("access is denied")
                    ),
                    (Some(code), message) => format!("{code}: {}", message.unwrap_or_default()),
                    (None, _) => crate::explained::chain(&error),
                };
                return Err(refused(&why));
            }
        };
        let given = answer.credentials.ok_or_else(|| refused("the answer has none"))?;
        let expires = std::time::SystemTime::try_from(given.expiration).ok();
        Ok(Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            expires,
            "role",
        ))
    }
}
