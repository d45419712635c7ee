//! Days and instants.

use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDate, Offset, TimeZone};
use chrono_tz::Tz;

use super::Fault;

const SECOND: i64 = 1_000_000;
/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400 * SECOND;
/// Days from the day 0 of chrono to 1970-01-01.
const EPOCH: i32 = 719_163;
/// 0001-01-01 and 9999-12-31, in days since 1970-01-01.
pub(super) const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;

/// How texts of a column are read.
pub(super) struct Reading {
    /// The zone of texts without an offset, in which also the day of an instant is taken.
    pub(super) zone: Tz,
    /// A date is the day as the text has it, whatever its offset.
    pub(super) as_written: bool,
}

/// A point in time as it is written.
struct WrittenTime {
    /// Since 1970-01-01T00:00 on the writer's clock.
    micros: i64,
    /// Seconds that the writer's clock is ahead of UTC, if it says so.
    ahead: Option<i64>,
}

impl Reading {
    /// Days since 1970-01-01, of `YYYY-MM-DD` or of a timestamp.
    pub(super) fn date(&self, text: &str) -> Result<i32, Fault> {
        let days = match text.len() {
            10 => day(text.as_bytes()).ok_or(Fault::IsNot)?,
            _ => {
                let WrittenTime { micros, ahead } = written(text.as_bytes()).ok_or(Fault::IsNot)?;
                let local = match ahead {
                    Some(seconds) if !self.as_written => {
                        self.local(micros - seconds * SECOND).ok_or_else(outside)?
                    }
                    _ => micros,
                };
                i32::try_from(local.div_euclid(DAY)).map_err(|_| outside())?
            }
        };
        if DAYS.contains(&days) {
            Ok(days)
        } else {
            Err(outside())
        }
    }

    /// Microseconds since 1970-01-01T00:00Z; finer fractions are cut off. Where the clock was set back and a time
    /// came twice, the earlier.
    pub(super) fn timestamp(&self, text: &str) -> Result<i64, Fault> {
        let WrittenTime { micros, ahead } = written(text.as_bytes()).ok_or(Fault::IsNot)?;
        let instant = match ahead {
            Some(seconds) => micros - seconds * SECOND,
            None => self.instant(micros)?,
        };
        let days = instant.div_euclid(DAY);
        if i32::try_from(days).is_ok_and(|days| DAYS.contains(&days)) {
            Ok(instant)
        } else {
            Err(outside())
        }
    }

    /// From the zone's clock to UTC.
    fn instant(&self, local: i64) -> Result<i64, Fault> {
        if self.zone == Tz::UTC {
            return Ok(local);
        }
        let clock = DateTime::from_timestamp_micros(local)
            .ok_or_else(outside)?
            .naive_utc();
        let ahead = match self.zone.offset_from_local_datetime(&clock) {
            MappedLocalTime::Single(offset) => offset.fix().local_minus_utc(),
            MappedLocalTime::Ambiguous(one, other) => {
                one.fix().local_minus_utc().max(other.fix().local_minus_utc())
            }
            MappedLocalTime::None => {
                return Err(Fault::Because(format!("does not exist in {}", self.zone.name())));
            }
        };
        Ok(local - i64::from(ahead) * SECOND)
    }

    /// From UTC to the zone's clock.
    fn local(&self, instant: i64) -> Option<i64> {
        if self.zone == Tz::UTC {
            return Some(instant);
        }
        let clock = DateTime::from_timestamp_micros(instant)?.naive_utc();
        let ahead = self.zone.offset_from_utc_datetime(&clock).fix().local_minus_utc();
        Some(instant + i64::from(ahead) * SECOND)
    }
}

fn outside() -> Fault {
    Fault::Because("is outside the years 0001 to 9999".to_owned())
}

/// `YYYY-MM-DD`, in days since 1970-01-01.
#[inline]
fn day(text: &[u8]) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else {
        return None;
    };
    let year = two(*y1, *y2)? * 100 + two(*y3, *y4)?;
    let date = NaiveDate::from_ymd_opt(year as i32, two(*m1, *m2)?, two(*d1, *d2)?)?;
    Some(date.num_days_from_ce() - EPOCH)
}

/// `YYYY-MM-DD HH:MM[:SS[.f]][offset]`, with a space or T between, and one to nine digits of fraction.
fn written(text: &[u8]) -> Option<WrittenTime> {
    let (date, rest) = text.split_first_chunk::<10>()?;
    let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, rest @ ..] = rest else {
        return None;
    };
    let (hour, minute) = (two(*h1, *h2)?, two(*m1, *m2)?);
    let (second, rest) = match rest {
        [b':', s1, s2, rest @ ..] => (two(*s1, *s2)?, rest),
        _ => (0, rest),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => fraction(rest)?,
        _ => (0, rest),
    };
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    let micros = i64::from(day(date)?) * DAY + seconds * SECOND + fraction;
    Some(WrittenTime {
        micros,
        ahead: offset(rest)?,
    })
}

/// Microseconds of one to nine digits of a second, and the text after them.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&length) {
        return None;
    }
    let digits = text.iter().map(|byte| i64::from(byte - b'0')).take(length);
    let micros = digits
        .chain(std::iter::repeat(0))
        .take(6)
        .fold(0, |value, digit| value * 10 + digit);
    Some((micros, &text[length..]))
}

/// Seconds ahead of UTC of ``, `Z`, `UTC`, `+hh`, `+hhmm` or `+hh:mm`, a space before it or not; none of these is
/// no text for an offset.
fn offset(text: &[u8]) -> Option<Option<i64>> {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    let (sign, hours, minutes) = match text {
        [] => return Some(None),
        [b'Z' | b'z'] => return Some(Some(0)),
        _ if text.eq_ignore_ascii_case(b"UTC") => return Some(Some(0)),
        [sign, h1, h2] => (sign, two(*h1, *h2)?, 0),
        [sign, h1, h2, m1, m2] | [sign, h1, h2, b':', m1, m2] => (sign, two(*h1, *h2)?, two(*m1, *m2)?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = i64::from(hours * 3600 + minutes * 60);
    match sign {
        b'+' => Some(Some(seconds)),
        b'-' => Some(Some(-seconds)),
        _ => None,
    }
}

#[inline]
fn two(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTC: Reading = Reading {
        zone: Tz::UTC,
        as_written: false,
    };
    const NEW_YORK: Reading = Reading {
        zone: Tz::America__New_York,
        as_written: false,
    };

    fn micros(rfc3339: &str) -> Result<i64, Fault> {
        Ok(DateTime::parse_from_rfc3339(rfc3339).unwrap().timestamp_micros())
    }

    fn days(year: i32, month: u32, day: u32) -> Result<i32, Fault> {
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        Ok((NaiveDate::from_ymd_opt(year, month, day).unwrap() - epoch).num_days() as i32)
    }

    #[test]
    fn timestamps_have_many_shapes() {
        let minute = micros("2026-03-01T07:45:00Z");
        for text in [
            "2026-03-01T07:45:00Z",
            "2026-03-01t07:45:00z",
            "2026-03-01 07:45",
            "2026-03-01 07:45:00",
            "2026-03-01T07:45Z",
            "2026-03-01 07:45:00.0",
            "2026-03-01 07:45:00 UTC",
            "2026-03-01 07:45:00+00",
            "2026-03-01 09:45:00+02:00",
            "2026-03-01 02:15:00 -0530",
            "2026-03-01 07:45:00.000000000Z",
        ] {
            assert_eq!(UTC.timestamp(text), minute, "{text}");
        }
    }

    #[test]
    fn fractions_are_cut_off_after_microseconds() {
        assert_eq!(
            UTC.timestamp("2026-03-01T07:45:00.5Z"),
            micros("2026-03-01T07:45:00.500Z")
        );
        assert_eq!(
            UTC.timestamp("2026-03-01T07:45:00.123456789Z"),
            micros("2026-03-01T07:45:00.123456Z")
        );
        assert_eq!(UTC.timestamp("1969-12-31T23:59:59.9999999Z"), Ok(-1));
        assert_eq!(
            UTC.timestamp("2026-03-01T07:45:00.1234567890Z"),
            Err(Fault::IsNot)
        );
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "2026-03-01",
            "2026-03-01 07",
            "2026-03-01 7:45",
            "2026-03-01 24:00:00",
            "2026-03-01 07:60:00",
            "2026-03-01 07:45:60",
            "2026-02-29 07:45:00",
            "2026-13-01 07:45:00",
            "2026-03-01 07:45:00.",
            "2026-03-01 07:45:00,5",
            "2026-03-01 07:45:00 PST",
            "2026-03-01 07:45:00+2",
            "2026-03-01 07:45:00+24:00",
            "2026-03-01 07:45:00*02:00",
            "2026-03-01  07:45:00",
            "20260301T074500Z",
            "1772351100",
            "é026-03-01 07:45",
        ] {
            assert_eq!(UTC.timestamp(text), Err(Fault::IsNot), "{text}");
        }
    }

    #[test]
    fn a_text_without_offset_is_in_the_zone() {
        assert_eq!(
            NEW_YORK.timestamp("2026-01-15 12:00:00"),
            micros("2026-01-15T12:00:00-05:00")
        );
        assert_eq!(
            NEW_YORK.timestamp("2026-07-15 12:00:00"),
            micros("2026-07-15T12:00:00-04:00")
        );
        assert_eq!(
            NEW_YORK.timestamp("2026-07-15 12:00:00Z"),
            micros("2026-07-15T12:00:00Z")
        );
    }

    #[test]
    fn a_time_that_comes_twice_is_the_earlier_and_one_that_never_comes_is_refused() {
        assert_eq!(
            NEW_YORK.timestamp("2026-11-01 01:30:00"),
            micros("2026-11-01T01:30:00-04:00")
        );
        let missing = Fault::Because("does not exist in America/New_York".to_owned());
        assert_eq!(NEW_YORK.timestamp("2026-03-08 02:30:00"), Err(missing));
        assert_eq!(
            NEW_YORK.timestamp("2026-03-08 03:00:00"),
            micros("2026-03-08T03:00:00-04:00")
        );
    }

    #[test]
    fn years_have_bounds_after_conversion() {
        assert_eq!(
            UTC.timestamp("0001-01-01 00:00:00"),
            micros("0001-01-01T00:00:00Z")
        );
        assert_eq!(
            UTC.timestamp("9999-12-31 23:59:59.999999"),
            micros("9999-12-31T23:59:59.999999Z")
        );
        assert_eq!(UTC.timestamp("0000-12-31 23:59:59"), Err(outside()));
        assert_eq!(UTC.timestamp("0001-01-01 00:00:00+01:00"), Err(outside()));
        assert_eq!(UTC.timestamp("9999-12-31 23:59:59-01:00"), Err(outside()));
        assert_eq!(UTC.date("0001-01-01"), days(1, 1, 1));
        assert_eq!(UTC.date("9999-12-31"), days(9999, 12, 31));
        assert_eq!(UTC.date("0000-12-31"), Err(outside()));
        assert_eq!(NEW_YORK.date("0001-01-01T00:00:00Z"), Err(outside()));
    }

    #[test]
    fn dates_are_days() {
        assert_eq!(UTC.date("1970-01-01"), Ok(0));
        assert_eq!(UTC.date("2024-02-29"), days(2024, 2, 29));
        for text in [
            "2026-02-29",
            "2026-2-01",
            "01.03.2026",
            "2026/03/01",
            "20260301",
            "2026-03-0x",
            "+026-03-01",
        ] {
            assert_eq!(UTC.date(text), Err(Fault::IsNot), "{text}");
        }
    }

    #[test]
    fn the_day_of_an_instant_is_taken_in_the_zone() {
        let text = "2026-03-01T01:30:00+00:00";
        let as_written = Reading {
            zone: Tz::America__New_York,
            as_written: true,
        };
        assert_eq!(UTC.date(text), days(2026, 3, 1));
        assert_eq!(NEW_YORK.date(text), days(2026, 2, 28));
        assert_eq!(as_written.date(text), days(2026, 3, 1));
        assert_eq!(UTC.date("2026-03-01T01:30:00+02:00"), days(2026, 2, 28));
    }

    #[test]
    fn the_day_of_a_text_without_offset_is_the_day_as_written() {
        assert_eq!(NEW_YORK.date("2026-03-08 02:30:00"), days(2026, 3, 8));
        assert_eq!(UTC.date("1969-12-31 23:59:59.9"), Ok(-1));
    }

    proptest::proptest! {
        #[test]
        fn every_instant_written_with_any_offset_is_read_as_itself(
            instant in -62_000_000_000_000_000_i64..253_000_000_000_000_000, minutes in -1439_i32..1440,
        ) {
            let offset = chrono::FixedOffset::east_opt(minutes * 60).unwrap();
            let time = DateTime::from_timestamp_micros(instant).unwrap().with_timezone(&offset);
            let text = time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            proptest::prop_assert_eq!(UTC.timestamp(&text), Ok(instant));
        }
    }
}
