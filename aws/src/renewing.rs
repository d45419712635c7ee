//! Requests whose credentials were refused as expired are signed again, with new ones, and answers that are cut are none.
//!
//! A store signs a request once, also for its repetitions, and credentials can end before their time: when somebody revokes
//! the sessions of a role, or when the clock of this machine is late.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

use crate::credentials::Credentials;
use crate::explained::code;
use crate::page::Nameless;
use crate::requests::Counter;

const TOKEN: &str = "x-amz-security-token";
const DIGEST: &str = "x-amz-content-sha256";

/// Connects a store that uses these credentials in a region.
#[derive(Debug)]
pub(crate) struct Connecting {
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) region: String,
    pub(crate) counter: Counter,
}

impl HttpConnector for Connecting {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Renewing {
            client: ReqwestConnector::default().connect(options)?,
            credentials: self.credentials.clone(),
            region: self.region.clone(),
            counter: self.counter.clone(),
        }))
    }
}

#[derive(Debug)]
struct Renewing {
    client: HttpClient,
    credentials: Arc<Credentials>,
    region: String,
    counter: Counter,
}

#[async_trait]
impl HttpService for Renewing {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let token = request.headers().get(TOKEN).and_then(|token| token.to_str().ok());
        let Some(token) = token.map(str::to_owned) else {
            // What has no token does not end.
            return self.whole(request).await;
        };
        let mut again = request.clone();
        let answer = self.whole(request).await?;
        let status = answer.status().as_u16();
        if ![400, 401, 403].contains(&status) {
            return Ok(answer);
        }
        let (parts, body) = answer.into_parts();
        let body = body.bytes().await?;
        // The answer to a question for an object alone has no body, whatever is wrong.
        let is_expired = match body.is_empty() {
            true => status == 400,
            false => says_expired(&String::from_utf8_lossy(&body)),
        };
        if is_expired && let Some(credential) = self.credentials.other_than(&token).await {
            sign(&mut again, &credential, &self.region);
            return self.whole(again).await;
        }
        Ok(HttpResponse::from_parts(parts, body.into()))
    }
}

impl Renewing {
    /// The answer, with its body unless that is an object's: a store asks for the rest of an object whose bytes end too early,
    /// but does not ask again for a page of a listing, or for what is the matter.
    async fn whole(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let is_page = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("list-type="));
        let may_be_object = request.method() == "GET" && !is_page;
        let is_on_condition = ["if-match", "if-none-match"]
            .iter()
            .any(|condition| request.headers().contains_key(*condition));
        let nameless = request.extensions().get::<Nameless>().cloned();
        self.counter.asks(&request);
        let answer = self
            .client
            .execute(request)
            .await
            .map_err(|error| match error.kind() {
                // Repeated, it does nothing twice: who puts on condition reads what stands there before a refusal is
                // another's work.
                HttpErrorKind::Interrupted if is_on_condition => {
                    HttpError::new(HttpErrorKind::Request, error)
                }
                _ => error,
            })?;
        self.counter.hears(&answer);
        if may_be_object && answer.status().is_success() {
            return Ok(answer);
        }
        let (parts, body) = answer.into_parts();
        let body = body.bytes().await;
        let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))?;
        let sifted = nameless.filter(|_| parts.status.is_success());
        let body = match sifted.and_then(|nameless| nameless.taken_out(&body)) {
            Some(left) => left.into(),
            None => body.into(),
        };
        Ok(HttpResponse::from_parts(parts, body))
    }
}

fn says_expired(answer: &str) -> bool {
    matches!(
        code(answer),
        Some("ExpiredToken" | "ExpiredTokenException" | "InvalidToken" | "TokenRefreshRequired")
    )
}

/// Signs a request that was signed before.
fn sign(request: &mut HttpRequest, credential: &AwsCredential, region: &str) {
    // A payload of several pieces is not hashed by who signs it; what it was hashed to stands in the request.
    let digest = request
        .headers()
        .get(DIGEST)
        .and_then(|digest| digest.to_str().ok());
    let digest = digest.and_then(from_hex);
    let headers = request.headers_mut();
    headers.remove("authorization");
    headers.remove(TOKEN);
    AwsAuthorizer::new(credential, "s3", region).authorize(request, digest.as_deref());
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use object_store::client::HttpRequestBody;

    use super::*;
    use crate::credentials::tests::living;

    /// Answers one token with an error, and notes what was asked.
    #[derive(Debug, Default, Clone)]
    struct Server {
        refuses: &'static str,
        status: u16,
        body: &'static str,
        seen: Arc<Mutex<Vec<HttpRequest>>>,
    }

    #[async_trait]
    impl HttpService for Server {
        async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
            let refused = request
                .headers()
                .get(TOKEN)
                .is_some_and(|token| token == self.refuses);
            self.seen.lock().unwrap().push(request);
            let body = if refused { self.body } else { "fine" };
            let mut answer = HttpResponse::new(body.to_owned().into());
            if refused {
                *answer.status_mut() = self.status.try_into().unwrap();
            }
            Ok(answer)
        }
    }

    const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

    async fn asked(server: &Server, lives: &[Option<Duration>]) -> u16 {
        let credentials = Arc::new(living(lives));
        let held = object_store::CredentialProvider::get_credential(&*credentials).await;
        let renewing = Renewing {
            client: HttpClient::new(server.clone()),
            credentials,
            region: "eu-west-1".to_owned(),
            counter: Counter::default(),
        };
        let mut request = HttpRequest::new(HttpRequestBody::from("bytes".to_owned()));
        *request.uri_mut() = "http://host/retail/a".parse().unwrap();
        AwsAuthorizer::new(&held.unwrap(), "s3", "eu-west-1").authorize(&mut request, None);
        renewing.call(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn a_request_that_is_refused_as_expired_is_signed_again() {
        for (status, body) in [(400, "<Error><Code>ExpiredToken</Code></Error>"), (400, "")] {
            let server = Server {
                refuses: "token-0",
                status,
                body,
                ..Server::default()
            };
            assert_eq!(asked(&server, &[HOUR, HOUR]).await, 200);
            let seen = server.seen.lock().unwrap();
            let [first, second] = seen.as_slice() else {
                panic!("{seen:?}")
            };
            assert_eq!(second.headers()[TOKEN], "token-1");
            assert_eq!(second.headers()[DIGEST], first.headers()[DIGEST]);
            assert_eq!(second.headers().get_all("authorization").iter().count(), 1);
            assert_ne!(
                first.headers()["authorization"],
                second.headers()["authorization"]
            );
            assert_eq!(second.body().as_bytes(), first.body().as_bytes());
        }
    }

    /// Lets no request through.
    #[derive(Debug)]
    struct Cut;

    #[async_trait]
    impl HttpService for Cut {
        async fn call(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
            let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            Err(HttpError::new(HttpErrorKind::Interrupted, reset))
        }
    }

    #[tokio::test]
    async fn a_put_on_condition_that_was_cut_is_one_that_is_repeated() {
        let renewing = Renewing {
            client: HttpClient::new(Cut),
            credentials: Arc::new(living(&[])),
            region: "eu-west-1".to_owned(),
            counter: Counter::default(),
        };
        for (condition, kind) in [
            (Some("if-match"), HttpErrorKind::Request),
            (Some("if-none-match"), HttpErrorKind::Request),
            (None, HttpErrorKind::Interrupted),
        ] {
            let mut request = HttpRequest::new(HttpRequestBody::empty());
            if let Some(condition) = condition {
                request.headers_mut().insert(condition, "*".parse().unwrap());
            }
            assert_eq!(renewing.call(request).await.unwrap_err().kind(), kind);
        }
    }

    #[tokio::test]
    async fn other_refusals_and_those_without_new_credentials_are_passed_on() {
        for (status, body, lives) in [
            (403, "<Error><Code>AccessDenied</Code></Error>", vec![HOUR, HOUR]),
            (403, "", vec![HOUR, HOUR]),
            (400, "<Error><Code>ExpiredToken</Code></Error>", vec![HOUR]),
        ] {
            let server = Server {
                refuses: "token-0",
                status,
                body,
                ..Server::default()
            };
            assert_eq!(asked(&server, &lives).await, status);
            assert_eq!(server.seen.lock().unwrap().len(), 1);
        }
    }
}
