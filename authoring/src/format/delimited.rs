//! Delimited text: by what, in quotes or not, with names in the first record or not.

use pipeline::contract::{Charset, CsvFormat, Format, Header, TsvFormat};

use super::super::kind::{is_number, starts_with_day};
use super::super::observe::observe;
use super::super::sample::Sample;
use super::Guess;

const DELIMITERS: [u8; 4] = [b'\t', b',', b';', b'|'];

/// The dialect in which the most records are rows of the most cells; or why it is none.
pub(super) fn guess(sample: &Sample, text: &str, charset: Charset) -> Result<Guess, String> {
    let first = text.lines().find(|line| !line.is_empty()).unwrap_or_default();
    if first.starts_with('<') {
        return Err("it looks like XML or HTML".to_owned());
    }
    let best = DELIMITERS
        .into_iter()
        .flat_map(|delimiter| [(delimiter, true), (delimiter, false)])
        .filter_map(|(delimiter, quotes)| candidate(sample, first, delimiter, quotes, charset))
        .max_by_key(|candidate| (candidate.share, candidate.width, candidate.looks_right));
    match best {
        Some(candidate) => Ok(candidate.guess),
        None => Err(format!(
            "its first line, {:?}, has no tab, comma, semicolon or bar between cells, or they are not the same number in \
             the other lines",
            first.chars().take(60).collect::<String>()
        )),
    }
}

/// A dialect that fits.
struct Candidate {
    guess: Guess,
    /// Percentage of the records that are rows.
    share: usize,
    /// Cells of a row.
    width: usize,
    /// Whether quotes mean in it what they seem to mean in the first line.
    looks_right: bool,
}

/// The dialect with this delimiter in which quotes mean something, or in which they are characters; none where it does not
/// fit the first line.
fn candidate(
    sample: &Sample,
    first: &str,
    delimiter: u8,
    quotes: bool,
    charset: Charset,
) -> Option<Candidate> {
    let cells = cells(first, char::from(delimiter));
    let width = cells.len();
    if width < 2 {
        return None;
    }
    let names = !cells.iter().any(|cell| looks_like_value(cell));
    let format = match (delimiter, names, quotes) {
        (b'\t', true, false) => Format::Tsv(TsvFormat {
            charset,
            ..TsvFormat::default()
        }),
        (_, _, false) => return None,
        _ => Format::Csv(CsvFormat {
            delimiter,
            header: if names { Header::Present } else { Header::Absent },
            columns: match names {
                true => Vec::new(),
                false => (1..=width).map(|number| format!("column_{number}")).collect(),
            },
            charset,
            ..CsvFormat::default()
        }),
    };
    let observed = observe(std::slice::from_ref(sample), &format).ok()?;
    let records = observed.rows() + observed.malformed.len();
    let mut notes = Vec::new();
    if !names {
        notes.push(
            "The first line holds values, not names: say what the columns are called, in csv.columns and below.".to_owned(),
        );
    }
    Some(Candidate {
        guess: Guess { format, notes },
        share: (observed.rows() * 100).checked_div(records).unwrap_or(0),
        width,
        looks_right: quotes == (delimiter != b'\t' || first.contains('"')),
    })
}

/// The cells of one line; enough to count them and to see what they look like.
fn cells(line: &str, delimiter: char) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for character in line.trim_end_matches('\r').chars() {
        match character {
            '"' => quoted = !quoted,
            other if other == delimiter && !quoted => cells.push(String::new()),
            other => {
                if let Some(cell) = cells.last_mut() {
                    cell.push(other);
                }
            }
        }
    }
    cells
}

/// Whether a cell of the first record is rather a value than the name of a column.
fn looks_like_value(cell: &str) -> bool {
    let cell = cell.trim();
    let truth = cell.eq_ignore_ascii_case("true") || cell.eq_ignore_ascii_case("false");
    is_number(cell) || starts_with_day(cell) || truth || cell.contains('@')
}
