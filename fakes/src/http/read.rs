//! Requests out of a connection.

use std::io::{Error, ErrorKind, Read, Result};
use std::net::TcpStream;

use chrono::Utc;
use serde_json::json;
use url::form_urlencoded;

use super::{Answer, Request};

/// Headers of a request at most, and their bytes.
const HEADERS: usize = 64;
const HEAD: usize = 64 << 10;
/// A body is at most so large.
const BODY: usize = 64 << 20;

/// Why a request is refused without being looked at.
pub(super) struct Malformed(&'static str);

/// What a connection sends, request by request.
pub(super) struct Reader<'a> {
    stream: &'a TcpStream,
    buffer: Vec<u8>,
}

/// A head: a request without its body, how much of the buffer it takes, and how the body comes.
struct Head {
    request: Request,
    length: usize,
    body: Body,
}

enum Body {
    Sized(usize),
    Chunked,
}

impl Malformed {
    pub(super) fn answer(&self) -> Answer {
        Answer::json(400, &json!({"message": self.0}))
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(stream: &'a TcpStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// The next request; an error where there is none any more.
    pub(super) fn next(&mut self) -> Result<std::result::Result<Request, Malformed>> {
        let head = loop {
            match head(&self.buffer) {
                Ok(Some(head)) => break head,
                Ok(None) if self.buffer.len() > HEAD => return Ok(Err(Malformed("headers too large"))),
                Ok(None) => self.more()?,
                Err(malformed) => return Ok(Err(malformed)),
            }
        };
        self.buffer.drain(..head.length);
        let body = match head.body {
            Body::Sized(length) if length > BODY => return Ok(Err(Malformed("body too large"))),
            Body::Sized(length) => self.take(length)?,
            Body::Chunked => match self.chunks()? {
                Some(body) => body,
                None => return Ok(Err(Malformed("wrong chunks"))),
            },
        };
        Ok(Ok(Request {
            body,
            at: Utc::now(),
            ..head.request
        }))
    }

    fn chunks(&mut self) -> Result<Option<Vec<u8>>> {
        let mut body = Vec::new();
        loop {
            let (begin, length) = loop {
                match httparse::parse_chunk_size(&self.buffer) {
                    Ok(httparse::Status::Complete((begin, length))) => break (begin, length),
                    Ok(httparse::Status::Partial) => self.more()?,
                    Err(_) => return Ok(None),
                }
            };
            let Ok(length) = usize::try_from(length) else {
                return Ok(None);
            };
            if body.len() + length > BODY {
                return Ok(None);
            }
            self.buffer.drain(..begin);
            let mut chunk = self.take(length + 2)?;
            if !chunk.ends_with(b"\r\n") {
                return Ok(None);
            }
            chunk.truncate(length);
            body.extend(chunk);
            if length == 0 {
                return Ok(Some(body));
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn more(&mut self) -> Result<()> {
        let mut bytes = [0; 8192];
        match self.stream.read(&mut bytes)? {
            0 => Err(Error::from(ErrorKind::UnexpectedEof)),
            read => {
                self.buffer.extend(&bytes[..read]);
                Ok(())
            }
        }
    }
}

/// The head at the beginning of the buffer; none where it is not whole yet.
fn head(buffer: &[u8]) -> std::result::Result<Option<Head>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Malformed("not HTTP")),
    };
    let (Some(method), Some(target), Some(1)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Malformed("not HTTP/1.1"));
    };
    if !target.starts_with('/') {
        return Err(Malformed("not a path"));
    }
    let headers = parsed.headers.iter().map(|header| {
        let value = std::str::from_utf8(header.value).ok()?;
        Some((header.name.to_ascii_lowercase(), value.to_owned()))
    });
    let headers: Option<Vec<(String, String)>> = headers.collect();
    let headers = headers.ok_or(Malformed("a header is no text"))?;
    for once in [
        "host",
        "content-length",
        "transfer-encoding",
        "content-type",
        "authorization",
        "x-amz-access-token",
    ] {
        if headers.iter().filter(|(name, _)| name == once).count() > 1 {
            return Err(Malformed("a header is there twice"));
        }
    }
    let value = |name: &str| {
        headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    if value("host").is_none_or(str::is_empty) {
        return Err(Malformed("no host"));
    }
    let needs_length = matches!(method, "POST" | "PUT" | "PATCH");
    let body = match (value("content-length"), value("transfer-encoding")) {
        (Some(length), None) => Body::Sized(length.parse().map_err(|_| Malformed("no length"))?),
        (None, Some("chunked")) => Body::Chunked,
        (None, None) if !needs_length => Body::Sized(0),
        _ => return Err(Malformed("no length")),
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers,
        body: Vec::new(),
        at: Utc::now(),
    };
    Ok(Some(Head {
        request,
        length,
        body,
    }))
}

/// A part of a path without its percent signs; `+` is itself there.
pub(super) fn decoded(part: &str) -> String {
    let escaped = part.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let mut pairs = form_urlencoded::parse(escaped.as_bytes());
    pairs
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}
