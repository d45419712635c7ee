//! Whether tables that feed each other fit together.

use std::collections::BTreeSet;

use crate::contract::diagnostic::{Code, Findings};
use crate::contract::read::draft::{Draft, Drafts, existing};
use crate::contract::{Feed, InputFeed, TableName};

/// Reports inputs and siblings that do not exist, circles, and `recompute` columns that an input does not have.
/// `named` holds the tables that have a file, also unreadable ones, about which enough has been said.
pub(crate) fn check(drafts: &Drafts, named: &BTreeSet<TableName>, found: &mut Findings) {
    for draft in drafts.values() {
        for (index, sibling) in draft.siblings.iter().enumerate() {
            check_sibling(draft, sibling, index, drafts, named, found);
        }
        let Feed::Inputs(feed) = &draft.contract.feed else {
            continue;
        };
        for (index, input) in feed.inputs.iter().enumerate() {
            if !named.contains(input) {
                let place = draft.at(&format!("inputs.{index}"));
                found.add(Code::UnknownTable, &place, format!("there is no table {input}"));
            }
        }
        check_views(draft, feed, drafts, found);
        check_circle(draft, drafts, found);
        if !draft.is_view {
            check_recompute(draft, feed, drafts, found);
        }
    }
}

/// Nothing follows what is kept nowhere.
fn check_views(draft: &Draft, feed: &InputFeed, drafts: &Drafts, found: &mut Findings) {
    for (index, input) in feed.inputs.iter().enumerate() {
        if drafts.get(input).is_some_and(|input| input.is_view) {
            let message = format!("{input} is a view, and inputs are tables");
            found.add(Code::BadValue, &draft.at(&format!("inputs.{index}")), message);
        }
    }
}

fn check_sibling(
    draft: &Draft,
    sibling: &TableName,
    index: usize,
    drafts: &Drafts,
    named: &BTreeSet<TableName>,
    found: &mut Findings,
) {
    let place = draft.at(&format!("siblings.{index}"));
    let fed_by_tables = drafts
        .get(sibling)
        .is_some_and(|other| matches!(other.contract.feed, Feed::Inputs(_)));
    if !named.contains(sibling) {
        found.add(Code::UnknownTable, &place, format!("there is no table {sibling}"));
    } else if fed_by_tables || *sibling == draft.contract.name {
        found.add(
            Code::BadValue,
            &place,
            format!("{sibling} is not another table of raw objects"),
        );
    }
}

fn check_circle(draft: &Draft, drafts: &Drafts, found: &mut Findings) {
    let start = &draft.contract.name;
    let mut trail = vec![start.clone()];
    if circle(start, start, drafts, &mut trail, &mut BTreeSet::new()) {
        let names: Vec<_> = trail.iter().map(TableName::to_string).collect();
        let message = format!("the table is made from itself: {} -> {start}", names.join(" -> "));
        found.add(Code::Cycle, &draft.at("inputs"), message);
    }
}

/// Whether a way along inputs leads from `table` to `target`; `trail` is then the way.
fn circle(
    table: &TableName,
    target: &TableName,
    drafts: &Drafts,
    trail: &mut Vec<TableName>,
    seen: &mut BTreeSet<TableName>,
) -> bool {
    let Some(Feed::Inputs(feed)) = drafts.get(table).map(|draft| &draft.contract.feed) else {
        return false;
    };
    for input in &feed.inputs {
        if input == target {
            return true;
        }
        if seen.insert(input.clone()) {
            trail.push(input.clone());
            if circle(input, target, drafts, trail, seen) {
                return true;
            }
            trail.pop();
        }
    }
    false
}

fn check_recompute(draft: &Draft, feed: &InputFeed, drafts: &Drafts, found: &mut Findings) {
    if feed.recompute.is_empty() {
        let help = "name the columns whose touched values are computed anew, such as the partition";
        found.add_with_help(
            Code::RecomputeColumn,
            &draft.at("recompute"),
            "recompute names no column",
            help,
        );
    }
    for (index, name) in feed.recompute.iter().enumerate() {
        let place = draft.at(&format!("recompute.{index}"));
        let Some(column) = draft.contract.column(name) else {
            found.add(
                Code::RecomputeColumn,
                &place,
                format!("recompute {name:?} is not a column"),
            );
            continue;
        };
        if !feed.key.contains(name) {
            found.add(
                Code::RecomputeColumn,
                &place,
                format!("recompute {name:?} is not in the key"),
            );
        }
        for input in existing(feed, drafts) {
            match input.column(name) {
                None => {
                    let message = format!("recompute {name:?} is not a column of {}", input.name);
                    found.add(Code::RecomputeColumn, &place, message);
                }
                Some(other) if other.ty != column.ty => {
                    let message = format!(
                        "recompute {name:?} is {} here and {} in {}",
                        column.ty, other.ty, input.name
                    );
                    found.add(Code::RecomputeColumn, &place, message);
                }
                Some(_) => {}
            }
        }
    }
}
