//! Requests and answers of HTTP/1.1, as bytes.

use std::io::{BufRead, Error, Read, Result};

/// The head of a request.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `PUT`, …
    pub method: String,
    /// Path and query, as they were sent.
    pub target: String,
    head: Head,
}

/// Lines up to the empty one.
#[derive(Debug, Clone)]
struct Head {
    bytes: Vec<u8>,
    text: String,
}

impl Head {
    /// None at the end of the stream.
    fn read(from: &mut impl BufRead) -> Result<Option<Self>> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            if from.read_until(b'\n', &mut bytes)? == 0 {
                return match bytes.is_empty() {
                    true => Ok(None),
                    false => Err(Error::other("the head ends too early")),
                };
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Some(Self { bytes, text }))
    }

    fn first(&self) -> impl Iterator<Item = &str> {
        self.text.lines().next().unwrap_or_default().split(' ')
    }

    fn value(&self, name: &str) -> Option<&str> {
        let lines = self.text.lines().skip(1);
        let mut named = lines.filter_map(|line| line.split_once(':'));
        let found = named.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    fn length(&self) -> usize {
        self.value("content-length")
            .and_then(|length| length.parse().ok())
            .unwrap_or(0)
    }
}

impl Request {
    /// The next one; none where the other side has no more.
    pub(super) fn read(from: &mut impl BufRead) -> Result<Option<Self>> {
        let Some(head) = Head::read(from)? else {
            return Ok(None);
        };
        let word = |index| head.first().nth(index).unwrap_or_default().to_owned();
        let (method, target) = (word(0), word(1));
        Ok(Some(Self { method, target, head }))
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.value(name)
    }

    /// What a service is asked for whose requests name it: `AWSGlue.GetTable`.
    pub fn asked(&self) -> Option<&str> {
        self.header("x-amz-target")
    }

    /// The service whose request it is, as its signature says: `sns`.
    pub fn service(&self) -> Option<&str> {
        let (_, signed) = self.header("authorization")?.split_once("Credential=")?;
        signed.split(['/', ',']).nth(3)
    }

    /// Bytes of its body.
    pub(super) fn length(&self) -> usize {
        self.head.length()
    }

    /// What it began with.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.head.bytes
    }

    /// Whether it puts an entry of a log where there is none.
    pub fn commits(&self) -> bool {
        self.method == "PUT" && self.header("if-none-match").is_some() && self.target.contains("/_delta_log/")
    }
}

/// The next answer, whole.
pub(super) fn answer(from: &mut impl BufRead, method: &str) -> Result<Vec<u8>> {
    let head = Head::read(from)?.ok_or_else(|| Error::other("no answer"))?;
    let status = head.first().nth(1).unwrap_or_default();
    let mut bytes = head.bytes.clone();
    if method == "HEAD" || ["204", "304"].contains(&status) {
        return Ok(bytes);
    }
    if head
        .value("transfer-encoding")
        .is_some_and(|how| how.eq_ignore_ascii_case("chunked"))
    {
        loop {
            let begin = bytes.len();
            from.read_until(b'\n', &mut bytes)?;
            let size = String::from_utf8_lossy(&bytes[begin..]);
            let size = size.trim().split(';').next().unwrap_or_default();
            let size = u64::from_str_radix(size, 16).map_err(Error::other)?;
            from.take(size + 2).read_to_end(&mut bytes)?;
            if size == 0 {
                return Ok(bytes);
            }
        }
    }
    from.take(head.length() as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
