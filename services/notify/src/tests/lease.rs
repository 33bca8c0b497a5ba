//! Leases: one attempt at a time, and the last one counts.

use anyhow::{Context, Result};
use jiff::SignedDuration;
use masar_proto::notify::v1::ListDeliveriesRequest;
use masar_store::{DatabaseUrl, Store};
use masar_testkit::on_each_database;

use super::case::{letter, start};
use crate::NAME;
use crate::store::delivery::{DELIVERED, EMAIL, Model, claim, insert, next_due, settle};
use crate::store::{Migrator, list};

#[tokio::test]
async fn what_is_taken_for_lost_is_taken_again_and_the_lost_attempt_says_nothing() -> Result<()> {
    on_each_database(async |url| {
        let store = Store::connect(&url.parse::<DatabaseUrl>()?, NAME).await?;
        store.migrate::<Migrator>().await?;
        let tx = store.begin().await?;
        insert(&tx, vec![letter()]).await?;
        tx.commit().await?;

        let (now, lost) = (start(), start() + SignedDuration::from_mins(2));
        let first = claim(&store, EMAIL, [], (now, lost), 10).await?.pop().context("it is due")?;
        let early = lost - SignedDuration::from_secs(1);
        assert_eq!(claim(&store, EMAIL, [], (early, lost), 10).await?, []);
        assert_eq!(claim(&store, "webhook", [], (lost, lost), 10).await?, []);
        // Whoever has it under way does not take it twice, however late it is.
        assert_eq!(next_due(&store, EMAIL, [first.id]).await?, None);
        assert_eq!(claim(&store, EMAIL, [first.id], (lost, lost), 10).await?, []);
        let second = claim(&store, EMAIL, [], (lost, lost), 10).await?.pop().context("it came back")?;
        assert_eq!((first.attempts, second.attempts), (1, 2));

        let tx = store.begin().await?;
        let done = |delivery: &Model| Model { status: DELIVERED.to_owned(), lease: None, ..delivery.clone() };
        assert!(!settle(&tx, first.lease.context("a lease")?, done(&first)).await?);
        assert!(settle(&tx, second.lease.context("a lease")?, done(&second)).await?);
        tx.commit().await?;
        let (kept, _) = list(&store, &first.tenant, &ListDeliveriesRequest::default()).await?;
        let kept: Vec<_> = kept.iter().map(|kept| (kept.status.as_str(), kept.attempts)).collect();
        assert_eq!(kept, [(DELIVERED, 2)]);
        Ok(())
    })
    .await
}
