//! What the program says to AWS: who it is there, the buckets that it reads and writes, values that are kept there, the topic
//! that it tells what it did, the queue that tells it where to look.
//!
//! Credentials, region and endpoints are found once, by the same rules as in every program that Amazon makes: environment,
//! profiles, web identity, the role of a task or of a machine. Whatever else the environment holds changes nothing.

mod answer;
mod bucket;
mod check;
mod credentials;
mod endpoint;
mod error;
pub mod event;
mod explained;
mod hidden;
mod page;
mod queue;
mod reference;
mod refused;
mod renewing;
mod requests;
mod role;
mod topic;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

pub use answer::{Refusal, said};
pub use bucket::Bucket;
pub use check::{Check, Clock, State, Statement, Zone};
pub use error::{Error, Result};
pub use hidden::{Held, Hidden};
pub use page::Page;
pub use queue::{Queue, Received};
pub use reference::{Reference, Said, Values};
pub use requests::Requests;
pub use role::Role;
pub use topic::{LIMIT, Message, Topic};

use credentials::Credentials;
use requests::Counter;

/// How long a connection may take to come about, and one try of a request until it is answered.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);

/// Who the program is at AWS, and where its services are.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    own: Arc<Credentials>,
    counter: Counter,
}

/// How a bucket is reached, where that is not as it is for the program itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Its region.
    pub region: Option<String>,
    /// The role that may use it.
    pub role: Option<Role>,
    /// The key of KMS that new objects are encrypted with; none: as the bucket says.
    pub kms_key: Option<String>,
}

impl Aws {
    /// Finds out who the program is. No credentials are asked for before something needs them.
    ///
    /// # Errors
    ///
    /// When the environment asks for something that would let two writers of a lake overwrite each other's work.
    pub async fn load(region: Option<&str>) -> Result<Self> {
        refused::check(std::env::vars())?;
        // The same cryptography as of the stores, which bring their own client.
        let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ANSWER);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client.build_https())
            .timeout_config(timeouts.build());
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let config = loader.load().await;
        let own = Arc::new(Credentials::of_chain(&config)?);
        Ok(Self {
            config,
            own,
            counter: Counter::default(),
        })
    }

    /// What buckets were asked until now.
    pub fn requests(&self) -> Requests {
        self.counter.requests()
    }

    /// What every client is made from: credentials, region, endpoints, and how long it waits.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The store of a bucket. Nothing is asked of it.
    ///
    /// # Errors
    ///
    /// When no region is known, or something cannot be as it is configured.
    pub fn bucket(&self, name: &str, access: &Access) -> Result<Arc<Bucket>> {
        let region = access.region.as_deref();
        let region = region.or_else(|| self.config.region().map(AsRef::as_ref));
        let endpoint = endpoint::of_bucket(&self.config, name, region)?;
        let credentials = match &access.role {
            Some(role) => Arc::new(Credentials::of_role(&self.config, role, &endpoint.region)),
            None => self.own.clone(),
        };
        bucket::open(
            name,
            endpoint,
            credentials,
            access.kms_key.as_deref(),
            self.counter.clone(),
        )
    }
}
