//! Numbers. What is exact is read from the digits, never by way of floating point.

use super::Fault;

/// A 64-bit integer: also `3.0` or `1e3`, as writers of JSON say it, but no fraction.
pub(super) fn integer(text: &str) -> Result<i64, Fault> {
    if let Some(number) = short(text, 0) {
        return Ok(number);
    }
    let number = Number::parse(text).ok_or(Fault::IsNot)?;
    if number.exponent < 0 {
        return Err(Fault::IsNot);
    }
    let value = number.scaled(0, 38).and_then(|value| i64::try_from(value).ok());
    value.ok_or_else(|| Fault::Because("is too large for an int".to_owned()))
}

/// The digits of a `decimal(precision,scale)`.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Result<i128, Fault> {
    if precision >= 18
        && let Some(number) = short(text, scale)
    {
        return Ok(i128::from(number));
    }
    let number = Number::parse(text).ok_or(Fault::IsNot)?;
    if number.exponent < -i64::from(scale) {
        let places = if scale == 1 { "place" } else { "places" };
        return Err(Fault::Because(format!("has more than {scale} decimal {places}")));
    }
    number
        .scaled(scale, precision)
        .ok_or_else(|| Fault::Because(format!("is too large for a decimal({precision},{scale})")))
}

/// A finite 64-bit floating point number, without negative zero.
pub(super) fn double(text: &str) -> Result<f64, Fault> {
    let is_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    if !text.bytes().all(is_number) {
        return Err(Fault::IsNot);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value + 0.0),
        Ok(_) => Err(Fault::Because("is too large for a double".to_owned())),
        Err(_) => Err(Fault::IsNot),
    }
}

/// The common case: a sign, at most 17 digits, at most `scale` of them after a point; times ten to the `scale`.
/// None says nothing.
#[inline]
fn short(text: &str, scale: i8) -> Option<i64> {
    let bytes = text.as_bytes();
    let digits = match bytes.first()? {
        b'-' | b'+' => &bytes[1..],
        _ => bytes,
    };
    let mut value = 0_i64;
    let mut point = None;
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' if index < 18 => value = value * 10 + i64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(index),
            _ => return None,
        }
    }
    let (whole, fraction) = match point {
        Some(point) => (point, digits.len() - point - 1),
        None => (digits.len(), 0),
    };
    let missing = usize::try_from(scale).ok()?.checked_sub(fraction)?;
    if whole + fraction == 0 || whole + fraction + missing > 18 {
        return None;
    }
    let value = value * 10_i64.pow(missing as u32);
    Some(if bytes[0] == b'-' { -value } else { value })
}

/// `mantissa * 10^exponent`, where the mantissa does not end with a zero unless it is zero.
struct Number {
    negative: bool,
    /// None when it has more than 38 digits.
    mantissa: Option<u128>,
    exponent: i64,
}

impl Number {
    /// `[+-]digits[.digits][e[+-]digits]`; digits may be missing before or after the point.
    fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (plain, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((plain, exponent)) => (plain, power(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        if whole.len() + fraction.len() == 0 {
            return None;
        }
        let mut mantissa = Some(0_u128);
        let mut zeros = 0_u32;
        for byte in whole.bytes().chain(fraction.bytes()) {
            match byte {
                b'0' => zeros += 1,
                b'1'..=b'9' => {
                    mantissa = append(mantissa, zeros, byte - b'0');
                    zeros = 0;
                }
                _ => return None,
            }
        }
        let exponent = if mantissa == Some(0) {
            0
        } else {
            exponent - fraction.len() as i64 + i64::from(zeros)
        };
        Some(Self {
            negative: text.starts_with('-'),
            mantissa,
            exponent,
        })
    }

    /// Times ten to the `scale`, which must be whole; none when that has more than `precision` digits.
    fn scaled(&self, scale: i8, precision: u8) -> Option<i128> {
        let mantissa = self.mantissa?;
        if mantissa == 0 {
            return Some(0);
        }
        let shift = u32::try_from(self.exponent + i64::from(scale)).ok()?;
        let value = mantissa.checked_mul(10_u128.checked_pow(shift)?)?;
        if value >= 10_u128.checked_pow(u32::from(precision))? {
            return None;
        }
        let value = i128::try_from(value).ok()?;
        Some(if self.negative { -value } else { value })
    }
}

/// The mantissa with `zeros` zeros and a digit appended; none when it gets longer than 38 digits.
fn append(mantissa: Option<u128>, zeros: u32, digit: u8) -> Option<u128> {
    let mantissa = match mantissa? {
        0 => 0,
        some => some.checked_mul(10_u128.checked_pow(zeros.checked_add(1)?)?)?,
    };
    mantissa
        .checked_add(u128::from(digit))
        .filter(|mantissa| *mantissa < 10_u128.pow(38))
}

/// The exponent, capped far beyond what any value can have.
fn power(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse::<i64>().unwrap_or(i64::MAX).min(1 << 40);
    Some(if text.starts_with('-') { -value } else { value })
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Decimal128Type, DecimalType};

    use super::*;

    fn because<T>(reason: &str) -> Result<T, Fault> {
        Err(Fault::Because(reason.to_owned()))
    }

    #[test]
    fn integers_are_exact_to_their_bounds() {
        assert_eq!(integer("0"), Ok(0));
        assert_eq!(integer("-17"), Ok(-17));
        assert_eq!(integer("+17"), Ok(17));
        assert_eq!(integer("007"), Ok(7));
        assert_eq!(integer("9223372036854775807"), Ok(i64::MAX));
        assert_eq!(integer("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(integer("9223372036854775808"), because("is too large for an int"));
        assert_eq!(integer("1e99"), because("is too large for an int"));
        assert_eq!(
            integer("1e999999999999999999999"),
            because("is too large for an int")
        );
    }

    #[test]
    fn integers_may_have_a_fraction_of_zeros() {
        assert_eq!(integer("3.0"), Ok(3));
        assert_eq!(integer("-3.000"), Ok(-3));
        assert_eq!(integer("1E3"), Ok(1000));
        assert_eq!(integer("120e-1"), Ok(12));
        assert_eq!(integer("3.5"), Err(Fault::IsNot));
        assert_eq!(integer("1e-1"), Err(Fault::IsNot));
    }

    #[test]
    fn what_is_no_number_is_refused_by_all() {
        let wrong = [
            "x", "1x", "-", "+", ".", "-.", "--1", "1-", "1,5", "1 000", "1_000", "0x10", "e3", "1e", "1e+",
            "1e1.5", "1.2.3", "NaN", "inf", "Infinity", "١", "$5",
        ];
        for text in wrong {
            assert_eq!(integer(text), Err(Fault::IsNot), "{text}");
            assert_eq!(decimal(text, 18, 4), Err(Fault::IsNot), "{text}");
            assert_eq!(decimal(text, 4, 0), Err(Fault::IsNot), "{text}");
            assert_eq!(double(text), Err(Fault::IsNot), "{text}");
        }
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal("12.5", 18, 4), Ok(125_000));
        assert_eq!(decimal("-0.0001", 18, 4), Ok(-1));
        assert_eq!(decimal(".5", 18, 4), Ok(5_000));
        assert_eq!(decimal("5.", 18, 4), Ok(50_000));
        assert_eq!(decimal("0.1", 38, 38), Ok(10_i128.pow(37)));
        assert_eq!(decimal("1E3", 18, 4), Ok(10_000_000));
        assert_eq!(decimal("12345e-4", 18, 4), Ok(12_345));
        assert_eq!(decimal("-0", 18, 4), Ok(0));
        assert_eq!(decimal("0e999999999999", 18, 4), Ok(0));
        assert_eq!(decimal("99999999999999.9999", 18, 4), Ok(999_999_999_999_999_999));
        let widest = "9".repeat(38);
        assert_eq!(decimal(&widest, 38, 0), Ok(10_i128.pow(38) - 1));
        assert_eq!(decimal(&format!("-{widest}"), 38, 0), Ok(1 - 10_i128.pow(38)));
    }

    #[test]
    fn zeros_beyond_the_scale_are_dropped_and_other_digits_refused() {
        assert_eq!(
            decimal("1.23450000000000000000000000000000000000000000", 18, 4),
            Ok(12_345)
        );
        assert_eq!(
            decimal("1000000000000000000000000000000000000000e-39", 18, 4),
            Ok(10_000)
        );
        assert_eq!(
            decimal("1.23456", 18, 4),
            because("has more than 4 decimal places")
        );
        assert_eq!(decimal("1e-5", 18, 4), because("has more than 4 decimal places"));
        assert_eq!(decimal("1.5", 18, 0), because("has more than 0 decimal places"));
        assert_eq!(decimal("0.12", 2, 1), because("has more than 1 decimal place"));
        let long = format!("0.{}", "123456789".repeat(9));
        assert_eq!(decimal(&long, 18, 4), because("has more than 4 decimal places"));
    }

    #[test]
    fn decimals_that_do_not_fit_are_refused() {
        let too_large = because("is too large for a decimal(18,4)");
        assert_eq!(decimal("100000000000000", 18, 4), too_large);
        assert_eq!(decimal("-100000000000000.0000", 18, 4), too_large);
        assert_eq!(decimal("1e14", 18, 4), too_large);
        assert_eq!(decimal("1e999999999999999999999999", 18, 4), too_large);
        assert_eq!(decimal(&"123456789".repeat(9), 18, 4), too_large);
        assert_eq!(decimal("1000", 5, 2), because("is too large for a decimal(5,2)"));
        assert_eq!(
            decimal(&format!("1{}", "0".repeat(38)), 38, 0),
            because("is too large for a decimal(38,0)")
        );
    }

    #[test]
    fn doubles_are_finite_and_have_one_zero() {
        assert_eq!(double("1.5e3"), Ok(1500.0));
        assert!(double("-0.0").unwrap().is_sign_positive());
        assert_eq!(double("1e999"), because("is too large for a double"));
        assert_eq!(double("-1e999"), because("is too large for a double"));
    }

    proptest::proptest! {
        #[test]
        fn the_short_way_agrees_with_the_long_one(text in r"[+-]?[0-9]{0,20}(\.[0-9]{0,20})?", scale in 0_i8..10) {
            if let Some(value) = short(&text, scale) {
                let number = Number::parse(&text).unwrap();
                proptest::prop_assert_eq!(number.scaled(scale, 38), Some(i128::from(value)));
            }
        }

        #[test]
        fn a_decimal_printed_and_read_is_the_same(value in -(10_i128.pow(38) - 1)..10_i128.pow(38), scale in 0_i8..=38) {
            let text = Decimal128Type::format_decimal(value, 38, scale);
            proptest::prop_assert_eq!(decimal(&text, 38, scale), Ok(value));
        }
    }
}
