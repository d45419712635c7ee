//! The one error type of the pipeline: what happened, to what, and whether trying again can help.

use std::error::Error as StdError;
use std::fmt;

use crate::storage::{NoRoom, StoreFailure};

/// Result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A contract, a configuration or an argument is wrong: a person must mend it.
    Usage,
    /// Bytes or rows that cannot be read as what they should be.
    Data,
    /// Something that should be there is not.
    NotFound,
    /// Another writer was first: plan again from the newest snapshot.
    Conflict,
    /// A table is not what this program left: somebody else wrote to it, or it was restored.
    Foreign,
    /// Storage, network or operating system: the same call may succeed later.
    Io,
    /// Somebody asked the work to end before it was done.
    Stopped,
    /// A broken invariant of this program.
    Internal,
}

/// An error with the things it is about.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A new error of `kind`; `message` is lower case, without a full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            context: Vec::new(),
            source: None,
        }
    }

    /// A mistake in a contract, a configuration or an argument.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Unreadable bytes or rows.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Kind::Data, message)
    }

    /// A broken invariant of this program.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// Names a thing that the error is about, such as `("object", uri)`.
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.context.push((key, value.to_string()));
        self
    }

    /// The error below this one. Of one that comes from a store only what may be told is kept.
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        self.source = Some(match StoreFailure::of(source.as_ref()) {
            Some(failure) => Box::new(failure),
            None => source,
        });
        self
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether storage is there and does not let this one thing be read: others may be. What the machine refuses
    /// elsewhere, such as a place for rows that wait, is no refusal of an object.
    pub fn is_refusal(&self) -> bool {
        let mut source = StdError::source(self);
        while let Some(below) = source {
            if let Some(failure) = below.downcast_ref::<StoreFailure>() {
                return failure.is_refusal();
            }
            source = below.source();
        }
        false
    }

    /// Whether what does not fit into memory does not fit into the folder for it either.
    pub(crate) fn has_no_room(&self) -> bool {
        NoRoom::is_below(self)
    }

    /// The message with those of the errors below it.
    pub fn chain(&self) -> String {
        self.followed(self.to_string())
    }

    /// The chain without the things that this error is about.
    pub fn reason(&self) -> String {
        self.followed(self.message.clone())
    }

    /// A message, then those of the errors below this one.
    fn followed(&self, mut message: String) -> String {
        let mut source = StdError::source(self);
        while let Some(below) = source {
            message.push_str(": ");
            message.push_str(&below.to_string());
            source = below.source();
        }
        message
    }

    /// The message alone, without context and source.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for (index, (key, value)) in self.context.iter().enumerate() {
            f.write_str(if index == 0 { " (" } else { ", " })?;
            write!(f, "{key}: {value}")?;
        }
        if !self.context.is_empty() {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

/// Adds what this program was doing to an error of a library.
pub trait Context<T> {
    /// Wraps the error as `kind`, with a message that says what failed.
    fn context(self, kind: Kind, message: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> Context<T> for std::result::Result<T, E> {
    fn context(self, kind: Kind, message: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::new(kind, message).because(source))
    }
}

impl From<object_store::Error> for Error {
    fn from(source: object_store::Error) -> Self {
        let kind = match &source {
            object_store::Error::NotFound { .. } => Kind::NotFound,
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } => {
                Kind::Conflict
            }
            _ => Kind::Io,
        };
        Self::new(kind, "storage refused").because(source)
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(source: arrow::error::ArrowError) -> Self {
        Self::internal("arrow computation failed").because(source)
    }
}

impl From<parquet::errors::ParquetError> for Error {
    fn from(source: parquet::errors::ParquetError) -> Self {
        Self::new(Kind::Io, "parquet file could not be read or written").because(source)
    }
}

impl From<datafusion::error::DataFusionError> for Error {
    fn from(source: datafusion::error::DataFusionError) -> Self {
        Self::internal("query failed").because(source)
    }
}

impl From<deltalake_core::DeltaTableError> for Error {
    fn from(source: deltalake_core::DeltaTableError) -> Self {
        Self::new(Kind::Io, "delta log could not be read or written").because(source)
    }
}

impl From<std::io::Error> for Error {
    fn from(source: std::io::Error) -> Self {
        Self::new(Kind::Io, "input or output failed").because(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_storage_refuses_an_object() {
        let denied = || std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let store = |source: std::io::Error| object_store::Error::Generic {
            store: "a store",
            source: Box::new(source),
        };
        let forbidden = object_store::Error::PermissionDenied {
            path: "x".to_owned(),
            source: "403".into(),
        };
        for (error, refuses) in [
            (Error::from(forbidden), true),
            (Error::from(store(denied())), true),
            (Error::data("x").because(Error::from(store(denied()))), true),
            (Error::from(store(std::io::ErrorKind::TimedOut.into())), false),
            (Error::from(denied()), false),
            (Error::data("x"), false),
        ] {
            assert_eq!(error.is_refusal(), refuses, "{error:?}");
        }
    }
}
