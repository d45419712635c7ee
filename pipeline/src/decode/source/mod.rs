//! Objects of a store as readers.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, Bytes};
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::Input;
use crate::{Error, Kind, Result};

/// Bytes of one request.
const RANGE: u64 = 8 << 20;

/// Reads one object from its start to its end, for use on a thread that may block (it panics within async code).
///
/// Read from the start, at most two ranges of 8 MiB are in memory: the one being read and the next, which is fetched meanwhile. The
/// object has to be the very one that was listed. Errors are [`Error`]s within [`io::Error`]s, which
/// [`decode`](super::decode) takes out again: [`Kind::Data`] when the object was changed,
/// [`Kind::NotFound`] when it is gone, [`Kind::Io`] when the store fails.
pub struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    object: ObjectMeta,
    handle: Handle,
    current: Bytes,
    next: Option<JoinHandle<Result<Bytes>>>,
    /// Where the next range starts.
    position: u64,
    started: bool,
    count: Arc<AtomicU64>,
}

impl ObjectReader {
    /// Of the object that was listed as `object`; requests run on `handle`. Nothing is requested before the
    /// first read.
    pub fn new(store: Arc<dyn ObjectStore>, object: ObjectMeta, handle: Handle) -> Self {
        Self {
            store,
            object,
            handle,
            current: Bytes::new(),
            next: None,
            position: 0,
            started: false,
            count: Arc::default(),
        }
    }

    /// Bytes fetched so far; it goes on counting when the reader was given away.
    pub fn count(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.count)
    }

    /// Starts to fetch the next range, if there is one. An empty object is one empty range, so that it is seen
    /// whether it is still there.
    fn request(&mut self) {
        if self.started && self.position >= self.object.size {
            return;
        }
        self.started = true;
        let range = self.position..self.object.size.min(self.position + RANGE);
        self.position = range.end;
        let fetched = fetch(Arc::clone(&self.store), self.object.clone(), range);
        self.next = Some(self.handle.spawn(fetched));
    }

    fn advance(&mut self) -> Result<()> {
        if !self.started {
            self.request();
        }
        if let Some(next) = self.next.take() {
            let fetched = self.handle.block_on(next);
            self.current = fetched
                .map_err(|error| Error::internal("reading an object was stopped").because(error))??;
            self.count.fetch_add(self.current.len() as u64, Ordering::Relaxed);
            self.request();
        }
        Ok(())
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() {
            self.advance().map_err(io::Error::other)?;
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

impl Input for ObjectReader {
    fn again(&self) -> Result<Box<dyn Input>> {
        let store = Arc::clone(&self.store);
        let mut again = Self::new(store, self.object.clone(), self.handle.clone());
        again.count = self.count();
        Ok(Box::new(again))
    }

    fn length(&self) -> u64 {
        self.object.size
    }

    fn range(&self, range: Range<u64>) -> Result<Bytes> {
        let fetched = fetch(Arc::clone(&self.store), self.object.clone(), range);
        let bytes = self.handle.block_on(fetched)?;
        self.count.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl Drop for ObjectReader {
    fn drop(&mut self) {
        if let Some(next) = &self.next {
            next.abort();
        }
    }
}

async fn fetch(store: Arc<dyn ObjectStore>, object: ObjectMeta, range: Range<u64>) -> Result<Bytes> {
    let options = GetOptions {
        if_match: object.e_tag.clone(),
        if_unmodified_since: object.e_tag.is_none().then_some(object.last_modified),
        version: object.version.clone(),
        head: range.is_empty(),
        range: (!range.is_empty()).then(|| GetRange::Bounded(range.clone())),
        ..GetOptions::default()
    };
    let wanted = range.end - range.start;
    let got = store
        .get_opts(&object.location, options)
        .await
        .map_err(|error| refused(error, &object))?;
    if got.meta.size != object.size {
        return Err(changed(&object));
    }
    if wanted == 0 {
        return Ok(Bytes::new());
    }
    let bytes = got.bytes().await.map_err(|error| refused(error, &object))?;
    if bytes.len() as u64 != wanted {
        Err(changed(&object))
    } else {
        Ok(bytes)
    }
}

fn refused(error: object_store::Error, object: &ObjectMeta) -> Error {
    match error {
        object_store::Error::Precondition { .. } | object_store::Error::NotModified { .. } => {
            changed(object).because(error)
        }
        error @ object_store::Error::NotFound { .. } => Error::new(Kind::NotFound, "object is gone")
            .with("object", &object.location)
            .because(error),
        error => Error::new(Kind::Io, "object could not be read")
            .with("object", &object.location)
            .because(error),
    }
}

fn changed(object: &ObjectMeta) -> Error {
    Error::data("object was changed while it was read: it is read again under its new identity")
        .with("object", &object.location)
}

#[cfg(test)]
mod tests;
