//! A small server for HTTP/1.1 on threads. It refuses what a lenient one would let pass, remembers what it was asked, and goes
//! wrong where a test plans it.

mod fault;
mod read;

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

pub use fault::{Fault, Wrong};

/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// A request, as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// The path as it was written, without the query.
    pub path: String,
    /// Parameters of the query in their order, decoded.
    pub query: Vec<(String, String)>,
    /// Headers in their order, names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// When it was read whole.
    pub at: DateTime<Utc>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, without the length.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// A request that was answered, or not.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The request.
    pub request: Request,
    /// The status of what it brought about; that of a lost answer, too.
    pub status: u16,
    /// What went wrong by plan.
    pub fault: Option<Wrong>,
}

/// A server on a port of its own of 127.0.0.1, until it is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    handler: Box<dyn Fn(&Request) -> Answer + Send + Sync>,
    asked: Mutex<Vec<Asked>>,
    faults: Mutex<Vec<Fault>>,
    stopped: AtomicBool,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The value of a parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The parts of the path, decoded.
    pub fn parts(&self) -> Vec<String> {
        let parts = self.path.split('/').filter(|part| !part.is_empty());
        parts.map(read::decoded).collect()
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Answer {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// An answer in JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        let answer = Self {
            body: body.to_string().into_bytes(),
            ..Self::empty(status)
        };
        answer.with("content-type", "application/json")
    }

    /// The answer with one header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

impl Server {
    /// Starts a server that answers so.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub fn start(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            asked: Mutex::default(),
            faults: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let serving = Arc::clone(&serving);
                if let Ok(stream) = stream {
                    thread::spawn(move || serving.serve(&stream));
                }
            }
        });
        Self { address, shared }
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked until now, in the order in which it was answered.
    pub fn asked(&self) -> Vec<Asked> {
        held(&self.shared.asked).clone()
    }

    /// What it was asked with that method on paths that begin so.
    pub fn asked_for(&self, method: &str, path: &str) -> Vec<Asked> {
        let mut asked = self.asked();
        asked.retain(|asked| asked.request.method == method && asked.request.path.starts_with(path));
        asked
    }

    /// Forgets what it was asked.
    pub fn forget(&self) {
        held(&self.shared.asked).clear();
    }

    /// Plans that something goes wrong; what is planned first happens first.
    pub fn plan(&self, fault: Fault) {
        held(&self.shared.faults).push(fault);
    }

    /// What was planned and has not happened yet.
    pub fn planned(&self) -> usize {
        held(&self.shared.faults).len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    /// Answers the requests of a connection until one side has enough.
    fn serve(&self, stream: &TcpStream) {
        let timeout = stream.set_read_timeout(Some(SILENCE));
        if timeout.and_then(|()| stream.set_nodelay(true)).is_err() {
            return;
        }
        let mut reader = read::Reader::new(stream);
        while let Ok(read) = reader.next() {
            if self.stopped.load(Ordering::SeqCst) || !self.answer(stream, read) {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    /// Answers one request; whether the connection goes on.
    fn answer(&self, stream: &TcpStream, read: Result<Request, read::Malformed>) -> bool {
        let request = match read {
            Ok(request) => request,
            Err(malformed) => {
                let _ = write(stream, &malformed.answer(), None);
                return false;
            }
        };
        let fault = fault::take(&mut held(&self.faults), &request);
        let answer = match &fault {
            Some(Wrong::Answer(answer)) => answer.clone(),
            _ => (self.handler)(&request),
        };
        if let Some(Wrong::Delay(wait)) = &fault {
            thread::sleep(*wait);
        }
        let (lost, cut) = (
            matches!(fault, Some(Wrong::Lost)),
            matches!(fault, Some(Wrong::Cut)).then_some(answer.body.len() / 2),
        );
        held(&self.asked).push(Asked {
            status: answer.status,
            request,
            fault,
        });
        !lost && write(stream, &answer, cut).is_ok() && cut.is_none()
    }
}

/// Sends an answer, of its body at most so many bytes.
fn write(mut stream: &TcpStream, answer: &Answer, most: Option<usize>) -> std::io::Result<()> {
    let mut head = format!(
        "HTTP/1.1 {} -\r\ncontent-length: {}\r\n",
        answer.status,
        answer.body.len()
    );
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(&answer.body[..most.unwrap_or(answer.body.len())])?;
    stream.flush()
}

/// What a mutex holds, also after a test has panicked elsewhere.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    /// What comes back for a request that is written as it is.
    fn ask(server: &Server, request: &str) -> String {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    fn echo() -> Server {
        Server::start(|request| Answer {
            body: request.body.clone(),
            ..Answer::empty(200)
        })
    }

    #[test]
    fn requests_are_read_whole_and_remembered() {
        let server = echo();
        let sized = "POST /a%20b/c?x=1%2F2&x=3 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
        let chunked = "PUT /d HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        let answers = ask(&server, &format!("{sized}{chunked}"));
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
        assert_eq!(answers.matches("hello").count(), 2, "{answers}");
        let asked = server.asked();
        let first = &asked[0].request;
        assert_eq!(first.parts(), ["a b", "c"]);
        let query: Vec<_> = first.query.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(query, ["1/2", "3"]);
        assert_eq!(first.header("host"), Some("h"));
        assert_eq!(server.asked_for("PUT", "/d").len(), 1);
    }

    #[test]
    fn what_is_not_http_is_refused() {
        let server = echo();
        for request in [
            "GET / HTTP/1.0\r\nhost: h\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: h\r\nhost: i\r\n\r\n",
            "GET http://elsewhere/ HTTP/1.1\r\nhost: h\r\n\r\n",
            "no http at all\r\n\r\n",
        ] {
            assert!(ask(&server, request).starts_with("HTTP/1.1 400"), "{request}");
        }
        assert!(server.asked().is_empty());
    }

    #[test]
    fn faults_happen_as_often_as_they_are_planned() {
        let server = echo();
        let get = "POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbody";
        server.plan(Fault::status(503, 2).on("POST", "/a"));
        server.plan(Fault::lost().on("POST", "/"));
        server.plan(Fault::cut().on("POST", "/"));
        for _ in 0..2 {
            assert!(ask(&server, get).starts_with("HTTP/1.1 503"));
        }
        assert_eq!(ask(&server, get), "");
        assert!(ask(&server, get).ends_with("\r\n\r\nbo"));
        assert!(ask(&server, get).ends_with("\r\n\r\nbody"));
        assert_eq!((server.planned(), server.asked().len()), (0, 5));
    }
}
