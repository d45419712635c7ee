//! Which files of a log make up a version: the newest checkpoint, and the entries after it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use object_store::ObjectMeta;

use crate::delta::history::{Kept, name_in_log, named};
use crate::error::{Error, Kind, Result};

/// The files that a version is read from.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) version: u64,
    /// The parts of a checkpoint; none where the log is read from its beginning.
    pub(super) checkpoint: Vec<ObjectMeta>,
    /// The entries after it and their versions, oldest first.
    pub(super) entries: Vec<(u64, ObjectMeta)>,
    /// The entry of the version itself; none where only the checkpoint is left of it.
    pub(super) newest: Option<ObjectMeta>,
}

/// What a listing of a log, or of its end, shows.
#[derive(Default)]
pub(super) struct Listed {
    entries: BTreeMap<u64, ObjectMeta>,
    /// By version, how it is written, and part.
    checkpoints: BTreeMap<(u64, Form), BTreeMap<u64, ObjectMeta>>,
}

/// How a checkpoint is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    /// As this one file.
    Whole(String),
    /// In so many files.
    Parts(u64),
}

impl Listed {
    pub(super) fn new(files: impl IntoIterator<Item = ObjectMeta>) -> Self {
        let mut listed = Self::default();
        for file in files {
            let Some(name) = name_in_log(&file.location) else {
                continue;
            };
            match named(name) {
                Some((version, Kept::Entry)) => {
                    listed.entries.insert(version, file);
                }
                Some((version, Kept::Checkpoint)) => {
                    let (form, part) = form(name);
                    let parts = listed.checkpoints.entry((version, form)).or_default();
                    parts.insert(part, file);
                }
                _ => {}
            }
        }
        listed
    }

    /// The newest version with an entry or a checkpoint.
    pub(super) fn newest(&self) -> Option<u64> {
        let checkpoints = self.whole().map(|(version, _)| version);
        checkpoints.chain(self.entries.keys().copied()).max()
    }

    /// Whether it shows a checkpoint of this version or a later one.
    pub(super) fn has_checkpoint(&self, versions: RangeInclusive<u64>) -> bool {
        self.whole().any(|(version, _)| versions.contains(&version))
    }

    /// Checkpoints of which all files are there.
    fn whole(&self) -> impl Iterator<Item = (u64, &BTreeMap<u64, ObjectMeta>)> {
        let is_whole = |form: &Form, parts: usize| match form {
            Form::Whole(_) => true,
            Form::Parts(all) => parts as u64 == *all,
        };
        let all = self.checkpoints.iter();
        all.filter(move |((_, form), parts)| is_whole(form, parts.len()))
            .map(|((version, _), parts)| (*version, parts))
    }

    /// What a version is read from; none where it is not there.
    ///
    /// # Errors
    /// When entries are missing that are needed for it.
    pub(super) fn segment(mut self, version: Option<u64>) -> Result<Option<Segment>> {
        let Some(newest) = self.newest() else {
            return Ok(None);
        };
        let version = version.unwrap_or(newest);
        let checkpoint = self
            .whole()
            .filter(|(of, _)| *of <= version)
            .max_by_key(|(of, _)| *of);
        let (after, checkpoint) = match checkpoint {
            Some((of, parts)) => (Some(of), parts.values().cloned().collect()),
            None => (None, Vec::new()),
        };
        if version > newest || (after != Some(version) && !self.entries.contains_key(&version)) {
            return Ok(None);
        }
        let newest = self.entries.get(&version).cloned();
        let mut entries = Vec::new();
        for wanted in after.map_or(0, |after| after + 1)..=version {
            match self.entries.remove(&wanted) {
                Some(entry) => entries.push((wanted, entry)),
                None => return Err(missing(wanted)),
            }
        }
        Ok(Some(Segment {
            version,
            checkpoint,
            entries,
            newest,
        }))
    }

    /// The entries after a version, oldest first, up to another one or the newest.
    ///
    /// # Errors
    /// When one in between is missing.
    pub(super) fn after(mut self, version: u64, to: Option<u64>) -> Result<Vec<(u64, ObjectMeta)>> {
        let last = to.or(self.newest()).unwrap_or(version);
        let wanted = version + 1..=last;
        let found = wanted.map(|wanted| Ok((wanted, self.entries.remove(&wanted).ok_or(missing(wanted))?)));
        found.collect()
    }
}

fn missing(version: u64) -> Error {
    Error::new(Kind::Foreign, "log lacks an entry").with("version", version)
}

/// How the checkpoint of a file is written, by the file's name, and which part of it the file is.
fn form(name: &str) -> (Form, u64) {
    let mut words = name.split('.').skip(2);
    let numbers = (words.next(), words.next(), words.next());
    if let (Some(part), Some(all), Some("parquet")) = numbers
        && let (Ok(part), Ok(all)) = (part.parse(), all.parse())
    {
        return (Form::Parts(all), part);
    }
    (Form::Whole(name.to_owned()), 0)
}
