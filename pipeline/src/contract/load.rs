//! Files to contracts.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::Findings;
use super::files::SourceFile;
use super::files::layers::Layers;
use super::read::draft::Draft;
use super::read::draft::Drafts;
use super::rules::inputs;
use super::rules::sql;
use super::{Contract, Contracts, Diagnostic, Feed, TableName, Unknown, rules};

/// Reads contracts and checks them, one by one and against each other; reports every mistake, by file and line.
///
/// A user's `.toml` takes the place of the built-in file of the same path, and of the SQL beside that one; with
/// `extends = "<source>.<table>"` of its own name it stands on top of both instead. A user's `.sql` alone takes the
/// place of the built-in SQL. `_defaults.toml` lies below the tables of its folder that read raw objects.
///
/// Planning SQL over inputs takes longer than all else. What comes with the program and reads nothing of a user's was planned
/// when the program was tested.
pub fn load(builtin: &[SourceFile], user: &[SourceFile]) -> Result<Contracts, Vec<Diagnostic>> {
    let own: BTreeSet<&str> = user
        .iter()
        .filter_map(|file| file.path.split('/').next())
        .collect();
    let is_own = |name: &TableName| own.contains(name.source.as_str());
    load_planning(builtin, user, |contract| match &contract.feed {
        Feed::Inputs(feed) => is_own(&contract.name) || feed.inputs.iter().any(is_own),
        Feed::Raw(_) => false,
    })
}

/// As [`load`], of files of which nothing was found when they were loaded before: their SQL is not planned again.
pub fn load_planned(builtin: &[SourceFile], user: &[SourceFile]) -> Result<Contracts, Vec<Diagnostic>> {
    load_planning(builtin, user, |_| false)
}

/// As [`load`], and plans the SQL of those tables with inputs.
pub(super) fn load_planning(
    builtin: &[SourceFile],
    user: &[SourceFile],
    is_planned: impl Fn(&Contract) -> bool,
) -> Result<Contracts, Vec<Diagnostic>> {
    let mut found = Findings::default();
    let mut layers = Layers::default();
    layers.push(builtin, &mut found);
    layers.push(user, &mut found);
    let named = layers.names();
    let mut drafts = Drafts::new();
    for name in &named {
        if let Some(resolved) = layers.resolve(name, &mut found) {
            drafts.insert(name.clone(), Draft::read(name, resolved, &mut found));
        }
    }
    name_siblings(&mut drafts);
    keep_names_only(&mut drafts);
    let planner = OnceCell::new();
    for draft in drafts.values() {
        if !draft.is_view {
            rules::check(draft, &mut found);
        }
        let planner = is_planned(&draft.contract).then(|| planner.get_or_init(sql::Planner::new));
        sql::check(draft, &drafts, planner, &mut found);
    }
    inputs::check(&drafts, &named, &mut found);
    let diagnostics = found.into_sorted();
    if diagnostics.is_empty() {
        let (views, tables): (Vec<_>, Vec<_>) = drafts.into_iter().partition(|(_, draft)| draft.is_view);
        let tables = tables.into_iter().map(|(name, draft)| (name, draft.contract));
        let views = views.into_iter().map(|(name, draft)| (name, draft.into_view()));
        Ok(Contracts::new(tables.collect(), views.collect()))
    } else {
        Err(diagnostics)
    }
}

/// Writes into each contract the raw fields that its siblings name.
fn name_siblings(drafts: &mut Drafts) {
    let fields = |draft: &Draft| {
        let mut fields = BTreeMap::new();
        for sibling in draft.siblings.iter().filter_map(|sibling| drafts.get(sibling)) {
            let personal = sibling.contract.personal_fields();
            let named = sibling.contract.named_fields().into_iter();
            fields.extend(named.map(|field| {
                let fate = personal.get(&field).copied();
                (field, fate)
            }));
        }
        fields
    };
    let elsewhere: Vec<_> = drafts.values().map(fields).collect();
    for (draft, fields) in drafts.values_mut().zip(elsewhere) {
        if let Feed::Raw(raw) = &mut draft.contract.feed {
            raw.elsewhere = fields;
        }
    }
}

/// Of a table with personal fields nobody knows what its unknown fields say: it keeps their names and not their values,
/// unless all of them are said to be harmless.
fn keep_names_only(drafts: &mut Drafts) {
    for draft in drafts.values_mut() {
        let has_personal = !draft.contract.personal_fields().is_empty();
        if let Feed::Raw(raw) = &mut draft.contract.feed {
            let all_harmless = raw.harmless.iter().any(|field| field == "*");
            if raw.unknown == Unknown::Keep && has_personal && !all_harmless {
                raw.unknown = Unknown::Names;
            }
        }
    }
}
