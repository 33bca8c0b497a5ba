//! Three replicas share the shards of a work, and write only under their leases.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use masar_store::{Error, Lease, Leases, Store};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::checks::{self, ensure};
use crate::disk::Disk;
use crate::quiet::wait;
use crate::runner::{Scenario, die_at_every_step, explore, first_to_fail};
use crate::template;
use crate::world::{Boot, Life, World};

const REPLICAS: [&str; 3] = ["replica-1", "replica-2", "replica-3"];
const SHARDS: i16 = 4;
/// The most that one of three holds of four.
const FAIR: i64 = 2;

/// The scenario, and what is broken in it.
#[derive(Default)]
struct Sharing {
    /// Nobody checks a lease before it writes.
    unchecked: bool,
}

impl Scenario for Sharing {
    const NAME: &'static str = "leases";
    const SEEDS: u64 = 500;

    async fn play(&self, world: &World, _: u64) -> Result<String, String> {
        let disk = Disk::new(world, "shared", template::bus());
        for name in REPLICAS {
            world.add(name, replica(disk.clone(), self.unchecked));
        }
        let held = format!(
            "SELECT COUNT(*) FROM leases WHERE until > 0 AND holder IN (SELECT holder FROM replicas) AND \
             (SELECT COUNT(*) FROM leases AS of_one WHERE of_one.holder = leases.holder AND until > 0) <= {FAIR}"
        );
        let at_work = "SELECT COUNT(*) FROM leases WHERE EXISTS \
             (SELECT 1 FROM log WHERE log.shard = leases.shard AND log.epoch = leases.epoch)";
        world
            .run(|| {
                disk.count("replicas") == 3
                    && disk.number(&held) == i64::from(SHARDS)
                    && disk.number(at_work) == i64::from(SHARDS)
            })
            .await?;
        let log = disk.texts(checks::LOG);
        checks::one_holder_of_each_epoch(&log)?;
        ensure(!log.is_empty(), || "nobody did anything".to_owned())?;
        Ok("all shards are held, and worked on by whoever holds them".to_owned())
    }
}

fn replica(disk: Disk, unchecked: bool) -> Boot {
    Arc::new(move |life| {
        let disk = disk.clone();
        Box::pin(async move {
            let store = disk.store(&life);
            let mut leases = Leases::new(store.clone(), "work", SHARDS);
            while !life.stop.is_cancelled() {
                // What fails is tried again.
                if let Ok(held) = leases.turn().await {
                    for lease in held {
                        let _ = work(&life, &store, &lease, unchecked).await;
                    }
                }
                wait(Duration::from_millis(100 + life.world.draw(400))).await;
            }
            let _ = leases.leave().await;
        })
    })
}

/// Does some work on a shard, and writes down under which epoch.
async fn work(life: &Life, store: &Store, lease: &Lease, unchecked: bool) -> Result<(), Error> {
    wait(Duration::from_millis(life.world.draw(100))).await;
    let tx = store.begin().await?;
    if !unchecked {
        lease.check(&tx).await?;
    }
    let done = Statement::from_sql_and_values(
        DbBackend::Sqlite,
        "INSERT INTO log (shard, epoch, who) SELECT shard, epoch, who FROM leases, acting \
         WHERE work = 'work' AND shard = ?",
        [lease.shard.into()],
    );
    tx.execute_raw(done).await?;
    Ok(tx.commit().await?)
}

#[test]
fn leases() -> Result<()> {
    explore(&Sharing::default())
}

#[test]
fn leases_of_replicas_that_die_at_every_step() -> Result<()> {
    die_at_every_step(&Sharing::default(), 0).map(drop)
}

#[test]
fn a_lease_that_is_not_checked_is_found() {
    assert!(first_to_fail(&Sharing { unchecked: true }, 100).is_some());
}
