//! Types of columns from texts: exact, and rather text than a guess.

use anyhow::Result;
use arrow::array::StringArray;
use pipeline::cast::cast;
use pipeline::contract::{Column, ColumnType};

use super::written::{self, Written};

/// Most places of a decimal; what has more is the result of a division.
const PLACES: usize = 10;

/// Last words of names whose values are texts, also where they look like numbers.
const IDENTIFIERS: [&str; 21] = [
    "id",
    "ids",
    "code",
    "sku",
    "msku",
    "fnsku",
    "asin",
    "ean",
    "upc",
    "gtin",
    "isbn",
    "number",
    "no",
    "nr",
    "zip",
    "phone",
    "version",
    "hash",
    "reference",
    "key",
    "uuid",
];

/// Words of names whose values are money, also where the sample only has whole ones.
const MONEY: [&str; 21] = [
    "amount",
    "price",
    "cost",
    "costs",
    "sales",
    "spend",
    "revenue",
    "fee",
    "fees",
    "tax",
    "discount",
    "total",
    "budget",
    "bid",
    "refund",
    "balance",
    "paid",
    "charge",
    "credit",
    "royalties",
    "cogs",
];

/// Words of names whose values were divided by something, also where the sample only has whole ones.
const RATIOS: [&str; 11] = [
    "rate",
    "ratio",
    "percentage",
    "percent",
    "share",
    "ctr",
    "cpc",
    "acos",
    "roas",
    "average",
    "avg",
];

/// What a column's type is, and what was seen that a person has to know.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kind {
    /// The type.
    pub(super) ty: ColumnType,
    /// How texts must be written anew before they have that type.
    pub(super) written: Option<Written>,
    /// What to check, for a comment.
    pub(super) check: Option<String>,
}

impl Kind {
    fn of(ty: ColumnType) -> Self {
        Self {
            ty,
            written: None,
            check: None,
        }
    }

    fn checked(ty: ColumnType, check: &str) -> Self {
        Self {
            check: Some(check.to_owned()),
            ..Self::of(ty)
        }
    }
}

/// The type of a column of that name with these texts.
///
/// # Errors
///
/// When the cast fails as a whole.
pub(super) fn infer(name: &str, values: &StringArray) -> Result<Kind> {
    let texts: Vec<&str> = values
        .iter()
        .flatten()
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect();
    let words: Vec<&str> = name.split('_').collect();
    let is_identifier = words.last().is_some_and(|word| IDENTIFIERS.contains(word)) && name != "version";
    if texts.is_empty() {
        return Ok(Kind::checked(
            ColumnType::Text,
            "no value in the sample, so the type is not known",
        ));
    }
    if is_identifier {
        return Ok(Kind::of(ColumnType::Text));
    }
    let all = |is: fn(&str) -> bool| texts.iter().all(|text| is(text));
    let kind = if all(is_truth) {
        Kind::of(ColumnType::Bool)
    } else if all(is_number) {
        number(&words, &texts)
    } else if all(|text| text.len() == 10 && starts_with_day(text)) {
        Kind::of(ColumnType::Date)
    } else if all(|text| text.len() > 10 && starts_with_day(text)) {
        instant(&texts)
    } else {
        return otherwise(name, &words, &texts);
    };
    // The cast has the last word.
    Ok(if casts(name, &kind.ty, values)? {
        kind
    } else {
        Kind::of(ColumnType::Text)
    })
}

/// Whether every text is a value of a type.
pub(super) fn casts(name: &str, ty: &ColumnType, values: &StringArray) -> Result<bool> {
    let column = Column::plain(name, ty.clone());
    Ok(cast(values, &column, chrono_tz::Tz::UTC)?.failures.is_empty())
}

/// Texts that are a number or a day once they are written in another way, or just texts.
fn otherwise(name: &str, words: &[&str], texts: &[&str]) -> Result<Kind> {
    let Some(way) = written::recognise(texts) else {
        let check = written::is_day_of_unknown_order(texts)
            .then_some("days of which the sample does not tell whether day or month is first: left as text");
        return Ok(Kind {
            check: check.map(str::to_owned),
            ..Kind::of(ColumnType::Text)
        });
    };
    let anew: Vec<String> = texts.iter().map(|text| way.apply(text)).collect();
    let anew: Vec<&str> = anew.iter().map(String::as_str).collect();
    let kind = match way {
        Written::Day { .. } if anew.iter().all(|text| text.len() == 10) => Kind::of(ColumnType::Date),
        Written::Day { .. } => instant(&anew),
        Written::Number { .. } => number(words, &anew),
    };
    let fits = casts(name, &kind.ty, &StringArray::from_iter_values(anew))?;
    Ok(if fits {
        Kind {
            written: Some(way),
            ..kind
        }
    } else {
        Kind::of(ColumnType::Text)
    })
}

fn is_truth(text: &str) -> bool {
    ["true", "false", "yes", "no"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

/// Digits with a sign, a point or an exponent, but not such as `007` or `+49`.
pub(super) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (plain, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    digits(whole) && digits(fraction) && digits(power) && (whole == "0" || !whole.starts_with('0'))
}

fn number(words: &[&str], texts: &[&str]) -> Kind {
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let exponent = texts.iter().any(|text| text.contains(['e', 'E']));
    let places = |text: &&str| text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let places = texts.iter().map(places).max().unwrap_or_default();
    let whole = |text: &&str| {
        text.trim_start_matches('-')
            .split('.')
            .next()
            .unwrap_or_default()
            .len()
    };
    let whole = texts.iter().map(whole).max().unwrap_or_default();
    let counts = words.last().is_some_and(|word| ["rank", "count"].contains(word));
    if (has(&RATIOS) && !counts) || exponent || places > PLACES {
        let check = "looks like the result of a division: never sum it; a decimal(p,s) is exact";
        return Kind::checked(ColumnType::Double, check);
    }
    let is_money = has(&MONEY);
    if places == 0 && !is_money {
        return match whole {
            0..=18 => Kind::of(ColumnType::Int),
            _ => Kind::of(ColumnType::Text),
        };
    }
    let (precision, scale) = match places {
        0..=4 if whole <= 14 => (18, 4),
        5..=6 if whole <= 14 => (20, 6),
        _ => (38, i8::try_from(places.max(4)).unwrap_or(10)),
    };
    let kind = Kind::of(ColumnType::Decimal(precision, scale));
    if is_money && places == 0 {
        let check = "only whole numbers in the sample; a decimal because of its name";
        return Kind::checked(kind.ty, check);
    }
    kind
}

/// `YYYY-MM-DD`.
pub(super) fn starts_with_day(text: &str) -> bool {
    let pattern = "dddd-dd-dd";
    text.len() >= pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, like)| match like {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

fn instant(texts: &[&str]) -> Kind {
    let has_offset = |text: &&str| {
        let time = text.get(11..).unwrap_or_default();
        time.contains(['Z', 'z', '+', '-']) || time.to_ascii_uppercase().ends_with("UTC")
    };
    if texts.iter().all(has_offset) {
        return Kind::of(ColumnType::Timestamp);
    }
    let check =
        "texts without an offset are read as UTC; zone = \"account\" reads them in the account's time zone";
    Kind::checked(ColumnType::Timestamp, check)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, texts: &[&str]) -> String {
        let values = StringArray::from_iter_values(texts);
        infer(name, &values).unwrap().ty.to_string()
    }

    #[test]
    fn plain_values_have_the_obvious_type() {
        assert_eq!(kind("clicks", &["1", "0", "-25", ""]), "int");
        assert_eq!(kind("weight", &["1.5", "20"]), "decimal(18,4)");
        assert_eq!(kind("weight", &["1.50000"]), "decimal(20,6)");
        assert_eq!(kind("weight", &["123456789012345.1234567"]), "decimal(38,7)");
        assert_eq!(kind("day", &["2026-03-01", "2026-12-31"]), "date");
        assert_eq!(kind("at", &["2026-03-01T10:00:00-08:00"]), "timestamp");
        assert_eq!(kind("active", &["true", "FALSE"]), "bool");
        assert_eq!(kind("title", &["Mug", "5"]), "text");
    }

    #[test]
    fn what_could_lose_something_as_a_number_stays_text() {
        for texts in [
            ["007", "12"],
            ["+4912", "5"],
            ["1_000", "2"],
            ["12345678901234567890", "1"],
            ["0x1F", "1"],
        ] {
            assert_eq!(kind("thing", &texts), "text", "{texts:?}");
        }
        for name in ["campaign_id", "sku", "postal_code", "reference_number"] {
            assert_eq!(kind(name, &["1", "2"]), "text", "{name}");
        }
        assert_eq!(kind("quarter", &["2026-13-01"]), "text");
    }

    #[test]
    fn money_is_a_decimal_and_a_ratio_is_not_even_where_the_sample_has_whole_numbers() {
        let cost = infer("cost", &StringArray::from_iter_values(["5", "0"])).unwrap();
        assert_eq!(cost.ty.to_string(), "decimal(18,4)");
        assert!(cost.check.unwrap().contains("because of its name"));
        assert_eq!(kind("click_through_rate", &["0", "1"]), "double");
        assert_eq!(kind("score", &["0.333333333333"]), "double");
        assert_eq!(kind("score", &["1e-7"]), "double");
        assert_eq!(kind("click_share_rank", &["1"]), "int");
    }

    #[test]
    fn times_without_an_offset_and_columns_without_a_value_are_to_be_checked() {
        let at = infer("at", &StringArray::from_iter_values(["2026-03-01 10:00:00"])).unwrap();
        assert_eq!(at.ty, ColumnType::Timestamp);
        assert!(at.check.unwrap().contains("read as UTC"));
        let nothing = infer("note", &StringArray::from(vec![None, Some(" ")])).unwrap();
        assert_eq!(nothing.ty, ColumnType::Text);
        assert!(nothing.check.unwrap().contains("no value"));
    }

    #[test]
    fn days_and_numbers_of_other_customs_are_read_when_they_are_clear() {
        let german = infer("betrag", &StringArray::from_iter_values(["1.234,56", "7"])).unwrap();
        assert_eq!(german.ty.to_string(), "decimal(18,4)");
        assert!(german.written.is_some());
        let day = infer("day", &StringArray::from_iter_values(["31.12.2026"])).unwrap();
        assert_eq!((day.ty, day.written.is_some()), (ColumnType::Date, true));
        let unclear = infer("day", &StringArray::from_iter_values(["03/04/2026"])).unwrap();
        assert_eq!((unclear.ty, unclear.written), (ColumnType::Text, None));
        assert!(unclear.check.unwrap().contains("day or month"));
    }
}
