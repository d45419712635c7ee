//! What a document says about itself, whatever rows it has: its place among others, and what it covers.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast as convert;
use arrow::datatypes::{DataType, Date32Type};
use chrono::{DateTime, NaiveDate, Utc};

use super::cast::cast;
use crate::contract::{Column, ColumnType, Contract, Covers, Keep, is_lineage};
use crate::error::{Error, Result};
use crate::raw::manifest::{Parts, Period};

use super::source::Source;
use super::{Shaper, days_since_epoch, order_of};

/// The lineage field that a manifest states and that is guessed without one.
const GENERATED_AT: &str = "_generated_at";

/// What one object says as a document, or as a part of one, beside its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    /// Id of the document; none without a manifest.
    pub(crate) id: Option<String>,
    /// When it was made, where it says so.
    pub(crate) made: Option<DateTime<Utc>>,
    /// Which part it is.
    pub(crate) parts: Parts,
    /// Its place in the order of `newest_by` when no row says more.
    pub(crate) order: String,
    /// Columns of `per` that have one value in the whole document, as text. Rows with another one are rejected.
    pub(crate) fixed: BTreeMap<String, String>,
    /// Columns of `per` that would have this value in a row that says nothing else.
    pub(crate) otherwise: BTreeMap<String, String>,
    /// Days that were asked for.
    pub(crate) days: Option<(NaiveDate, NaiveDate)>,
    /// Why what it states cannot be.
    pub(crate) wrong: Option<String>,
}

impl Shaper {
    /// Whether the table keeps documents.
    pub(super) fn keeps_documents(&self) -> bool {
        matches!(self.feed.keep, Keep::LatestDocument { .. })
    }

    /// Whether an object without rows can take rows out of the table: where documents cover more than the rows they have.
    pub(crate) fn empties(&self) -> bool {
        matches!(&self.feed.keep, Keep::LatestDocument { covers, .. } if *covers != Covers::Rows)
    }

    /// What the object says as a document; none where the table does not keep documents.
    pub(crate) fn declared(&self, source: &Source) -> Result<Option<Declared>> {
        let Keep::LatestDocument {
            per,
            newest_by,
            covers,
            period,
            ..
        } = &self.feed.keep
        else {
            return Ok(None);
        };
        let (mut fixed, mut otherwise) = (BTreeMap::new(), BTreeMap::new());
        let asked = match (
            covers,
            source.manifest.as_ref().and_then(|manifest| manifest.period),
        ) {
            (Covers::Days(_), None) => self.stated(period, source)?,
            (Covers::Days(_), asked) => asked,
            _ => None,
        };
        let (days, wrong) = match asked.map(Period::checked).transpose() {
            Ok(days) => (days, None),
            Err(what) => (None, Some(format!("the document states {what}"))),
        };
        for name in per.iter().filter(|name| covers.to_string() != **name) {
            let Some(column) = self.contract.column(name) else {
                continue;
            };
            let Some((first, value)) = self.constant(column, source)? else {
                continue;
            };
            let values = if first && *covers != Covers::Rows {
                &mut fixed
            } else {
                &mut otherwise
            };
            values.insert(name.clone(), value);
        }
        let mut parts: Vec<ArrayRef> = Vec::new();
        for name in newest_by {
            match self.contract.column(name) {
                Some(column) => {
                    let value = self.constant(column, source)?.map(|(_, value)| value);
                    parts.push(cast(&StringArray::from(vec![value]), column, source.account.zone)?.values);
                }
                None => parts.extend(ordering(name, source)?),
            }
        }
        Ok(Some(Declared {
            id: source
                .manifest
                .as_ref()
                .map(|manifest| manifest.document_id.clone()),
            made: source
                .manifest
                .as_ref()
                .and_then(|manifest| manifest.generated_at),
            parts: source
                .manifest
                .as_ref()
                .map_or_else(Parts::default, |manifest| manifest.parts),
            order: order_of(&parts, 1)?.value(0).to_owned(),
            fixed,
            otherwise,
            days: days.map(|days| (days.from, days.to)),
            wrong,
        }))
    }

    /// The days that were asked for as the document itself states them, in columns that have one value in all of it.
    fn stated(&self, period: &[String], source: &Source) -> Result<Option<Period>> {
        let mut days = Vec::new();
        for column in period.iter().filter_map(|name| self.contract.column(name)) {
            let value = self.constant(column, source)?;
            days.extend(value.and_then(|(_, day)| day.parse::<NaiveDate>().ok()));
        }
        let (Some(from), Some(to)) = (days.first(), days.last()) else {
            return Ok(None);
        };
        Ok((days.len() == period.len()).then_some(Period { from: *from, to: *to }))
    }

    /// The value of a column in a row without fields of its own, as text, and whether no field of a row can say
    /// otherwise.
    fn constant(&self, column: &Column, source: &Source) -> Result<Option<(bool, String)>> {
        if column.personal.is_some() {
            return Ok(None);
        }
        for (index, name) in column.from.iter().enumerate() {
            let Some(value) = source.constant(name) else {
                continue;
            };
            // What an account states stands below what rows say; a header field is one of every row.
            let first = index == 0 && (is_lineage(name) || source.headed(name).is_some());
            let typed = cast(&StringArray::from(vec![value]), column, source.account.zone)?.values;
            let text = convert(&typed, &DataType::Utf8)?;
            let text = text.as_string::<i32>();
            return Ok(text.is_valid(0).then(|| (first, text.value(0).to_owned())));
        }
        Ok(None)
    }

    /// Rows that lie outside of what their document covers.
    pub(super) fn check_document(
        &self,
        rows: &RecordBatch,
        source: &Source,
        reasons: &mut [Vec<String>],
    ) -> Result<()> {
        let Some(declared) = self.declared(source)? else {
            return Ok(());
        };
        let column = |name: &str| {
            rows.column_by_name(name)
                .ok_or_else(|| Error::internal("column of per is missing").with("column", name))
        };
        for (name, value) in &declared.fixed {
            let texts = convert(column(name)?, &DataType::Utf8)?;
            for (text, reasons) in texts.as_string::<i32>().iter().zip(&mut *reasons) {
                if let Some(text) = text.filter(|text| text != value) {
                    reasons.push(format!("{name} {text} is not that of the document, {value}"));
                }
            }
        }
        let Keep::LatestDocument {
            covers: Covers::Days(name),
            ..
        } = &self.feed.keep
        else {
            return Ok(());
        };
        let Some((first, last)) = declared.days else {
            return Ok(());
        };
        let days = column(name)?.as_primitive::<Date32Type>();
        let asked = days_since_epoch(first)..=days_since_epoch(last);
        for (row, reasons) in reasons.iter_mut().enumerate() {
            if days.is_valid(row) && !asked.contains(&i64::from(days.value(row))) {
                let day = days.value_as_date(row).unwrap_or_default();
                reasons.push(format!(
                    "{name} {day} is not among the days that were asked for, {first} to {last}"
                ));
            }
        }
        Ok(())
    }
}

/// The parts of a document's order that a lineage field of `newest_by` gives, one row each. The time at which a
/// document was made is known by its manifest alone: without one its path's time and that of its last change stand in
/// for it, and a document whose time is known comes after one whose time is guessed.
pub(super) fn ordering(name: &str, source: &Source) -> Result<Vec<ArrayRef>> {
    if name == GENERATED_AT {
        let known = source
            .manifest
            .as_ref()
            .and_then(|manifest| manifest.generated_at);
        let guess = |time: DateTime<Utc>| known.is_none().then_some(time);
        let times = [
            known,
            guess(source.object.period.and_utc()),
            guess(source.object.modified),
        ];
        let instant = |time: Option<DateTime<Utc>>| {
            let micros = time.map(|time| time.timestamp_micros());
            Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC")) as ArrayRef
        };
        return Ok(times.map(instant).to_vec());
    }
    let column = Column::ordering_lineage(name)
        .ok_or_else(|| Error::internal("newest_by names no column").with("column", name))?;
    let text = StringArray::from(vec![source.constant(name)]);
    Ok(vec![cast(&text, &column, source.account.zone)?.values])
}

/// Names and columns of the parts of a row's order.
pub(crate) fn order_parts(contract: &Contract, keep: &Keep) -> Vec<(String, Option<Column>)> {
    let documents = matches!(keep, Keep::LatestDocument { .. });
    let mut parts = Vec::new();
    for name in keep.newest_by() {
        let column = contract
            .column(name)
            .cloned()
            .or_else(|| Column::ordering_lineage(name));
        parts.push((name.clone(), column.clone()));
        if documents && name == GENERATED_AT && contract.column(name).is_none() {
            parts.push(("time of the path".to_owned(), column.clone()));
            parts.push(("time of the last change".to_owned(), column));
        }
    }
    if documents {
        let text = Column::plain("_document", ColumnType::Text);
        parts.push(("_document".to_owned(), Some(text)));
        parts.push(("content".to_owned(), None));
    }
    parts
}
