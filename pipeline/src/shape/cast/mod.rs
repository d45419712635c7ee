//! Text to the types of columns, exactly or not at all.

mod boolean;
mod exact;
mod instant;
mod map;
mod number;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, NullBufferBuilder,
    StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::NullBuffer;

use crate::Result;
use crate::contract::{Column, ColumnType, Zone};
pub(crate) use exact::exact;
use instant::Reading;

/// A column with its type.
#[derive(Debug, Clone)]
pub struct Cast {
    /// Of type `column.ty.arrow()`, as long as the text column.
    pub values: ArrayRef,
    /// Row numbers of the texts that are no value of the type, ascending, each with the reason. These rows are
    /// null in `values`.
    pub failures: Vec<(usize, String)>,
}

/// Why a text is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// It does not look like one.
    IsNot,
    /// The reason, to follow the text.
    Because(String),
}

/// Casts one text column to a column's type. Rows that cannot be cast are null in the result and listed.
///
/// `zone` is the account's: where the column says so, it is the zone of texts without an offset, and the one in
/// which a day is taken from an instant. White space around a text is dropped, and a text of nothing else is
/// null, except where the type is text.
pub fn cast(values: &StringArray, column: &Column, zone: chrono_tz::Tz) -> Result<Cast> {
    cast_quoting(values, column, zone, Quoting::Values)
}

/// Whether the reason why a text is no value quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// It quotes the beginning, unless the column is personal.
    Values,
    /// It does not.
    Never,
}

/// The same as [`cast`], where the texts may be made of what must not be written down.
pub(crate) fn cast_quoting(
    values: &StringArray,
    column: &Column,
    zone: chrono_tz::Tz,
    quoting: Quoting,
) -> Result<Cast> {
    let mut failures = Failures {
        column,
        is_quiet: quoting == Quoting::Never || column.personal.is_some(),
        list: Vec::new(),
    };
    let reading = Reading {
        zone: if column.zone == Zone::Account {
            zone
        } else {
            chrono_tz::Tz::UTC
        },
        as_written: column.zone == Zone::AsWritten,
    };
    let values: ArrayRef = match column.ty {
        ColumnType::Text => Arc::new(values.clone()),
        ColumnType::Bool => {
            let (values, nulls) = each(values, &mut failures, boolean::parse);
            Arc::new(BooleanArray::new(values.into(), nulls))
        }
        ColumnType::Int => {
            let (values, nulls) = each(values, &mut failures, number::integer);
            Arc::new(Int64Array::new(values.into(), nulls))
        }
        ColumnType::Decimal(precision, scale) => {
            let (values, nulls) = each(values, &mut failures, |text| {
                number::decimal(text, precision, scale)
            });
            let values = Decimal128Array::new(values.into(), nulls);
            Arc::new(values.with_precision_and_scale(precision, scale)?)
        }
        ColumnType::Double => {
            let (values, nulls) = each(values, &mut failures, number::double);
            Arc::new(Float64Array::new(values.into(), nulls))
        }
        ColumnType::Date => {
            let (values, nulls) = each(values, &mut failures, |text| reading.date(text));
            Arc::new(Date32Array::new(values.into(), nulls))
        }
        ColumnType::Timestamp => {
            let (values, nulls) = each(values, &mut failures, |text| reading.timestamp(text));
            Arc::new(TimestampMicrosecondArray::new(values.into(), nulls).with_timezone("UTC"))
        }
        ColumnType::Map => {
            let (values, nulls) = each(values, &mut failures, map::entries);
            Arc::new(map::array(&values, nulls)?)
        }
    };
    Ok(Cast {
        values,
        failures: failures.list,
    })
}

/// The value of each row (the default where it is null), and which are null.
fn each<T: Default>(
    texts: &StringArray,
    failures: &mut Failures<'_>,
    parse: impl Fn(&str) -> Result<T, Fault>,
) -> (Vec<T>, Option<NullBuffer>) {
    let mut values = Vec::with_capacity(texts.len());
    let mut nulls = NullBufferBuilder::new(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let value = match text.map(str::trim_ascii) {
            None | Some("") => None,
            Some(trimmed) => match parse(trimmed) {
                Ok(value) => Some(value),
                Err(fault) => {
                    failures.add(row, text.unwrap_or_default(), fault);
                    None
                }
            },
        };
        nulls.append(value.is_some());
        values.push(value.unwrap_or_default());
    }
    (values, nulls.finish())
}

struct Failures<'a> {
    column: &'a Column,
    /// Whether no value is quoted.
    is_quiet: bool,
    list: Vec<(usize, String)>,
}

impl Failures<'_> {
    /// Most characters of a value that are shown.
    const SHOWN: usize = 100;

    #[cold]
    fn add(&mut self, row: usize, text: &str, fault: Fault) {
        let Column { name, ty, .. } = self.column;
        let shown = match text.char_indices().nth(Self::SHOWN) {
            _ if self.is_quiet => "value".to_owned(),
            Some((end, _)) => format!("{:?}…", &text[..end]),
            None => format!("{text:?}"),
        };
        let reason = match fault {
            Fault::IsNot => format!("is not {} {ty}", if *ty == ColumnType::Int { "an" } else { "a" }),
            Fault::Because(reason) => reason,
        };
        self.list.push((row, format!("{name}: {shown} {reason}")));
    }
}

#[cfg(test)]
mod tests;
