//! Copies of reports, each of exactly the version that is named, once.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error as StoreError, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::book::Book;
use crate::deliver::lay;
use crate::error::{Error, Result, of_store};
use crate::place::Place;
use crate::transport::{Downloaded, Spool};

/// What became of a report that was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// It was copied.
    New,
    /// It was copied before, or a newer version of it was.
    Known,
    /// Amazon's bucket no longer has it.
    Gone,
}

/// Which version of a report lies in the raw zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Copy {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequencer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e_tag: Option<String>,
    /// When it was made in Amazon's bucket.
    modified: DateTime<Utc>,
    bytes: u64,
    sha256: String,
}

/// The version of a report that is wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted<'a> {
    /// Key in Amazon's bucket.
    pub(super) key: &'a str,
    /// Place below the folder of the account.
    pub(super) place: &'a str,
    pub(super) version: Option<&'a str>,
    pub(super) sequencer: Option<&'a str>,
}

/// The reports of an account that were copied, and the ways from and to.
pub struct Copies {
    /// Amazon's bucket.
    from: Arc<dyn ObjectStore>,
    /// The folder of the account in the raw zone.
    to: Place,
    /// Where what was copied is written down, a book a day.
    folder: Place,
    spool: Spool,
    books: Mutex<BTreeMap<String, Arc<Book<Copy>>>>,
}

impl Copies {
    /// What was copied of an account, as it is written down in a folder of the lake.
    pub fn new(from: Arc<dyn ObjectStore>, to: Place, folder: Place, spool: Spool) -> Self {
        Self {
            from,
            to,
            folder,
            spool,
            books: Mutex::default(),
        }
    }

    /// The folder of the account in the raw zone.
    pub fn raw(&self) -> &Place {
        &self.to
    }

    /// Amazon's bucket.
    pub(super) fn amazons(&self) -> &Arc<dyn ObjectStore> {
        &self.from
    }

    /// Copies a report, unless that version of it, or a newer one, was copied.
    ///
    /// # Errors
    ///
    /// When it cannot be read, written or written down.
    pub(super) async fn copy(&self, wanted: &Wanted<'_>) -> Result<Copied> {
        let book = self.book(wanted.place).await?;
        let known = book.get(wanted.place).await;
        if known
            .as_ref()
            .is_some_and(|known| known.is(wanted) || known.is_later(wanted))
        {
            return Ok(Copied::Known);
        }
        let options = GetOptions {
            version: wanted.version.map(str::to_owned),
            ..GetOptions::default()
        };
        // A key may have what a path cleans away.
        let path = Path::parse(wanted.key).map_err(|error| Error::odd(wanted.key, error))?;
        let found = match self.from.get_opts(&path, options).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(Copied::Gone),
            Err(error) => return Err(of_store(wanted.key, &error)),
        };
        let meta = found.meta.clone();
        if known
            .as_ref()
            .is_some_and(|known| known.is_same_or_later(wanted, &meta))
        {
            return Ok(Copied::Known);
        }
        let (mut file, mut hash, mut bytes) = (self.spool.file()?, Sha256::new(), 0);
        let failed = |error: std::io::Error| Error::store("temporary file", error);
        let mut chunks = found.into_stream();
        while let Some(chunk) = chunks
            .try_next()
            .await
            .map_err(|error| of_store(wanted.key, &error))?
        {
            file.write_all(&chunk).map_err(failed)?;
            hash.update(&chunk);
            bytes += chunk.len() as u64;
        }
        let sha256: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let object = self.to.below(wanted.place);
        // Who died between writing and writing it down left the object as it should be. A run takes in anew what is written
        // anew.
        let is_there = same(&object, &mut file, bytes).await?;
        if !is_there {
            let document = Downloaded {
                file,
                bytes,
                sha256: sha256.clone(),
                content_type: None,
                is_gzip: false,
            };
            lay(&object, document).await?;
        }
        let copy = Copy {
            version: meta.version.or_else(|| wanted.version.map(str::to_owned)),
            sequencer: wanted.sequencer.map(str::to_owned),
            e_tag: meta.e_tag,
            modified: meta.last_modified,
            bytes,
            sha256,
        };
        // After the object: it is not to be taken for one that is there.
        book.put(wanted.place, copy).await?;
        Ok(match is_there {
            true => Copied::Known,
            false => Copied::New,
        })
    }

    /// Whether what a listing shows was copied, or something newer.
    pub(super) async fn has(&self, place: &str, listed: &ObjectMeta) -> Result<bool> {
        let known = self.book(place).await?.get(place).await;
        Ok(known.is_some_and(|known| known.is_same_or_later(&Wanted::default(), listed)))
    }

    /// The book of the day that a place belongs to: small, however long a merchant is with us.
    async fn book(&self, place: &str) -> Result<Arc<Book<Copy>>> {
        let day = place.split('/').nth(1).unwrap_or_default();
        let mut books = self.books.lock().await;
        if let Some(book) = books.get(day) {
            return Ok(book.clone());
        }
        let book = Arc::new(Book::open(&self.folder, day).await?);
        books.insert(day.to_owned(), book.clone());
        Ok(book)
    }
}

impl Copy {
    /// Whether it is the version that is wanted.
    fn is(&self, wanted: &Wanted<'_>) -> bool {
        wanted.version.is_some() && self.version.as_deref() == wanted.version
    }

    /// Whether what is wanted happened before, as far as messages say.
    fn is_later(&self, wanted: &Wanted<'_>) -> bool {
        let (Some(own), Some(other)) = (&self.sequencer, wanted.sequencer) else {
            return false;
        };
        aws::event::is_after(own, other)
    }

    /// Whether it is what Amazon's bucket has there, or was made after that. Where messages say what came first, they are
    /// right: the bucket knows whole seconds.
    fn is_same_or_later(&self, wanted: &Wanted<'_>, meta: &ObjectMeta) -> bool {
        let is_same = self.e_tag.is_some() && self.e_tag == meta.e_tag && self.bytes == meta.size;
        let is_ordered = self.sequencer.is_some() && wanted.sequencer.is_some();
        match meta.version.is_some() && self.version == meta.version {
            true => true,
            false => is_same || (!is_ordered && self.modified > meta.last_modified),
        }
    }
}

/// Whether an object has just the bytes of a file.
async fn same(object: &Place, file: &mut std::fs::File, bytes: u64) -> Result<bool> {
    if object.size().await? != Some(bytes) {
        return Ok(false);
    }
    let failed = |error: std::io::Error| Error::store("temporary file", error);
    let what = object.to_string();
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let found = object.store().get(object.path()).await;
    let mut chunks = found.map_err(|error| of_store(&what, &error))?.into_stream();
    while let Some(chunk) = chunks.try_next().await.map_err(|error| of_store(&what, &error))? {
        let mut own = vec![0; chunk.len()];
        match file.read_exact(&mut own) {
            Ok(()) if own == chunk => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(true)
}
