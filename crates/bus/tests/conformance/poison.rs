//! An event that fails alone is parked, and holds only its subject.

use anyhow::Result;
use masar_bus::{Desk, Error};

use crate::bench::{TENANT, TWO, event, on_each};
use crate::recorder::Recorder;

const PARKED: &str = "SELECT count(*) AS n FROM parked";

#[tokio::test]
async fn poison_is_parked_and_holds_only_its_subject() -> Result<()> {
    on_each(TWO, async |bench| {
        let (store, one) = (bench.store("one").await?, Recorder::with_poison(13));
        let desk = Desk { name: "one", store: store.clone(), handler: one.clone() };
        bench.start(bench.consumer("one", store.clone(), one.clone()));
        let other = bench.listen("other").await?;
        bench.relay();
        bench.tell(vec![event("a", 12), event("a", 13), event("a", 14), event("b", 1)]).await?;
        bench.tell(vec![event("a", 15), event("b", 2)]).await?;
        one.until(3).await;
        other.until(6).await;
        one.until_query(&store, PARKED, 3).await?;
        assert_eq!((one.of("a"), one.of("b")), (vec![12], vec![1, 2]));
        assert_eq!(other.of("a"), [12, 13, 14, 15]);

        let (page, next) = desk.list(TENANT, 1, "").await?;
        assert_eq!(page[0].error.as_deref(), Some("this number is poison"));
        let (rest, end) = desk.list(TENANT, 10, &next).await?;
        assert!(desk.list("DEMO-LAB", 10, "").await?.0.is_empty());
        assert!(matches!(desk.retry("DEMO-LAB", page[0].event.id).await, Err(Error::NotParked(_))));
        assert!(rest.iter().all(|held| held.error.is_none()) && rest.len() == 2 && end.is_empty());

        let id = page[0].event.id;
        assert!(desk.retry(TENANT, id).await.is_err());
        assert_eq!(desk.show(TENANT, id).await?.event.subject, "a");
        let behind = rest[0].event.id;
        assert!(matches!(desk.retry(TENANT, behind).await, Err(Error::Held(head)) if head == id));
        one.heal();
        assert_eq!(desk.retry(TENANT, id).await?, 3);
        assert_eq!(one.of("a"), [12, 13, 14, 15]);
        assert!(matches!(desk.show(TENANT, id).await, Err(Error::NotParked(_))));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_parked_event_can_be_given_up() -> Result<()> {
    on_each(TWO, async |bench| {
        let (store, one) = (bench.store("one").await?, Recorder::with_poison(13));
        let desk = Desk { name: "one", store: store.clone(), handler: one.clone() };
        bench.start(bench.consumer("one", store.clone(), one.clone()));
        let other = bench.listen("other").await?;
        bench.relay();
        bench.tell(vec![event("a", 13), event("a", 14)]).await?;
        other.until(2).await;
        one.until_query(&store, PARKED, 2).await?;
        let (page, _) = desk.list(TENANT, 10, "").await?;
        assert_eq!(desk.give_up(TENANT, page[0].event.id).await?, 1);
        assert_eq!(one.of("a"), [14]);
        assert!(desk.list(TENANT, 10, "").await?.0.is_empty());
        Ok(())
    })
    .await
}
