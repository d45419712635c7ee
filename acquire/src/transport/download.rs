//! Documents: into a file of their own first, as nothing is said about one before its end is known.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use flate2::read::MultiGzDecoder;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, Request, StatusCode};
use sha2::{Digest, Sha256};
use tempfile::tempfile_in;
use tokio::time::sleep;
use url::Url;

use super::{NotSent, TRIES, Transport};
use crate::error::{Error, Result};

/// What gzip begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The folder for documents that are under way.
#[derive(Debug, Clone)]
pub struct Spool(PathBuf);

/// A document, as it was downloaded, in a file that nobody else sees and that goes with this value.
#[derive(Debug)]
pub struct Downloaded {
    /// The file, at its beginning.
    pub file: File,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of it in hexadecimal digits.
    pub sha256: String,
    /// The type that the server stated.
    pub content_type: Option<String>,
    /// Whether it is gzip, which was read to its end.
    pub is_gzip: bool,
}

impl Spool {
    /// Documents lie in this folder while they are under way; none: in that of the operating system.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self(folder.unwrap_or_else(std::env::temp_dir))
    }

    /// A file in it.
    pub(crate) fn file(&self) -> Result<File> {
        tempfile_in(&self.0).map_err(|error| Error::store(self.0.display().to_string(), error))
    }
}

impl Downloaded {
    /// What is written to a file by `fill`, as if it had been downloaded: documents that come in answers.
    ///
    /// # Errors
    ///
    /// When it cannot be written or read again.
    pub fn of_bytes(spool: &Spool, bytes: &[u8], content_type: Option<String>) -> Result<Self> {
        let failed = |error| Error::store("temporary file", error);
        let mut file = spool.file()?;
        file.write_all(bytes).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Ok(Self {
            file,
            bytes: bytes.len() as u64,
            sha256: hex(&Sha256::digest(bytes)),
            content_type,
            is_gzip: bytes.starts_with(&GZIP),
        })
    }

    /// The charset that the content type names.
    pub fn charset(&self) -> Option<String> {
        let parameters = self.content_type.as_deref()?.split(';').skip(1);
        let mut parameters = parameters.filter_map(|parameter| parameter.split_once('='));
        let (_, charset) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
        let charset = charset.trim().trim_matches('"');
        (!charset.is_empty()).then(|| charset.to_owned())
    }

    /// The first bytes of what it says, decompressed, at most so many.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn beginning(&mut self, most: u64) -> Result<Vec<u8>> {
        let failed = |error| Error::store("temporary file", error);
        let mut text = Vec::new();
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let read = match self.is_gzip {
            true => MultiGzDecoder::new(&self.file).take(most).read_to_end(&mut text),
            false => (&self.file).take(most).read_to_end(&mut text),
        };
        read.map_err(failed)?;
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Ok(text)
    }
}

impl Transport {
    /// Downloads a document from a URL that the service handed out. No header of the service goes there, and the URL is never
    /// shown; `plain` says whether it may be http, which only an overridden endpoint hands out.
    ///
    /// # Errors
    ///
    /// [`Error::Expired`] where the server refuses the URL, [`Error::Unanswered`] where no try came to the end.
    pub async fn download(&self, what: &str, url: &Url, plain: bool, spool: &Spool) -> Result<Downloaded> {
        if url.scheme() != "https" && !(plain && url.scheme() == "http") {
            return Err(Error::odd(
                what,
                format!("its URL is {}, not https", url.scheme()),
            ));
        }
        self.keep(url.as_str());
        if let Some(query) = url.query() {
            self.keep(query);
        }
        let mut tries = 0;
        loop {
            let why = match self.download_once(what, url, spool).await {
                Ok(Ok(downloaded)) => return Ok(downloaded),
                Ok(Err(NotSent::Before(why) | NotSent::Midway(why))) => why,
                Err(error) => return Err(error),
            };
            tries += 1;
            if tries >= TRIES {
                let what = what.to_owned();
                return Err(Error::Unanswered { what, why });
            }
            tracing::debug!(what, tries, why, "downloaded again");
            sleep(self.wait(tries)).await;
        }
    }

    /// One try: what came whole, why it did not, or an error that no further try mends.
    async fn download_once(
        &self,
        what: &str,
        url: &Url,
        spool: &Spool,
    ) -> Result<Result<Downloaded, NotSent>> {
        let request = Request::new(Method::GET, url.clone());
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        let mut response = match self.client.execute(request).await {
            Ok(response) => response,
            Err(error) => return Ok(Err(self.not_sent(&error))),
        };
        let status = response.status();
        if status == StatusCode::FORBIDDEN || status == StatusCode::NOT_FOUND || status == StatusCode::GONE {
            return Err(Error::Expired {
                what: what.to_owned(),
            });
        }
        if !status.is_success() {
            return Ok(Err(NotSent::Midway(format!("status {}", status.as_u16()))));
        }
        let text = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let (content_type, length) = (text(CONTENT_TYPE), text(CONTENT_LENGTH));
        let failed = |error| Error::store("temporary file", error);
        let (mut file, mut hash, mut bytes) = (spool.file()?, Sha256::new(), 0);
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => return Ok(Err(self.midway(&error))),
            };
            // Small writes into the page cache: waiting for another thread would take longer.
            file.write_all(&chunk).map_err(failed)?;
            hash.update(&chunk);
            bytes += chunk.len() as u64;
        }
        self.counts.received.fetch_add(bytes, Ordering::Relaxed);
        let stated: Option<u64> = length.and_then(|length| length.parse().ok());
        if stated.is_some_and(|stated| stated != bytes) {
            return Ok(Err(NotSent::Midway(format!(
                "{bytes} bytes came of {}",
                stated.unwrap_or_default()
            ))));
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let (file, is_gzip) = tokio::task::spawn_blocking(move || whole(file))
            .await
            .map_err(|error| Error::store("temporary file", error))?
            .map_err(failed)?;
        let Some(is_gzip) = is_gzip else {
            return Ok(Err(NotSent::Midway(
                "its gzip broke off or is damaged".to_owned(),
            )));
        };
        Ok(Ok(Downloaded {
            file,
            bytes,
            sha256: hex(&hash.finalize()),
            content_type,
            is_gzip,
        }))
    }
}

/// Whether a file is gzip, whatever anybody says of it; none where it is, and is not whole. The file is at its beginning again.
fn whole(mut file: File) -> std::io::Result<(File, Option<bool>)> {
    let mut begin = [0; 2];
    let mut read = 0;
    while read < begin.len() {
        match file.read(&mut begin[read..])? {
            0 => break,
            more => read += more,
        }
    }
    file.seek(SeekFrom::Start(0))?;
    let mut is_gzip = Some(false);
    if begin[..read] == GZIP {
        let decoded = std::io::copy(&mut MultiGzDecoder::new(&file), &mut std::io::sink());
        is_gzip = decoded.is_ok().then_some(true);
        file.seek(SeekFrom::Start(0))?;
    }
    Ok((file, is_gzip))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
