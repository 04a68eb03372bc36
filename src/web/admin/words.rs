//! Times in words. Pure.

use time::{OffsetDateTime, UtcOffset};

/// A time for people and for machines.
pub struct Moment {
    /// How far from now: `12 min ago`, `in 18 min`.
    pub distance: String,
    /// In UTC: `2026-03-02 08:15:04`.
    pub text: String,
    /// The same as HTML's `datetime` wants it.
    pub machine: String,
}

impl Moment {
    /// This time, seen from `now`.
    pub fn of(time: OffsetDateTime, now: OffsetDateTime) -> Self {
        let time = time.to_offset(UtcOffset::UTC);
        let (date, (hour, minute, second)) = (time.date(), time.to_hms());
        // What is kept of times is whole seconds.
        let ahead = time.unix_timestamp() - now.unix_timestamp();
        let distance = match ahead {
            -4..=4 => "now".to_owned(),
            5.. => format!("in {}", length(ahead)),
            _ => format!("{} ago", length(-ahead)),
        };
        Self {
            distance,
            text: format!("{date} {hour:02}:{minute:02}:{second:02}"),
            machine: format!("{date}T{hour:02}:{minute:02}:{second:02}Z"),
        }
    }
}

/// So many seconds, in words; from a minute on, to the minute.
fn length(seconds: i64) -> String {
    if seconds < 60 {
        return format!("{seconds} s");
    }
    let minutes = (seconds + 30) / 60;
    match (minutes / (24 * 60), minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days @ ..10, hours, _) => format!("{days} d {hours} h"),
        (days, ..) => format!("{days} d"),
    }
}

/// So many things, with `s` unless it is one.
pub fn count(count: u64, what: &str) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[test]
    fn times_are_told_from_now_and_in_utc() {
        let now = OffsetDateTime::from_unix_timestamp(1_772_439_304).expect("a time");
        for (seconds, distance) in [
            (0, "now"),
            (4, "now"),
            (5, "in 5 s"),
            (-59, "59 s ago"),
            (-60, "1 min ago"),
            (1_799, "in 30 min"),
            (3_700, "in 1 h 2 min"),
            (-90_000, "1 d 1 h ago"),
            (-900_000, "10 d ago"),
        ] {
            assert_eq!(Moment::of(now + Duration::seconds(seconds), now).distance, distance);
        }
        let moment = Moment::of(now, now);
        assert_eq!((&*moment.text, &*moment.machine), ("2026-03-02 08:15:04", "2026-03-02T08:15:04Z"));
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, told) in [(0, "0 pages"), (1, "1 page"), (999, "999 pages"), (1_234_567, "1,234,567 pages")] {
            assert_eq!(count(number, "page"), told);
        }
    }
}
