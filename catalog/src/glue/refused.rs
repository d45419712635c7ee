//! What Glue did not do: whether it is worth another try, and what a person can do about it.

use std::error::Error as StdError;

use aws_sdk_glue::error::{ProvideErrorMetadata, SdkError};

use crate::Error;

/// An answer of Glue that is no success.
#[derive(Debug)]
pub(super) struct Refused {
    action: &'static str,
    on: String,
    code: Option<String>,
    said: String,
}

/// Answers after which the same request may succeed: others were quicker, or asked for too much.
const PASSING: [&str; 9] = [
    "ConcurrentModificationException",
    "InternalServiceException",
    "OperationTimeoutException",
    "RequestLimitExceeded",
    "ResourceNotReadyException",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

impl Refused {
    pub(super) fn of<E>(action: &'static str, on: &str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let (code, said) = aws::said(error);
        Self {
            action,
            on: on.to_owned(),
            code,
            said,
        }
    }

    /// Whether there is no such table or no such database.
    pub(super) fn is_missing(&self) -> bool {
        self.is("EntityNotFoundException")
    }

    /// Whether somebody else was first.
    pub(super) fn is_there(&self) -> bool {
        self.is("AlreadyExistsException")
    }

    /// Whether the program may not do it.
    pub(super) fn is_denied(&self) -> bool {
        self.is("AccessDeniedException") || self.is("AccessDenied")
    }

    /// Whether another try is worth while.
    pub(super) fn passes(&self) -> bool {
        self.code.as_deref().is_some_and(|code| PASSING.contains(&code))
    }

    fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// For people: the missing permission by its name.
    pub(super) fn explained(self) -> Error {
        let Self { action, said, .. } = &self;
        let why = match self.code.as_deref() {
            Some("AccessDeniedException" | "AccessDenied") if said.contains("Lake Formation") => format!(
                "Lake Formation does not grant it; its administrator has to grant the program's role DESCRIBE and \
                 CREATE_TABLE on the database, ALTER on its tables and DATA_LOCATION_ACCESS on the bucket ({said})"
            ),
            Some("AccessDeniedException" | "AccessDenied") => {
                format!("the program needs {action} on the catalog, the database and the table ({said})")
            }
            Some("GlueEncryptionException") => format!(
                "the catalog is encrypted, and the program needs kms:Encrypt, kms:Decrypt and kms:GenerateDataKey with its \
                 key ({said})"
            ),
            Some(
                "ExpiredToken"
                | "ExpiredTokenException"
                | "InvalidSignatureException"
                | "UnrecognizedClientException",
            ) => format!("Glue does not accept the credentials ({said})"),
            Some(_) if self.passes() => format!("it did not get through after several tries ({said})"),
            _ => said.clone(),
        };
        Error::Refused {
            action: self.action,
            on: self.on,
            why,
        }
    }
}
