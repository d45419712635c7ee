//! A proxy before an S3 server that does what faults of networks and servers do, gives credentials that end, and remembers
//! what was asked.

use std::io::{BufReader, Read, Result, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::message::{Request, answer};
use super::{KEY_ID, PASS, SECRET, TOKEN};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is wrong.
    None,
    /// It is refused with this status and code, and not done.
    Refused(u16, &'static str),
    /// It is done, and answered with this status and code.
    DoneAndRefused(u16, &'static str),
    /// The connection ends amid it.
    CutWithin,
    /// It is done, and the connection ends without an answer.
    DoneAndCut,
    /// The connection ends amid the answer.
    CutAnswer,
    /// The answer comes late.
    Late(Duration),
}

type Judge = Box<dyn FnMut(&Request) -> Fault + Send>;

struct State {
    server: SocketAddr,
    judge: Mutex<Judge>,
    seen: Mutex<Vec<Request>>,
    /// Requests that a token is good for; none: it does not end.
    life: Option<usize>,
    /// Requests with a token, all in all.
    used: AtomicUsize,
}

/// A proxy of its own port.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

impl Proxy {
    /// Before a server. Session tokens that are asked of it are good for so many requests, then they have expired.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub fn before(server: SocketAddr, life: Option<usize>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            server,
            judge: Mutex::new(Box::new(|_| Fault::None)),
            seen: Mutex::default(),
            life,
            used: AtomicUsize::new(0),
        });
        let serving = state.clone();
        // Both end with the test.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = serving.clone();
                std::thread::spawn(move || state.serve(&client));
            }
        });
        Ok(Self { address, state })
    }

    /// Where it is.
    pub fn uri(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From here on this says what becomes of a request.
    pub fn judge(&self, judge: impl FnMut(&Request) -> Fault + Send + 'static) {
        *locked(&self.state.judge) = Box::new(judge);
    }

    /// What was asked since the last look.
    pub fn seen(&self) -> Vec<Request> {
        std::mem::take(&mut *locked(&self.state.seen))
    }

    /// How many tokens have expired.
    pub fn expired(&self) -> usize {
        self.state.generation()
    }
}

impl State {
    fn serve(&self, client: &TcpStream) {
        // What the client does not send to its end, and what it does not wait for, is no fault of ours.
        let _ = self.all(client);
        let _ = client.shutdown(Shutdown::Both);
    }

    fn all(&self, client: &TcpStream) -> Result<()> {
        let (mut from, mut to) = (BufReader::new(client), client);
        while let Some(request) = Request::read(&mut from)? {
            locked(&self.seen).push(request.clone());
            let fault = match self.is_of_aws(&request) {
                true => Fault::None,
                false => (locked(&self.judge))(&request),
            };
            if fault == Fault::CutWithin {
                let half = request.length() / 2;
                std::io::copy(&mut (&mut from).take(half as u64), &mut std::io::sink())?;
                return Ok(());
            }
            let mut body = vec![0; request.length()];
            from.read_exact(&mut body)?;
            if let Some(given) = self.given(&request, &body) {
                to.write_all(&given)?;
                continue;
            }
            if let Some(refused) = self.expired(&request) {
                to.write_all(&refused)?;
                continue;
            }
            if let Fault::Refused(status, code) = fault {
                to.write_all(&refusal(&request, status, code, ""))?;
                continue;
            }
            if let Fault::Late(so_long) = fault {
                std::thread::sleep(so_long);
            }
            let done = self.done(&request, &body)?;
            match fault {
                Fault::DoneAndRefused(status, code) => to.write_all(&refusal(&request, status, code, ""))?,
                Fault::DoneAndCut => return Ok(()),
                Fault::CutAnswer => return to.write_all(&done[..done.len() - done.len() / 3]),
                _ => to.write_all(&done)?,
            }
        }
        Ok(())
    }

    /// Asks the server.
    fn done(&self, request: &Request, body: &[u8]) -> Result<Vec<u8>> {
        let mut server = TcpStream::connect(self.server)?;
        server.write_all(request.bytes())?;
        server.write_all(body)?;
        answer(&mut BufReader::new(server), &request.method)
    }

    /// Whether the proxy itself answers: credentials of a task and of roles.
    fn is_of_aws(&self, request: &Request) -> bool {
        request.target == "/credentials" || request.service() == Some("sts")
    }

    fn generation(&self) -> usize {
        self.life
            .map_or(0, |life| self.used.load(Ordering::SeqCst) / life)
    }

    /// Credentials: of a task, and of a role that is taken on.
    fn given(&self, request: &Request, body: &[u8]) -> Option<Vec<u8>> {
        let until = "2100-01-01T00:00:00Z";
        if request.target == "/credentials" {
            if request.header("authorization") != Some(PASS) {
                return Some(message("403 Forbidden", "no"));
            }
            let token = format!("{TOKEN}-{}", self.generation());
            return Some(message(
                "200 OK",
                &format!(
                    r#"{{"AccessKeyId":"{KEY_ID}","SecretAccessKey":"{SECRET}","Token":"{token}","Expiration":"{until}"}}"#
                ),
            ));
        }
        let asked = String::from_utf8_lossy(body);
        if request.target != "/" || request.asked().is_some() || !asked.contains("Action=AssumeRole") {
            return None;
        }
        if !asked.contains("ExternalId=agreed") {
            let said = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to perform: \
                        sts:AssumeRole</Message></Error></ErrorResponse>";
            return Some(message("403 Forbidden", said));
        }
        Some(message(
            "200 OK",
            &format!(
                "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
                 <AccessKeyId>{KEY_ID}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
                 <SessionToken>{TOKEN}-role</SessionToken><Expiration>{until}</Expiration></Credentials>\
                 </AssumeRoleResult></AssumeRoleResponse>"
            ),
        ))
    }

    /// The refusal of a token that is used up. As that of S3 it repeats the token.
    fn expired(&self, request: &Request) -> Option<Vec<u8>> {
        let token = request.header("x-amz-security-token")?;
        let number: usize = token.strip_prefix(TOKEN)?.trim_start_matches('-').parse().ok()?;
        if number >= self.generation() {
            self.used.fetch_add(1, Ordering::SeqCst);
            return None;
        }
        let more = format!("<Token-0>{token}</Token-0>");
        Some(refusal(request, 400, "ExpiredToken", &more))
    }
}

fn refusal(request: &Request, status: u16, code: &str, more: &str) -> Vec<u8> {
    if request.asked().is_some() {
        return message(
            &format!("{status} Said"),
            &format!(r#"{{"__type":"{code}","message":"said the proxy"}}"#),
        );
    }
    let body = format!(
        "<Error><Code>{code}</Code><Message>said the proxy</Message>{more}<RequestId>1</RequestId></Error>"
    );
    let body = match request.service() {
        Some("sns") => format!("<ErrorResponse>{body}</ErrorResponse>"),
        _ => body,
    };
    let body = if request.method == "HEAD" {
        ""
    } else {
        body.as_str()
    };
    message(&format!("{status} Said"), body)
}

fn message(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
