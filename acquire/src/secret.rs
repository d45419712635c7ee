//! Secrets of applications and accounts: texts, or where they are kept. Nobody is shown one.

use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use aws::{Aws, Reference, Said};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// What is shown in the place of a text.
const MASK: &str = "****";
/// What a reference to a variable of the environment begins with.
const VARIABLE: &str = "env:";
/// What a reference to a file begins with.
const FILE: &str = "file:";

/// Who we are at AWS, found out when something of AWS is needed first.
#[async_trait]
pub trait AtAws: Send + Sync {
    /// Who we are.
    ///
    /// # Errors
    ///
    /// When that cannot be found out.
    async fn aws(&self) -> Result<&Aws>;
}

/// A secret of the configuration: the text itself, or `env:NAME`, `file:PATH`, `secret:NAME#key` or `ssm:NAME`.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept(String);

enum At<'a> {
    Variable(&'a str),
    File(&'a Path),
    Aws(Reference),
    Here(String),
}

impl Kept {
    /// A secret that is said or kept so.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself. Spaces and line ends around it in a file or a variable are no part of it.
    ///
    /// # Errors
    ///
    /// When it is not where it should be kept, with where that is.
    pub async fn text(&self, at: &dyn AtAws) -> Result<String> {
        let text = match self.at()? {
            At::Here(text) => text,
            At::Variable(name) => std::env::var(name).map_err(|_| {
                Error::mistake(format!("{self}: there is no such variable of the environment"))
            })?,
            At::File(path) => std::fs::read_to_string(path)
                .map_err(|error| Error::mistake(format!("{self}: cannot be read: {error}")))?,
            At::Aws(reference) => {
                let values = at.aws().await?.values(&[reference.clone()].into()).await?;
                values.get(&reference).unwrap_or_default().to_owned()
            }
        };
        let text = text.trim();
        match text.is_empty() {
            true => Err(Error::mistake(format!("{self}: the secret is empty"))),
            false => Ok(text.to_owned()),
        }
    }

    fn at(&self) -> Result<At<'_>> {
        if let Some(name) = self.0.strip_prefix(VARIABLE) {
            return Ok(At::Variable(name));
        }
        if let Some(path) = self.0.strip_prefix(FILE) {
            return Ok(At::File(Path::new(path)));
        }
        Ok(match Said::read(&self.0)? {
            Said::Text(text) => At::Here(text),
            Said::Reference(reference) => At::Aws(reference),
        })
    }

    /// The name of the secret of Secrets Manager that this is; none where it is kept elsewhere, or is a part of one.
    pub fn secret_name(&self) -> Option<String> {
        match self.at() {
            Ok(At::Aws(Reference::Secret { name, key: None })) => Some(name),
            _ => None,
        }
    }

    /// The file that it is kept in, where it is.
    pub fn file(&self) -> Option<PathBuf> {
        match self.at() {
            Ok(At::File(path)) => Some(path.to_owned()),
            _ => None,
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at() {
            Ok(At::Here(_)) | Err(_) => f.write_str(MASK),
            Ok(_) => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Serde's own message would have the value in it.
        let text = String::deserialize(deserializer).map_err(|_| D::Error::custom("a secret is a text"))?;
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    #[async_trait]
    impl AtAws for Nowhere {
        async fn aws(&self) -> Result<&Aws> {
            Err(Error::mistake("nobody asks AWS here"))
        }
    }

    #[tokio::test]
    async fn a_secret_is_read_where_it_is_kept_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "pepper\n").unwrap();
        let of_file = format!("file:{}", file.display());
        for (text, shown) in [("pepper", MASK), (of_file.as_str(), of_file.as_str())] {
            let kept = Kept::new(text);
            assert_eq!(kept.text(&Nowhere).await.unwrap(), "pepper");
            assert_eq!(format!("{kept} {kept:?}"), format!("{shown} {shown}"));
            assert_eq!(serde_json::to_string(&kept).unwrap(), format!("{shown:?}"));
        }
        for text in ["env:MARKETLAKE_NO_SUCH", "file:/no/such", "secret:x#y", "", " "] {
            let error = Kept::new(text).text(&Nowhere).await.unwrap_err();
            assert!(error.is_mistake(), "{error}");
        }
        let wrong = toml::from_str::<std::collections::BTreeMap<String, Kept>>("key = 4711").unwrap_err();
        assert!(!wrong.message().contains("4711"), "{wrong}");
    }
}
