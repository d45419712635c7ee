//! What can go wrong while the raw zone is filled.

use std::fmt;

use object_store::Error as StoreError;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done. Texts hold no secret and no query of a URL.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration or the call is wrong; the text says what to do.
    #[error("{0}")]
    Mistake(String),
    /// The service said no, and would say it again.
    #[error("{0}")]
    Refused(Refused),
    /// There was no answer that counts, and nothing was done by the request, or it may be made again.
    #[error("{what}: {why}")]
    Unanswered {
        /// What was asked for.
        what: String,
        /// What happened to the last try.
        why: String,
    },
    /// The answer to a request that must not be made twice was lost: it may have been carried out or not.
    #[error("{what}: whether it was done is not known: {why}")]
    Lost {
        /// What was asked for.
        what: String,
        /// What happened.
        why: String,
    },
    /// It would have to wait for its turn longer than this call lasts. Nothing was asked.
    #[error("{operation}: its turn comes after the end of this call")]
    NoTime {
        /// The operation.
        operation: &'static str,
    },
    /// A URL of a document is over: another one has to be asked for.
    #[error("{what}: its URL is over")]
    Expired {
        /// What was to be downloaded.
        what: String,
    },
    /// The answer is not what the service's documentation says.
    #[error("{what}: {why}")]
    Odd {
        /// What was asked for.
        what: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// Something could not be read from or written to the raw zone, the lake or a disk.
    #[error("{what}: {why}")]
    Store {
        /// What was to be read or written.
        what: String,
        /// What happened.
        why: String,
    },
    /// Another process works on the same, although it should not.
    #[error(
        "{what} was changed by another process: two work on one account; the next call goes on from what it left"
    )]
    Raced {
        /// What was to be written.
        what: String,
    },
    /// Something of AWS refused, with what is missing.
    #[error(transparent)]
    Aws(#[from] aws::Refusal),
    /// Who we are at AWS, or what is kept there, cannot be found out.
    #[error(transparent)]
    AtAws(#[from] aws::Error),
}

/// An answer of a service that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What was asked for.
    pub what: String,
    /// Status of HTTP.
    pub status: u16,
    /// The service's word for the reason, where it says one.
    pub code: Option<String>,
    /// Its first words, in one line.
    pub said: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: status {}", self.what, self.status)?;
        if let Some(code) = &self.code {
            write!(f, ", {code}")?;
        }
        match self.said.is_empty() {
            true => Ok(()),
            false => write!(f, ": {}", self.said),
        }
    }
}

impl Error {
    /// A mistake of the configuration or of the call.
    pub fn mistake(text: impl Into<String>) -> Self {
        Self::Mistake(text.into())
    }

    /// An answer that is not as documented.
    pub fn odd(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::Odd {
            what: what.into(),
            why: why.to_string(),
        }
    }

    /// What a store or a disk said.
    pub fn store(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::Store {
            what: what.into(),
            why: why.to_string(),
        }
    }

    /// Whether the person who called has to change something.
    pub fn is_mistake(&self) -> bool {
        match self {
            Self::Mistake(_) => true,
            Self::AtAws(error) => error.is_mistake(),
            _ => false,
        }
    }
}

/// What a store said, without what it repeats of requests.
pub(crate) fn of_store(what: &str, error: &StoreError) -> Error {
    let why = match error {
        StoreError::NotFound { .. } => "it is not there".to_owned(),
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
            "it may not be read or written with these credentials".to_owned()
        }
        other => first_line(&other.to_string()),
    };
    Error::store(what, why)
}

/// The first line of a text, at most 300 characters of it.
pub(crate) fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim();
    line.chars().take(300).collect()
}
