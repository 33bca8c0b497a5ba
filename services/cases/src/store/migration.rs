//! Migrations of running cases to other versions, and what they did to each case: whoever undoes one reads it.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::HashMap;

use masar_store::{Error, Store, Transaction, page};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, QueryOrder, QuerySelect, QueryTrait};

use super::RUNNING;
use super::case;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "migrations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant: String,
    pub package: String,
    pub from_version: String,
    pub to_version: String,
    /// How cases go on, as the pure core knows it.
    #[sea_orm(column_type = "JsonBinary")]
    pub map: Json,
    #[sea_orm(column_type = "Text")]
    pub reason: String,
    pub migrated_by: String,
    pub began_at: ChronoDateTimeUtc,
    /// None while there may be cases left.
    pub ended_at: Option<ChronoDateTimeUtc>,
    pub undone_by: String,
    pub undone_at: Option<ChronoDateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

pub(crate) mod migrated {
    //! The cases of migrations.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "migrated")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub migration_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub case_id: Uuid,
        /// The event as the pure core made it, as JSON text.
        #[sea_orm(column_type = "Text")]
        pub event: String,
        /// True once it was taken back, or could not be.
        pub settled: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// The ids of an entity's cases that run in a version of a package, after one, in the order of their ids.
pub(crate) async fn running<C: ConnectionTrait>(
    db: &C,
    version: [&str; 3],
    after: Uuid,
    most: u64,
) -> Result<Vec<Uuid>, Error> {
    Ok(query(version, after, most).into_tuple().all(db).await?)
}

fn query([tenant, package, version]: [&str; 3], after: Uuid, most: u64) -> sea_orm::Select<case::Entity> {
    let ids = case::Entity::find()
        .select_only()
        .column(case::Column::Id)
        .filter(case::Column::Tenant.eq(tenant))
        .filter(case::Column::Package.eq(package))
        .filter(case::Column::PackageVersion.eq(version))
        .filter(Expr::cust(RUNNING))
        .filter(case::Column::Id.gt(after));
    ids.order_by_asc(case::Column::Id).limit(most)
}

/// A migration of an entity.
pub(crate) async fn find<C: ConnectionTrait>(db: &C, tenant: &str, id: Uuid) -> Result<Option<Model>, Error> {
    Ok(Entity::find_by_id(id).filter(Column::Tenant.eq(tenant)).one(db).await?)
}

/// The migration of a package that has not ended, if there is one.
pub(crate) async fn under_way(tx: &Transaction, tenant: &str, package: &str) -> Result<Option<Model>, Error> {
    let open = Entity::find()
        .filter(Column::Tenant.eq(tenant))
        .filter(Column::Package.eq(package))
        .filter(Column::EndedAt.is_null());
    Ok(open.one(tx).await?)
}

/// A page of the migrations of an entity, newest first, and the token of the next.
pub(crate) async fn list(
    store: &Store,
    tenant: &str,
    package: &str,
    wanted: &masar_proto::common::v1::PageRequest,
) -> Result<(Vec<Model>, String), Error> {
    let size = page::size(wanted.size);
    let before = page::decode::<Uuid>(&wanted.token)?;
    let rows = Entity::find()
        .filter(Column::Tenant.eq(tenant))
        .apply_if((!package.is_empty()).then_some(package), |rows, package| {
            rows.filter(Column::Package.eq(package))
        })
        .apply_if(before, |rows, before| rows.filter(Column::Id.lt(before)));
    let mut rows = rows.order_by_desc(Column::Id).limit(size + 1).all(store.reader()).await?;
    let next = page::cut(&mut rows, size, |row| row.id)?;
    Ok((rows, next))
}

/// How many cases each of some migrations has migrated.
pub(crate) async fn counts(store: &Store, migrations: Vec<Uuid>) -> Result<HashMap<Uuid, i64>, Error> {
    let counted = migrated::Entity::find()
        .select_only()
        .column(migrated::Column::MigrationId)
        .column_as(migrated::Column::CaseId.count(), "cases")
        .filter(migrated::Column::MigrationId.is_in(migrations))
        .group_by(migrated::Column::MigrationId);
    Ok(counted.into_tuple::<(Uuid, i64)>().all(store.reader()).await?.into_iter().collect())
}

/// Cases of a migration that nobody has tried to take back, after one, in the order of their ids.
pub(crate) async fn unsettled(
    tx: &Transaction,
    migration: Uuid,
    after: Uuid,
    most: u64,
) -> Result<Vec<migrated::Model>, Error> {
    let rows = migrated::Entity::find()
        .filter(migrated::Column::MigrationId.eq(migration))
        .filter(migrated::Column::CaseId.gt(after))
        .filter(migrated::Column::Settled.eq(false));
    Ok(rows.order_by_asc(migrated::Column::CaseId).limit(most).all(tx).await?)
}

#[cfg(test)]
mod tests {
    use masar_store::DatabaseUrl;
    use masar_testkit::on_each_database;
    use sea_orm::{DbBackend, Statement};

    use super::*;
    use crate::store::Migrator;

    #[tokio::test]
    async fn cases_that_run_in_a_version_are_found_by_their_index() -> anyhow::Result<()> {
        on_each_database(async |url| {
            let store = Store::connect(&url.parse::<DatabaseUrl>()?, "cases").await?;
            store.migrate::<Migrator>().await?;
            assert_eq!(running(store.reader(), ["T", "p", "1"], Uuid::nil(), 2).await?, [] as [Uuid; 0]);
            // PostgreSQL reads a table whole as long as it is empty.
            if store.backend() == DbBackend::Postgres {
                return Ok(());
            }
            let Statement { sql, values, .. } = query(["T", "p", "1"], Uuid::nil(), 2).build(store.backend());
            let plan =
                Statement { sql: format!("EXPLAIN QUERY PLAN {sql}"), values, db_backend: store.backend() };
            let steps = store.reader().query_all_raw(plan).await?;
            let steps: Vec<String> =
                steps.iter().map(|step| step.try_get("", "detail")).collect::<Result<_, _>>()?;
            assert!(steps.iter().any(|step| step.contains("INDEX cases_running")), "{steps:?}");
            Ok(())
        })
        .await
    }
}
