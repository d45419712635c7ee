//! What a service of AWS refused, and what a person can do about it.

use std::fmt;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use crate::explained::chain;

/// Why something was not done, in words, with what can be done about it.
#[derive(Debug)]
pub struct Refusal {
    why: String,
    is_lasting: bool,
}

impl Refusal {
    pub(crate) fn new(why: String) -> Self {
        Self {
            why,
            is_lasting: false,
        }
    }

    /// Whether it is the same for whoever asks once more: what was asked for is not there, or may not be used.
    pub fn is_lasting(&self) -> bool {
        self.is_lasting
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Refusal {}

/// Explains the answer to a request for `what`, which needs these permissions.
pub(crate) fn refusal<E, R>(what: &str, needs: &str, error: &SdkError<E, R>) -> Refusal
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: fmt::Debug,
{
    let Some(code) = error.code() else {
        return Refusal::new(format!("{what} does not answer: {}", chain(error)));
    };
    let (message, kind) = (first_line(error.message()), kind(code));
    let why = match kind {
        Kind::Denied => format!("{what} may not be used: the program needs {needs} ({code}: {message})"),
        Kind::Missing => {
            format!("{what} is not there; look at its name, its region and its account ({code})")
        }
        Kind::Key => format!(
            "the key of KMS that {what} is encrypted with cannot be used; {needs} ({code}: {message})"
        ),
        Kind::Credentials => format!("{what} does not accept the credentials ({code}: {message})"),
        Kind::Other => format!("{what} refused: {code}: {message}"),
    };
    Refusal {
        why,
        is_lasting: matches!(kind, Kind::Denied | Kind::Missing),
    }
}

/// Code of an answer, where there was one, and all that may be told of it.
pub fn said<E, R>(error: &SdkError<E, R>) -> (Option<String>, String)
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: fmt::Debug,
{
    let code = error.code().map(str::to_owned);
    let text = match (&code, error.message()) {
        (Some(code), Some(message)) => format!("{code}: {}", first_line(Some(message))),
        (Some(code), None) => code.clone(),
        (None, _) => chain(error),
    };
    (code, text)
}

/// What may be told of a message: where a signature is wrong, later lines repeat what was signed, the token too.
pub(crate) fn first_line(message: Option<&str>) -> &str {
    message
        .and_then(|message| message.lines().next())
        .unwrap_or_default()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Denied,
    Missing,
    Key,
    Credentials,
    Other,
}

/// Services call the same thing by several names.
fn kind(code: &str) -> Kind {
    let name = code.rsplit('.').next().unwrap_or(code).to_lowercase();
    let name = name.strip_suffix("exception").unwrap_or(&name);
    match name {
        "accessdenied" | "authorizationerror" | "unauthorizedoperation" | "unauthorized" => Kind::Denied,
        "notfound" | "queuedoesnotexist" | "nonexistentqueue" => Kind::Missing,
        name if name.starts_with("kms") => Kind::Key,
        "expiredtoken"
        | "invalidclienttokenid"
        | "unrecognizedclient"
        | "signaturedoesnotmatch"
        | "invalidsecurity"
        | "requestexpired" => Kind::Credentials,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sts::error::ErrorMetadata;
    use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityError;

    use super::*;

    #[test]
    fn what_was_signed_is_not_told() {
        let message = "The signature does not match\nx-amz-security-token:zq7xtoken";
        let answer = ErrorMetadata::builder().code("InvalidSignature").message(message);
        let error = GetCallerIdentityError::generic(answer.build());
        let (code, text) = said(&SdkError::service_error(error, ()));
        assert_eq!(code.as_deref(), Some("InvalidSignature"));
        assert_eq!(text, "InvalidSignature: The signature does not match");
    }

    #[test]
    fn what_services_call_the_same_is_the_same() {
        for (code, is) in [
            ("AccessDenied", Kind::Denied),
            ("AccessDeniedException", Kind::Denied),
            ("AuthorizationError", Kind::Denied),
            ("NotFound", Kind::Missing),
            ("AWS.SimpleQueueService.NonExistentQueue", Kind::Missing),
            ("QueueDoesNotExist", Kind::Missing),
            ("KMSAccessDenied", Kind::Key),
            ("KmsDisabledException", Kind::Key),
            ("ExpiredToken", Kind::Credentials),
            ("InvalidParameter", Kind::Other),
        ] {
            assert_eq!(kind(code), is, "{code}");
        }
    }
}
