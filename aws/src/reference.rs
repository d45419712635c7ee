//! Values that are kept at AWS: secrets of Secrets Manager and parameters of Systems Manager.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_secretsmanager as secrets;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ssm as parameters;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::Aws;
use crate::answer::first_line;
use crate::error::{Error, Result};
use crate::explained::chain;

/// What a reference begins with.
const SECRET: &str = "secret:";
const PARAMETER: &str = "ssm:";

/// Questions that are under way at the same time.
const ASKED_AT_ONCE: usize = 8;

/// Where a value is kept, written `secret:NAME`, `secret:NAME#key` or `ssm:NAME`; a name may be an ARN.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// A secret of Secrets Manager.
    Secret {
        /// Its name.
        name: String,
        /// The key of the JSON object that it is; none: it is the whole text.
        key: Option<String>,
    },
    /// A parameter of Systems Manager.
    Parameter {
        /// Its name.
        name: String,
    },
}

/// What a text of the configuration says.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// Itself.
    Text(String),
    /// What is kept elsewhere.
    Reference(Reference),
}

/// What references stand for. It is shown to nobody.
#[derive(Default)]
pub struct Values(BTreeMap<Reference, String>);

impl Said {
    /// Reads a text; with a second colon, `secret::x`, it is the text `secret:x` itself.
    ///
    /// # Errors
    ///
    /// For a reference that names nothing.
    pub fn read(text: &str) -> Result<Self> {
        for begin in [SECRET, PARAMETER] {
            let Some(rest) = text.strip_prefix(begin) else {
                continue;
            };
            if let Some(itself) = rest.strip_prefix(':') {
                return Ok(Self::Text(format!("{begin}{itself}")));
            }
            let (name, key) = match rest.split_once('#') {
                Some((name, key)) if begin == SECRET => (name, Some(key)),
                _ => (rest, None),
            };
            if name.is_empty() || key == Some("") {
                return Err(Error::NoName {
                    reference: text.to_owned(),
                });
            }
            let (name, key) = (name.to_owned(), key.map(str::to_owned));
            return Ok(Self::Reference(match begin {
                SECRET => Reference::Secret { name, key },
                _ => Reference::Parameter { name },
            }));
        }
        Ok(Self::Text(text.to_owned()))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret { name, key: None } => write!(f, "{SECRET}{name}"),
            Self::Secret { name, key: Some(key) } => write!(f, "{SECRET}{name}#{key}"),
            Self::Parameter { name } => write!(f, "{PARAMETER}{name}"),
        }
    }
}

impl Values {
    /// What a reference stands for, where it was asked for.
    pub fn get(&self, reference: &Reference) -> Option<&str> {
        self.0.get(reference).map(String::as_str)
    }

    /// The text with references in the place of what they stand for.
    #[must_use]
    pub fn hidden(&self, text: &str) -> String {
        // A longer one first, which a shorter one may be a part of.
        let mut kept: Vec<_> = self.0.iter().filter(|(_, value)| !value.is_empty()).collect();
        kept.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        kept.into_iter()
            .fold(text.to_owned(), |text, (reference, value)| {
                let quoted = format!("{value:?}");
                let quoted = &quoted[1..quoted.len() - 1];
                text.replace(value, &reference.to_string())
                    .replace(quoted, &reference.to_string())
            })
    }
}

impl FromIterator<(Reference, String)> for Values {
    fn from_iter<I: IntoIterator<Item = (Reference, String)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl Aws {
    /// Asks for what references stand for, each secret and parameter once.
    ///
    /// # Errors
    ///
    /// When one is not there, may not be read or is no text, with what is missing.
    pub async fn values(&self, references: &BTreeSet<Reference>) -> Result<Values> {
        if self.config().region().is_none() {
            return Err(Error::NoRegionOfValues);
        }
        // They are owned, as whoever waits for this on another thread needs: futures that borrow their items cannot move.
        let mut kept: BTreeMap<Reference, Vec<Reference>> = BTreeMap::new();
        for reference in references {
            kept.entry(reference.whole()).or_default().push(reference.clone());
        }
        let asked = stream::iter(kept).map(|(whole, parts)| async move {
            let text = match &whole {
                Reference::Secret { name, .. } => secret(self.config(), &whole, name).await,
                Reference::Parameter { name } => parameter(self.config(), &whole, name).await,
            }?;
            let parts = parts.into_iter().map(|part| {
                let text = part.of(&text)?;
                Ok((part, text))
            });
            parts.collect::<Result<Vec<_>>>()
        });
        let values: Vec<Vec<_>> = asked.buffered(ASKED_AT_ONCE).try_collect().await?;
        Ok(values.into_iter().flatten().collect())
    }
}

impl Aws {
    /// Writes a new value of a secret that is there.
    ///
    /// # Errors
    ///
    /// When it may not be written or is not there.
    pub async fn put_secret(&self, name: &str, text: &str) -> Result<()> {
        let reference = Reference::Secret {
            name: name.to_owned(),
            key: None,
        };
        let client = secrets::Client::new(self.config());
        let put = client
            .put_secret_value()
            .secret_id(name)
            .secret_string(text)
            .send()
            .await;
        put.map(drop).map_err(|error| match error.code() {
            Some("AccessDeniedException" | "AccessDenied") => Error::Denied {
                reference: reference.to_string(),
                action: "secretsmanager:PutSecretValue",
                said: first_line(error.message()).to_owned(),
            },
            _ => reference.refused(&error),
        })
    }
}

impl Reference {
    /// What is asked for.
    fn whole(&self) -> Self {
        match self {
            Self::Secret { name, .. } => Self::Secret {
                name: name.clone(),
                key: None,
            },
            Self::Parameter { .. } => self.clone(),
        }
    }

    /// The part of the text that is meant.
    fn of(&self, text: &str) -> Result<String> {
        let Self::Secret { key: Some(key), .. } = self else {
            return Ok(text.to_owned());
        };
        // What the parser says would have a part of the secret in it.
        let object = serde_json::from_str::<serde_json::Map<_, _>>(text);
        let object =
            object.map_err(|_| self.mistaken("the secret is no JSON object, so that it has no keys"))?;
        match object.get(key) {
            Some(serde_json::Value::String(value)) => Ok(value.clone()),
            Some(_) => Err(self.mistaken("what the secret has under this key is no text")),
            None => Err(self.mistaken("the secret has no such key")),
        }
    }

    fn mistaken(&self, why: &str) -> Error {
        Error::Value {
            reference: self.to_string(),
            why: why.to_owned(),
        }
    }

    /// Why there is no value.
    fn refused<E>(&self, error: &SdkError<E>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let message = first_line(error.message());
        let denied = |action| Error::Denied {
            reference: self.to_string(),
            action,
            said: message.to_owned(),
        };
        match error.code() {
            Some("ResourceNotFoundException" | "ParameterNotFound" | "ParameterVersionNotFound") => {
                self.mistaken("there is no such value in this region and account")
            }
            Some("AccessDeniedException" | "AccessDenied") => denied(match self {
                Self::Secret { .. } => "secretsmanager:GetSecretValue",
                Self::Parameter { .. } => "ssm:GetParameter",
            }),
            Some("DecryptionFailure" | "InvalidKeyId") => denied("kms:Decrypt"),
            Some(code) => Error::Unanswered {
                reference: self.to_string(),
                why: format!("{code}: {message}"),
            },
            None => Error::Unanswered {
                reference: self.to_string(),
                why: chain(error),
            },
        }
    }
}

async fn secret(config: &SdkConfig, reference: &Reference, name: &str) -> Result<String> {
    let asked = secrets::Client::new(config).get_secret_value().secret_id(name);
    let answer = asked.send().await.map_err(|error| reference.refused(&error))?;
    let text = answer.secret_string;
    text.ok_or_else(|| reference.mistaken("the secret is binary: keep a text, or a JSON object, there"))
}

async fn parameter(config: &SdkConfig, reference: &Reference, name: &str) -> Result<String> {
    let client = parameters::Client::new(config);
    let asked = client.get_parameter().name(name).with_decryption(true);
    let answer = asked.send().await.map_err(|error| reference.refused(&error))?;
    let text = answer.parameter.and_then(|parameter| parameter.value);
    text.ok_or_else(|| reference.mistaken("the parameter has no value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(text: &str) -> Reference {
        match Said::read(text).unwrap() {
            Said::Reference(reference) => reference,
            Said::Text(text) => panic!("{text} is no reference"),
        }
    }

    #[test]
    fn references_are_read_as_they_are_written() {
        let arn = "secret:arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/key-AbCdEf#of#all";
        for text in [
            "secret:prod/lake",
            "secret:prod/lake#key",
            "ssm:/prod/lake:3",
            arn,
        ] {
            assert_eq!(reference(text).to_string(), text);
        }
        let Reference::Secret { name, key } = reference(arn) else {
            panic!("a secret is a secret")
        };
        assert!(name.ends_with("prod/key-AbCdEf") && key.as_deref() == Some("of#all"));
    }

    #[test]
    fn what_only_looks_like_one_can_be_said() {
        for (text, said) in [
            ("secret::keeping", "secret:keeping"),
            ("ssm::x", "ssm:x"),
            ("s3://secret:x", "s3://secret:x"),
            ("secrets", "secrets"),
        ] {
            assert_eq!(Said::read(text).unwrap(), Said::Text(said.to_owned()));
        }
        for text in ["secret:", "ssm:", "secret:#key", "secret:name#"] {
            let refused = Said::read(text).unwrap_err().to_string();
            assert!(refused.contains(text), "{refused}");
        }
    }

    #[test]
    fn a_key_is_looked_for_in_an_object_and_no_error_shows_the_secret() {
        let secret = r#"{"key": "pepper", "pepper": 5, "nested": {"pepper": 1}}"#;
        assert_eq!(reference("secret:x#key").of(secret).unwrap(), "pepper");
        assert_eq!(reference("secret:x").of(secret).unwrap(), secret);
        for (text, kept, told) in [
            ("secret:x#other", secret, "no such key"),
            ("secret:x#nested", secret, "no text"),
            ("secret:x#key", "pepper", "no JSON object"),
            ("secret:x#key", "[\"pepper\"]", "no JSON object"),
        ] {
            let error = reference(text).of(kept).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(
                said.contains(told) && said.contains(text) && !said.contains("pepper"),
                "{said}"
            );
        }
    }

    #[test]
    fn what_was_kept_is_hidden_wherever_it_is_said() {
        let values: Values = [
            (reference("ssm:a"), "pep".to_owned()),
            (reference("ssm:b"), "pepper\"".to_owned()),
            (reference("ssm:c"), String::new()),
        ]
        .into_iter()
        .collect();
        assert_eq!(values.hidden("a pepper\" and pep"), "a ssm:b and ssm:a");
        assert_eq!(values.hidden(&format!("{:?}", "pepper\"")), "\"ssm:b\"");
    }
}
