//! Instants as the tables keep them: UTC, to the microsecond, so that both databases give back what they got.

use chrono::{DateTime, SubsecRound, Utc};
use jiff::Timestamp;

/// The instant as a column keeps it.
#[must_use]
pub fn to_db(at: Timestamp) -> DateTime<Utc> {
    // Both types reach beyond every year that a case can have.
    DateTime::from_timestamp(at.as_second(), u32::try_from(at.subsec_nanosecond()).unwrap_or(0))
        .unwrap_or_default()
        .trunc_subsecs(6)
}

/// The instant that a column kept.
#[must_use]
pub fn from_db(at: DateTime<Utc>) -> Timestamp {
    Timestamp::new(at.timestamp(), i32::try_from(at.timestamp_subsec_nanos()).unwrap_or(0))
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_microseconds() {
        let at: Timestamp = "2026-11-15T08:42:00.123456789Z".parse().unwrap();
        assert_eq!(from_db(to_db(at)).to_string(), "2026-11-15T08:42:00.123456Z");
    }
}
