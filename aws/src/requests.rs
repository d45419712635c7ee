//! How often buckets are asked, by kinds that have prices of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::client::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;

/// Requests to buckets, their repetitions among them, and what went over the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Requests {
    /// Objects, or parts of them, that were asked for.
    pub get: u64,
    /// Questions whether an object is there.
    pub head: u64,
    /// Objects and parts of objects that were put, and beginnings and ends of uploads.
    pub put: u64,
    /// Pages of listings.
    pub list: u64,
    /// Requests to remove something, of up to a thousand objects.
    pub delete: u64,
    /// Bytes of objects and listings that came.
    pub bytes_received: u64,
    /// Bytes of objects that went.
    pub bytes_sent: u64,
}

impl Requests {
    /// Those that came after these.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            get: self.get - before.get,
            head: self.head - before.head,
            put: self.put - before.put,
            list: self.list - before.list,
            delete: self.delete - before.delete,
            bytes_received: self.bytes_received - before.bytes_received,
            bytes_sent: self.bytes_sent - before.bytes_sent,
        }
    }
}

/// Counts requests; its clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    get: AtomicU64,
    head: AtomicU64,
    put: AtomicU64,
    list: AtomicU64,
    delete: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Counter {
    /// What was counted until now.
    pub(crate) fn requests(&self) -> Requests {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &*self.0;
        Requests {
            get: of(&counts.get),
            head: of(&counts.head),
            put: of(&counts.put),
            list: of(&counts.list),
            delete: of(&counts.delete),
            bytes_received: of(&counts.received),
            bytes_sent: of(&counts.sent),
        }
    }

    /// A request goes out.
    pub(crate) fn asks(&self, request: &HttpRequest) {
        let counts = &*self.0;
        let query = request.uri().query().unwrap_or_default();
        let kind = match request.method().as_str() {
            "GET" if query.contains("list-type=") => &counts.list,
            "GET" => &counts.get,
            "HEAD" => &counts.head,
            "DELETE" => &counts.delete,
            "POST" if query == "delete" || query.starts_with("delete=") => &counts.delete,
            _ => &counts.put,
        };
        kind.fetch_add(1, Ordering::Relaxed);
        let sent = request.body().content_length() as u64;
        counts.sent.fetch_add(sent, Ordering::Relaxed);
    }

    /// An answer begins to come.
    pub(crate) fn hears(&self, answer: &HttpResponse) {
        let length = answer.headers().get("content-length");
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        self.0.received.fetch_add(length.unwrap_or(0), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use object_store::client::HttpRequestBody;

    use super::*;

    #[test]
    fn each_kind_is_counted_by_what_it_costs() {
        let counter = Counter::default();
        for (method, target, body) in [
            ("GET", "http://s3/lake/a.csv", ""),
            ("GET", "http://s3/lake?list-type=2&prefix=x", ""),
            ("HEAD", "http://s3/lake/a.csv", ""),
            ("PUT", "http://s3/lake/a.csv", "four"),
            ("PUT", "http://s3/lake/a.csv?partNumber=1&uploadId=u", "parts"),
            ("POST", "http://s3/lake/a.csv?uploads", ""),
            ("POST", "http://s3/lake?delete", "<all/>"),
            ("DELETE", "http://s3/lake/a.csv", ""),
        ] {
            let mut request = HttpRequest::new(HttpRequestBody::from(body.to_owned()));
            *request.method_mut() = method.parse().unwrap();
            *request.uri_mut() = target.parse().unwrap();
            counter.clone().asks(&request);
        }
        let wanted = Requests {
            get: 1,
            head: 1,
            put: 3,
            list: 1,
            delete: 2,
            bytes_received: 0,
            bytes_sent: 15,
        };
        assert_eq!(counter.requests(), wanted);
    }
}
