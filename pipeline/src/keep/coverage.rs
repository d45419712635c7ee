//! Cells, and what documents say about them whatever rows they have.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::latest_document::Documents;

/// Values of `per`, in its order, as text.
pub(crate) type Cell = Vec<String>;

/// What a document covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Coverage {
    /// Column of `per` to its one value, as text; the column of days is not here.
    pub(crate) fixed: BTreeMap<String, String>,
    /// First and last day; none where no column takes the days.
    pub(crate) days: Option<(NaiveDate, NaiveDate)>,
}

/// A document of an earlier batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Its place among all documents of the table.
    pub(crate) order: String,
    /// What it covers.
    pub(crate) covers: Coverage,
}

/// The cells of a coverage; none where it does not say the value of a column.
pub(crate) fn covered(per: &[String], day: Option<&str>, covers: &Coverage) -> Vec<Cell> {
    let cell = |date: Option<NaiveDate>| -> Option<Cell> {
        let value = |name: &String| match date {
            Some(date) if day == Some(name) => Some(date.to_string()),
            _ => covers.fixed.get(name).cloned(),
        };
        per.iter().map(value).collect()
    };
    match covers.days {
        None => cell(None).into_iter().collect(),
        Some((first, last)) => {
            let days = first.iter_days().take_while(|day| *day <= last);
            days.filter_map(|day| cell(Some(day))).collect()
        }
    }
}

/// Recorded documents, found by the cells that they cover.
pub(crate) struct Memory<'a> {
    per: &'a [String],
    day: Option<usize>,
    by_fixed: HashMap<Vec<&'a str>, Vec<&'a Recorded>>,
}

impl<'a> Memory<'a> {
    /// Of these documents, for the cells of a batch's.
    pub(crate) fn new(documents: &'a Documents, recorded: &'a [Recorded]) -> Self {
        let day = documents
            .days
            .as_ref()
            .and_then(|day| documents.per.iter().position(|name| name == day));
        let mut memory = Self {
            per: &documents.per,
            day,
            by_fixed: HashMap::new(),
        };
        for document in recorded {
            let fixed: Option<Vec<&str>> = memory
                .fixed_columns()
                .map(|name| document.covers.fixed.get(name).map(String::as_str))
                .collect();
            if let Some(fixed) = fixed {
                memory.by_fixed.entry(fixed).or_default().push(document);
            }
        }
        memory
    }

    fn fixed_columns(&self) -> impl Iterator<Item = &'a String> + use<'a> {
        let day = self.day;
        let per = self.per;
        (0..per.len())
            .filter(move |index| Some(*index) != day)
            .map(move |index| &per[index])
    }

    /// The newest recorded document that covers the cell.
    pub(crate) fn newest(&self, cell: &Cell) -> Option<&'a str> {
        let fixed: Vec<&str> = (0..cell.len())
            .filter(|index| Some(*index) != self.day)
            .map(|index| cell[index].as_str())
            .collect();
        let day: Option<NaiveDate> = self.day.and_then(|day| cell[day].parse().ok());
        let known = self.by_fixed.get(&fixed)?;
        let covering = known.iter().filter(|document| match document.covers.days {
            Some((first, last)) => day.is_some_and(|day| first <= day && day <= last),
            None => true,
        });
        covering.map(|document| document.order.as_str()).max()
    }
}
