//! Days and numbers that are written in the customs of a country, and the SQL that writes them anew.

/// How texts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// `31.12.2026` or `12/31/2026`, a time after it or not.
    Day {
        /// What stands between the numbers.
        separator: char,
        /// Whether the month is first.
        month_first: bool,
    },
    /// `1.234,56` or `$1,234.56`.
    Number {
        /// What stands before the fraction: a comma or a point.
        decimal: char,
        /// A sign of a currency.
        currency: Option<char>,
    },
}

/// Signs of currencies.
const CURRENCIES: [char; 4] = ['$', '€', '£', '¥'];

/// How all of these texts are written, where that is clear.
pub(super) fn recognise(texts: &[&str]) -> Option<Written> {
    day(texts).or_else(|| number(texts))
}

/// Whether they are days such as `03/04/2026`, none of which tells whether the day or the month is first.
pub(super) fn is_day_of_unknown_order(texts: &[&str]) -> bool {
    texts.iter().all(|text| parts(text, '/').is_some())
}

impl Written {
    /// The text written anew: `2026-12-31`, `1234.56`.
    pub(super) fn apply(self, text: &str) -> String {
        match self {
            Self::Day {
                separator,
                month_first,
            } => match parts(text, separator) {
                Some((one, other, year)) if month_first => format!("{year}-{one}-{other}{}", &text[10..]),
                Some((one, other, year)) => format!("{year}-{other}-{one}{}", &text[10..]),
                None => text.to_owned(),
            },
            Self::Number { decimal, currency } => {
                let plain: String = text
                    .chars()
                    .filter(|c| Some(*c) != currency && (*c == decimal || !matches!(c, '.' | ',')))
                    .collect();
                plain.trim().replace(decimal, ".")
            }
        }
    }

    /// The SQL that does the same with a field.
    pub(super) fn sql(self, field: &str) -> String {
        let field = format!("\"{}\"", field.replace('"', "\"\""));
        match self {
            Self::Day {
                separator,
                month_first,
            } => {
                let separator = if separator == '.' { "\\." } else { "/" };
                let order = if month_first { r"\3-\1-\2" } else { r"\3-\2-\1" };
                format!(
                    r"regexp_replace({field}, '^(\d{{2}}){separator}(\d{{2}}){separator}(\d{{4}})', '{order}')"
                )
            }
            Self::Number { decimal, currency } => {
                let thousands = if decimal == ',' { '.' } else { ',' };
                let mut sql = format!("replace({field}, '{thousands}', '')");
                if decimal == ',' {
                    sql = format!("replace({sql}, ',', '.')");
                }
                match currency {
                    Some(sign) => format!("trim(replace({sql}, '{sign}', ''))"),
                    None => sql,
                }
            }
        }
    }
}

/// The two digits, two digits and four digits that a text begins with.
fn parts(text: &str, separator: char) -> Option<(&str, &str, &str)> {
    let head = text.get(..10)?;
    let mut parts = head.split(separator);
    let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let one = parts.next().filter(|part| part.len() == 2).filter(digits)?;
    let other = parts.next().filter(|part| part.len() == 2).filter(digits)?;
    let year = parts.next().filter(|part| part.len() == 4).filter(digits)?;
    let rest = &text[10..];
    (parts.next().is_none() && (rest.is_empty() || rest.starts_with([' ', 'T'])))
        .then_some((one, other, year))
}

fn day(texts: &[&str]) -> Option<Written> {
    for separator in ['.', '/'] {
        let all: Option<Vec<_>> = texts.iter().map(|text| parts(text, separator)).collect();
        let Some(all) = all.filter(|all| !all.is_empty()) else {
            continue;
        };
        let beyond = |part: &str| part > "12";
        let day_first = separator == '.' || all.iter().any(|(one, _, _)| beyond(one));
        let month_first = all.iter().any(|(_, other, _)| beyond(other));
        if day_first != month_first {
            return Some(Written::Day {
                separator,
                month_first,
            });
        }
    }
    None
}

fn number(texts: &[&str]) -> Option<Written> {
    let currency = CURRENCIES
        .into_iter()
        .find(|sign| texts.iter().any(|text| text.contains(*sign)));
    let plain = |text: &&str| match currency {
        Some(sign) => text.replacen(sign, "", 1).trim().to_owned(),
        None => (*text).to_owned(),
    };
    let plain: Vec<String> = texts.iter().map(plain).collect();
    let fits = |decimal: char| plain.iter().all(|text| is_grouped(text, decimal));
    // Three digits after the only comma or point can be thousands as well as a fraction: then nothing is clear.
    let (comma, point) = (fits(','), fits('.'));
    let decimal = match (comma, point) {
        (true, false) => ',',
        (false, true) => '.',
        (true, true) if currency.is_some() && !plain.iter().any(|text| text.contains([',', '.'])) => '.',
        _ => return None,
    };
    Some(Written::Number { decimal, currency })
}

/// Digits in groups of three or in none, with a fraction after `decimal` or without.
fn is_grouped(text: &str, decimal: char) -> bool {
    let thousands = if decimal == ',' { '.' } else { ',' };
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once(decimal).unwrap_or((unsigned, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split(thousands);
    let first = groups.next().unwrap_or_default();
    let grouped = whole.contains(thousands);
    digits(fraction)
        && digits(first)
        && (first == "0" || !first.starts_with('0'))
        && (!grouped || first.len() <= 3)
        && groups.all(|group| group.len() == 3 && digits(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_where_day_and_month_can_be_told_apart() {
        let german = recognise(&["31.12.2026", "01.02.2026 10:00:00"]).unwrap();
        assert_eq!(german.apply("01.02.2026 10:00:00"), "2026-02-01 10:00:00");
        let american = recognise(&["12/31/2026", "01/02/2026"]).unwrap();
        assert_eq!(american.apply("01/02/2026"), "2026-01-02");
        let british = recognise(&["31/12/2026"]).unwrap();
        assert_eq!(british.apply("31/12/2026"), "2026-12-31");
        assert_eq!(recognise(&["01/02/2026"]), None);
        assert_eq!(recognise(&["31/12/2026", "12/31/2026"]), None);
    }

    #[test]
    fn numbers_are_read_where_comma_and_point_can_be_told_apart() {
        let apply = |texts: &[&str]| recognise(texts).map(|way| way.apply(texts[0]));
        assert_eq!(apply(&["1.234,56", "-7"]).as_deref(), Some("1234.56"));
        assert_eq!(apply(&["0,5"]).as_deref(), Some("0.5"));
        assert_eq!(apply(&["1,234.56", "12"]).as_deref(), Some("1234.56"));
        assert_eq!(apply(&["$1,234.50", "$2"]).as_deref(), Some("1234.50"));
        assert_eq!(apply(&["1,234", "12"]), None);
        assert_eq!(apply(&["1,23,456.7"]), None);
        assert_eq!(apply(&["007,5"]), None);
    }

    #[test]
    fn sql_names_the_field_and_the_order() {
        let american = recognise(&["12/31/2026"]).unwrap();
        assert_eq!(
            american.sql("Date"),
            r#"regexp_replace("Date", '^(\d{2})/(\d{2})/(\d{4})', '\3-\1-\2')"#
        );
        let german = recognise(&["1.234,56"]).unwrap();
        assert_eq!(german.sql("a"), r#"replace(replace("a", '.', ''), ',', '.')"#);
    }
}
