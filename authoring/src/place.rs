//! Where objects of the table lie: the path pattern, and the path of each sample in the raw zone.

use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};
use pipeline::contract::{PathPattern, TableName};

use super::kind::starts_with_day;

/// Endings of file names that say what is in them.
const ENDINGS: [&str; 8] = ["csv", "tsv", "txt", "json", "jsonl", "ndjson", "parquet", "dat"];

/// Alias of the account where a path does not tell any.
const ACCOUNT: &str = "sample";

/// The place of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Pattern of the paths of such objects, relative to the raw root.
    pub(super) pattern: String,
    /// Path of the sample itself, without the ending of gzip.
    pub(super) key: String,
    /// Whether the path of the sample told the pattern; else it is a proposal where objects should lie.
    pub(super) known: bool,
}

impl Place {
    /// Alias of the account that the path names.
    pub(super) fn account(&self) -> Option<String> {
        let pattern = PathPattern::parse(&self.pattern).ok()?;
        pattern.matches(&self.key)?.account
    }
}

/// What is known of the raw zone in which a sample lies, or should lie.
pub(super) struct Surroundings<'a> {
    /// Folder of the raw zone, as far as known.
    pub(super) raw: Option<&'a Path>,
    /// The table to be.
    pub(super) table: &'a TableName,
    /// Accounts of its source.
    pub(super) aliases: &'a [String],
    /// Whether tables of the source have no account in their paths.
    pub(super) plain: bool,
}

impl Surroundings<'_> {
    /// Where a sample lies in the raw zone, or should lie: in `folder`, on the day `day` that its rows are about, as far as
    /// known.
    pub(super) fn place(&self, path: &Path, folder: &str, day: Option<NaiveDate>) -> Place {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let known = relative(&absolute, self.raw, &self.table.source)
            .and_then(|segments| of_segments(&segments, self.table, self.aliases, self.plain));
        known.unwrap_or_else(|| proposed(&absolute, &self.table.source, folder, self.plain, day))
    }
}

/// The segments of the path below the raw zone, or from a folder on that is called like the source.
fn relative(path: &Path, raw: Option<&Path>, source: &str) -> Option<Vec<String>> {
    let texts = |path: &Path| -> Vec<String> {
        path.iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect()
    };
    if let Some(below) = raw.and_then(|raw| path.strip_prefix(raw).ok()) {
        return Some(texts(below));
    }
    let all = texts(path);
    let start = all.iter().rposition(|segment| segment == source)?;
    Some(all[start..].to_vec())
}

fn of_segments(segments: &[String], table: &TableName, aliases: &[String], plain: bool) -> Option<Place> {
    let (file, folders) = segments.split_last()?;
    let mut reader = Reader::default();
    let mut pattern: Vec<String> = folders.iter().map(|folder| reader.folder(folder)).collect();
    let first = reader.first_dated.unwrap_or(folders.len());
    if let Some(account) = account_of(&folders[..first], table, aliases, plain) {
        pattern[account] = "{account}".to_owned();
    }
    let stem = file.strip_suffix(".gz").unwrap_or(file);
    pattern.push(if reader.is_dated() {
        any_name(stem)
    } else {
        dated_name(stem)?
    });
    let mut key = folders.to_vec();
    key.push(stem.to_owned());
    checked(&pattern.join("/"), &key.join("/"), true)
}

/// What the names of folders say about time.
#[derive(Default)]
struct Reader {
    /// Which folder was the first to say something.
    first_dated: Option<usize>,
    /// How many folders were read.
    count: usize,
    /// How far the time is known: year, month, day, hour, minute.
    level: usize,
}

impl Reader {
    const PLACEHOLDERS: [&str; 5] = ["year", "month", "day", "hour", "minute"];

    fn is_dated(&self) -> bool {
        self.level >= 3
    }

    /// The pattern of a folder.
    fn folder(&mut self, folder: &str) -> String {
        let (head, value) = match folder.split_once('=') {
            Some((name, value)) => (format!("{name}="), value),
            None => (String::new(), folder),
        };
        let pattern = self.time(value, head.trim_end_matches('='));
        if pattern.is_some() && self.first_dated.is_none() {
            self.first_dated = Some(self.count);
        }
        self.count += 1;
        match pattern {
            Some(pattern) => format!("{head}{pattern}"),
            None => folder.to_owned(),
        }
    }

    fn time(&mut self, value: &str, name: &str) -> Option<String> {
        if self.level == 0 && value.len() == 10 && starts_with_day(value) {
            self.level = 3;
            return Some("{date}".to_owned());
        }
        let next = Self::PLACEHOLDERS.get(self.level)?;
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        let fits = match self.level {
            0 => digits && value.len() == 4 && value.starts_with("20"),
            _ => digits && (1..=2).contains(&value.len()),
        };
        if !fits || (!name.is_empty() && name != *next) {
            return None;
        }
        self.level += 1;
        Some(format!("{{{next}}}"))
    }
}

/// Which of the folders before the time is that of an account.
fn account_of(folders: &[String], table: &TableName, aliases: &[String], plain: bool) -> Option<usize> {
    let named = folders.iter().position(|folder| aliases.contains(folder));
    if named.is_some() || plain {
        return named;
    }
    let start = usize::from(folders.first() == Some(&table.source));
    match folders.len().checked_sub(start)? {
        0 => None,
        1 if folders[start] == table.table => None,
        _ => Some(start),
    }
}

fn ending(stem: &str) -> Option<&str> {
    let (_, ending) = stem.rsplit_once('.')?;
    ENDINGS
        .contains(&ending.to_ascii_lowercase().as_str())
        .then_some(ending)
}

fn any_name(stem: &str) -> String {
    match ending(stem) {
        Some("parquet") => "{name}.parquet".to_owned(),
        Some(ending) => format!("{{name}}.{ending}[.gz]"),
        None => "{name}".to_owned(),
    }
}

/// The pattern of a file name with a day in it: `visits_2026-03-01.csv`, `20260301.csv`.
fn dated_name(stem: &str) -> Option<String> {
    let (start, length) = day_in(stem)?;
    let (before, rest) = (stem.get(..start)?, stem.get(start + length..)?);
    let day = if length == 10 {
        "{date}"
    } else {
        "{year}{month}{day}"
    };
    let ending = ending(stem).map_or_else(String::new, |ending| format!(".{ending}"));
    let between = rest.strip_suffix(&ending)?;
    let between = if between.is_empty() { "" } else { "[{name}]" };
    let gz = if ending.is_empty() || ending == ".parquet" {
        ""
    } else {
        "[.gz]"
    };
    Some(format!("{before}{day}{between}{ending}{gz}"))
}

/// Where in a name a day stands, and how long it is.
fn day_in(stem: &str) -> Option<(usize, usize)> {
    let starts = || (0..stem.len()).filter(|start| stem.is_char_boundary(*start));
    let dashed = starts().find(|start| starts_with_day(&stem[*start..]));
    let compact = || {
        starts().find(|start| {
            let digits = stem[*start..].bytes().take_while(u8::is_ascii_digit).count();
            let fresh = !stem[..*start].ends_with(|c: char| c.is_ascii_digit());
            digits == 8 && fresh && NaiveDate::parse_from_str(&stem[*start..start + 8], "%Y%m%d").is_ok()
        })
    };
    dashed
        .map(|start| (start, 10))
        .or_else(|| compact().map(|start| (start, 8)))
}

/// The type of report that the name of a file begins with, such as `GET_LEDGER_SUMMARY_VIEW_DATA_50123.txt`.
pub(super) fn report_type(name: &str) -> Option<&str> {
    let letters = |c: char| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit();
    let word = &name[..name.find(|c| !letters(c)).unwrap_or(name.len())];
    let word = match word.rsplit_once('_') {
        Some((word, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => word,
        _ => word,
    };
    (word.starts_with("GET_") && word.len() > 4).then_some(word)
}

/// Where objects should lie whose path tells nothing.
fn proposed(path: &Path, source: &str, folder: &str, plain: bool, day: Option<NaiveDate>) -> Place {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    let changed = || Some(DateTime::<Utc>::from(path.metadata().ok()?.modified().ok()?).date_naive());
    let day = day_of_name(stem).or(day).or_else(changed).unwrap_or_default();
    let (account, alias) = match plain {
        true => ("", String::new()),
        false => ("{account}/", format!("{ACCOUNT}/")),
    };
    let pattern = format!("{source}/{account}{folder}/{{date}}/{}", any_name(stem));
    let key = format!("{source}/{alias}{folder}/{day}/{stem}");
    checked(&pattern, &key, false).unwrap_or(Place {
        key: format!("{source}/{alias}{folder}/{day}/sample"),
        pattern: format!("{source}/{account}{folder}/{{date}}/{{name}}"),
        known: false,
    })
}

fn day_of_name(stem: &str) -> Option<NaiveDate> {
    let (start, length) = day_in(stem)?;
    let form = if length == 10 { "%Y-%m-%d" } else { "%Y%m%d" };
    NaiveDate::parse_from_str(&stem[start..start + length], form).ok()
}

/// A place whose pattern is one and says of the key what it should.
fn checked(pattern: &str, key: &str, known: bool) -> Option<Place> {
    PathPattern::parse(pattern).ok()?.matches(key)?;
    Some(Place {
        pattern: pattern.to_owned(),
        key: key.to_owned(),
        known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Place {
        let table: TableName = "shop.visits".parse().unwrap();
        let surroundings = Surroundings {
            raw: Some(Path::new("/lake/raw")),
            table: &table,
            aliases: &["corner".to_owned()],
            plain: false,
        };
        surroundings.place(Path::new(path), "visits", None)
    }

    fn pattern(path: &str) -> String {
        let place = of(path);
        assert!(place.known, "{path}");
        place.pattern
    }

    #[test]
    fn a_path_in_the_raw_zone_tells_account_and_day() {
        assert_eq!(
            pattern("/lake/raw/shop/north/visits/2026-03-01/v-1.csv.gz"),
            "shop/{account}/visits/{date}/{name}.csv[.gz]"
        );
        assert_eq!(
            pattern("/lake/raw/shop/corner/2026-03-01/v.csv"),
            "shop/{account}/{date}/{name}.csv[.gz]"
        );
        assert_eq!(
            pattern("/lake/raw/shop/visits/2026-03-01/v.csv"),
            "shop/visits/{date}/{name}.csv[.gz]"
        );
        assert_eq!(
            pattern("/lake/raw/shop/2026-03-01/v.parquet"),
            "shop/{date}/{name}.parquet"
        );
        assert_eq!(
            pattern("/lake/raw/shop/visits/year=2026/month=03/day=01/hour=07/delivery-1"),
            "shop/visits/year={year}/month={month}/day={day}/hour={hour}/{name}"
        );
        assert_eq!(
            pattern("/lake/raw/shop/north/2026/03/01/07/v.json"),
            "shop/{account}/{year}/{month}/{day}/{hour}/{name}.json[.gz]"
        );
        assert_eq!(
            of("/lake/raw/shop/north/visits/2026-03-01/v.csv.gz")
                .account()
                .as_deref(),
            Some("north")
        );
    }

    #[test]
    fn a_path_elsewhere_tells_them_from_the_folder_of_the_source_on() {
        let place = of("/home/ann/shop/north/visits/2026-03-01/v.csv");
        assert_eq!(place.key, "shop/north/visits/2026-03-01/v.csv");
        assert!(place.known);
    }

    #[test]
    fn a_day_in_the_name_of_the_file_will_do() {
        assert_eq!(
            pattern("/lake/raw/shop/visits/visits_2026-03-01.csv"),
            "shop/visits/visits_{date}.csv[.gz]"
        );
        assert_eq!(
            pattern("/lake/raw/shop/north/visits/20260301-4.csv.gz"),
            "shop/{account}/visits/{year}{month}{day}[{name}].csv[.gz]"
        );
    }

    #[test]
    fn a_path_that_tells_no_day_gets_a_place_of_its_own() {
        let table: TableName = "shop.visits".parse().unwrap();
        let day = NaiveDate::from_ymd_opt(2026, 3, 5);
        let surroundings = Surroundings {
            raw: None,
            table: &table,
            aliases: &[],
            plain: false,
        };
        let place = surroundings.place(Path::new("/tmp/visits.csv.gz"), "visits", day);
        assert_eq!(
            place,
            Place {
                pattern: "shop/{account}/visits/{date}/{name}.csv[.gz]".to_owned(),
                key: "shop/sample/visits/2026-03-05/visits.csv".to_owned(),
                known: false,
            }
        );
        let dated = of("/tmp/visits-2026-04-01.csv");
        assert_eq!(dated.key, "shop/sample/visits/2026-04-01/visits-2026-04-01.csv");
    }

    #[test]
    fn a_file_can_be_named_by_its_type_of_report() {
        assert_eq!(
            report_type("GET_LEDGER_DETAIL_VIEW_DATA_5012.txt"),
            Some("GET_LEDGER_DETAIL_VIEW_DATA")
        );
        assert_eq!(
            report_type("GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2.txt"),
            Some("GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2")
        );
        assert_eq!(report_type("visits.csv"), None);
    }
}
