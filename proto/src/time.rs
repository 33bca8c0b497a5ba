//! Instants: protobuf's and ours.

use jiff::Timestamp;

/// An instant as protobuf writes it.
#[must_use]
pub fn to_proto(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

/// An instant that protobuf brought; none when it is unset or beyond what a timestamp can hold.
#[must_use]
pub fn from_proto(at: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_comes_back_as_it_went() {
        for text in ["2026-11-15T08:42:00.123456Z", "1969-12-31T23:59:59.5Z"] {
            let at: Timestamp = text.parse().unwrap();
            assert_eq!(from_proto(Some(&to_proto(at))), Some(at));
        }
        assert_eq!(from_proto(None), None);
    }
}
