//! Migration: running cases go on in another version, in batches, each an ordinary event of its case.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use masar_runtime::Clock;
use masar_store::time::to_db;
use masar_store::{Store, Transaction, insert_all, save_all};
use masar_workflow::{CaseEvent, Difference, Migration, Occasion, Package, Stranded, diff};
use uuid::Uuid;

use super::{Core, Error, Refused, Session, Touched};
use crate::store::migration::{self, migrated};
use crate::store::{case, fold};

/// Cases of one transaction.
const MOST: u64 = 200;

/// What somebody wants to be migrated.
pub(crate) struct Wanted {
    pub(crate) tenant: String,
    pub(crate) by: String,
    pub(crate) package: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) map: Migration,
    pub(crate) reason: String,
    pub(crate) dry_run: bool,
}

/// A migration under way, or the way back.
pub(crate) struct Plan {
    /// Nil for a dry run.
    pub(crate) id: Uuid,
    tenant: String,
    by: String,
    reason: String,
    from: Arc<Package>,
    to: Arc<Package>,
    what: What,
}

impl Plan {
    /// What the version in which cases would go on says otherwise; none where they do go on.
    pub(crate) fn difference(&self) -> Option<Difference> {
        matches!(self.what, What::Look(_)).then(|| diff(&self.from, &self.to))
    }
}

enum What {
    Look(Migration),
    Go(Migration),
    Back,
}

/// What became of a case, or would.
pub(crate) struct Way {
    pub(crate) case: Uuid,
    pub(crate) reference: String,
    pub(crate) from_state: String,
    pub(crate) gone: Result<CaseEvent, Stranded>,
}

/// Some ways, and the case after which others follow, if any do.
type Ways = (Vec<Way>, Option<Uuid>);

/// Migrates cases.
#[derive(Clone)]
pub(crate) struct Migrator {
    pub(crate) core: Core,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
}

impl Migrator {
    /// Writes a migration down, or finds the one that broke off.
    pub(crate) async fn begin(&self, wanted: Wanted) -> Result<Plan, Refused> {
        let Wanted { tenant, by, package, from, to, map, reason, dry_run } = wanted;
        let versions = [&from, &to].map(|version| [tenant.as_str(), &package, version]);
        self.core.packages.know(self.store.reader(), versions.into_iter()).await?;
        let (old, new) = (self.package(&tenant, &package, &from)?, self.package(&tenant, &package, &to)?);
        let mut wrong = map.violations(old.definition(), new.definition());
        if from == to {
            wrong.push(("to".to_owned(), "is the version that they run in".to_owned()));
        }
        if !wrong.is_empty() {
            return Err(Refused::Map(wrong));
        }
        let (id, what) = match dry_run {
            true => (Uuid::nil(), What::Look(map)),
            false => (self.record([&tenant, &by, &package, &from, &to], &map, &reason).await?, What::Go(map)),
        };
        Ok(Plan { id, tenant, by, reason, from: old, to: new, what })
    }

    /// The id of a new migration, or of the same that has not ended.
    async fn record(
        &self,
        [tenant, by, package, from, to]: [&String; 5],
        map: &Migration,
        reason: &str,
    ) -> Result<Uuid, Refused> {
        let map = serde_json::to_value(map).map_err(Error::from)?;
        let tx = self.store.begin().await?;
        masar_packages::alone(&tx).await?;
        if let Some(open) = migration::under_way(&tx, tenant, package).await? {
            let same = (&open.from_version, &open.to_version, &open.map) == (from, to, &map);
            return same.then_some(open.id).ok_or(Refused::UnderWay(open.id));
        }
        let row = migration::Model {
            id: Uuid::now_v7(),
            tenant: tenant.clone(),
            package: package.clone(),
            from_version: from.clone(),
            to_version: to.clone(),
            map,
            reason: reason.to_owned(),
            migrated_by: by.clone(),
            began_at: to_db(self.clock.now()),
            ended_at: None,
            undone_by: String::new(),
            undone_at: None,
        };
        let id = row.id;
        insert_all(&tx, vec![row]).await?;
        tx.commit().await.map_err(masar_store::Error::from)?;
        Ok(id)
    }

    /// The way back of a migration.
    pub(crate) async fn back(
        &self,
        tenant: &str,
        by: &str,
        id: Uuid,
        reason: String,
    ) -> Result<Plan, Refused> {
        let found = migration::find(self.store.reader(), tenant, id).await?;
        let found = found.ok_or(Refused::NoMigration(id))?;
        Ok(Plan {
            id,
            tenant: tenant.to_owned(),
            by: by.to_owned(),
            reason,
            from: self.package(tenant, &found.package, &found.to_version)?,
            to: self.package(tenant, &found.package, &found.from_version)?,
            what: What::Back,
        })
    }

    fn package(&self, tenant: &str, package: &str, version: &str) -> Result<Arc<Package>, Refused> {
        let found = self.core.packages.of(tenant).get(package, version).cloned();
        found.ok_or_else(|| Refused::NoVersion { package: package.to_owned(), version: version.to_owned() })
    }

    /// What becomes of the cases after one: of as many as a transaction takes.
    pub(crate) async fn next(&self, plan: &Plan, after: Uuid) -> Result<Ways, Error> {
        match &plan.what {
            What::Look(map) => self.look(plan, map, after).await,
            What::Go(map) => self.go(plan, map, after).await,
            What::Back => self.go_back(plan, after).await,
        }
    }

    async fn look(&self, plan: &Plan, map: &Migration, after: Uuid) -> Result<Ways, Error> {
        let ids = migration::running(self.store.reader(), plan.leaves(), after, MOST).await?;
        let rows = case::all(&self.store, ids.iter().copied().collect()).await?;
        let cases = fold::read(self.store.reader(), ids.iter().copied().collect()).await?;
        let known = rows.iter().filter_map(|row| Some((row, cases.get(&row.id)?)));
        let ways = known.map(|(row, case)| {
            Way::of(row, plan.to.take_over(&plan.from, case, map, &plan.occasion(self.clock.now())))
        });
        Ok((ways.collect(), ids.last().copied()))
    }

    async fn go(&self, plan: &Plan, map: &Migration, after: Uuid) -> Result<Ways, Error> {
        let tx = self.store.begin().await?;
        let ids = migration::running(&tx, plan.leaves(), after, MOST).await?;
        let Some(last) = ids.last().copied() else { return self.end(tx, plan).await };
        let mut session = self.session(&tx, ids.iter().copied()).await?;
        let (mut ways, mut done) = (Vec::new(), Vec::new());
        for id in ids {
            // It may have been moved on before it was locked.
            let known = session.known(id).filter(|(row, _)| row.walks() == plan.leaves());
            let Some((row, case)) = known else { continue };
            let gone = plan.to.take_over(&plan.from, case, map, &plan.occasion(self.clock.now()));
            let way = Way::of(row, gone);
            if let Ok(event) = &way.gone {
                let event_text = serde_json::to_string(event)?;
                done.push(migrated::Model {
                    migration_id: plan.id,
                    case_id: id,
                    event: event_text,
                    settled: false,
                });
                session.follow(event)?;
            }
            ways.push(way);
        }
        insert_all(&tx, done).await?;
        self.commit(tx, session).await?;
        Ok((ways, Some(last)))
    }

    async fn go_back(&self, plan: &Plan, after: Uuid) -> Result<Ways, Error> {
        let tx = self.store.begin().await?;
        let mut rows = migration::unsettled(&tx, plan.id, after, MOST).await?;
        let Some(last) = rows.last().map(|row| row.case_id) else { return self.end(tx, plan).await };
        let mut session = self.session(&tx, rows.iter().map(|row| row.case_id)).await?;
        let mut ways = Vec::new();
        for done in &mut rows {
            done.settled = true;
            let Some((row, case)) = session.known(done.case_id) else { continue };
            let event = serde_json::from_str(&done.event)?;
            let gone = plan.to.take_back(&plan.from, case, &event, &plan.occasion(self.clock.now()));
            let way = Way::of(row, gone);
            if let Ok(event) = &way.gone {
                session.follow(event)?;
            }
            ways.push(way);
        }
        save_all(&tx, rows).await?;
        self.commit(tx, session).await?;
        Ok((ways, Some(last)))
    }

    async fn session(
        &self,
        tx: &Transaction,
        cases: impl Iterator<Item = Uuid>,
    ) -> Result<Session<'_>, Error> {
        let cases: BTreeSet<Uuid> = cases.collect();
        let touched = Touched { moving: cases.clone(), cases, opening: BTreeSet::new() };
        Session::begin(&self.core, tx, touched).await
    }

    async fn commit(&self, tx: Transaction, session: Session<'_>) -> Result<(), Error> {
        let changed = session.save(&tx).await?;
        tx.commit().await.map_err(masar_store::Error::from)?;
        self.core.tell(changed.into_iter());
        Ok(())
    }

    /// There are no more: the migration has ended, and is undone if this was the way back.
    async fn end(&self, tx: Transaction, plan: &Plan) -> Result<Ways, Error> {
        if let Some(mut row) = migration::find(&tx, &plan.tenant, plan.id).await? {
            let now = to_db(self.clock.now());
            row.ended_at = row.ended_at.or(Some(now));
            if matches!(plan.what, What::Back) && row.undone_at.is_none() {
                (row.undone_at, row.undone_by) = (Some(now), plan.by.clone());
            }
            save_all(&tx, vec![row]).await?;
        }
        tx.commit().await.map_err(masar_store::Error::from)?;
        Ok((Vec::new(), None))
    }
}

impl Plan {
    /// The version that cases leave: tenant, package and version.
    fn leaves(&self) -> [&str; 3] {
        let definition = self.from.definition();
        [&self.tenant, &definition.package, &definition.version]
    }

    fn occasion(&self, at: Timestamp) -> Occasion<'_> {
        Occasion { actor: &self.by, at, reason: &self.reason }
    }
}

impl Way {
    fn of(row: &case::Model, gone: Result<CaseEvent, Stranded>) -> Self {
        Self { case: row.id, reference: row.reference.clone(), from_state: row.state.clone(), gone }
    }
}
