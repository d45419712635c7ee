//! One page of a listing, and what lies there that no path can name.
//!
//! A store gives a whole page up for one key that is no path to it: with a control character, an empty name, `.` or `..`. Such
//! keys are taken out of the answer before the store reads it, and told beside what is left; that costs no request.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::ObjectMeta;
use object_store::path::Path;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesText, Event};

/// A page of a listing.
#[derive(Debug, Default)]
pub struct Page {
    /// Objects; marks that consoles set for folders are none.
    pub objects: Vec<ObjectMeta>,
    /// Folders, where it was asked for those.
    pub folders: Vec<Path>,
    /// Keys that no path can have, whole, and prefixes that none can have, with the slash at their end.
    pub nameless: Vec<String>,
    /// What the next page is asked for with; none: this is the last one.
    pub next: Option<String>,
}

/// Goes with the request for a page, and comes back with the keys of it that no path can have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nameless(Arc<Mutex<Vec<String>>>);

impl Nameless {
    /// The keys of the answer that was read last.
    pub(crate) fn keys(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The answer without them; none: it has none.
    pub(crate) fn taken_out(&self, answer: &[u8]) -> Option<Vec<u8>> {
        let found = std::str::from_utf8(answer).map(sifted).unwrap_or_default();
        // A request that is repeated is answered again.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = found.nameless;
        (!found.dropped.is_empty()).then(|| without(answer, &found.dropped))
    }
}

/// What of an answer a store cannot take for objects and folders.
#[derive(Default)]
struct Sifted {
    nameless: Vec<String>,
    /// Where it stands.
    dropped: Vec<Range<usize>>,
}

/// What a page says of one key.
struct Told {
    begins: usize,
    name: String,
    size: String,
}

/// Looks through an answer up to its end, or up to where it is none: of that the store complains.
fn sifted(answer: &str) -> Sifted {
    let mut reader = Reader::from_str(answer);
    let (mut found, mut told, mut field) = (Sifted::default(), None::<Told>, Vec::new());
    loop {
        let begins = position(&reader);
        let text = match reader.read_event() {
            Ok(Event::Start(tag)) => {
                field = tag.local_name().as_ref().to_vec();
                if is_told(&field) {
                    told = Some(Told {
                        begins,
                        name: String::new(),
                        size: String::new(),
                    });
                }
                continue;
            }
            Ok(Event::End(tag)) => {
                field.clear();
                if is_told(tag.local_name().as_ref())
                    && let Some(told) = told.take()
                {
                    found.judge(told, tag.local_name().as_ref() == b"Contents", position(&reader));
                }
                continue;
            }
            Ok(Event::Text(text)) => plain(&text),
            Ok(Event::CData(text)) => String::from_utf8_lossy(&text).into_owned(),
            Ok(Event::GeneralRef(reference)) => referred(&reference),
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => continue,
        };
        match (&mut told, field.as_slice()) {
            (Some(told), b"Key" | b"Prefix") => told.name.push_str(&text),
            (Some(told), b"Size") => told.size.push_str(&text),
            _ => {}
        }
    }
}

impl Sifted {
    fn judge(&mut self, told: Told, is_object: bool, ends: usize) {
        let folder = told.name.strip_suffix('/').filter(|folder| is_path(folder));
        let (is_kept, is_nothing) = match is_object {
            true => (is_path(&told.name), folder.is_some() && told.size == "0"),
            false => (folder.is_some(), false),
        };
        if is_kept {
            return;
        }
        self.dropped.push(told.begins..ends);
        if !is_nothing {
            self.nameless.push(told.name);
        }
    }
}

/// Whether a store opens what it lists under this name: it takes slashes off the ends of a key.
fn is_path(key: &str) -> bool {
    !key.is_empty() && Path::parse(key).is_ok_and(|path| path.as_ref() == key)
}

fn is_told(tag: &[u8]) -> bool {
    matches!(tag, b"Contents" | b"CommonPrefixes")
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

fn plain(text: &BytesText<'_>) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// The character that is meant; one that there is not where that cannot be known.
fn referred(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    let name = String::from_utf8_lossy(reference);
    resolve_xml_entity(&name).map_or_else(|| '\0'.to_string(), str::to_owned)
}

/// An answer without some of its parts, which are in order.
fn without(answer: &[u8], parts: &[Range<usize>]) -> Vec<u8> {
    let mut left = Vec::with_capacity(answer.len());
    let mut from = 0;
    for part in parts {
        left.extend_from_slice(&answer[from..part.start]);
        from = part.end;
    }
    left.extend_from_slice(&answer[from..]);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, size: usize) -> String {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2026-03-01T00:00:00Z</LastModified><ETag>&quot;e&quot;</ETag>\
             <Size>{size}</Size><Owner><ID>x</ID></Owner></Contents>"
        )
    }

    fn folder(prefix: &str) -> String {
        format!("<CommonPrefixes>\n <Prefix>{prefix}</Prefix>\n</CommonPrefixes>")
    }

    fn page(entries: &[String]) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Name>lake</Name><Prefix>raw/</Prefix><KeyCount>9</KeyCount><Key>a//b</Key>{}<NextContinuationToken>n\
             </NextContinuationToken></ListBucketResult>",
            entries.concat()
        )
    }

    /// What is left of a page, and what was taken out.
    fn left(entries: &[String]) -> (String, Vec<String>) {
        let (nameless, answer) = (Nameless::default(), page(entries));
        let left = nameless.taken_out(answer.as_bytes());
        let left = left.map_or(answer, |left| String::from_utf8(left).unwrap());
        (left, nameless.keys())
    }

    #[test]
    fn what_no_path_can_have_is_taken_out_wherever_it_stands_and_the_rest_is_as_it_was() {
        let fine = [
            object("raw/a b&amp;c%2F&#xE9;.csv", 1),
            object("raw/é \u{a0}", 0),
            folder("raw/corner/"),
        ];
        let odd = [
            (object("raw/a\tb", 1), "raw/a\tb"),
            (object("raw/a&#10;b", 1), "raw/a\nb"),
            (object("raw/&#x1;", 1), "raw/\u{1}"),
            (object("raw/&#0;", 1), "raw/\0"),
            (object("raw/a//b&lt;", 1), "raw/a//b<"),
            (object("raw/../b", 1), "raw/../b"),
            (object("raw/.", 1), "raw/."),
            (object("raw/<![CDATA[\u{7f}]]>", 1), "raw/\u{7f}"),
            (object("/raw", 1), "/raw"),
            (object("raw/full/", 1), "raw/full/"),
            (folder("raw//"), "raw//"),
            (folder("raw/a\tb/"), "raw/a\tb/"),
            (folder("/"), "/"),
        ];
        let wanted = page(&fine);
        for (entry, key) in &odd {
            // First, last, between, and twice in a row.
            for at in 0..=fine.len() {
                let mut entries = fine.to_vec();
                entries.splice(at..at, [entry.clone(), entry.clone()]);
                assert_eq!(
                    left(&entries),
                    (wanted.clone(), vec![(*key).to_owned(); 2]),
                    "{key:?}"
                );
            }
            assert_eq!(
                left(std::slice::from_ref(entry)),
                (page(&[]), vec![(*key).to_owned()])
            );
        }
        assert_eq!(left(&fine), (wanted, Vec::new()));
    }

    #[test]
    fn the_mark_of_a_folder_is_nothing() {
        assert_eq!(
            left(&[object("raw/", 0), object("raw/a", 0), object("raw/a/", 0)]),
            (page(&[object("raw/a", 0)]), Vec::new())
        );
    }

    #[test]
    fn an_answer_that_is_none_is_left_as_it_is_and_one_that_comes_again_counts_once() {
        let nameless = Nameless::default();
        for answer in ["", "no page", "<a><b></a>", "<Contents><Key>a//b"] {
            assert_eq!(nameless.taken_out(answer.as_bytes()), None, "{answer}");
        }
        assert_eq!(
            nameless.taken_out(b"<Contents><Key>a//\xff</Key></Contents>"),
            None
        );
        let answer = page(&[object("a//b", 1)]);
        for _ in 0..2 {
            assert!(nameless.taken_out(answer.as_bytes()).is_some());
        }
        assert_eq!(nameless.keys(), ["a//b"]);
    }
}
