//! Deliveries into the raw zone: the manifest first, then the object, each at once.
//!
//! Whoever meets the object finds its manifest. A delivery that was broken off leaves a manifest without an object, which
//! nobody reads, and is made again.

use std::io::{Read, Seek, SeekFrom};

use bytes::Bytes;
use object_store::{MultipartUpload, ObjectStoreExt};

use crate::error::{Error, Result, of_store};
use crate::manifest::{Manifest, SUFFIX};
use crate::place::Place;
use crate::transport::Downloaded;

/// Larger objects are sent in parts of this size, one after another.
const PART: usize = 8 << 20;

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// It was laid down.
    New,
    /// It lay there already.
    Known,
}

/// Lays a document down in a folder under that name. One of this name and size that lies there is the same document, as
/// names hold its id: nothing is done then.
///
/// # Errors
///
/// When it cannot be written. What is there of it then is done again by the next delivery.
pub async fn deliver(
    folder: &Place,
    name: &str,
    mut manifest: Manifest,
    document: Downloaded,
) -> Result<Delivered> {
    let object = folder.below(name);
    if object.size().await? == Some(document.bytes) {
        return Ok(Delivered::Known);
    }
    manifest.sha256.clone_from(&document.sha256);
    manifest.bytes = document.bytes;
    manifest.charset = manifest.charset.or_else(|| document.charset());
    manifest.content_type = manifest.content_type.or_else(|| document.content_type.clone());
    let text =
        serde_json::to_vec_pretty(&manifest).map_err(|error| Error::store(object.to_string(), error))?;
    folder
        .below(&format!("{name}{SUFFIX}"))
        .write(Bytes::from(text))
        .await?;
    lay(&object, document).await?;
    Ok(Delivered::New)
}

/// Lays an object without a manifest down, where it does not lie yet.
///
/// # Errors
///
/// As [`deliver`].
pub async fn lay(object: &Place, document: Downloaded) -> Result<()> {
    let Downloaded { mut file, bytes, .. } = document;
    let what = object.to_string();
    let failed = |error: std::io::Error| Error::store("temporary file", error);
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let part = move || {
        let mut part = Vec::with_capacity(PART.min(bytes as usize));
        (&file).take(PART as u64).read_to_end(&mut part).map_err(failed)?;
        Ok::<_, Error>(Bytes::from(part))
    };
    if bytes <= PART as u64 {
        return object.write(part()?).await;
    }
    let mut upload = object
        .store()
        .put_multipart(object.path())
        .await
        .map_err(|error| of_store(&what, &error))?;
    let sent = async {
        loop {
            let part = part()?;
            if part.is_empty() {
                break;
            }
            upload
                .put_part(part.into())
                .await
                .map_err(|error| of_store(&what, &error))?;
        }
        upload.complete().await.map_err(|error| of_store(&what, &error))
    };
    match sent.await {
        Ok(_) => Ok(()),
        Err(error) => {
            // Parts of an upload that nobody completes cost money until the bucket's rules remove them.
            let _ = upload.abort().await;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use object_store::path::Path;

    use super::*;
    use crate::transport::Spool;

    fn document(bytes: &[u8]) -> Downloaded {
        Downloaded::of_bytes(
            &Spool::new(None),
            bytes,
            Some("text/plain; charset=\"cp1252\"".to_owned()),
        )
        .unwrap()
    }

    async fn text(place: &Place) -> String {
        let read = place.read().await.unwrap().unwrap();
        String::from_utf8(read.body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_object_lies_beside_its_manifest_and_is_laid_down_once() {
        let folder = Place::new(Arc::new(InMemory::new()), Path::from("raw"), true);
        let manifest = Manifest::new("d-1", "corner");
        let first = deliver(&folder, "d-1.txt", manifest.clone(), document(b"one"))
            .await
            .unwrap();
        let second = deliver(&folder, "d-1.txt", manifest, document(b"one"))
            .await
            .unwrap();
        assert_eq!((first, second), (Delivered::New, Delivered::Known));
        assert_eq!(text(&folder.below("d-1.txt")).await, "one");
        let manifest = text(&folder.below("d-1.txt.manifest.json")).await;
        for part in [
            "\"bytes\": 3",
            "\"charset\": \"cp1252\"",
            "\"sha256\": \"7692c3ad",
            "\"schema\": 1",
        ] {
            assert!(manifest.contains(part), "{manifest}");
        }
    }

    #[tokio::test]
    async fn a_large_document_is_sent_in_parts() {
        let folder = Place::new(Arc::new(InMemory::new()), Path::from("raw"), true);
        let large: Vec<u8> = (0..PART * 2 + 7).map(|i| i as u8).collect();
        deliver(&folder, "d-2", Manifest::new("d-2", "corner"), document(&large))
            .await
            .unwrap();
        assert_eq!(folder.below("d-2").read().await.unwrap().unwrap().body, large);
    }
}
