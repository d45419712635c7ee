//! Path patterns: which raw objects a table reads, and what their path says about them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{NaiveDate, NaiveDateTime};
use regex::bytes::{Regex, RegexBuilder};

/// A path below an account's raw root, such as `jwo/{account}/Order/{date}/{hour}/ALL{minute}.csv{part}`.
///
/// Placeholders: `{account}` alias, `{date}` as YYYY-MM-DD, `{year}` `{month}` `{day}` `{hour}` `{minute}` as
/// digits, `{part}` as digits (absent: 0), `{name}` for any file name, `{any}` for any run of path segments.
/// Text in `[…]` may be missing.
#[derive(Debug, Clone)]
pub struct PathPattern {
    text: String,
    regex: Regex,
}

/// What a path says about its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathMatch {
    /// Account alias, where the pattern names one.
    pub account: Option<String>,
    /// The time that the object is about, in the zone of the raw zone's paths.
    pub period: NaiveDateTime,
    /// Part of a report that was delivered in several files; 0 when there is one.
    pub part: u32,
}

impl PathPattern {
    /// Compiles a pattern; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut regex = String::from("^");
        let mut names = BTreeMap::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            rest = &rest[character.len_utf8()..];
            match character {
                '{' => {
                    let (name, after) = rest
                        .split_once('}')
                        .ok_or_else(|| format!("{text:?} has a {{ without }}"))?;
                    rest = after;
                    let class = class_of(name).ok_or_else(|| {
                        format!(
                            "{text:?} has the unknown placeholder {{{name}}}; use account, date, year, month, day, \
                             hour, minute, part, name or any"
                        )
                    })?;
                    if matches!(name, "name" | "any") {
                        regex.push_str(class);
                    } else if names.insert(name.to_owned(), ()).is_some() {
                        return Err(format!("{text:?} has {{{name}}} twice"));
                    } else {
                        regex.push_str(&format!("(?P<{name}>{class})"));
                    }
                }
                '[' => regex.push_str("(?:"),
                ']' => regex.push_str(")?"),
                other => regex.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
            }
        }
        regex.push('$');
        let dated =
            names.contains_key("date") || ["year", "month", "day"].iter().all(|n| names.contains_key(*n));
        if !dated {
            return Err(format!(
                "{text:?} does not say the day: use {{date}}, or {{year}}, {{month}} and {{day}}"
            ));
        }
        // Placeholders are told apart by ASCII alone; tables of Unicode classes take long to build.
        let regex = RegexBuilder::new(&regex).unicode(false).build();
        let regex = regex.map_err(|error| format!("{text:?} is not a path pattern: {error}"))?;
        Ok(Self {
            text: text.to_owned(),
            regex,
        })
    }

    /// What `path` (relative to the raw root, no leading slash) says; none when it does not fit.
    pub fn matches(&self, path: &str) -> Option<PathMatch> {
        let captures = self.regex.captures(path.as_bytes())?;
        let text = |name: &str| {
            captures
                .name(name)
                .and_then(|found| str::from_utf8(found.as_bytes()).ok())
        };
        let number = |name: &str| text(name).map_or(Some(0), |digits| digits.parse::<u32>().ok());
        let date = match text("date") {
            Some(date) => NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?,
            None => NaiveDate::from_ymd_opt(text("year")?.parse().ok()?, number("month")?, number("day")?)?,
        };
        Some(PathMatch {
            account: text("account").map(str::to_owned),
            period: date.and_hms_opt(number("hour")?, number("minute")?, 0)?,
            part: number("part")?,
        })
    }

    /// The longest prefix of whole segments, after `{account}` became `account`, that every matching path has: what
    /// to list.
    pub fn prefix(&self, account: Option<&str>) -> String {
        folder_of(&self.of(account))
    }

    /// As [`prefix`](Self::prefix), for the paths of one day: one for each way in which month and day can be written.
    pub fn prefixes_of(&self, account: Option<&str>, day: NaiveDate) -> BTreeSet<String> {
        let filled = self
            .of(account)
            .replace("{date}", &day.format("%Y-%m-%d").to_string())
            .replace("{year}", &day.format("%Y").to_string());
        let mut prefixes = BTreeSet::new();
        for month in ["%m", "%-m"] {
            for date in ["%d", "%-d"] {
                let filled = filled
                    .replace("{month}", &day.format(month).to_string())
                    .replace("{day}", &day.format(date).to_string());
                prefixes.insert(folder_of(&filled));
            }
        }
        prefixes
    }

    /// What stands in the order of paths before all paths of that day and later ones, and behind most others, where the
    /// pattern's first placeholders are those of the date, from the year on; else none.
    pub fn before(&self, account: Option<&str>, day: NaiveDate) -> Option<String> {
        // Of the day before, since a path may end with its date.
        let eve = day.pred_opt()?;
        let filled = self.of(account);
        let (mut text, mut rest) = (String::new(), filled.as_str());
        // With two digits: what is written with one is behind that.
        for (name, format) in [
            ("{date}", "%Y-%m-%d"),
            ("{year}", "%Y"),
            ("{month}", "%m"),
            ("{day}", "%d"),
        ] {
            let Some((literal, after)) = rest.split_once(name) else {
                continue;
            };
            if literal.contains(['{', '[']) {
                break;
            }
            text.push_str(literal);
            text.push_str(&eve.format(format).to_string());
            rest = after;
        }
        let begins_with_a_year =
            rest.len() < filled.len() && !rest.contains("{date}") && !rest.contains("{year}");
        begins_with_a_year.then_some(text)
    }

    fn of(&self, account: Option<&str>) -> String {
        match account {
            Some(account) => self.text.replace("{account}", account),
            None => self.text.clone(),
        }
    }

    /// What stands before a path below the root that belongs to one account, and the pattern of such a path: the root
    /// holds what otherwise lies below the folder of the account.
    pub fn below_account(&self, account: &str) -> Result<(String, Self), String> {
        match self.text.split_once("{account}/") {
            Some((above, below)) => Ok((format!("{above}{account}/"), Self::parse(below)?)),
            None => Ok((String::new(), Self::parse(&self.of(Some(account)))?)),
        }
    }

    /// The account of a folder that lies directly below `prefix(None)`; none where accounts have no folders there.
    pub fn account_of<'f>(&self, folder: &'f str) -> Option<&'f str> {
        let (head, tail) = self.account_segment()?;
        let account = folder.strip_prefix(head)?.strip_suffix(tail)?;
        (!account.is_empty()).then_some(account)
    }

    /// The folder of an account directly below `prefix(None)`; none where accounts have no folders there.
    pub fn account_folder(&self, account: &str) -> Option<String> {
        let (head, tail) = self.account_segment()?;
        Some(format!("{}/{head}{account}{tail}", self.prefix(None)))
    }

    /// Whether all objects lie in folders of their accounts directly below `prefix(None)`.
    pub fn has_account_folders(&self) -> bool {
        self.account_segment().is_some()
    }

    /// What the name of an account's folder has before and after the account.
    fn account_segment(&self) -> Option<(&str, &str)> {
        let open = ['{', '}', '[', ']'];
        let (above, below) = self.text.split_once("{account}")?;
        let (tail, _) = below.split_once('/')?;
        let head = above.rsplit_once('/').map_or(above, |(_, head)| head);
        (!above.contains(open) && !tail.contains(open)).then_some((head, tail))
    }

    /// Whether the pattern names the account.
    pub fn names_account(&self) -> bool {
        self.text.contains("{account}")
    }
}

/// The whole segments before the first placeholder or option.
fn folder_of(filled: &str) -> String {
    let fixed = filled.split(['{', '[']).next().unwrap_or_default();
    fixed
        .rsplit_once('/')
        .map_or(String::new(), |(folder, _)| folder.to_owned())
}

fn class_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "account" => "[^/]+",
        "date" => "[0-9]{4}-[0-9]{2}-[0-9]{2}",
        "year" => "[0-9]{4}",
        "month" | "day" | "hour" | "minute" => "[0-9]{1,2}",
        "part" => "[0-9]+",
        "name" => "[^/]+",
        "any" => ".+",
        _ => return None,
    })
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWO: &str = "jwo/{account}/Order/{date}/{hour}/[{name}]ALL{minute}.csv{part}[.gz]";

    #[test]
    fn a_path_gives_account_period_and_part() {
        let pattern =
            PathPattern::parse("jwo/{account}/Order/{date}/{hour}/ALL{minute}.csv{part}[.gz]").unwrap();
        let found = pattern
            .matches("jwo/corner/Order/2026-03-01/07/ALL45.csv001.gz")
            .unwrap();
        assert_eq!(found.account.as_deref(), Some("corner"));
        assert_eq!(found.period.to_string(), "2026-03-01 07:45:00");
        assert_eq!(found.part, 1);
        assert_eq!(
            pattern.matches("jwo/corner/Order/2026-13-01/07/ALL45.csv001"),
            None
        );
        assert_eq!(pattern.matches("jwo/corner/Order/2026-03-01/07/notes.txt"), None);
    }

    #[test]
    fn what_stands_before_a_day_stands_before_all_later_ones_however_they_are_written() {
        let day = |month, day| NaiveDate::from_ymd_opt(2026, month, day).unwrap();
        let before = |pattern: &str, at| PathPattern::parse(pattern).unwrap().before(Some("c"), at);
        assert_eq!(before(JWO, day(3, 1)).unwrap(), "jwo/c/Order/2026-02-28");
        let parted = "s/{account}/year={year}/month={month}/day={day}/{name}";
        assert_eq!(
            before(parted, day(10, 1)).unwrap(),
            "s/c/year=2026/month=09/day=30"
        );
        assert_eq!(before("s/{account}/{name}/{date}/x", day(3, 1)), None);
        assert_eq!(before("s/{account}/{day}.{month}.{year}/x", day(3, 1)), None);
        assert_eq!(before("s/{account}/[old/]{date}/x", day(3, 1)), None);
        assert_eq!(
            before("s/{account}/{year}/{hour}/{month}{day}", day(3, 1)).unwrap(),
            "s/c/2026"
        );
        for from in [day(1, 1), day(3, 9), day(9, 30), day(10, 1), day(12, 31)] {
            let before = before(parted, from).unwrap();
            for later in from.iter_days().take(400) {
                for (month, date) in [("%m", "%d"), ("%-m", "%d"), ("%m", "%-d"), ("%-m", "%-d")] {
                    let format = format!("s/c/year=%Y/month={month}/day={date}/x");
                    assert!(before < later.format(&format).to_string(), "{from} {later}");
                }
            }
        }
    }

    #[test]
    fn a_prefix_stops_before_the_first_open_placeholder() {
        let pattern = PathPattern::parse(JWO).unwrap();
        let day = NaiveDate::from_ymd_opt(2026, 3, 1);
        let of_day = pattern.prefixes_of(Some("corner"), day.unwrap());
        assert_eq!(of_day, BTreeSet::from(["jwo/corner/Order/2026-03-01".to_owned()]));
        assert_eq!(pattern.prefix(Some("corner")), "jwo/corner/Order");
        assert_eq!(pattern.prefix(None), "jwo");
    }

    #[test]
    fn months_and_days_are_looked_for_with_and_without_a_zero() {
        let pattern = PathPattern::parse("x/year={year}/month={month}/day={day}/{name}").unwrap();
        let of = |year, month, day| -> Vec<String> {
            let day = NaiveDate::from_ymd_opt(year, month, day).unwrap();
            pattern.prefixes_of(None, day).into_iter().collect()
        };
        assert_eq!(
            of(2026, 3, 1),
            [
                "x/year=2026/month=03/day=01",
                "x/year=2026/month=03/day=1",
                "x/year=2026/month=3/day=01",
                "x/year=2026/month=3/day=1"
            ]
        );
        assert_eq!(of(2026, 12, 31), ["x/year=2026/month=12/day=31"]);
    }

    #[test]
    fn a_folder_tells_its_account_where_accounts_have_folders() {
        let account = |pattern: &str, folder: &str| {
            let pattern = PathPattern::parse(pattern).unwrap();
            pattern.account_of(folder).map(str::to_owned)
        };
        let corner = Some("corner".to_owned());
        assert_eq!(account(JWO, "corner"), corner);
        assert_eq!(account("x/a={account}/{date}/{name}", "a=corner"), corner);
        assert_eq!(account("x/{account}-raw/{date}/{name}", "corner-raw"), corner);
        assert_eq!(account("x/a={account}/{date}/{name}", "other"), None);
        for pattern in [
            "{date}/{account}/{name}",
            "x/{account}_{date}/{name}",
            "x/{date}_{account}",
            "x/{date}/{name}",
        ] {
            assert_eq!(account(pattern, "corner"), None, "{pattern}");
        }
    }

    #[test]
    fn below_the_root_of_an_account_its_folder_is_left_out() {
        let below = |pattern: &str| {
            let (above, below) = PathPattern::parse(pattern)
                .unwrap()
                .below_account("corner")
                .unwrap();
            (above, below.to_string())
        };
        let whole = below("jwo/{account}/Order/{date}/{name}");
        assert_eq!(
            whole,
            ("jwo/corner/".to_owned(), "Order/{date}/{name}".to_owned())
        );
        let part = below("x/a={account}-raw/{date}/{name}");
        assert_eq!(part, (String::new(), "x/a=corner-raw/{date}/{name}".to_owned()));
        assert_eq!(
            below("x/{date}/{name}"),
            (String::new(), "x/{date}/{name}".to_owned())
        );
    }

    #[test]
    fn a_pattern_without_a_day_is_refused() {
        assert!(
            PathPattern::parse("jwo/{account}/{name}")
                .unwrap_err()
                .contains("does not say the day")
        );
        assert!(
            PathPattern::parse("x/{foo}/{date}")
                .unwrap_err()
                .contains("unknown placeholder")
        );
    }
}
