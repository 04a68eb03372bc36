//! Dates as HTTP and cookies write them.

use time::{Date, Month, OffsetDateTime, Time};

/// Reads a date as leniently as browsers do (RFC 6265, section 5.1.1), which covers the three forms of RFC 9110, section 5.6.7.
pub(crate) fn parse(text: &str) -> Option<OffsetDateTime> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(is_delimiter).filter(|token| !token.is_empty()) {
        if time.is_none() && token.contains(':') {
            time = Some(time_of(token)?);
        } else if let (None, Some(number)) = (day, number(token, 1, 2)) {
            day = Some(u8::try_from(number).ok()?);
        } else if let (None, Some(found)) = (month, month_of(token)) {
            month = Some(found);
        } else if let (None, Some(number)) = (year, number(token, 2, 4)) {
            year = Some(match number {
                0..70 => number + 2000,
                70..100 => number + 1900,
                number => number,
            });
        }
    }
    let year = i32::try_from(year?).ok().filter(|year| *year >= 1601)?;
    Some(Date::from_calendar_date(year, month?, day?).ok()?.with_time(time?).assume_utc())
}

fn is_delimiter(c: char) -> bool {
    matches!(c, '\t' | ' '..='/' | ';'..='@' | '['..='`' | '{'..='~')
}

/// A number of so many digits, whatever follows it.
fn number(token: &str, least: usize, most: usize) -> Option<u32> {
    let digits = token.bytes().take_while(u8::is_ascii_digit).count();
    if (least..=most).contains(&digits) { token[..digits].parse().ok() } else { None }
}

fn time_of(token: &str) -> Option<Time> {
    let mut parts = token.splitn(3, ':').map(|part| number(part, 1, 2).and_then(|number| u8::try_from(number).ok()));
    Time::from_hms(parts.next()??, parts.next()??, parts.next()??).ok()
}

fn month_of(token: &str) -> Option<Month> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let name = token.get(..3)?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| *month == name)?;
    Month::try_from(u8::try_from(at + 1).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn dates_are_read_as_browsers_read_them() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "6 november 1994 8:49:37",
            "08:49:37 06-Nov-1994",
        ] {
            assert_eq!(parse(text), Some(datetime!(1994-11-06 08:49:37 UTC)), "{text}");
        }
        assert_eq!(parse("Thu, 01-Jan-70 00:00:00 GMT"), Some(OffsetDateTime::UNIX_EPOCH));
        assert_eq!(parse("Tue, 01 Jan 2080 00:00:00 GMT"), Some(datetime!(2080-01-01 00:00 UTC)));
        for text in [
            "",
            "0",
            "-1",
            "tomorrow",
            "06 Nov 1994",
            "31 Feb 2026 00:00:00",
            "1 Jan 2026 24:00:00",
            "1 Jan 1600 1:1:1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
