//! The turn in which nothing changes hands: one statement, so that replicas at rest cost next to nothing.

use sea_orm::{DbBackend, FromQueryResult, Statement};
use uuid::Uuid;

use super::{TERM, millis, share};
use crate::{Error, Store};

/// Says that the replica is there and renews what it holds; then tells who else is there, how many shards are held, and each
/// shard of its own. What it tells of others was so before. Leases are locked in the order in which all lock them.
const RENEW: &str = "
    WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now),
    here AS (
      UPDATE replicas SET until = clock.now + $3 FROM clock
      WHERE work = $1 AND holder = $2 AND until > clock.now RETURNING holder),
    own AS (
      SELECT shard FROM leases, clock WHERE work = $1 AND holder = $2 AND until > clock.now
      ORDER BY shard FOR UPDATE OF leases),
    mine AS (
      UPDATE leases SET until = clock.now + $3 FROM own, clock
      WHERE work = $1 AND leases.shard = own.shard RETURNING leases.shard, epoch),
    counts AS (
      SELECT (SELECT COUNT(*) FROM here) AS here,
        (SELECT COUNT(*) FROM replicas, clock WHERE work = $1 AND until > clock.now) AS alive,
        (SELECT COUNT(*) FROM leases, clock WHERE work = $1 AND until > clock.now) AS held)
    SELECT here, alive, held, shard, epoch FROM counts LEFT JOIN mine ON TRUE ORDER BY shard";

#[derive(Debug, FromQueryResult)]
struct Row {
    here: i64,
    alive: i64,
    held: i64,
    shard: Option<i16>,
    epoch: Option<i64>,
}

/// The shards that a replica goes on holding, with their epochs; none when it is time to share anew: it was forgotten, some
/// shard is free, or it holds more than its part.
pub(super) async fn renew(
    store: &Store,
    work: &str,
    holder: Uuid,
    shards: i16,
) -> Result<Option<Vec<(i16, i64)>>, Error> {
    let values = [work.into(), holder.into(), millis(TERM).into()];
    let renew = Statement::from_sql_and_values(DbBackend::Postgres, RENEW, values);
    let rows = Row::find_by_statement(renew).all(store.writer()).await?;
    let mine: Vec<_> = rows.iter().filter_map(|row| row.shard.zip(row.epoch)).collect();
    let settled = rows.first().is_some_and(|row| {
        let fair = share::fair(shards, usize::try_from(row.alive).unwrap_or_default());
        row.here == 1 && row.held == i64::from(shards) && mine.len() <= fair
    });
    Ok(settled.then_some(mine))
}
