//! The Selling Partner API, with Login with Amazon and the place of documents at one address.

mod gate;
mod reports;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Answer, Request, Server, held};
use crate::lwa::{self, Lwa};
use gate::Gate;
use reports::Reports;

pub use reports::{Made, Wanted};

/// The API for the accounts that Login with Amazon knows.
pub struct SpApi {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    lwa: Lwa,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    gate: Gate,
    reports: Reports,
}

/// A request that is refused: status, and what is said about it.
type Refusal = (u16, Value);

impl SpApi {
    /// Starts the API. A report is made after two looks, and nobody asks too often, unless the test says otherwise.
    pub fn start(lwa: Lwa) -> Self {
        let shared = Arc::new(Shared {
            lwa,
            state: Mutex::default(),
        });
        let answering = Arc::clone(&shared);
        let server = Server::start(move |request| answering.answer(request));
        Self { server, shared }
    }

    /// Its address, which is also that of Login with Amazon.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Where faults are planned, and what was asked is known.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Login with Amazon.
    pub fn lwa(&self) -> &Lwa {
        &self.shared.lwa
    }

    /// Reports of a type say what `source` makes of what is wanted.
    pub fn source(&self, kind: &str, source: impl Fn(&Wanted) -> Made + Send + 'static) {
        self.state().reports.source(kind, source);
    }

    /// A report that Amazon makes by itself, such as a settlement, made so long ago; its id. One without a document is listed
    /// and gone.
    pub fn settled(
        &self,
        account: &str,
        kind: &str,
        marketplace: &str,
        ago: Duration,
        made: Option<Made>,
    ) -> String {
        self.state()
            .reports
            .settled(account, kind, marketplace, ago, made)
    }

    /// A report is made after so many looks.
    pub fn looks(&self, looks: u32) {
        self.state().reports.looks = looks;
    }

    /// URLs of documents are good for so long.
    pub fn urls_live(&self, life: Duration) {
        self.state().reports.url_life = life;
    }

    /// A type cools down for so long after each report, over all marketplaces.
    pub fn cool_down(&self, kind: &str, so_long: Duration) {
        self.state().reports.cool_downs.insert(kind.to_owned(), so_long);
    }

    /// An operation may be asked so many times a second, and so many times at once; it says the rate where it may.
    pub fn rate(&self, operation: &'static str, per_second: f64, burst: u32) {
        self.state().gate.rate(operation, per_second, burst);
    }

    /// Reports that were created, as the API states them.
    pub fn reports(&self) -> Vec<Value> {
        self.state().reports.stated()
    }

    /// Cancels a report, as somebody else may do while it waits.
    pub fn cancel(&self, id: &str) {
        self.state().reports.cancel(id);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        held(&self.shared.state)
    }
}

impl Shared {
    fn answer(&self, request: &Request) -> Answer {
        if request.path == lwa::PATH {
            return self.lwa.answer(request);
        }
        let parts = request.parts();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let mut state = held(&self.state);
        let State { gate, reports } = &mut *state;
        if let ["document", token] = parts.as_slice() {
            return reports.download(request, token);
        }
        let Some(operation) = operation(&request.method, &parts) else {
            return refused((404, errors("NotFound", "there is no such operation", "")));
        };
        let account = match gate.enter(&self.lwa, operation, request) {
            Ok(account) => account,
            Err(answer) => return answer,
        };
        let answer = match operation {
            "createRestrictedDataToken" => gate.restrict(&account, request),
            "getReportDocument" => gate
                .may_read(request, reports.is_restricted(&account, parts[3]))
                .and_then(|()| reports.locate(&account, parts[3], request)),
            "createReport" => reports.create(&account, request),
            "getReports" => reports.list(&account, request),
            _ => reports.get(&account, parts[3]),
        };
        let answer = match answer {
            Ok((status, body)) => Answer::json(status, &body),
            Err(refusal) => refused(refusal),
        };
        gate.state_rate(operation, answer)
    }
}

/// The operation of a method and a path.
fn operation(method: &str, parts: &[&str]) -> Option<&'static str> {
    Some(match (method, parts) {
        ("POST", ["tokens", "2021-03-01", "restrictedDataToken"]) => "createRestrictedDataToken",
        ("POST", ["reports", "2021-06-30", "reports"]) => "createReport",
        ("GET", ["reports", "2021-06-30", "reports"]) => "getReports",
        ("GET", ["reports", "2021-06-30", "reports", _]) => "getReport",
        ("GET", ["reports", "2021-06-30", "documents", _]) => "getReportDocument",
        _ => return None,
    })
}

fn errors(code: &str, message: &str, details: &str) -> Value {
    json!({"errors": [{"code": code, "message": message, "details": details}]})
}

fn invalid(details: &str) -> Refusal {
    (400, errors("InvalidInput", "Invalid Input", details))
}

fn refused((status, body): Refusal) -> Answer {
    Answer::json(status, &body)
}
