//! What can be wrong before anything is asked of AWS.

/// Result of what this crate prepares.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A mistake in the environment or the configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody said where a bucket is.
    #[error(
        "no region is known for the bucket {bucket}: set region in the configuration, AWS_REGION, or region in the profile"
    )]
    NoRegion {
        /// Its name.
        bucket: String,
    },
    /// The environment asks for what would cost commits.
    #[error(
        "{variable} is set: {why}, so that two writers could overwrite each other's commits; unset it, which changes \
         nothing else here"
    )]
    Refused {
        /// The variable.
        variable: &'static str,
        /// What it would do.
        why: &'static str,
    },
    /// The profile says that there are no credentials at all.
    #[error(
        "no source of AWS credentials is configured: set a profile, the variables of an access key, or run with a role"
    )]
    NoCredentials,
    /// Nobody said where values are kept.
    #[error(
        "no region is known for values by reference: set region in the configuration, AWS_REGION, or region in the profile"
    )]
    NoRegionOfValues,
    /// A reference names nothing.
    #[error(
        "{reference:?} names nothing: a value by reference is secret:NAME, secret:NAME#key or ssm:NAME, and a value that begins \
         so itself has a second colon, secret::…"
    )]
    NoName {
        /// As it is written.
        reference: String,
    },
    /// There is no such value.
    #[error("{reference}: {why}")]
    Value {
        /// As it is written.
        reference: String,
        /// Why.
        why: String,
    },
    /// A value may not be read.
    #[error(
        "{reference} may not be read: the program needs {action} on it and, where it is encrypted with a key of one's own, \
         kms:Decrypt on the key: {said}"
    )]
    Denied {
        /// As it is written.
        reference: String,
        /// What the program is not allowed to do.
        action: &'static str,
        /// What the server says.
        said: String,
    },
    /// Nobody says what a value is.
    #[error("{reference} cannot be read: {why}")]
    Unanswered {
        /// As it is written.
        reference: String,
        /// Why.
        why: String,
    },
    /// A store cannot be made.
    #[error("the bucket {bucket} cannot be opened")]
    Bucket {
        /// Its name.
        bucket: String,
        /// Why.
        source: object_store::Error,
    },
}

impl Error {
    /// Whether whoever configured the program has to mend it: nothing was asked in vain, and nothing refused.
    pub fn is_mistake(&self) -> bool {
        match self {
            Self::NoRegion { .. }
            | Self::NoRegionOfValues
            | Self::NoName { .. }
            | Self::Value { .. }
            | Self::Refused { .. }
            | Self::NoCredentials => true,
            Self::Denied { .. } | Self::Unanswered { .. } | Self::Bucket { .. } => false,
        }
    }
}
