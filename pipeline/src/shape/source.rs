//! Where the rows of an object come from: what decides how they are read and shaped.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::contract::OPTION;
use crate::raw::RawObject;
use crate::raw::account::Account;
use crate::raw::manifest::Manifest;

/// What every row of an object has in common.
#[derive(Clone)]
pub(crate) struct Source {
    /// The object.
    pub(crate) object: RawObject,
    /// The account that delivered it.
    pub(crate) account: Account,
    /// What was delivered beside it.
    pub(crate) manifest: Option<Manifest>,
    /// Header fields of a document, which all of its rows have; none where there are none.
    pub(crate) header: Vec<(String, String)>,
}

impl Source {
    /// The header field of that name.
    pub(super) fn headed(&self, name: &str) -> Option<&str> {
        let found = self.header.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Names of the fields that rows have which say nothing themselves, lineage aside.
    pub(crate) fn constants(&self) -> impl Iterator<Item = &str> {
        let headed = self.header.iter().map(|(name, _)| name.as_str());
        headed.chain(self.account.stated().map(|(name, _)| name))
    }

    /// The value of a field of a row that says nothing itself; none when `name` is no such field, or nothing is said
    /// about it.
    pub(super) fn constant(&self, name: &str) -> Option<String> {
        self.lineage(name)
            .or_else(|| self.headed(name).map(str::to_owned))
            .or_else(|| self.stated_as(name).map(str::to_owned))
    }

    /// The value of a lineage field that is the same for all rows; none when `name` is no such field, or nothing is
    /// said about it.
    pub(super) fn lineage(&self, name: &str) -> Option<String> {
        let instant = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, true);
        if let Some(manifest) = &self.manifest
            && let Some(said) = said(manifest, name)
        {
            return Some(said);
        }
        Some(match name {
            "_object" => self.object.uri.clone(),
            "_path" => self.object.path.clone(),
            "_modified" => instant(self.object.modified),
            "_generated_at" => instant(self.object.period.and_utc()),
            "_period" => self.object.period.date().to_string(),
            "_part" => self.object.part.to_string(),
            "_account" => self.account.alias.clone(),
            _ => return None,
        })
    }

    /// What the account states as this field.
    pub(super) fn stated_as(&self, name: &str) -> Option<&str> {
        self.account
            .stated()
            .find_map(|(field, value)| (field == name).then_some(value))
    }
}

/// The lineage that a manifest gives; none where it does not say.
fn said(manifest: &Manifest, name: &str) -> Option<String> {
    let instant = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, true);
    match name {
        "_generated_at" => manifest.generated_at.map(instant),
        "_requested_at" => manifest.requested_at.map(instant),
        "_requested_from" => manifest.period.map(|period| period.from.to_string()),
        "_requested_to" => manifest.period.map(|period| period.to.to_string()),
        "_part" if manifest.parts.of > 1 => Some(manifest.parts.number.to_string()),
        "_document" => Some(manifest.document_id.clone()),
        "_report_type" => manifest.report_type.clone(),
        "_marketplaces" => Some(manifest.marketplace_ids.join(",")).filter(|ids| !ids.is_empty()),
        name => manifest.options.get(name.strip_prefix(OPTION)?).cloned(),
    }
}
