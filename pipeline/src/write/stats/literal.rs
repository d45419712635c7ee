//! Bounds of column values as JSON literals: never inside of the values that they bound.

use arrow::array::{ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::{max, max_string, min, min_string};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use arrow::temporal_conversions::date32_to_datetime;
use chrono::{DateTime, Datelike, NaiveDateTime};

/// Characters of a text bound.
const TEXT_LENGTH: usize = 32;

/// Which end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Min,
    Max,
}

/// The least of the minima, or the greatest of the maxima, as a literal of the Delta log: rounded outwards where the
/// log cannot hold it exactly. None where no value is there, or no literal can bound it, or its type has none.
pub(crate) fn bound(values: &ArrayRef, side: Side) -> Option<String> {
    match values.data_type() {
        DataType::Int32 => extreme::<Int32Type>(values.as_primitive(), side).map(|value| value.to_string()),
        DataType::Int64 => extreme::<Int64Type>(values.as_primitive(), side).map(|value| value.to_string()),
        DataType::Decimal128(_, scale) => {
            extreme::<Decimal128Type>(values.as_primitive(), side).and_then(|value| decimal(value, *scale))
        }
        DataType::Date32 => extreme::<Date32Type>(values.as_primitive(), side).and_then(date),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            let value = extreme::<TimestampMicrosecondType>(values.as_primitive(), side)?;
            timestamp(value, side)
        }
        DataType::Utf8 => {
            let texts = values.as_string::<i32>();
            let text = match side {
                Side::Min => min_string(texts).map(text_below),
                Side::Max => max_string(texts).and_then(text_above),
            };
            text.map(|text| serde_json::Value::String(text).to_string())
        }
        _ => None,
    }
}

fn extreme<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, side: Side) -> Option<T::Native>
where
    T::Native: ArrowNativeTypeOp,
{
    match side {
        Side::Min => min(values),
        Side::Max => max(values),
    }
}

/// All digits of an unscaled value: 12345 with scale 2 is `123.45`.
fn decimal(unscaled: i128, scale: i8) -> Option<String> {
    let scale = usize::try_from(scale).ok()?;
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    Some(if scale == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    })
}

fn date(days: i32) -> Option<String> {
    let day = date32_to_datetime(days).filter(has_four_digit_year)?;
    Some(format!("\"{}\"", day.format("%Y-%m-%d")))
}

/// The log has milliseconds, the files have microseconds.
fn timestamp(micros: i64, side: Side) -> Option<String> {
    let millis = match side {
        Side::Min => micros.div_euclid(1000),
        Side::Max => micros.div_euclid(1000) + i64::from(micros.rem_euclid(1000) > 0),
    };
    let instant = DateTime::from_timestamp_millis(millis)?.naive_utc();
    has_four_digit_year(&instant).then(|| format!("\"{}Z\"", instant.format("%Y-%m-%dT%H:%M:%S%.3f")))
}

fn has_four_digit_year(instant: &NaiveDateTime) -> bool {
    (0..10_000).contains(&instant.year())
}

fn text_below(text: &str) -> String {
    text.chars().take(TEXT_LENGTH).collect()
}

/// The shortest text above all that begin with the kept characters; none if there is no greater character.
fn text_above(text: &str) -> Option<String> {
    if text.chars().nth(TEXT_LENGTH).is_none() {
        return Some(text.to_owned());
    }
    let mut kept: Vec<char> = text.chars().take(TEXT_LENGTH).collect();
    while let Some(last) = kept.pop() {
        if let Some(next) = successor(last) {
            kept.push(next);
            return Some(kept.into_iter().collect());
        }
    }
    None
}

fn successor(character: char) -> Option<char> {
    match character {
        '\u{d7ff}' => Some('\u{e000}'),
        other => char::from_u32(u32::from(other) + 1),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Decimal128Array, StringArray, TimestampMicrosecondArray};

    use super::*;

    fn both(values: ArrayRef) -> (Option<String>, Option<String>) {
        (bound(&values, Side::Min), bound(&values, Side::Max))
    }

    #[test]
    fn decimals_keep_every_digit() {
        let values = Decimal128Array::from(vec![-5, 99_999_999_999_999_999_999_999_999_999_999_999_999]);
        let (min, max) = both(Arc::new(values.with_precision_and_scale(38, 4).unwrap()));
        assert_eq!(min.unwrap(), "-0.0005");
        assert_eq!(max.unwrap(), "9999999999999999999999999999999999.9999");
        let whole = Decimal128Array::from(vec![-120])
            .with_precision_and_scale(5, 0)
            .unwrap();
        assert_eq!(bound(&(Arc::new(whole) as ArrayRef), Side::Max).unwrap(), "-120");
    }

    #[test]
    fn timestamps_are_floored_below_and_raised_above_also_before_1970() {
        let values = TimestampMicrosecondArray::from(vec![-1, 1_000_001]).with_timezone("UTC");
        let (min, max) = both(Arc::new(values));
        assert_eq!(min.unwrap(), "\"1969-12-31T23:59:59.999Z\"");
        assert_eq!(max.unwrap(), "\"1970-01-01T00:00:01.001Z\"");
        let exact = TimestampMicrosecondArray::from(vec![2_000]).with_timezone("UTC");
        assert_eq!(
            bound(&(Arc::new(exact) as ArrayRef), Side::Max).unwrap(),
            "\"1970-01-01T00:00:00.002Z\""
        );
    }

    #[test]
    fn dates_beyond_four_digit_years_have_no_bound() {
        let (min, max) = both(Arc::new(Date32Array::from(vec![20_454, 100_000_000])));
        assert_eq!((min.as_deref(), max), (Some("\"2026-01-01\""), None));
    }

    #[test]
    fn long_text_is_cut_below_and_raised_above() {
        let long = format!("{}\u{d7ff}tail", "x".repeat(31));
        let (min, max) = both(Arc::new(StringArray::from(vec![long.as_str()])));
        assert_eq!(min.unwrap(), format!("\"{}\u{d7ff}\"", "x".repeat(31)));
        assert_eq!(max.unwrap(), format!("\"{}\u{e000}\"", "x".repeat(31)));
    }

    #[test]
    fn text_of_greatest_characters_has_no_upper_bound_unless_one_can_be_raised() {
        let greatest = "\u{10ffff}".repeat(40);
        assert_eq!(text_above(&greatest), None);
        assert_eq!(text_above(&format!("a{greatest}")).as_deref(), Some("b"));
        assert_eq!(
            text_above(&"\u{10ffff}".repeat(32)),
            Some("\u{10ffff}".repeat(32))
        );
    }
}
