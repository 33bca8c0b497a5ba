//! Whose time it was: to the second, and nothing left over (T14).

use jiff::SignedDuration;
use proptest::prelude::*;

use super::{at, calendar, fold, paused, resumed, started, stopped};
use crate::{Attribution, Span, attribute};

fn span(from: &str, to: &str) -> Span {
    Span { from: at(from), to: at(to) }
}

#[test]
fn each_second_is_somebodys() {
    let clock = fold(&[
        started("2026-11-15T08:42:00.9+03:00", "10 bd"),
        paused("2026-11-16T13:00:00.2+03:00"),
        resumed("2026-11-17T07:30:00.7+03:00"),
        stopped("2026-11-17T10:00:00+03:00"),
    ]);
    let now = at("2026-12-01T08:00:00+03:00");
    let provider = [
        span("2026-11-16T09:00:00+03:00", "2026-11-16T13:30:00+03:00"),
        span("2026-11-16T11:00:00+03:00", "2026-11-16T12:00:00+03:00"),
    ];
    let found = attribute(clock.lasted(now), &clock.stood_still(now), &provider, &calendar()).unwrap();
    let expected = Attribution {
        // Sunday 8:42 to 14:00, Monday 7:00 to 9:00, Tuesday 7:30 to 10:00.
        department_seconds: (5 * 60 + 18 + 2 * 60 + 150) * 60,
        customer_seconds: 90 * 60,
        provider_seconds: 4 * 60 * 60,
        closed_seconds: 2 * 17 * 60 * 60,
    };
    assert_eq!(found, expected);
    assert_eq!(found.total_seconds(), 49 * 3_600 + 18 * 60, "from 8:42 on Sunday to 10:00 on Tuesday");
    let counted: Vec<_> = clock.counted(now).into_iter().map(|span| span.from).collect();
    assert_eq!(counted, [at("2026-11-15T08:42:00.9+03:00"), at("2026-11-17T07:30:00.7+03:00")]);
}

proptest! {
    #[test]
    fn the_parts_are_the_whole(
        start in 0i64..400_000_000,
        seconds in 0i64..4_000_000,
        pauses in prop::collection::vec((-100_000i64..4_000_000, 0i64..900_000), 0..5),
        providers in prop::collection::vec((-100_000i64..4_000_000, 0i64..900_000), 0..5),
    ) {
        let from = at("2026-03-01T00:00:00Z") + SignedDuration::from_millis(start);
        let instant = |seconds| from + SignedDuration::from_secs(seconds);
        let spans = |spans: &[(i64, i64)]| -> Vec<_> {
            spans.iter().map(|(begin, long)| Span { from: instant(*begin), to: instant(begin + long) }).collect()
        };
        let whole = Span { from, to: instant(seconds) };
        let found = attribute(whole, &spans(&pauses), &spans(&providers), &calendar()).unwrap();
        prop_assert_eq!(found.total_seconds(), seconds);
        let parts =
            [found.department_seconds, found.customer_seconds, found.provider_seconds, found.closed_seconds];
        prop_assert!(parts.iter().all(|part| *part >= 0), "{:?}", found);
    }
}
