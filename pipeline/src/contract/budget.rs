//! How much of a batch may go to quarantine before a person is asked.

use super::Otherwise;
use super::diagnostic::{Code, Findings};
use super::read::section::Section;

/// The share of a batch that may be rejected without a word to a person. A batch of which everything is rejected is
/// always beyond it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Share of the rows, and of the objects, from 0 to 1.
    pub rows: f64,
    /// What is done beyond it: `Warn` takes the good rows in and asks afterwards, `Hold` asks before.
    pub otherwise: Otherwise,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            rows: 1.0,
            otherwise: Otherwise::Warn,
        }
    }
}

impl Budget {
    /// Reads the key `quarantine`; without it the budget is all but everything.
    pub(super) fn read(section: &Section<'_>, found: &mut Findings) -> Self {
        let Some(table) = section.table("quarantine", found) else {
            return Self::default();
        };
        let budget = Section::new(table);
        budget.only(&["rows", "else"], "quarantine", found);
        let rows = budget.number("rows", found).filter(|rows| {
            let fits = (0.0..=1.0).contains(rows);
            if !fits {
                budget.with_position("rows", |at| {
                    let message = format!("rows {rows} is not a share of the rows");
                    found.add_with_help(Code::BadValue, at, message, "write 0.01 for one row in a hundred");
                });
            }
            fits
        });
        let otherwise = budget.word("else", found).unwrap_or(Otherwise::Warn);
        if otherwise == Otherwise::Quarantine {
            budget.with_position("else", |at| {
                let help = "use warn or hold";
                found.add_with_help(Code::BadValue, at, "the rows are in quarantine already", help);
            });
        }
        Self {
            rows: rows.unwrap_or(1.0),
            otherwise,
        }
    }

    /// Whether so many of so many are too many.
    pub(crate) fn is_exceeded(&self, rejected: u64, of: u64) -> bool {
        rejected as f64 > self.rows * of as f64
    }
}
