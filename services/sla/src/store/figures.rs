//! How promises stand, counted by what they are told apart by. Two indexes answer: that of the clocks that count, and that of
//! those that ended, of which only a stretch is read. No closed case costs anything.

use jiff::Timestamp;
use masar_store::time::{from_db, to_db};
use masar_store::{Error, Store};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;
use sea_orm::{Condition, FromQueryResult, JoinType, QueryOrder, QuerySelect, Select};

use super::{case, clock};

/// Clocks that count and promise something: word for word the condition of their index on PostgreSQL.
pub(crate) const STANDING: &str = "phase IN ('running', 'paused') AND kind <> 'window' AND tells";
/// Promises that were kept or broken: word for word the condition of their index.
pub(crate) const ENDED: &str = "phase = 'stopped' AND kind <> 'window' AND tells";

/// What promises can be told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dimension {
    Tenant,
    Department,
    Service,
    Importance,
    Stage,
    Clock,
}

impl Dimension {
    /// Those that can be asked for, by name.
    pub(crate) const ALL: [(&str, Self); 5] = [
        ("department", Self::Department),
        ("service", Self::Service),
        ("importance", Self::Importance),
        ("stage", Self::Stage),
        ("clock", Self::Clock),
    ];

    /// Its column in a line.
    fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Department => "department",
            Self::Service => "service",
            Self::Importance => "importance",
            Self::Stage => "stage",
            Self::Clock => "clock",
        }
    }

    fn value(self) -> Expr {
        // A case of which only clocks were heard has none of these yet.
        Expr::cust(match self {
            Self::Tenant => "clocks.tenant",
            Self::Department => "COALESCE(cases.department, '')",
            Self::Service => "COALESCE(cases.service, '')",
            Self::Importance => "clocks.importance",
            Self::Stage => "COALESCE(cases.stage, '')",
            Self::Clock => "clocks.clock",
        })
    }
}

/// Promises with the same values.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Line {
    pub(crate) tenant: String,
    pub(crate) department: String,
    pub(crate) service: String,
    pub(crate) importance: String,
    pub(crate) stage: String,
    pub(crate) clock: String,
    pub(crate) open: i64,
    pub(crate) at_risk: i64,
    pub(crate) breached: i64,
    pub(crate) kept: i64,
    pub(crate) broken: i64,
}

impl Line {
    /// By what it differs from others.
    pub(crate) fn key(&self) -> [&str; 6] {
        [&self.tenant, &self.department, &self.service, &self.importance, &self.stage, &self.clock]
            .map(String::as_str)
    }

    /// Adds what another line counts.
    pub(crate) fn add(&mut self, other: &Self) {
        self.open += other.open;
        self.at_risk += other.at_risk;
        self.breached += other.breached;
        self.kept += other.kept;
        self.broken += other.broken;
    }
}

/// Which promises are counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Of<'a> {
    /// Of this tenant; of all when none is named.
    pub(crate) tenant: Option<&'a str>,
    /// Of this department; of all when it is empty.
    pub(crate) department: &'a str,
}

/// The promises that are open now.
pub(crate) async fn standing(store: &Store, of: Of<'_>, by: &[Dimension]) -> Result<Vec<Line>, Error> {
    let counted = [
        ("open", "COUNT(*)"),
        (
            "at_risk",
            "COALESCE(SUM(CASE WHEN clocks.warned AND clocks.breached_at IS NULL THEN 1 ELSE 0 END), 0)",
        ),
        ("breached", "COALESCE(SUM(CASE WHEN clocks.breached_at IS NOT NULL THEN 1 ELSE 0 END), 0)"),
        ("kept", "CAST(0 AS BIGINT)"),
        ("broken", "CAST(0 AS BIGINT)"),
    ];
    lines(store, counted_by(of, by, counted).filter(Expr::cust(STANDING))).await
}

/// The promises that ended since, kept and broken.
pub(crate) async fn ended(
    store: &Store,
    of: Of<'_>,
    by: &[Dimension],
    since: Timestamp,
) -> Result<Vec<Line>, Error> {
    let counted = [
        ("open", "CAST(0 AS BIGINT)"),
        ("at_risk", "CAST(0 AS BIGINT)"),
        ("breached", "CAST(0 AS BIGINT)"),
        ("kept", "COALESCE(SUM(CASE WHEN clocks.breached_at IS NULL THEN 1 ELSE 0 END), 0)"),
        ("broken", "COALESCE(SUM(CASE WHEN clocks.breached_at IS NOT NULL THEN 1 ELSE 0 END), 0)"),
    ];
    let ended = counted_by(of, by, counted).filter(Expr::cust(ENDED));
    lines(store, ended.filter(clock::Column::EndedAt.gte(to_db(since)))).await
}

/// When the oldest mark of a tenant comes, or since when it could have fired.
pub(crate) async fn next_mark(store: &Store, tenant: &str) -> Result<Option<Timestamp>, Error> {
    let columns = [clock::Column::NextAt, clock::Column::ArmedAt];
    let next = clock::Entity::find().select_only().columns(columns);
    let next = next.filter(clock::Column::Tenant.eq(tenant)).filter(clock::Column::NextAt.is_not_null());
    let next = next.order_by_asc(clock::Column::NextAt);
    let next =
        next.into_tuple::<(ChronoDateTimeUtc, Option<ChronoDateTimeUtc>)>().one(store.reader()).await?;
    Ok(next.map(|(next_at, armed_at)| from_db(armed_at.map_or(next_at, |armed_at| armed_at.max(next_at)))))
}

async fn lines(store: &Store, query: Select<clock::Entity>) -> Result<Vec<Line>, Error> {
    Ok(query.into_model().all(store.reader()).await?)
}

fn counted_by(of: Of<'_>, by: &[Dimension], counted: [(&str, &'static str); 5]) -> Select<clock::Entity> {
    let mut query = clock::Entity::find().select_only();
    for dimension in Dimension::ALL.map(|(_, dimension)| dimension).into_iter().chain([Dimension::Tenant]) {
        let named = by.contains(&dimension);
        let value = if named { dimension.value() } else { Expr::cust("''") };
        query = query.expr_as(value, dimension.name());
        if named {
            query = query.group_by(dimension.value());
        }
    }
    for (name, sum) in counted {
        query = query.expr_as(Expr::cust(sum), name);
    }
    let mut filter = Condition::all();
    if let Some(tenant) = of.tenant {
        filter = filter.add(clock::Column::Tenant.eq(tenant));
    }
    if !of.department.is_empty() {
        filter = filter.add(case::Column::Department.eq(of.department));
    }
    let to_case = clock::Entity::belongs_to(case::Entity).from(clock::Column::CaseId).to(case::Column::Id);
    query.join(JoinType::LeftJoin, to_case.into()).filter(filter)
}

#[cfg(test)]
mod tests {
    use anyhow::Result;
    use masar_store::DatabaseUrl;
    use sea_orm::{ConnectionTrait, DbBackend, QueryTrait, Statement};

    use super::*;
    use crate::store::Migrator;

    /// No closed case costs anything: open clocks and those that ended since are found by indexes.
    #[tokio::test]
    async fn promises_are_counted_by_their_indexes() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let store = Store::connect(&DatabaseUrl::SqliteFolder(folder.path().to_owned()), crate::NAME).await?;
        store.migrate::<Migrator>().await?;
        let (of, by) = (Of { tenant: Some("DEMO-MUN"), department: "" }, [Dimension::Department]);
        let standing = counted_by(of, &by, [("open", "COUNT(*)"); 5]).filter(Expr::cust(STANDING));
        let ended = counted_by(of, &by, [("open", "COUNT(*)"); 5]).filter(Expr::cust(ENDED));
        let ended = ended.filter(clock::Column::EndedAt.gte(to_db(Timestamp::UNIX_EPOCH)));
        for (query, index) in [(standing, "clocks_due (tenant=? AND phase=?)"), (ended, "clocks_ended (")] {
            let query = query.build(DbBackend::Sqlite).to_string();
            let plan = Statement::from_string(DbBackend::Sqlite, format!("EXPLAIN QUERY PLAN {query}"));
            let steps = store.reader().query_all_raw(plan).await?;
            let steps: Vec<String> =
                steps.iter().map(|step| step.try_get("", "detail")).collect::<Result<_, _>>()?;
            assert!(steps.iter().any(|step| step.contains(index)), "{index}: {steps:?}");
        }
        Ok(())
    }
}
