//! Timers: the next marks of clocks, which are columns of their rows. Replicas divide them by shard, and tenants take turns.

use jiff::Timestamp;
use masar_store::time::{from_db, to_db};
use masar_store::{Error, Store, Transaction, padded};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{LockBehavior, LockType, Query, SelectStatement, UnionType};
use sea_orm::{FromQueryResult, Order, QuerySelect, Statement};

use super::clock::{Column, Entity, Model};

/// How many shards there are; fixed for the life of a database, and more than there are replicas.
pub(crate) const SHARDS: i16 = 16;
/// Turns of which one look reads the timers: with more of them due, those that have waited longest come first.
const TURNS: usize = 64;

/// The timers of a tenant in a shard, and when the first of them fires.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Turn {
    tenant: String,
    shard: i16,
    next_at: Option<ChronoDateTimeUtc>,
}

/// A timer: the clock, its case, and when its next mark fires.
#[derive(Debug, Clone, Copy, FromQueryResult)]
pub(crate) struct Timer {
    pub(crate) id: Uuid,
    pub(crate) case_id: Uuid,
    next_at: ChronoDateTimeUtc,
}

impl Turn {
    pub(crate) fn at(&self) -> Option<Timestamp> {
        self.next_at.map(from_db)
    }
}

impl Timer {
    pub(crate) fn at(&self) -> Timestamp {
        from_db(self.next_at)
    }

    pub(crate) fn shard(&self) -> i16 {
        shard_of(self.case_id)
    }
}

/// The shard of the timers of a case: the last bits of its id are random.
pub(crate) fn shard_of(case: Uuid) -> i16 {
    i16::from(case.as_bytes()[15]) % SHARDS
}

/// When the first timer of each tenant fires in each of some shards, the next one first, of those that fire until a time. Costs a
/// few steps in the index for each, however many timers there are, and passes none of those that were moved away from later times,
/// or that are in the shards of others.
pub(crate) async fn first(store: &Store, shards: &[i16], until: Timestamp) -> Result<Vec<Turn>, Error> {
    let shards = shards.iter().map(|shard| format!("SELECT CAST({shard} AS SMALLINT) AS shard"));
    let shards = shards.collect::<Vec<_>>().join(" UNION ALL ");
    let sql = format!(
        "SELECT tenant, shard, (SELECT MIN(own.next_at) FROM clocks AS own \
           WHERE own.tenant = timer_tenants.tenant AND own.shard = shards.shard AND own.next_at <= $1) AS next_at \
         FROM timer_tenants CROSS JOIN ({shards}) AS shards"
    );
    let first = Statement::from_sql_and_values(store.backend(), sql, [to_db(until).into()]);
    let mut found = Turn::find_by_statement(first).all(store.reader()).await?;
    found.retain(|turn| turn.next_at.is_some());
    found.sort_by_key(|turn| turn.next_at);
    Ok(found)
}

/// The timers that fire until a time: the next ones of each tenant in each shard, so that nobody waits for all of another's.
/// Those of clocks that cannot be read are left out.
pub(crate) async fn coming(
    store: &Store,
    turns: &[Turn],
    until: Timestamp,
    each: u64,
    without: &[Uuid],
) -> Result<Vec<Timer>, Error> {
    let due = turns.iter().filter(|turn| turn.at().is_some_and(|at| at <= until)).take(TURNS);
    let mut queries = due.map(|turn| of_turn(turn, until, each, without));
    let Some(mut query) = queries.next() else { return Ok(Vec::new()) };
    for other in queries {
        query.union(UnionType::All, other);
    }
    let mut timers = Timer::find_by_statement(store.backend().build(&query)).all(store.reader()).await?;
    timers.sort_by_key(|timer| timer.next_at);
    Ok(timers)
}

fn of_turn(turn: &Turn, until: Timestamp, each: u64, without: &[Uuid]) -> SelectStatement {
    let columns = [Column::Id, Column::CaseId, Column::NextAt];
    let mut next = Query::select();
    next.columns(columns)
        .from(Entity)
        .and_where(Column::Tenant.eq(turn.tenant.as_str()))
        .and_where(Column::Shard.eq(turn.shard))
        .and_where(Column::NextAt.lte(to_db(until)))
        .order_by(Column::NextAt, Order::Asc)
        .limit(each);
    if !without.is_empty() {
        next.and_where(Column::Id.is_not_in(padded(without.iter().copied())));
    }
    // SQLite takes a limit within a union only so.
    Query::select().columns(columns).from_subquery(next, "next").to_owned()
}

/// The clocks of timers that fire by now, the oldest first, and that nobody is just changing; locked.
pub(crate) async fn lock(
    tx: &Transaction,
    timers: impl Iterator<Item = Uuid>,
    now: Timestamp,
) -> Result<Vec<Model>, Error> {
    let due = Entity::find()
        .filter(Column::Id.is_in(padded(timers)))
        .filter(Column::NextAt.lte(to_db(now)))
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    let mut rows = due.all(tx).await?;
    rows.sort_by_key(|row| (row.next_at, row.id));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use anyhow::Result;
    use jiff::SignedDuration;
    use masar_store::{DatabaseUrl, insert_all};
    use masar_testkit::on_each_database;
    use sea_orm::{ConnectionTrait, DbBackend};
    use serde_json::json;

    use super::*;
    use crate::store::{clock, prepare, tenant};

    const ALL: [i16; SHARDS as usize] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    fn noon() -> Timestamp {
        "2026-11-15T12:00:00Z".parse().expect("a time")
    }

    fn clock(tenant: &str, case: u128, next_at: Option<Timestamp>) -> Model {
        let case_id = Uuid::from_u128(case);
        Model {
            id: Uuid::now_v7(),
            tenant: tenant.to_owned(),
            case_id,
            reference: String::new(),
            clock: "resolve".to_owned(),
            run: 1,
            kind: "sla".to_owned(),
            phase: "running".to_owned(),
            importance: "medium".to_owned(),
            queue: String::new(),
            policy: String::new(),
            on_breach: String::new(),
            calendar: String::new(),
            calendar_version: 1,
            due_at: to_db(noon()),
            breached_at: None,
            marks: json!([]),
            messages: json!([]),
            ledger: json!([]),
            version: 1,
            next_mark: next_at.map(|_| "breach".to_owned()),
            next_at: next_at.map(to_db),
            shard: shard_of(case_id),
            tells: true,
            warned: false,
            ended_at: None,
            armed_at: None,
            extension: None,
            provider: String::new(),
            consumer: String::new(),
        }
    }

    async fn stored(url: &str, clocks: Vec<Model>) -> Result<Store> {
        let store = Store::connect(&url.parse::<DatabaseUrl>()?, crate::NAME).await?;
        prepare(&store).await?;
        let tx = store.begin().await?;
        insert_all::<_, clock::ActiveModel, _>(&tx, clocks).await?;
        tx.commit().await?;
        tenant::find(&store).await?;
        Ok(store)
    }

    #[tokio::test]
    async fn whoever_has_few_timers_does_not_wait_for_those_who_have_many() -> Result<()> {
        on_each_database(async |url| {
            let second = SignedDuration::from_secs(1);
            let mut clocks: Vec<_> = (0..320).map(|case| clock("CROWD", case, Some(noon()))).collect();
            clocks.push(clock("FEW", 900, Some(noon() + second)));
            clocks.push(clock("LATER", 901, Some(noon() + second * 100)));
            clocks.push(clock("NONE", 902, None));
            let store = stored(&url, clocks).await?;
            let tenants = async |until| {
                let turns = first(&store, &ALL, noon() + second * until).await?;
                let mut tenants: Vec<_> = turns.iter().map(|turn| (turn.tenant.clone(), turn.at())).collect();
                tenants.dedup();
                anyhow::Ok(tenants)
            };
            let at = |tenant: &str, seconds| (tenant.to_owned(), Some(noon() + second * seconds));
            assert_eq!(tenants(100).await?, [at("CROWD", 0), at("FEW", 1), at("LATER", 100)]);
            assert_eq!(tenants(99).await?, [at("CROWD", 0), at("FEW", 1)]);
            let turns = first(&store, &ALL, noon() + second * 100).await?;
            let coming = coming(&store, &turns, noon() + second * 2, 10, &[]).await?;
            let times: Vec<_> = coming.iter().map(Timer::at).collect();
            // Of the crowd ten in each shard.
            assert_eq!(times[..160], [noon(); 160]);
            assert_eq!(times[160..], [noon() + second]);
            Ok(())
        })
        .await
    }

    #[tokio::test]
    async fn every_timer_is_of_one_shard_and_one_that_is_left_out_is_not_seen() -> Result<()> {
        on_each_database(async |url| {
            let clocks: Vec<_> = (0..100).map(|case| clock("CROWD", case, Some(noon()))).collect();
            let ids: Vec<_> = clocks.iter().map(|clock| clock.id).collect();
            let store = stored(&url, clocks).await?;
            let mut seen = Vec::new();
            for shard in ALL {
                let turns = first(&store, &[shard], noon()).await?;
                let of_shard = coming(&store, &turns, noon(), 100, &ids[..3]).await?;
                assert!(of_shard.iter().all(|timer| timer.shard() == shard), "{of_shard:?}");
                seen.extend(of_shard.into_iter().map(|timer| timer.id));
            }
            seen.sort();
            let mut others = ids[3..].to_vec();
            others.sort();
            assert_eq!(seen, others);
            Ok(())
        })
        .await
    }

    #[tokio::test]
    async fn timers_are_found_by_their_index() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let store = stored(&format!("sqlite:{}", folder.path().display()), Vec::new()).await?;
        let turn = Turn { tenant: "DEMO-MUN".to_owned(), shard: 7, next_at: None };
        let query = DbBackend::Sqlite.build(&of_turn(&turn, noon(), 10, &[])).to_string();
        let plan = Statement::from_string(DbBackend::Sqlite, format!("EXPLAIN QUERY PLAN {query}"));
        let steps = store.reader().query_all_raw(plan).await?;
        let steps: Vec<String> =
            steps.iter().map(|step| step.try_get("", "detail")).collect::<Result<_, _>>()?;
        assert!(steps.iter().any(|step| step.contains("clocks_turns")), "{steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "they are sorted: {steps:?}");
        Ok(())
    }
}
