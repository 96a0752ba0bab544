//! Hours in which nothing goes out that is not urgent: pure.

use chrono::{DateTime, Days, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// Quiet hours of one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quiet {
    pub(crate) from: NaiveTime,
    pub(crate) until: NaiveTime,
    pub(crate) zone: Tz,
}

impl Quiet {
    /// When the quiet hours end that `now` lies in; `None` outside of them.
    pub(crate) fn ends(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = now.with_timezone(&self.zone).naive_local();
        let (date, time) = (local.date(), local.time());
        let morning = if self.from < self.until {
            (self.from..self.until).contains(&time).then_some(date)
        } else if time >= self.from {
            date.checked_add_days(Days::new(1))
        } else {
            (time < self.until).then_some(date)
        }?;
        // A clock that is put forward may have no such minute; the next one that exists is meant.
        let mut wanted = morning.and_time(self.until);
        for _ in 0..8 {
            if let Some(end) = self.zone.from_local_datetime(&wanted).earliest() {
                return Some(end.with_timezone(&Utc));
            }
            wanted += TimeDelta::minutes(30);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(from: u32, until: u32, zone: Tz) -> Quiet {
        let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        Quiet {
            from: time(from),
            until: time(until),
            zone,
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn nights_end_in_the_morning_of_the_place() {
        // Tehran is 3:30 ahead of UTC.
        let tehran = quiet(22, 8, chrono_tz::Asia::Tehran);
        assert_eq!(tehran.ends(at("2026-01-10T12:00:00Z")), None);
        assert_eq!(tehran.ends(at("2026-01-10T18:29:59Z")), None);
        let morning = Some(at("2026-01-11T04:30:00Z"));
        assert_eq!(tehran.ends(at("2026-01-10T18:30:00Z")), morning);
        assert_eq!(tehran.ends(at("2026-01-11T02:00:00Z")), morning);
        assert_eq!(tehran.ends(at("2026-01-11T04:30:00Z")), None);
        let dakar = quiet(22, 8, chrono_tz::Africa::Dakar);
        assert_eq!(
            dakar.ends(at("2026-01-10T18:30:00Z")),
            None,
            "another place, another hour"
        );
        assert_eq!(
            quiet(13, 15, chrono_tz::Africa::Dakar).ends(at("2026-01-10T14:00:00Z")),
            Some(at("2026-01-10T15:00:00Z")),
            "a rest at noon"
        );
    }

    #[test]
    fn a_minute_that_does_not_exist_is_passed_over() {
        // Paris has no 02:00 to 03:00 on 29 March 2026.
        let time = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
        let paris = Quiet {
            from: time(22, 0),
            until: time(2, 15),
            zone: chrono_tz::Europe::Paris,
        };
        assert_eq!(
            paris.ends(at("2026-03-28T23:00:00Z")),
            Some(at("2026-03-29T01:15:00Z"))
        );
    }
}
