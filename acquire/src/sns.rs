//! Messages as SNS puts them into queues: an envelope with a signature, or what was published as it is.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;
use webpki::EndEntityCert;
use webpki::ring::RSA_PKCS1_2048_8192_SHA256;

use crate::error::{Error, Result};
use crate::transport::{Spool, Transport};

/// No certificate is larger.
const LARGEST: u64 = 64 << 10;

/// What a message of a queue is to SNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// Something that was published, in its envelope.
    Notification(Envelope),
    /// A topic asks whether the queue wants its messages.
    Confirmation(Envelope),
    /// A topic tells that the queue gets no more of its messages.
    Farewell(Envelope),
    /// Something without an envelope.
    Bare,
}

/// An envelope of SNS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// What kind it says that it is.
    pub kind: String,
    /// The same each time that SNS delivers it.
    pub id: String,
    /// ARN of the topic.
    pub topic: String,
    /// What was published.
    pub message: String,
    subject: Option<String>,
    timestamp: String,
    /// What a subscription is confirmed with.
    pub token: Option<String>,
    /// Where a browser would confirm it.
    pub subscribe: Option<String>,
    version: String,
    signature: String,
    certificate: String,
}

/// Why an envelope is none of Amazon's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Forged(String);

impl Forged {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Certificates that were fetched, by their addresses.
#[derive(Debug, Clone, Default)]
pub struct Certificates(HashMap<Url, Vec<u8>>);

/// An ARN of a topic, in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicArn<'a> {
    /// Region of the topic.
    pub region: &'a str,
    /// AWS account that owns it.
    pub account: &'a str,
}

impl<'a> TopicArn<'a> {
    /// The parts of an ARN; none where it is that of no topic.
    pub fn read(arn: &'a str) -> Option<Self> {
        let mut parts = arn.split(':');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let is_arn = next() == Some("arn");
        let is_of_aws = next().is_some_and(|partition| partition == "aws" || partition == "aws-cn");
        let is_topic = next() == Some("sns");
        let (region, account, name) = (next()?, next()?, next()?);
        let is_name = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        (is_arn && is_of_aws && is_topic && is_name && parts.next().is_none())
            .then_some(Self { region, account })
    }
}

impl Sent {
    /// Reads a message, whatever it is.
    pub fn read(body: &str) -> Self {
        let Ok(said) = serde_json::from_str::<Value>(body) else {
            return Self::Bare;
        };
        let text = |name: &str| said[name].as_str().map(str::to_owned);
        let kind = text("Type").unwrap_or_default();
        // What was published may itself have a field of that name.
        let (Some(id), Some(topic), Some(message)) = (text("MessageId"), text("TopicArn"), text("Message"))
        else {
            return Self::Bare;
        };
        let envelope = Envelope {
            kind,
            id,
            topic,
            message,
            subject: text("Subject"),
            timestamp: text("Timestamp").unwrap_or_default(),
            token: text("Token"),
            subscribe: text("SubscribeURL"),
            version: text("SignatureVersion").unwrap_or_default(),
            signature: text("Signature").unwrap_or_default(),
            certificate: text("SigningCertURL").unwrap_or_default(),
        };
        match envelope.kind.as_str() {
            "Notification" => Self::Notification(envelope),
            "SubscriptionConfirmation" => Self::Confirmation(envelope),
            "UnsubscribeConfirmation" => Self::Farewell(envelope),
            _ => Self::Bare,
        }
    }
}

impl Envelope {
    /// Where its certificate is.
    ///
    /// # Errors
    ///
    /// When that is not at Amazon.
    pub fn certificate(&self) -> Result<Url, Forged> {
        let url =
            of_sns(&self.certificate).filter(|url| url.query().is_none() && url.path().ends_with(".pem"));
        url.ok_or_else(|| Forged::new("its SigningCertURL is no certificate of Amazon's SNS"))
    }

    /// Looks whether Amazon's SNS signed it, by the certificate that it names.
    ///
    /// # Errors
    ///
    /// When it did not.
    pub fn verify(&self, certificates: &Certificates) -> Result<(), Forged> {
        let algorithm: &dyn SignatureVerificationAlgorithm = match self.version.as_str() {
            "1" => &Sha1,
            "2" => RSA_PKCS1_2048_8192_SHA256,
            other => {
                return Err(Forged::new(format!(
                    "its SignatureVersion is {other:?}; there is 1 and 2"
                )));
            }
        };
        let certificate = certificates.0.get(&self.certificate()?);
        let certificate = certificate.ok_or_else(|| Forged::new("its certificate is not there"))?;
        let certificate = CertificateDer::from(certificate.as_slice());
        let certificate = EndEntityCert::try_from(&certificate)
            .map_err(|error| Forged::new(format!("its certificate cannot be read: {error}")))?;
        let signature = STANDARD
            .decode(&self.signature)
            .map_err(|_| Forged::new("its Signature is not base64"))?;
        certificate
            .verify_signature(algorithm, self.signed().as_bytes(), &signature)
            .map_err(|_| Forged::new("its Signature is not that of its SigningCertURL"))
    }

    /// What is signed: names and values of these fields, each on a line of its own.
    fn signed(&self) -> String {
        let mut fields = vec![("Message", self.message.as_str()), ("MessageId", &self.id)];
        if self.kind == "Notification" {
            fields.extend(self.subject.as_deref().map(|subject| ("Subject", subject)));
            fields.push(("Timestamp", &self.timestamp));
        } else {
            fields.extend(self.subscribe.as_deref().map(|url| ("SubscribeURL", url)));
            fields.push(("Timestamp", &self.timestamp));
            fields.extend(self.token.as_deref().map(|token| ("Token", token)));
        }
        fields.extend([("TopicArn", self.topic.as_str()), ("Type", &self.kind)]);
        fields
            .iter()
            .map(|(name, value)| format!("{name}\n{value}\n"))
            .collect()
    }

    /// The token that a subscription to its topic is confirmed with.
    ///
    /// # Errors
    ///
    /// When topic, address and token do not fit each other, or the address is not Amazon's.
    pub fn confirmation(&self) -> Result<&str, Forged> {
        let topic =
            TopicArn::read(&self.topic).ok_or_else(|| Forged::new("its TopicArn is that of no topic"))?;
        let token = self.token.as_deref().filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| Forged::new("it has no Token"))?;
        let url = of_sns(self.subscribe.as_deref().unwrap_or_default());
        let url = url.ok_or_else(|| Forged::new("its SubscribeURL is not at Amazon's SNS"))?;
        let is_region = region_of(&url) == Some(topic.region);
        let says = |name: &str, value: &str| {
            url.query_pairs()
                .all(|(known, said)| known != name || said == value)
        };
        match is_region
            && says("Action", "ConfirmSubscription")
            && says("TopicArn", &self.topic)
            && says("Token", token)
        {
            true => Ok(token),
            false => Err(Forged::new(
                "its SubscribeURL is about something else than its TopicArn and Token",
            )),
        }
    }
}

/// Verifies envelopes by certificates that it fetches, each once.
pub struct Verifier {
    transport: Arc<Transport>,
    spool: Spool,
    certificates: Mutex<Certificates>,
    /// Whether envelopes are believed as they are.
    is_off: bool,
}

impl Verifier {
    /// One that verifies.
    pub fn new(transport: Arc<Transport>, spool: Spool) -> Self {
        Self {
            transport,
            spool,
            certificates: Mutex::default(),
            is_off: false,
        }
    }

    /// One that believes everything: for servers that only behave as if they were Amazon's, which an overridden endpoint of
    /// AWS names.
    ///
    /// # Errors
    ///
    /// When no endpoint of AWS is overridden.
    pub fn off(self, variables: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let mut names = variables
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, _)| name);
        let is_overridden =
            names.any(|name| ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"].contains(&name.as_str()));
        match is_overridden {
            true => Ok(Self { is_off: true, ..self }),
            false => Err(Error::mistake(
                "acquire.verify_signatures = false is for test set-ups: it works where AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_SQS \
                 names another server than Amazon's, and nowhere else",
            )),
        }
    }

    /// Looks whether Amazon's SNS signed an envelope.
    ///
    /// # Errors
    ///
    /// When that cannot be found out, since its certificate cannot be had.
    pub async fn verify(&self, envelope: &Envelope) -> Result<Result<(), Forged>> {
        if self.is_off {
            return Ok(Ok(()));
        }
        let url = match envelope.certificate() {
            Ok(url) => url,
            Err(forged) => return Ok(Err(forged)),
        };
        let mut certificates = self.certificates.lock().await;
        if !certificates.has(&url) {
            let what = format!("certificate {url}");
            let fetched = self.transport.download(&what, &url, false, &self.spool).await;
            let mut fetched = match fetched {
                Ok(fetched) => fetched,
                // Amazon has no such certificate.
                Err(Error::Expired { .. }) => return Ok(Err(Forged::new("its certificate is not there"))),
                Err(error) => return Err(error),
            };
            let pem = fetched.beginning(LARGEST)?;
            if let Err(forged) = certificates.put(url, &pem) {
                return Ok(Err(forged));
            }
        }
        Ok(envelope.verify(&certificates))
    }
}

impl Certificates {
    /// Whether the one at that address was fetched.
    pub fn has(&self, url: &Url) -> bool {
        self.0.contains_key(url)
    }

    /// Keeps what was fetched, a text of PEM.
    ///
    /// # Errors
    ///
    /// When it is no certificate.
    pub fn put(&mut self, url: Url, pem: &[u8]) -> Result<(), Forged> {
        let certificate = CertificateDer::from_pem_slice(pem)
            .map_err(|_| Forged::new(format!("{} is no certificate", url.path())))?;
        self.0.insert(url, certificate.to_vec());
        Ok(())
    }
}

/// The address, where it is one of SNS at Amazon.
fn of_sns(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.scheme() == "https" && url.port().is_none() && url.username().is_empty();
    let is_plain = is_plain && url.password().is_none() && url.fragment().is_none();
    (is_plain && region_of(&url).is_some()).then_some(url)
}

/// The region of `sns.<region>.amazonaws.com`.
fn region_of(url: &Url) -> Option<&str> {
    let rest = url.host_str()?.strip_prefix("sns.")?;
    let region = rest
        .strip_suffix(".amazonaws.com")
        .or_else(|| rest.strip_suffix(".amazonaws.com.cn"))?;
    let is_region = region.len() >= 3
        && region
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_region.then_some(region)
}

/// The algorithm of signatures of version 1.
#[derive(Debug)]
struct Sha1;

impl SignatureVerificationAlgorithm for Sha1 {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        // No certificate is looked at with this, only messages.
        alg_id::RSA_PKCS1_SHA256
    }
}

#[cfg(test)]
mod tests;
