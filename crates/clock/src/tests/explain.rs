//! A ledger in plain sentences.

use masar_domain::BiText;

use super::{at, calendar, entered, extended, fired, paused, resumed, retargeted, started, stopped};
use crate::{Entry, explain};

fn told(ledger: &[Entry], now: &str) -> (Vec<String>, Vec<String>) {
    let named = |code: &str| match code {
        "awaiting_customer" => BiText::new("بانتظار المتعامل", "Awaiting the customer"),
        code => BiText::new(code, code),
    };
    let sentences = explain(ledger, at(now), &calendar(), &named).unwrap();
    sentences.into_iter().map(|text| (text.ar, text.en)).unzip()
}

#[test]
fn a_clock_says_what_happened_and_what_that_moved() {
    let ledger = [
        started("2026-10-20T11:30:00+03:00", "10 bd"),
        paused("2026-10-27T10:00:00+03:00"),
        resumed("2026-10-29T09:00:00+03:00"),
        extended("2026-10-29T10:00:00+03:00", "2 bd"),
        entered("2026-11-01T10:00:00+03:00", "2026-10-30T10:00:00+03:00", "2026-10-31T10:00:00+03:00"),
        fired("2026-11-09T10:00:00+03:00", "90%"),
        stopped("2026-11-09T10:05:00+03:00"),
    ];
    let (ar, en) = told(&ledger, "2026-12-01T08:00:00+03:00");
    assert_eq!(
        en,
        [
            "It began on Tuesday 2026-10-20 11:30 and may take 10 working days on the calendar qa-gov-default version 1, as complaint/response promises: due on Tuesday 2026-11-03 14:00.",
            "It stood still from Tuesday 2026-10-27 10:00 to Thursday 2026-10-29 09:00 because of “Awaiting the customer”: the due time moved from Tuesday 2026-11-03 14:00 to Thursday 2026-11-05 14:00.",
            "On Thursday 2026-10-29 10:00 director granted 2 working days more because of “three bodies answer”: the due time moved from Thursday 2026-11-05 14:00 to Monday 2026-11-09 14:00.",
            "It stood still from Friday 2026-10-30 10:00 to Saturday 2026-10-31 10:00 because of “Awaiting the customer”: the due time stayed on Monday 2026-11-09 14:00. director entered this on Sunday 2026-11-01 10:00.",
            "On Monday 2026-11-09 10:00 those concerned were warned that 90% of the time had passed.",
            "On Monday 2026-11-09 10:05 it was done.",
            "The promise was kept.",
        ]
    );
    assert_eq!(ar.len(), en.len());
    assert_eq!(
        ar[1],
        "توقفت من الثلاثاء 2026-10-27 10:00 إلى الخميس 2026-10-29 09:00 بسبب «بانتظار المتعامل»: انتقل موعدها من الثلاثاء 2026-11-03 14:00 إلى الخميس 2026-11-05 14:00."
    );
}

#[test]
fn what_stands_still_and_what_is_broken_is_said_as_things_stand() {
    let mut ledger = vec![started("2026-10-20T11:30:00+03:00", "10 bd"), paused("2026-10-27T10:00:00+03:00")];
    let (_, en) = told(&ledger, "2026-10-28T16:00:00+03:00");
    assert_eq!(
        en[1..],
        [
            "It has stood still since Tuesday 2026-10-27 10:00 because of “Awaiting the customer”; resumed now it would be due on Thursday 2026-11-05 14:00."
        ]
    );
    ledger.extend([resumed("2026-10-29T09:00:00+03:00"), retargeted("2026-11-03T09:00:00+03:00", "3 bd")]);
    let (ar, en) = told(&ledger, "2026-11-04T16:00:00+03:00");
    assert_eq!(
        en[2..],
        [
            "On Tuesday 2026-11-03 09:00 it was given 3 working days because of “importance”, and what was used and paused was kept: the due time moved from Thursday 2026-11-05 14:00 to Sunday 2026-10-25 14:00.",
            "The promise is broken since Tuesday 2026-11-03 09:00: the new target was past when it was set.",
        ]
    );
    assert_eq!(ar[3], "أُخلف الوعد الثلاثاء 2026-11-03 09:00: كان الموعد الجديد قد مضى حين تقرر.");
}

#[test]
fn what_is_cancelled_while_it_stands_still_says_both() {
    let end = Entry {
        at: at("2026-10-29T09:00:00+03:00"),
        event: crate::Event::Cancelled { reason: "the case is closed".into() },
    };
    let ledger = [started("2026-10-20T11:30:00+03:00", "10 bd"), paused("2026-10-27T10:00:00+03:00"), end];
    let (ar, en) = told(&ledger, "2026-11-29T09:00:00+03:00");
    assert!(
        en[1].starts_with("It stood still from Tuesday 2026-10-27 10:00 to Thursday 2026-10-29 09:00"),
        "{en:?}"
    );
    assert_eq!(en[2..], ["On Thursday 2026-10-29 09:00 it was cancelled because of “the case is closed”."]);
    assert_eq!(ar.len(), 3);
}
