//! What went wrong at a bucket, and what a person can do about it, before the answer of the server.

use std::error::Error as StdError;
use std::fmt;

use object_store::Error;

use crate::endpoint::Endpoint;

/// What was asked of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Read,
    Write,
    List,
    Delete,
}

impl Asked {
    /// What it needs to be allowed.
    fn permissions(self) -> &'static str {
        match self {
            Self::Read => {
                "s3:GetObject and, where objects are encrypted with a key of KMS, kms:Decrypt; without s3:ListBucket \
                           what is not there looks forbidden, too"
            }
            Self::Write => {
                "s3:PutObject and s3:AbortMultipartUpload and, where objects are encrypted with a key of KMS, \
                            kms:GenerateDataKey and kms:Decrypt"
            }
            Self::List => "s3:ListBucket on the bucket",
            Self::Delete => "s3:DeleteObject",
        }
    }
}

/// Explains the errors of one bucket.
#[derive(Debug)]
pub(crate) struct Explaining {
    bucket: String,
    server: String,
    region: String,
}

impl Explaining {
    pub(crate) fn new(bucket: &str, endpoint: &Endpoint) -> Self {
        Self {
            bucket: bucket.to_owned(),
            // A password has no place in it, but people put it there.
            server: without_user(&endpoint.address),
            region: endpoint.region.clone(),
        }
    }

    /// The same error, with what can be done about it.
    pub(crate) fn explain(&self, asked: Asked, error: Error) -> Error {
        let bucket = &self.bucket;
        match error {
            Error::PermissionDenied { path, source } => Error::PermissionDenied {
                // Of many objects the first one will do.
                path: match asked {
                    Asked::Delete => format!("s3://{bucket}/{}", path.split(',').next().unwrap_or_default()),
                    _ => format!("s3://{bucket}/{path}"),
                },
                source: self.refusal(asked, source),
            },
            Error::Unauthenticated { path, source } => Error::Unauthenticated {
                path: format!("s3://{bucket}/{path}"),
                source: self.refusal(asked, source),
            },
            // Else a bucket that is gone would be one with nothing in it.
            Error::NotFound { source, .. } if code(&source.to_string()) == Some("NoSuchBucket") => {
                Error::Generic {
                    store: "S3",
                    source: because(format!("there is no bucket {bucket} at {}", self.server), source),
                }
            }
            // What is gone already is deleted; some servers say that it is not there.
            Error::Generic { source, .. }
                if asked == Asked::Delete && code(&source.to_string()) == Some("NoSuchKey") =>
            {
                Error::NotFound {
                    path: format!("s3://{bucket}/"),
                    source,
                }
            }
            // Of a listing, and of one object among many, a refusal is a failure like any other.
            Error::Generic { source, .. } if is_refusal(&source.to_string()) => Error::PermissionDenied {
                path: format!("s3://{bucket}/"),
                source: self.refusal(asked, source),
            },
            Error::Generic { store, source } => Error::Generic {
                store,
                source: match self.failure(&source.to_string()) {
                    Some(what) => because(what, source),
                    None => source,
                },
            },
            other => other,
        }
    }

    fn refusal(
        &self,
        asked: Asked,
        source: Box<dyn StdError + Send + Sync>,
    ) -> Box<dyn StdError + Send + Sync> {
        let what = match code(&source.to_string()) {
            None | Some("AccessDenied" | "Forbidden" | "AccessDeniedException") => {
                format!("the program needs {}", asked.permissions())
            }
            Some("InvalidObjectState") => "the object is archived, restore it first".to_owned(),
            Some("RequestTimeTooSkewed") => "the clock of this machine is wrong".to_owned(),
            Some(_) => format!("{} does not accept the credentials", self.server),
        };
        because(what, source)
    }

    fn failure(&self, text: &str) -> Option<String> {
        let Self {
            bucket,
            server,
            region,
        } = self;
        let elsewhere =
            || format!("the bucket {bucket} is not in {region}; set its region in the configuration");
        match code(text) {
            Some(
                "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException",
            ) => Some(elsewhere()),
            Some("ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired") => {
                Some("the credentials have expired, and their source has no others".to_owned())
            }
            Some("InvalidToken") => Some(format!("{server} does not accept the token of the credentials")),
            Some(code) if code.starts_with("KMS.") => Some(format!(
                "the key that objects of {bucket} are encrypted with cannot be used"
            )),
            Some(_) => None,
            None if text.contains("incorrectly configured region") => Some(elsewhere()),
            None if text.contains("HTTP error") => {
                Some(format!("no answer of {server} for the bucket {bucket}"))
            }
            None => None,
        }
    }
}

/// Errors with the errors below them, one after another.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(below) = next {
        let said = below.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = below.source();
    }
    text
}

/// The code of an answer of S3, or of what an answer about many objects says of one of them.
pub(crate) fn code(answer: &str) -> Option<&str> {
    let between = |begin: &str, end: &str| {
        let (_, rest) = answer.split_once(begin)?;
        rest.split_once(end).map(|(code, _)| code)
    };
    between("<Code>", "</").or_else(|| between("(code: ", ")"))
}

fn is_refusal(answer: &str) -> bool {
    answer.contains("status code: 403") || code(answer) == Some("AccessDenied")
}

fn without_user(address: &str) -> String {
    match address
        .split_once("://")
        .and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1)))
    {
        Some((scheme, host)) => format!("{scheme}://{host}"),
        None => address.to_owned(),
    }
}

/// An explanation, with what it explains behind it.
#[derive(Debug)]
struct Explained {
    what: String,
    source: Box<dyn StdError + Send + Sync>,
}

fn because(what: String, source: Box<dyn StdError + Send + Sync>) -> Box<dyn StdError + Send + Sync> {
    Box::new(Explained { what, source })
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.source)
    }
}

impl StdError for Explained {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explaining() -> Explaining {
        let endpoint = Endpoint {
            address: "http://key:5ecre7@host:1".to_owned(),
            is_host_of_bucket: false,
            region: "eu-west-1".to_owned(),
        };
        Explaining::new("retail", &endpoint)
    }

    fn answer(code: &str) -> Box<dyn StdError + Send + Sync> {
        format!("Server returned non-2xx status code: 400: <Error><Code>{code}</Code></Error>").into()
    }

    #[test]
    fn a_refusal_says_which_bucket_and_what_is_missing() {
        for (asked, missing) in [
            (Asked::Read, "s3:GetObject"),
            (Asked::Write, "s3:PutObject"),
            (Asked::List, "s3:ListBucket"),
            (Asked::Delete, "s3:DeleteObject"),
        ] {
            let refused = Error::PermissionDenied {
                path: "raw/a.csv".to_owned(),
                source: answer("AccessDenied"),
            };
            let error = explaining().explain(asked, refused);
            let said = error.to_string();
            assert!(matches!(error, Error::PermissionDenied { .. }));
            assert!(
                said.contains("s3://retail/raw/a.csv") && said.contains(missing),
                "{said}"
            );
        }
        let listing = Error::Generic {
            store: "S3",
            source: "status code: 403: <Error><Code>AccessDenied</Code></Error>".into(),
        };
        let error = explaining().explain(Asked::List, listing);
        let said = error.to_string();
        assert!(matches!(error, Error::PermissionDenied { .. }));
        assert!(
            said.contains("s3://retail/") && said.contains("s3:ListBucket"),
            "{said}"
        );
        let refused = Error::PermissionDenied {
            path: String::new(),
            source: answer("InvalidAccessKeyId"),
        };
        let said = explaining().explain(Asked::List, refused).to_string();
        assert!(
            said.contains("http://host:1 does not accept the credentials"),
            "{said}"
        );
    }

    #[test]
    fn a_bucket_that_is_gone_is_not_one_with_nothing_in_it() {
        let missing = |code: &str| {
            let missing = Error::NotFound {
                path: "a".to_owned(),
                source: answer(code),
            };
            explaining().explain(Asked::Read, missing)
        };
        assert!(matches!(missing("NoSuchKey"), Error::NotFound { .. }));
        let gone = missing("NoSuchBucket");
        assert!(matches!(gone, Error::Generic { .. }));
        let said = gone.to_string();
        assert!(
            said.contains("there is no bucket retail at http://host:1"),
            "{said}"
        );
    }

    #[test]
    fn of_many_objects_those_that_are_gone_are_not_there_and_those_that_stay_are_refused() {
        let deleted = |code: &str| {
            let said = format!("DeleteObjects request failed for key raw/a: it is so (code: {code})");
            let failed = Error::Generic {
                store: "S3",
                source: said.into(),
            };
            explaining().explain(Asked::Delete, failed)
        };
        assert!(matches!(deleted("NoSuchKey"), Error::NotFound { .. }));
        let refused = deleted("AccessDenied");
        assert!(matches!(refused, Error::PermissionDenied { .. }));
        assert!(refused.to_string().contains("s3:DeleteObject"), "{refused}");
        assert!(matches!(deleted("InternalError"), Error::Generic { .. }));
    }

    #[test]
    fn a_failure_says_what_to_look_at() {
        for (source, told) in [
            (answer("PermanentRedirect"), "retail is not in eu-west-1"),
            (
                "Received redirect without LOCATION, this normally indicates an incorrectly configured region".into(),
                "retail is not in eu-west-1",
            ),
            (answer("ExpiredToken"), "have expired"),
            (answer("KMS.DisabledException"), "the key"),
            ("HTTP error: error sending request".into(), "no answer of http://host:1"),
        ] {
            let failure = Error::Generic { store: "S3", source };
            let said = explaining().explain(Asked::Write, failure).to_string();
            assert!(said.contains(told) && !said.contains("5ecre7"), "{said}");
        }
    }
}
