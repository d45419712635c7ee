//! What a store said when it failed, without what may have secrets in it.
//!
//! Whoever talks to a server puts the whole of its answer and the address of the request into the error: bodies that repeat
//! what was signed, addresses that let whoever has them read. Of those there remain status, code, message and request id.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// What answers of servers begin with, as `object_store` writes them down.
const OF_A_SERVER: [&str; 3] = ["Error performing ", "Server returned ", "<Error"];
const STATUS: &str = "status code: ";
/// Bytes of a message that are told.
const MOST: usize = 300;

/// The reduced error of a store.
#[derive(Debug)]
pub(crate) struct StoreFailure {
    text: String,
    is_refusal: bool,
}

impl StoreFailure {
    /// What is left of an error that comes from a store, however deep below it that is; none where it comes from elsewhere.
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(below) = next {
            if let Some(error) = below.downcast_ref::<object_store::Error>() {
                return Some(Self::of_store(error));
            }
            next = source(below);
        }
        None
    }

    fn of_store(error: &object_store::Error) -> Self {
        use object_store::Error::{PermissionDenied, Unauthenticated};
        let mut text = error.to_string();
        let mut is_refusal = matches!(error, PermissionDenied { .. } | Unauthenticated { .. });
        let mut next = StdError::source(error);
        while let Some(below) = next {
            let said = below.to_string();
            if !text.contains(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            is_refusal |= below
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
            next = source(below);
        }
        Self {
            text: reduced(&text),
            is_refusal,
        }
    }

    /// Whether the store is there and does not let this one thing be read.
    pub(crate) fn is_refusal(&self) -> bool {
        self.is_refusal
    }
}

impl fmt::Display for StoreFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for StoreFailure {}

/// The error below one; an error of input and output hides what it was made of.
fn source<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner as &(dyn StdError + 'static)),
        None => error.source(),
    }
}

fn reduced(text: &str) -> String {
    let Some(begin) = OF_A_SERVER.iter().filter_map(|mark| text.find(mark)).min() else {
        return without_queries(text);
    };
    let (what, answer) = text.split_at(begin);
    let status = answer.find(STATUS).map(|at| &answer[at + STATUS.len()..]);
    let status = status.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    let body = answer.find('<').map_or("", |at| &answer[at..]);
    let told = [
        ("status", status),
        ("code", element(body, "Code")),
        ("message", element(body, "Message")),
        ("request id", element(body, "RequestId")),
    ];
    let told: Vec<String> = told
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", value.filter(|value| !value.is_empty())?)))
        .collect();
    let what = what.trim_end_matches([':', ' ']);
    let said = match told.is_empty() {
        // No answer came: why, behind the request.
        true if body.is_empty() => match answer.split_once(" - ") {
            Some((_, reason)) => without_queries(reason),
            None => "no answer".to_owned(),
        },
        true => "an answer that says nothing".to_owned(),
        false => told.join(", "),
    };
    match what.is_empty() {
        true => said,
        false => format!("{}: {said}", without_queries(what)),
    }
}

/// The text of an XML element, on one line and not too long.
fn element(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once("</")?;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(line.chars().take(MOST).collect())
}

/// The same without the queries and the users of the addresses in it, which may sign or let in.
fn without_queries(text: &str) -> String {
    let word = |word: &str| {
        let Some((scheme, rest)) = word.split_once("://") else {
            return word.to_owned();
        };
        let end = rest.find(['?', '#']);
        let closing = word.ends_with(')').then_some(")").filter(|_| end.is_some());
        let rest = &rest[..end.unwrap_or(rest.len())];
        let slash = rest.find('/').unwrap_or(rest.len());
        let rest = rest[..slash].rfind('@').map_or(rest, |at| &rest[at + 1..]);
        format!("{scheme}://{rest}{}", closing.unwrap_or(""))
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};

    const ANSWER: &str = "Error performing GET https://retail.s3.amazonaws.com/a?X-Amz-Signature=5ecre7 in 1.2s, after 3 \
        retries, max_retries: 3, retry_timeout: 180s  - Server returned non-2xx status code: 403 Forbidden: <?xml \
        version=\"1.0\"?>\n<Error><Code>SignatureDoesNotMatch</Code><Message>The signature\n does not \
        match.</Message><AWSAccessKeyId>AKIA5ecre7</AWSAccessKeyId><StringToSign>AWS4 5ecre7</StringToSign>\
        <RequestId>4442587FB7D0A2F9</RequestId></Error>";

    fn denied(answer: &str) -> object_store::Error {
        object_store::Error::PermissionDenied {
            path: "raw/a.csv".to_owned(),
            source: answer.into(),
        }
    }

    #[test]
    fn of_an_answer_status_code_message_and_request_id_remain() {
        let errors: [Error; 5] = [
            denied(ANSWER).into(),
            Error::new(Kind::Io, "x").because(denied(ANSWER)),
            parquet::errors::ParquetError::External(Box::new(denied(ANSWER))).into(),
            datafusion::error::DataFusionError::ObjectStore(Box::new(denied(ANSWER))).into(),
            Error::from(io::Error::from(denied(ANSWER))),
        ];
        for error in errors {
            let (chain, all) = (error.chain(), format!("{error:?}"));
            assert!(!chain.contains("5ecre7") && !all.contains("5ecre7"), "{all}");
            assert!(
                chain.ends_with(
                    "raw/a.csv: status 403, code SignatureDoesNotMatch, message The signature does not match., request id \
                     4442587FB7D0A2F9"
                ),
                "{chain}"
            );
            assert!(error.is_refusal());
        }
    }

    #[test]
    fn a_page_of_a_proxy_and_a_lost_connection_are_told_without_addresses() {
        let page = "Server returned non-2xx status code: 502 Bad Gateway: <html>token=5ecre7</html>";
        let lost = "Error performing PUT http://key:5ecre7@host/b?sig=5ecre7 in 3s - HTTP error: error sending request for url \
                    (http://key:5ecre7@host/b?sig=5ecre7)";
        for (answer, told) in [
            (page, "status 502"),
            (
                lost,
                "HTTP error: error sending request for url (http://key:5ecre7@host/b)",
            ),
        ] {
            let error = Error::from(object_store::Error::Generic {
                store: "S3",
                source: answer.into(),
            });
            let told = told.replace("key:5ecre7@", "");
            assert!(error.chain().ends_with(&told), "{}", error.chain());
            assert!(!format!("{error:?}").contains("5ecre7"));
        }
    }

    #[test]
    fn what_a_disk_says_is_told_whole() {
        let source = io::Error::new(
            io::ErrorKind::PermissionDenied,
            "no entry to /data: it is (quite) closed",
        );
        let error = Error::from(object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(source),
        });
        let told = "Generic LocalFileSystem error: no entry to /data: it is (quite) closed";
        assert!(error.chain().ends_with(told), "{}", error.chain());
        assert!(error.is_refusal());
    }
}
