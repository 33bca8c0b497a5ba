//! Clocks, their ledgers, and the marks that have fired.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use masar_clock::{Clock as Folded, Entry, Error, Mark, Phase};
use masar_proto::sla::v1::Clock;
use masar_proto::{json, time};
use masar_workflow::{CaseEvent, ClockKind, ClockOperation, Effect};
use serde_json::{Value, json};

use super::{Replays, Verdict};
use crate::seen::Seen;

/// A timer may be so late: it looks once a second.
const LATE: SignedDuration = SignedDuration::from_secs(3);

/// A run of a clock, as the events of its case ask for it.
struct Asked {
    phase: Phase,
    marks: BTreeSet<Mark>,
    /// It may end by itself: a window at its mark, and what waits for a message when that was told.
    ends_by_itself: bool,
}

/// The runs that the events of a case ask for, by clock and number.
fn asked(events: &[CaseEvent]) -> BTreeMap<(String, u32), Asked> {
    let mut runs: BTreeMap<(String, u32), Asked> = BTreeMap::new();
    let effects = events.iter().flat_map(|event| &event.effects);
    for effect in effects.filter_map(|effect| match effect {
        Effect::Clock(effect) => Some(effect),
        _ => None,
    }) {
        let mut of_clock = runs.iter_mut().filter(|((clock, _), _)| *clock == effect.clock);
        let last = of_clock.next_back().map(|((_, run), asked)| (*run, asked));
        let number = last.as_ref().map_or(0, |(run, _)| *run);
        match (&effect.operation, last) {
            (ClockOperation::Start { kind, marks, messages, .. }, last) => {
                if let Some((_, before)) = last {
                    before.phase = Phase::Stopped;
                }
                let ends_by_itself = *kind == ClockKind::Window || !messages.is_empty();
                let run = Asked { phase: Phase::Running, marks: marks.clone(), ends_by_itself };
                runs.insert((effect.clock.clone(), number + 1), run);
            }
            (ClockOperation::Retarget { marks, .. }, Some((_, run))) => run.marks.clone_from(marks),
            (ClockOperation::Pause { .. }, Some((_, run))) => run.phase = Phase::Paused,
            (ClockOperation::Resume, Some((_, run))) => run.phase = Phase::Running,
            (ClockOperation::Stop, Some((_, run))) => run.phase = Phase::Stopped,
            (ClockOperation::Cancel { .. }, Some((_, run))) => run.phase = Phase::Cancelled,
            (ClockOperation::Extend { .. }, Some(_)) | (_, None) => {}
        }
    }
    runs
}

fn is_over(phase: &str) -> bool {
    phase == "stopped" || phase == "cancelled"
}

/// The clocks of a case are those that its events ask for, and stand as they say.
pub(super) fn asked_for(seen: &Seen, replays: &Replays) -> Verdict {
    let (mut looked_at, mut findings) = (0, Vec::new());
    for case in &seen.cases {
        let Some(Ok(replayed)) = replays.get(&case.case_id) else { continue };
        let mut runs = asked(&replayed.events);
        for clock in clocks_of(seen, &case.case_id) {
            looked_at += 1;
            let state = clock.state.clone().unwrap_or_default();
            let name = format!("{} {}/{}", case.reference, state.clock, state.run);
            let Some(asked) = runs.remove(&(state.clock, state.run)) else {
                findings.push(format!("{name}: nobody asked for it"));
                continue;
            };
            let expected = word(asked.phase);
            let over = is_over(&state.phase) && (is_over(expected) || asked.ends_by_itself);
            if !over && state.phase != expected {
                findings.push(format!("{name}: it is {}, and should be {expected}", state.phase));
            }
        }
        let missing = runs.keys().map(|(clock, run)| format!("{} {clock}/{run} is missing", case.reference));
        findings.extend(missing);
    }
    Verdict::new("the clocks are those that the events ask for", looked_at, findings)
}

/// Every clock is the fold of its ledger.
pub(super) fn folds(seen: &Seen) -> Verdict {
    let (mut looked_at, mut findings) = (0, Vec::new());
    for (name, clock) in every_clock(seen) {
        looked_at += 1;
        let different =
            ledger(clock).and_then(|ledger| match Folded::fold(&ledger, seen.calendars.as_slice()) {
                // That is for the check of the marks.
                Err(Error::MarkTwice(_) | Error::MarkEarly { .. }) => Ok(None),
                Err(error) => Err(error.to_string()),
                Ok(folded) => difference(seen, clock, &folded, &ledger),
            });
        match different {
            Ok(None) => {}
            Ok(Some(what)) | Err(what) => findings.push(format!("{name}: {what}")),
        }
    }
    Verdict::new("a clock equals the fold of its ledger", looked_at, findings)
}

fn difference(
    seen: &Seen,
    clock: &Clock,
    folded: &Folded,
    ledger: &[Entry],
) -> Result<Option<String>, String> {
    let calendars = seen.calendars.as_slice();
    let wrong = |error: Error| error.to_string();
    let last = ledger.last().map(|entry| entry.at).unwrap_or_default();
    let breach = folded.breach_by(last, calendars).map_err(wrong)?;
    let state = clock.state.clone().unwrap_or_default();
    let breach = breach.filter(|_| state.kind != "window").map(|breach| kept(breach.at));
    let made = json!({
        "phase": word(folded.phase()), "due_at": kept(folded.due_at(calendars).map_err(wrong)?), "breached_at": breach,
        "target": folded.target().to_string(), "target_number": folded.target_number(), "version": ledger.len(),
        "started_at": kept(folded.started_at()), "stopped_at": folded.stopped_at().map(kept),
        "calendar": folded.calendar().name, "calendar_version": folded.calendar().version,
    });
    let at = |at: &Option<prost_types::Timestamp>| time::from_proto(at.as_ref());
    let shown = json!({
        "phase": state.phase, "due_at": at(&state.due_at), "breached_at": at(&state.breached_at),
        "target": state.target, "target_number": state.target_number, "version": state.version,
        "started_at": at(&state.started_at), "stopped_at": at(&state.stopped_at),
        "calendar": state.calendar, "calendar_version": state.calendar_version,
    });
    Ok((made != shown).then(|| format!("its ledger makes {made}, it is {shown}")))
}

/// Every mark of a clock that has come has fired, once, and none that has not.
pub(super) fn marks(seen: &Seen, replays: &Replays) -> Verdict {
    let (mut looked_at, mut findings) = (0, Vec::new());
    let by: Timestamp = seen.now.saturating_sub(LATE).unwrap_or(Timestamp::MIN);
    let calendars = seen.calendars.as_slice();
    for (name, clock) in every_clock(seen) {
        looked_at += clock.fired.len();
        let Ok(ledger) = ledger(clock) else { continue };
        let folded = match Folded::fold(&ledger, calendars) {
            Err(error @ (Error::MarkTwice(_) | Error::MarkEarly { .. })) => {
                findings.push(format!("{name}: {error}"));
                continue;
            }
            Err(_) => continue,
            Ok(folded) => folded,
        };
        let state = clock.state.clone().unwrap_or_default();
        let Some(Ok(replayed)) = replays.get(&state.case_id) else { continue };
        let Some(asked) = asked(&replayed.events).remove(&(state.clock, state.run)) else { continue };
        let marks: Vec<_> = asked.marks.into_iter().collect();
        let due = folded.marks_due(&marks, calendars).unwrap_or_default();
        let missed = due.iter().filter(|due| !replayed.case.historical && due.at < by);
        findings
            .extend(missed.map(|due| format!("{name}: {} was due at {} and did not fire", due.mark, due.at)));
    }
    Verdict::new("every mark fired once and none early", looked_at, findings)
}

/// The clocks of all cases, each with a name for findings.
fn every_clock(seen: &Seen) -> impl Iterator<Item = (String, &Clock)> {
    seen.clocks.values().flatten().map(|clock| {
        let state = clock.state.as_ref();
        let name = state.map(|state| format!("{} {}/{}", clock.reference, state.clock, state.run));
        (name.unwrap_or_default(), clock)
    })
}

fn clocks_of<'a>(seen: &'a Seen, case: &str) -> &'a [Clock] {
    seen.clocks.get(case).map(Vec::as_slice).unwrap_or_default()
}

/// The ledger of a clock, as it is kept.
fn ledger(clock: &Clock) -> Result<Vec<Entry>, String> {
    let entries = clock.ledger.iter().map(|line| {
        let entry: Value = json::from_struct(line.entry.clone().unwrap_or_default());
        serde_json::from_value(entry).map_err(|error| format!("line {}: {error}", line.number))
    });
    entries.collect()
}

/// An instant as the databases keep it.
fn kept(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Running => "running",
        Phase::Paused => "paused",
        Phase::Stopped => "stopped",
        Phase::Cancelled => "cancelled",
    }
}
