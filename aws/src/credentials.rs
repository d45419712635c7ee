//! Credentials for stores, which ask for them with every request.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;

use crate::error::{Error, Result};
use crate::explained::chain;
use crate::role::{Role, Taking};

/// So long before they end credentials are renewed: a request and its repetitions are signed once.
const AHEAD: Duration = Duration::from_secs(10 * 60);

/// Credentials that are kept until they are about to end.
#[derive(Debug)]
pub(crate) struct Credentials {
    source: Source,
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
enum Source {
    /// What the environment, the profile or the machine says.
    Chain(SharedCredentialsProvider),
    Role(Taking),
    #[cfg(test)]
    Told(tests::Told),
}

#[derive(Debug)]
struct Held {
    credential: Arc<AwsCredential>,
    /// When to ask for new ones, and when these end; none: never.
    times: Option<(SystemTime, SystemTime)>,
}

impl Held {
    fn new(given: &aws_credential_types::Credentials) -> Self {
        let credential = AwsCredential {
            key_id: given.access_key_id().to_owned(),
            secret_key: given.secret_access_key().to_owned(),
            token: given.session_token().map(str::to_owned),
        };
        let times = given.expiry().map(|end| {
            let left = end.duration_since(SystemTime::now()).unwrap_or_default();
            // Some sources give the same ones until shortly before they end: these are asked again at half of what is left.
            (end - AHEAD.min(left / 2), end)
        });
        Self {
            credential: Arc::new(credential),
            times,
        }
    }

    fn is_fresh(&self) -> bool {
        self.times.is_none_or(|(renew, _)| SystemTime::now() < renew)
    }

    fn is_valid(&self) -> bool {
        self.times.is_none_or(|(_, end)| SystemTime::now() < end)
    }
}

impl Credentials {
    /// Those of the program.
    pub(crate) fn of_chain(config: &SdkConfig) -> Result<Self> {
        let chain = config.credentials_provider().ok_or(Error::NoCredentials)?;
        Ok(Self::of(Source::Chain(chain)))
    }

    /// Those of a role that the program takes on.
    pub(crate) fn of_role(config: &SdkConfig, role: &Role, region: &str) -> Self {
        Self::of(Source::Role(Taking::new(config, role, region)))
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            held: Mutex::new(None),
        }
    }

    /// Others than those with this token, which were refused as expired; none where there are no others.
    pub(crate) async fn other_than(&self, token: &str) -> Option<Arc<AwsCredential>> {
        let is_other = |held: &Held| held.credential.token.as_deref() != Some(token);
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| is_other(held)) {
            return Some(held.credential.clone());
        }
        match self.ask().await {
            Ok(new) => {
                let credential = is_other(&new).then(|| new.credential.clone());
                *held = Some(new);
                credential
            }
            Err(error) => {
                tracing::warn!(%error, "expired credentials could not be renewed");
                None
            }
        }
    }

    async fn ask(&self) -> Result<Held, String> {
        let given = match &self.source {
            Source::Chain(chain_of_sources) => {
                let given = chain_of_sources.provide_credentials().await;
                given.map_err(|error| format!("there are no AWS credentials: {}", chain(&error)))
            }
            Source::Role(role) => role.ask().await,
            #[cfg(test)]
            Source::Told(told) => told.ask(),
        };
        given.map(|given| Held::new(&given))
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        // Held while the source is asked, so that many requests ask it once.
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| held.is_fresh()) {
            return Ok(held.credential.clone());
        }
        match self.ask().await {
            Ok(new) => Ok(held.insert(new).credential.clone()),
            Err(error) => match held.as_ref().filter(|held| held.is_valid()) {
                Some(held) => {
                    tracing::debug!(%error, "credentials could not be renewed yet");
                    Ok(held.credential.clone())
                }
                None => Err(object_store::Error::Generic {
                    store: "S3",
                    source: error.into(),
                }),
            },
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::Credentials as Given;

    use super::*;

    /// Gives tokens one after another, each for so long; then fails.
    #[derive(Debug, Default)]
    pub(crate) struct Told {
        pub(crate) lives: Vec<Option<Duration>>,
        pub(crate) asked: AtomicUsize,
    }

    impl Told {
        pub(super) fn ask(&self) -> Result<Given, String> {
            let index = self.asked.fetch_add(1, Ordering::SeqCst);
            let life = self.lives.get(index).ok_or("nobody answers")?;
            let end = life.map(|life| SystemTime::now() + life);
            Ok(Given::new(
                "key",
                "secret",
                Some(format!("token-{index}")),
                end,
                "test",
            ))
        }
    }

    /// Credentials that live so long, one after another.
    pub(crate) fn living(lives: &[Option<Duration>]) -> Credentials {
        Credentials::of(Source::Told(Told {
            lives: lives.to_vec(),
            ..Told::default()
        }))
    }

    async fn token(credentials: &Credentials) -> String {
        let credential = credentials.get_credential().await.unwrap();
        credential.token.clone().unwrap()
    }

    const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

    #[tokio::test]
    async fn they_are_asked_for_once_and_again_before_they_end() {
        let long = living(&[HOUR, HOUR]);
        assert_eq!(token(&long).await, "token-0");
        assert_eq!(token(&long).await, "token-0");
        long.held.lock().await.as_mut().unwrap().times = Some((SystemTime::now(), SystemTime::now() + AHEAD));
        assert_eq!(token(&long).await, "token-1");
        let endless = living(&[None]);
        assert_eq!(
            (token(&endless).await, token(&endless).await),
            ("token-0".into(), "token-0".into())
        );
        // What ends soon is not asked for with every request.
        let soon = living(&[Some(Duration::from_secs(300))]);
        assert_eq!(
            (token(&soon).await, token(&soon).await),
            ("token-0".into(), "token-0".into())
        );
    }

    #[tokio::test]
    async fn where_the_source_fails_they_are_used_until_they_end() {
        let failing = living(&[HOUR]);
        token(&failing).await;
        let ends = |end| Some((SystemTime::UNIX_EPOCH, end));
        failing.held.lock().await.as_mut().unwrap().times = ends(SystemTime::now() + AHEAD);
        assert_eq!(token(&failing).await, "token-0");
        failing.held.lock().await.as_mut().unwrap().times = ends(SystemTime::UNIX_EPOCH);
        let error = failing.get_credential().await.unwrap_err().to_string();
        assert!(error.contains("nobody answers"), "{error}");
    }

    #[tokio::test]
    async fn of_many_that_were_refused_the_first_one_asks() {
        let credentials = living(&[HOUR, HOUR]);
        token(&credentials).await;
        let (one, other) = tokio::join!(
            credentials.other_than("token-0"),
            credentials.other_than("token-0")
        );
        let tokens = [one, other].map(|new| new.unwrap().token.clone().unwrap());
        assert_eq!(tokens, ["token-1", "token-1"]);
        // There are no others.
        assert!(credentials.other_than("token-1").await.is_none());
    }

    #[tokio::test]
    async fn secrets_are_in_no_debug_text() {
        let credentials = living(&[HOUR]);
        token(&credentials).await;
        let text = format!("{credentials:?}");
        assert!(!text.contains("secret\"") && !text.contains("token-0"), "{text}");
    }
}
