//! Putting an entry into a log, with a definite end: it is *ours*, it is *somebody else's*, or an error says that it is
//! not known.
//!
//! What a store answers to a put-if-absent is not the end. A put that was applied can be answered by an error, or not at
//! all; a client that repeats it then hears that the name is taken, by its own entry. So whatever the answer was but
//! success, the entry is read, and what stands there tells whose it is: each entry has an id of its own, so that no two
//! writers put the same bytes. Where nothing stands there, the same bytes are put again: whichever copy lands first, one
//! that is still under way included, is ours.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::backoff::Backoff;
use crate::error::{Error, Kind, Result};

/// How long an answer is waited for, and how often something is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// After so long an answer is not waited for any more.
    pub(crate) answer: Duration,
    /// The first pause before a try is repeated; each is about twice as long as the one before.
    pub(crate) pause: Duration,
    /// The longest pause.
    pub(crate) longest: Duration,
    /// Puts of one entry.
    pub(crate) puts: u32,
    /// Commits that others may win.
    pub(crate) races: u32,
}

impl Default for Patience {
    /// A minute for an answer; some seconds of pauses between puts, and up to a minute between lost races.
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(60),
            pause: Duration::from_millis(10),
            longest: Duration::from_secs(2),
            puts: 10,
            races: 35,
        }
    }
}

#[cfg(test)]
impl Patience {
    /// With a store that is not waited for long.
    pub(crate) fn hasty() -> Self {
        Self {
            answer: Duration::from_millis(250),
            pause: Duration::from_millis(1),
            longest: Duration::from_millis(100),
            puts: 12,
            races: 12,
        }
    }
}

/// What a store calls the content of an object, if it does.
type Tag = Option<String>;

/// Puts the entry at `path`, where there is none, and gives the tag that it has in the store, where the store says; none
/// where it is somebody else's that stands there in the end.
///
/// # Errors
/// When that is not known: the entry may be there, or come to be there later.
pub(super) async fn land(
    store: &dyn ObjectStore,
    path: &Path,
    entry: Bytes,
    patience: Patience,
) -> Result<Option<Tag>> {
    let mut backoff = Backoff::new(patience.pause, patience.longest, patience.puts);
    loop {
        let options = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        let put = store.put_opts(path, entry.clone().into(), options).boxed();
        let answer = match answered(put, patience).await {
            Ok(put) => return Ok(Some(put.e_tag)),
            Err(answer) => answer,
        };
        match answered(read(store, path).boxed(), patience).await {
            Ok(Some((found, tag))) => return Ok((found == entry).then_some(tag)),
            Ok(None) => {}
            Err(error) => tracing::debug!(%path, %error, "log entry could not be read"),
        }
        if !backoff.pause().await {
            let what = "whether the commit is in is not known; run again, which finds out";
            return Err(Error::new(Kind::Io, what).because(answer));
        }
    }
}

async fn read(store: &dyn ObjectStore, path: &Path) -> object_store::Result<Option<(Bytes, Tag)>> {
    match store.get(path).await {
        Ok(found) => {
            let tag = found.meta.e_tag.clone();
            Ok(Some((found.bytes().await?, tag)))
        }
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a store answers, if it does.
async fn answered<T>(
    request: futures::future::BoxFuture<'_, object_store::Result<T>>,
    patience: Patience,
) -> Result<T> {
    match tokio::time::timeout(patience.answer, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => {
            Err(Error::new(Kind::Io, "storage did not answer")
                .with("milliseconds", patience.answer.as_millis()))
        }
    }
}
