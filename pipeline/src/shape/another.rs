//! Rows and objects of another data set: what they say of themselves decides, not the folder that they lie in.

use arrow::array::Array;

use crate::contract::{ColumnType, is_lineage};
use crate::error::Result;

use super::Shaper;
use super::fields::Fields;
use super::source::Source;

impl Shaper {
    /// Why the object is of another data set, by its manifest and by what it says beside its rows; none where it is not, or
    /// says nothing of that.
    pub(crate) fn is_another(&self, source: &Source) -> Option<String> {
        self.feed.only.iter().find_map(|(field, only)| {
            let said = if is_lineage(field) {
                source.constant(field)
            } else {
                source.headed(field).map(str::to_owned)
            };
            self.another(field, only, &said?)
        })
    }

    /// Rows that say of themselves that they are of another data set.
    pub(super) fn check_others(
        &self,
        fields: &Fields<'_>,
        raw_rows: &[u32],
        source: &Source,
        reasons: &mut [Vec<String>],
    ) -> Result<()> {
        for (field, only) in &self.feed.only {
            // Of these the object as a whole is judged.
            if is_lineage(field) || source.headed(field).is_some() {
                continue;
            }
            let texts = fields
                .first_of(std::slice::from_ref(field), &ColumnType::Text)?
                .texts;
            for (row, reasons) in raw_rows.iter().zip(&mut *reasons) {
                let row = *row as usize;
                if texts.is_valid(row) {
                    reasons.extend(self.another(field, only, texts.value(row)));
                }
            }
        }
        Ok(())
    }

    fn another(&self, field: &str, only: &[String], said: &str) -> Option<String> {
        if said.trim().is_empty() || only.iter().any(|only| only == said.trim()) {
            return None;
        }
        let shown = match is_lineage(field) {
            true => format!("{said:?}"),
            false => self.discreet(&format!("{said:?}")),
        };
        let only = only.join(" or ");
        Some(format!("is of another data set: {field} is {shown}, not {only}"))
    }
}
