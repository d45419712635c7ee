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
    /// A store cannot be made.
    #[error("the bucket {bucket} cannot be opened")]
    Bucket {
        /// Its name.
        bucket: String,
        /// Why.
        source: object_store::Error,
    },
}
