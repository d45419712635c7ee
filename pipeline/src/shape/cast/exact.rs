//! Columns that need no reading.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::kernels::arity::unary;
use arrow::compute::{CastOptions, cast_with_options, max, min};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float64Type, TimeUnit, TimestampMicrosecondType,
};

use super::instant::{DAY, DAYS};
use crate::contract::ColumnType;

/// The values of a column as a type, where each of them is the one that its text would be cast to; none where the texts
/// have to be read, to find values or faults. Decimals have no more digits than their column may have.
pub(crate) fn exact(values: &ArrayRef, ty: &ColumnType) -> Option<ArrayRef> {
    match (ty, values.data_type()) {
        (ColumnType::Text, DataType::Utf8) | (ColumnType::Bool, DataType::Boolean) => Some(values.clone()),
        (ColumnType::Double, DataType::Float64) => {
            let numbers = values.as_primitive::<Float64Type>();
            let is_finite = numbers.iter().flatten().all(f64::is_finite);
            // There is no negative zero in a table.
            is_finite
                .then(|| Arc::new(unary::<_, _, Float64Type>(numbers, |number| number + 0.0)) as ArrayRef)
        }
        (ColumnType::Int, kind) if kind.is_integer() => converted(values, ty),
        (ColumnType::Decimal(precision, scale), DataType::Decimal128(digits, places))
            if places <= scale && digits.checked_add_signed(scale - places)? <= *precision =>
        {
            converted(values, ty)
        }
        (ColumnType::Date, DataType::Date32) => {
            let days = values.as_primitive::<Date32Type>();
            is_within(days, |day| DAYS.contains(&day)).then(|| values.clone())
        }
        (
            ColumnType::Timestamp,
            DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond, Some(_)),
        ) => {
            let instants = converted(values, ty)?;
            let is_day =
                |micros: i64| i32::try_from(micros.div_euclid(DAY)).is_ok_and(|day| DAYS.contains(&day));
            is_within(instants.as_primitive::<TimestampMicrosecondType>(), is_day).then_some(instants)
        }
        _ => None,
    }
}

/// Whether the least and the greatest value are good.
fn is_within<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, is_good: impl Fn(T::Native) -> bool) -> bool {
    [min(values), max(values)].into_iter().flatten().all(is_good)
}

/// The values in the type, if all of them fit.
fn converted(values: &ArrayRef, ty: &ColumnType) -> Option<ArrayRef> {
    let strictly = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(values, &ty.arrow(), &strictly).ok()
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, Date32Array, Decimal128Array, Float64Array, Int16Array, Int64Array,
        TimestampMicrosecondArray, TimestampMillisecondArray, UInt64Array,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::contract::Column;
    use crate::decode;
    use crate::shape::cast::cast;

    fn types() -> Vec<ColumnType> {
        let mut types = vec![
            ColumnType::Text,
            ColumnType::Bool,
            ColumnType::Int,
            ColumnType::Double,
            ColumnType::Date,
            ColumnType::Timestamp,
        ];
        types.extend([(18, 4), (18, 2), (9, 0), (38, 10)].map(|(p, s)| ColumnType::Decimal(p, s)));
        types
    }

    /// Of every type that takes the values: as their texts are cast, without a fault.
    fn same_as_read(values: ArrayRef) -> Vec<ColumnType> {
        let texts = decode::texts(&values).unwrap();
        let takes = |ty: &ColumnType| {
            let Some(exact) = exact(&values, ty) else {
                return false;
            };
            let read = cast(&texts, &Column::plain("a", ty.clone()), chrono_tz::Tz::UTC).unwrap();
            assert!(read.failures.is_empty(), "{ty}: {:?}", read.failures);
            assert_eq!(&exact, &read.values, "{ty}");
            true
        };
        types().into_iter().filter(takes).collect()
    }

    proptest! {
        #[test]
        fn what_needs_no_reading_is_what_reading_gives(
            ints: Vec<Option<i64>>, doubles: Vec<Option<f64>>, bools: Vec<Option<bool>>,
            days in proptest::collection::vec(proptest::option::of(-719_162..2_932_896), 0..20),
            digits in 1_u8..=38, scale in 0_i8..12,
        ) {
            let small = ints.iter().map(|value| value.map(|value| value as i16));
            let unsigned = ints.iter().map(|value| value.map(|value| value as u64));
            let top = 10_i128.pow(u32::from(digits));
            let decimals = ints.iter().map(|value| value.map(|value| i128::from(value) * 7_777_777 % top));
            let decimals = Decimal128Array::from_iter(decimals);
            let scale = scale.min(digits as i8);
            let micros = days.iter().map(|day| day.map(|day| i64::from(day) * 86_400_000_000 + 1));
            let millis = days.iter().map(|day| day.map(|day| i64::from(day) * 86_400_000 + 1));
            let arrays: Vec<ArrayRef> = vec![
                Arc::new(Int16Array::from_iter(small)),
                Arc::new(UInt64Array::from_iter(unsigned)),
                Arc::new(Float64Array::from(doubles)),
                Arc::new(BooleanArray::from(bools)),
                Arc::new(Date32Array::from_iter(days.iter().copied())),
                Arc::new(decimals.with_precision_and_scale(digits, scale).unwrap()),
                Arc::new(TimestampMicrosecondArray::from_iter(micros).with_timezone("UTC")),
                Arc::new(TimestampMillisecondArray::from_iter(millis).with_timezone("UTC")),
                Arc::new(Int64Array::from(ints)),
            ];
            let types: Vec<_> = arrays.into_iter().map(same_as_read).collect();
            prop_assert_eq!(types.last().unwrap(), &[ColumnType::Int]);
            prop_assert_eq!(&types[6], &[ColumnType::Timestamp]);
        }
    }

    #[test]
    fn what_has_no_value_in_the_type_is_left_to_be_read() {
        let takes = |values: ArrayRef, ty| exact(&values, &ty).is_some();
        let large: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        assert!(!takes(large, ColumnType::Int));
        assert!(!takes(
            Arc::new(Float64Array::from(vec![f64::NAN])),
            ColumnType::Double
        ));
        let cents = || {
            Decimal128Array::from(vec![1])
                .with_precision_and_scale(18, 2)
                .unwrap()
        };
        assert!(takes(Arc::new(cents()), ColumnType::Decimal(20, 4)));
        assert!(!takes(Arc::new(cents()), ColumnType::Decimal(18, 4)));
        assert!(!takes(Arc::new(cents()), ColumnType::Decimal(18, 1)));
        assert!(!takes(Arc::new(Int64Array::from(vec![1])), ColumnType::Text));
        for day in [-719_163, 2_932_897] {
            assert!(!takes(
                Arc::new(Date32Array::from(vec![0, day])),
                ColumnType::Date
            ));
            let millis = TimestampMillisecondArray::from(vec![i64::from(day) * 86_400_000]);
            assert!(!takes(
                Arc::new(millis.with_timezone("UTC")),
                ColumnType::Timestamp
            ));
        }
        let clock = TimestampMicrosecondArray::from(vec![0]);
        assert!(!takes(Arc::new(clock), ColumnType::Timestamp));
    }
}
