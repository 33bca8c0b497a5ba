//! The checker itself: content with a platform that is well, and each check finds what it is there for.

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use masar_proto::cases::v1::Case;
use masar_proto::sla::v1::Clock as Shown;
use masar_runtime::Clock;
use masar_workflow::Catalog;
use tokio_util::sync::CancellationToken;

use crate::check::{Told, judge, settle};
use crate::load::{Callers, Load};
use crate::seen::{Readers, Seen};
use crate::support::{Platform, eventually};

const SUNDAY: &str = "2026-11-15T08:00:00+03:00";
/// Calls of the load.
const CALLS: usize = 100;

/// Something that goes wrong, and the check that must find it.
type Tampered = (&'static str, fn(&mut Seen, &mut Told) -> Option<()>);

const WRONG: [Tampered; 21] = [
    ("every acknowledged submission is one case", |seen, _| seen.cases.pop().map(drop)),
    ("every acknowledged submission is one case", |seen, _| {
        let again = Case { reference: "TRF-2".into(), ..seen.cases.first()?.clone() };
        seen.cases.push(again);
        Some(())
    }),
    ("every acknowledged submission is one case", |_, told| told.submissions.pop_first().map(drop)),
    ("every acknowledged submission is one case", |_, told| {
        told.contradictions.push("two references".into());
        Some(())
    }),
    ("every event of a case once and in order", |seen, _| history(seen)?.pop().map(drop)),
    ("every event of a case once and in order", |seen, _| {
        let events = history(seen)?;
        events.swap(0, 1);
        Some(())
    }),
    ("every event of a case once and in order", |seen, _| {
        let events = history(seen)?;
        events.push(events.last()?.clone());
        Some(())
    }),
    ("every event of a case once and in order", |_, told| {
        told.steps.first_mut()?.version += 40;
        Some(())
    }),
    ("a case equals the replay of its events", |seen, _| {
        seen.cases.first_mut()?.department = "TRF-INSPECT".into();
        Some(())
    }),
    ("a case equals the replay of its events", |seen, _| {
        history(seen)?.last_mut()?.to_state = "nowhere".into();
        Some(())
    }),
    ("the clocks are those that the events ask for", |seen, _| clocks(seen)?.pop().map(drop)),
    ("the clocks are those that the events ask for", |seen, _| {
        running(seen)?.state.as_mut()?.phase = "paused".into();
        Some(())
    }),
    ("a clock equals the fold of its ledger", |seen, _| {
        running(seen)?.state.as_mut()?.due_at.as_mut()?.seconds += 1;
        Some(())
    }),
    ("every mark fired once and none early", |seen, _| {
        let clock = fired(seen)?;
        let first = clock.ledger.iter().position(|line| line.event == "mark_fired")?;
        clock.ledger.insert(first, clock.ledger.get(first)?.clone());
        Some(())
    }),
    ("every mark fired once and none early", |seen, _| {
        let clock = fired(seen)?;
        // As if it had fired at the start.
        let started = clock.ledger.first()?.entry.as_ref()?.fields.get("at")?.clone();
        let line = clock.ledger.iter_mut().find(|line| line.event == "mark_fired")?;
        line.entry.as_mut()?.fields.insert("at".into(), started);
        Some(())
    }),
    // Long after all that has fired, more should have.
    ("every mark fired once and none early", |seen, _| {
        seen.now = seen.now.checked_add(SignedDuration::from_hours(24 * 90)).ok()?;
        Some(())
    }),
    ("every level of a ladder once", |seen, _| seen.escalations.pop().map(drop)),
    ("every level of a ladder once", |seen, _| {
        seen.escalations.push(seen.escalations.first()?.clone());
        Some(())
    }),
    ("no task without a case", |seen, _| {
        seen.tasks.first_mut()?.case_id = "nowhere".into();
        Some(())
    }),
    ("no open case without an owner", |seen, _| seen.tasks.pop().map(drop)),
    ("outboxes are empty", |seen, _| {
        seen.outboxes.first_mut()?.waiting = 1;
        Some(())
    }),
];

/// The history of a case that was moved.
fn history(seen: &mut Seen) -> Option<&mut Vec<masar_proto::cases::v1::CaseEvent>> {
    seen.events.values_mut().find(|events| events.len() > 2)
}

fn clocks(seen: &mut Seen) -> Option<&mut Vec<Shown>> {
    seen.clocks.values_mut().find(|clocks| !clocks.is_empty())
}

fn running(seen: &mut Seen) -> Option<&mut Shown> {
    let mut clocks = seen.clocks.values_mut().flatten();
    clocks.find(|clock| clock.state.as_ref().is_some_and(|state| state.phase == "running"))
}

fn fired(seen: &mut Seen) -> Option<&mut Shown> {
    seen.clocks.values_mut().flatten().find(|clock| !clock.fired.is_empty())
}

/// What the checks find, by their names.
fn found(seen: &Seen, told: &Told, catalog: &Catalog) -> Vec<(&'static str, Vec<String>)> {
    let verdicts = judge(seen, told, catalog).into_iter();
    verdicts
        .filter(|verdict| !verdict.findings.is_empty())
        .map(|verdict| (verdict.check, verdict.findings))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checker_is_content_with_what_is_well_and_finds_what_is_not() -> Result<()> {
    let start: Timestamp = SUNDAY.parse()?;
    let (clock, hand) = Clock::manual(start);
    let folder = tempfile::tempdir()?;
    let platform = Platform::start(format!("sqlite:{}", folder.path().display()), clock.clone()).await?;
    let callers = Callers {
        centre: platform.call_centre("DEMO-TRF").await?,
        triage: platform.person("trf-triage-1").await?,
        handler: platform.person("trf-licence-1").await?,
        manager: platform.person("trf-licence-manager").await?,
        intake: platform.person("trf-intake").await?,
    };
    let readers = Readers {
        triage: callers.triage.clone(),
        operations: platform.person("trf-ops").await?,
        admin: vec![platform.person("trf-admin").await?],
    };
    let (load, stop, began) = (Load::default(), CancellationToken::new(), std::time::Instant::now());
    let enough = async {
        eventually("the callers have called enough", async || {
            Ok((load.since(began).0 >= CALLS).then(|| stop.cancel()))
        })
        .await
    };
    tokio::try_join!(load.run(&callers, 3, &stop), enough)?;
    let (told, catalog) = (load.told().clone(), Catalog::shipped()?);
    // Time enough for warnings and breaches of the clock of a risk.
    for minutes in [125, 65, 60] {
        let next = clock.now().checked_add(SignedDuration::from_mins(minutes))?;
        hand.advance_to(next);
        let verdicts = settle(&readers, || Ok(next), &told, &catalog).await?;
        let findings: Vec<_> = verdicts.into_iter().flat_map(|verdict| verdict.findings).collect();
        assert_eq!(findings, [""; 0]);
    }

    let seen = readers.read(clock.now()).await?;
    for (check, tamper) in WRONG {
        let (mut seen, mut told) = (seen.clone(), told.clone());
        tamper(&mut seen, &mut told).with_context(|| format!("nothing to tamper with: {check}"))?;
        let found = found(&seen, &told, &catalog);
        assert!(found.iter().any(|(name, _)| *name == check), "{check} has missed it: {found:?}");
    }
    Ok(platform.running.stop().await?)
}
