//! The table of published versions. It stands in the database of every service that reads packages: that of `cases` is what
//! holds, the others are copies.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use masar_proto::events::v1::WorkflowChanged;
use masar_proto::time;
use masar_store::time::{from_db, to_db};
use masar_store::{CreateTables, Error, Transaction, insert_new};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbBackend, QueryTrait};
use sea_orm_migration::MigrationTrait;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "packages")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub package: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: String,
    pub digest: String,
    /// The texts by their paths, as a JSON object.
    #[sea_orm(column_type = "Text")]
    pub files: String,
    pub published_by: String,
    pub published_at: ChronoDateTimeUtc,
    pub retired_by: String,
    pub retired_at: Option<ChronoDateTimeUtc>,
    #[sea_orm(column_type = "Text")]
    pub retired_because: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// The table, which comes after those that a service has already.
#[must_use]
pub fn migration() -> Box<dyn MigrationTrait> {
    Box::new(CreateTables {
        name: "m0100_packages",
        tables: |schema| vec![schema.create_table_from_entity(Entity)],
        indexes: &[],
        postgres: &[],
    })
}

/// Whoever publishes or retires does it alone: what the next version must be higher than is known for certain.
///
/// # Errors
/// What the database says.
pub async fn alone(tx: &Transaction) -> Result<(), Error> {
    if tx.get_database_backend() == DbBackend::Postgres {
        tx.execute_unprepared("LOCK TABLE packages IN SHARE ROW EXCLUSIVE MODE").await?;
    }
    Ok(())
}

/// Keeps versions; one that is there stays as it is.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &Transaction, versions: &[WorkflowChanged]) -> Result<(), Error> {
    let key = [Column::Tenant, Column::Package, Column::Version];
    insert_new(tx, versions.iter().map(row).collect::<Result<_, _>>()?, key).await.map(drop)
}

/// Writes down that a version was retired, once.
///
/// # Errors
/// What the database says.
pub async fn retire(tx: &Transaction, changed: &WorkflowChanged) -> Result<(), Error> {
    let Model { tenant, package, version, retired_by, retired_at, retired_because, .. } = row(changed)?;
    Entity::update_many()
        .col_expr(Column::RetiredBy, Expr::value(retired_by))
        .col_expr(Column::RetiredAt, Expr::value(retired_at))
        .col_expr(Column::RetiredBecause, Expr::value(retired_because))
        .filter(Column::Tenant.eq(tenant))
        .filter(Column::Package.eq(package))
        .filter(Column::Version.eq(version))
        .filter(Column::RetiredAt.is_null())
        .exec(tx)
        .await?;
    Ok(())
}

/// A version that an entity has published.
///
/// # Errors
/// What the database says.
pub async fn find<C: ConnectionTrait>(
    db: &C,
    tenant: &str,
    package: &str,
    version: &str,
) -> Result<Option<WorkflowChanged>, Error> {
    let key = (tenant.to_owned(), package.to_owned(), version.to_owned());
    Entity::find_by_id(key).one(db).await?.map(changed).transpose()
}

/// Every version that an entity has published, or that any has.
///
/// # Errors
/// What the database says.
pub async fn of_tenant<C: ConnectionTrait>(
    db: &C,
    tenant: Option<&str>,
) -> Result<Vec<WorkflowChanged>, Error> {
    let rows = Entity::find().apply_if(tenant, |rows, tenant| rows.filter(Column::Tenant.eq(tenant)));
    rows.all(db).await?.into_iter().map(changed).collect()
}

fn row(changed: &WorkflowChanged) -> Result<Model, Error> {
    let WorkflowChanged { tenant, package, version, digest, published_by, retired_by, .. } = changed.clone();
    Ok(Model {
        tenant,
        package,
        version,
        digest,
        files: serde_json::to_string(&changed.files).map_err(|error| DbErr::Json(error.to_string()))?,
        published_by,
        published_at: to_db(time::from_proto(changed.published_at.as_ref()).unwrap_or_default()),
        retired_by,
        retired_at: time::from_proto(changed.retired_at.as_ref()).map(to_db),
        retired_because: changed.retired_because.clone(),
    })
}

fn changed(row: Model) -> Result<WorkflowChanged, Error> {
    let at = |at| Some(time::to_proto(from_db(at)));
    Ok(WorkflowChanged {
        tenant: row.tenant,
        package: row.package,
        version: row.version,
        files: serde_json::from_str(&row.files).map_err(|error| DbErr::Json(error.to_string()))?,
        digest: row.digest,
        published_by: row.published_by,
        published_at: at(row.published_at),
        retired_by: row.retired_by,
        retired_at: row.retired_at.and_then(at),
        retired_because: row.retired_because,
    })
}
