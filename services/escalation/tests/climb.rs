//! Ladders on both databases: which level fires when, whom it tells, and that it does so once.

mod support;

use anyhow::Result;
use masar_proto::common::v1::{Importance, StateCategory};
use masar_proto::escalation::v1::ListEscalationsRequest;
use masar_proto::events::v1::CaseSnapshot;
use masar_proto::{kinds, time};
use masar_testkit::on_each_database;
use support::{Bench, absent, complaint, due, everybody, person, without};

/// The marks of the ladder of a complaint of medium importance, as sla writes them, and what each fires.
const MEDIUM: [(&str, &str, &[&str], &[&str]); 6] = [
    ("75%", "L0", &["roads-1", "roads-manager"], &[]),
    ("breach", "L1", &["roads-manager"], &["require_reason"]),
    ("breach + 2 business_days", "L2", &["roads-director"], &[]),
    ("breach + 5 business_days", "L3", &["quality"], &["add_to_queue:cx_review"]),
    ("breach + 10 business_days", "L4", &["head"], &[]),
    ("breach + 20 business_days", "L5", &["officer"], &[]),
];

async fn all_marks(bench: &Bench, case: &CaseSnapshot, run: u32) -> Result<()> {
    for mark in ["50%", "90%"].into_iter().chain(MEDIUM.map(|(mark, ..)| mark)) {
        bench.mark(case, run, mark).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_complaint_climbs_every_level_once() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let case = complaint();
        bench.people(&everybody()).await?;
        bench.case(&case).await?;
        all_marks(&bench, &case, 1).await?;
        for (mark, level, people, actions) in MEDIUM {
            let (kind, told) = bench.told().await?;
            assert_eq!((kind.as_str(), told.level.as_str()), (kinds::ESCALATION_RAISED, level));
            assert_eq!(
                (told.mark.as_str(), told.people, told.actions),
                (mark, strings(people), strings(actions))
            );
            assert_eq!((told.case.as_ref(), told.vacant.len(), told.run), (Some(&case), 0, 1));
            assert_eq!(time::from_proto(told.due_at.as_ref()), Some(due()));
        }
        let listed = bench.list(Default::default()).await?;
        for (escalation, (mark, level, people, actions)) in listed.iter().rev().zip(MEDIUM) {
            assert_eq!((escalation.mark.as_str(), escalation.level.as_str()), (mark, level));
            assert_eq!((&escalation.people, &escalation.actions), (&strings(people), &strings(actions)));
            assert_eq!((&escalation.reference, &escalation.case_id), (&case.reference, &case.case_id));
        }

        // What the CX team reviews.
        let wanted = ListEscalationsRequest { queue: "cx_review".to_owned(), ..Default::default() };
        let reviewed = bench.list(wanted).await?;
        assert_eq!(reviewed.iter().map(|one| one.level.as_str()).collect::<Vec<_>>(), ["L3"]);

        // The same marks as new events, before and after a restart.
        all_marks(&bench, &case, 1).await?;
        bench.restart().await?;
        all_marks(&bench, &case, 1).await?;
        assert_eq!(bench.levels().await?, MEDIUM.map(|(_, level, ..)| level));
        // Another run is another promise, and what is told next shows that nothing was told twice.
        bench.mark(&case, 2, "breach").await?;
        let (_, told) = bench.told().await?;
        assert_eq!((told.run, told.level.as_str()), (2, "L1"));
        assert_eq!(bench.levels().await?.len(), 7);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_newest_case_decides_who_is_told() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let old = complaint();
        let new = CaseSnapshot {
            version: 2,
            importance: Importance::High.into(),
            department: "PARKS".to_owned(),
            handler: String::new(),
            ..old.clone()
        };
        bench.people(&everybody()).await?;
        bench.case(&new).await?;
        bench.case(&old).await?;
        bench.mark(&new, 1, "50%").await?;
        let (_, told) = bench.told().await?;
        assert_eq!((told.level.as_str(), told.mark.as_str()), ("L0", "50%"));
        assert_eq!((told.people, told.vacant), (strings(&["parks-manager"]), strings(&["handler"])));
        assert_eq!(told.case, Some(new));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_mark_means_a_level_of_the_importance_for_which_it_was_set() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let (raised, lowered) = (complaint(), complaint());
        let high = CaseSnapshot { version: 2, importance: Importance::High.into(), ..raised.clone() };
        let low = CaseSnapshot { version: 2, importance: Importance::Low.into(), ..lowered.clone() };
        bench.people(&everybody()).await?;
        bench.case(&raised).await?;
        bench.case(&lowered).await?;
        // sla has heard of the new importance, and we have not.
        bench.mark(&high, 1, "50%").await?;
        let (_, told) = bench.told().await?;
        assert_eq!((told.level.as_str(), told.case.as_ref()), ("L0", Some(&raised)));
        bench.case(&high).await?;
        // We have heard of it, and sla had not.
        bench.case(&low).await?;
        bench.mark(&lowered, 1, "breach + 2 business_days").await?;
        assert_eq!(bench.told().await?.1.level, "L2");
        // The mark of the new importance says nothing that was not said.
        bench.mark(&low, 1, "breach + 5 business_days").await?;
        bench.mark(&low, 1, "breach + 10 business_days").await?;
        assert_eq!(bench.told().await?.1.level, "L3");
        assert_eq!(bench.levels().await?, ["L0", "L2", "L3"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_vacant_level_goes_to_the_next_and_says_so() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let case = complaint();
        bench.people(&without(&["department_director"])).await?;
        bench.case(&case).await?;
        bench.mark(&case, 1, "breach + 2 business_days").await?;
        let (_, told) = bench.told().await?;
        assert_eq!(told.level, "L2");
        assert_eq!((told.people, told.vacant), (strings(&["quality"]), strings(&["department_director"])));
        assert_eq!((told.absent.len(), told.safety_net), (0, false));
        // The next level still fires for itself.
        bench.mark(&case, 1, "breach + 5 business_days").await?;
        let (_, told) = bench.told().await?;
        assert_eq!((told.level.as_str(), told.people, told.vacant.len()), ("L3", strings(&["quality"]), 0));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn who_is_absent_counts_as_nobody() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let case = complaint();
        let mut people = without(&["case_handler", "department_manager"]);
        people.push(absent(person("roads-1", "ROADS", "case_handler")));
        people.push(absent(person("roads-manager", "ROADS", "department_manager")));
        bench.people(&people).await?;
        bench.case(&case).await?;
        bench.mark(&case, 1, "75%").await?;
        let (_, told) = bench.told().await?;
        assert_eq!(told.people, strings(&["roads-director"]));
        assert_eq!(told.vacant, strings(&["handler", "department_manager"]));
        assert_eq!((told.absent, told.safety_net), (strings(&["roads-1", "roads-manager"]), false));
        let listed = bench.list(Default::default()).await?;
        assert_eq!(listed[0].absent, strings(&["roads-1", "roads-manager"]));
        // Back at work.
        bench.people(&everybody()).await?;
        bench.mark(&case, 1, "breach").await?;
        let (_, told) = bench.told().await?;
        assert_eq!((told.people, told.vacant.len()), (strings(&["roads-manager"]), 0));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_ladder_without_people_ends_in_its_safety_net() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let case = complaint();
        bench.people(&[person("admin", "", "tenant_admin")]).await?;
        bench.case(&case).await?;
        bench.mark(&case, 1, "breach + 10 business_days").await?;
        let (_, told) = bench.told().await?;
        assert_eq!(told.people, strings(&["admin"]));
        assert_eq!(told.vacant, strings(&["head_of_entity", "oversight_officer"]));
        assert!(told.safety_net && bench.list(Default::default()).await?[0].safety_net);
        // Without anybody at all the level is at least on the list.
        bench.people(&[]).await?;
        bench.mark(&case, 1, "breach + 20 business_days").await?;
        let (_, told) = bench.told().await?;
        assert_eq!((told.level.as_str(), told.people.len()), ("L5", 0));
        assert_eq!(bench.levels().await?, ["L4", "L5"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_mark_waits_for_its_case() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let (early, other) = (complaint(), complaint());
        bench.people(&everybody()).await?;
        bench.mark(&early, 1, "75%").await?;
        bench.mark(&early, 1, "breach").await?;
        bench.mark(&early, 1, "breach").await?;
        bench.case(&other).await?;
        bench.restart().await?;
        assert_eq!(bench.levels().await?, [""; 0]);
        bench.case(&early).await?;
        assert_eq!(bench.levels().await?, ["L0", "L1"]);
        for level in ["L0", "L1"] {
            assert_eq!(bench.told().await?.1.level, level);
        }
        // They have waited once.
        bench.case(&CaseSnapshot { version: 2, ..early.clone() }).await?;
        assert_eq!(bench.levels().await?, ["L0", "L1"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_is_over_climbs_no_further() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let closed = |case: &CaseSnapshot| CaseSnapshot {
            version: 2,
            category: StateCategory::Closed.into(),
            ..case.clone()
        };
        let (case, early, answered) = (complaint(), complaint(), complaint());
        bench.people(&everybody()).await?;
        bench.case(&case).await?;
        bench.mark(&case, 1, "75%").await?;
        assert_eq!(bench.told().await?.1.level, "L0");
        bench.case(&closed(&case)).await?;
        bench.mark(&case, 1, "breach").await?;
        // Closed before we heard of it.
        bench.mark(&early, 1, "breach").await?;
        bench.case(&closed(&early)).await?;
        // Answered is not yet over: what was late was late.
        bench.case(&CaseSnapshot { category: StateCategory::Resolved.into(), ..answered.clone() }).await?;
        bench.mark(&answered, 1, "breach").await?;
        assert_eq!(bench.told().await?.1.case_id, answered.case_id);
        assert_eq!(bench.levels().await?, ["L0", "L1"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn cases_from_elsewhere_climb_once_they_are_ours() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let case = CaseSnapshot { historical: true, ..complaint() };
        bench.people(&everybody()).await?;
        bench.case(&case).await?;
        bench.mark(&case, 1, "breach").await?;
        assert_eq!(bench.levels().await?, [""; 0]);
        bench.case(&CaseSnapshot { version: 2, historical: false, ..case.clone() }).await?;
        assert_eq!(bench.told().await?.1.level, "L1");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_customer_is_reminded_and_nobody_of_the_entity_is_asked() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let medium = complaint();
        let high = CaseSnapshot { importance: Importance::High.into(), ..complaint() };
        let elsewhere = CaseSnapshot { historical: true, ..complaint() };
        for case in [&medium, &high, &elsewhere] {
            bench.case(case).await?;
        }
        // Whoever is there or not: the customer always is.
        for (case, mark) in [(&elsewhere, "50%"), (&medium, "42%"), (&medium, "50%"), (&high, "42%")] {
            bench.mark_of("customer_wait", case, 1, mark).await?;
        }
        for (case, mark) in [(&medium, "50%"), (&high, "42%")] {
            let (_, told) = bench.told().await?;
            assert_eq!(
                (told.case.as_ref(), told.level.as_str(), told.mark.as_str()),
                (Some(case), "L0", mark)
            );
            assert_eq!((told.people, told.template.as_str()), (strings(&["customer"]), "reminder"));
        }
        assert_eq!(bench.levels().await?, ["L0", "L0"]);
        let open = ListEscalationsRequest { open_only: true, ..Default::default() };
        assert_eq!(bench.list(open).await?, []);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_level_is_told_again_until_it_is_acknowledged_and_the_next_is_not_silenced() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let case = CaseSnapshot { package: "again".to_owned(), case_type: "again".to_owned(), ..complaint() };
        bench.people(&everybody()).await?;
        bench.case(&case).await?;
        for (number, mark) in [(1, "breach"), (2, "breach + 1 business_day")] {
            bench.mark_of("answer", &case, 1, mark).await?;
            let (kind, told) = bench.told().await?;
            assert_eq!(
                (kind.as_str(), told.level.as_str(), told.told),
                (kinds::ESCALATION_RAISED, "L1", number)
            );
            assert_eq!(told.people, strings(&["roads-manager"]));
            // The same mark as a new event says nothing new.
            bench.mark_of("answer", &case, 1, mark).await?;
        }
        // The manager has gone, and somebody above hears of it; who was told before may still take notice.
        bench.people(&without(&["department_manager"])).await?;
        bench.mark_of("answer", &case, 1, "breach + 2 business_days").await?;
        let (_, first) = bench.told().await?;
        let (_, second) = bench.told().await?;
        let (again, next) = if first.level == "L1" { (first, second) } else { (second, first) };
        assert_eq!((again.level.as_str(), again.told, again.people), ("L1", 3, strings(&["roads-director"])));
        assert_eq!((next.level.as_str(), next.told, next.people), ("L2", 1, strings(&["roads-director"])));
        let listed = bench.list(Default::default()).await?;
        let level = |level: &str| listed.iter().find(|one| one.level == level).cloned().unwrap_or_default();
        assert_eq!(level("L1").people, strings(&["roads-director", "roads-manager"]));
        bench.acknowledge(("roads-manager", "department_manager"), &level("L1"), "I call today").await?;
        assert_eq!(bench.told().await?.0, kinds::ESCALATION_ACKNOWLEDGED);
        bench.mark_of("answer", &case, 1, "breach + 3 business_days").await?;
        // What is told next shows that L1 was not told a fourth time, and that another run begins anew.
        bench.mark_of("answer", &case, 2, "breach").await?;
        let (_, told) = bench.told().await?;
        assert_eq!((told.run, told.told), (2, 1));
        let listed = bench.list(Default::default()).await?;
        assert_eq!(listed.iter().map(|one| one.told).collect::<Vec<_>>(), [1, 1, 3]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_mark_that_cannot_be_climbed_is_parked_and_not_lost() -> Result<()> {
    on_each_database(|url| async move {
        let bench = Bench::start(url).await?;
        let case = CaseSnapshot { package_version: "9.0.0".to_owned(), ..complaint() };
        bench.case(&case).await?;
        bench.mark(&case, 1, "breach").await?;
        let (parked, _) = bench.desk.list(&case.tenant, 10, "").await?;
        let problem = parked.iter().filter_map(|parked| parked.error.as_deref()).collect::<Vec<_>>();
        assert!(matches!(problem.as_slice(), [one] if one.contains("complaint 9.0.0")), "{problem:?}");
        Ok(())
    })
    .await
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
