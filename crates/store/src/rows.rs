//! Multi-row inserts, cut so that no statement exceeds what the databases take.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, Iterable, TryInsertResult};

use crate::Error;

/// The parameters that one statement may have: SQLite takes 32,766 and PostgreSQL 65,535.
const PARAMETERS: usize = 32_766;

/// How many rows of so many columns fit one statement.
#[must_use]
pub fn chunk_rows(columns: usize) -> usize {
    (PARAMETERS / columns.max(1)).max(1)
}

/// Inserts all rows, or none.
///
/// # Errors
/// What the database says.
pub async fn insert_all<A, C>(db: &C, rows: Vec<A>) -> Result<(), Error>
where
    A: ActiveModelTrait,
    C: ConnectionTrait,
{
    for chunk in chunks(rows) {
        A::Entity::insert_many(chunk).exec_without_returning(db).await?;
    }
    Ok(())
}

/// Inserts the rows whose keys are not there yet and returns these.
///
/// # Errors
/// What the database says.
pub async fn insert_new<A, C, K>(
    db: &C,
    rows: Vec<A>,
    key: K,
) -> Result<Vec<<A::Entity as EntityTrait>::Model>, Error>
where
    A: ActiveModelTrait,
    C: ConnectionTrait,
    K: IntoIterator<Item = <A::Entity as EntityTrait>::Column> + Clone,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
{
    let mut new = Vec::new();
    for chunk in chunks(rows) {
        let inserted = A::Entity::insert_many(chunk)
            .on_conflict(OnConflict::columns(key.clone()).do_nothing().to_owned())
            .try_insert()
            .exec_with_returning_many(db)
            .await?;
        if let TryInsertResult::Inserted(models) = inserted {
            new.extend(models);
        }
    }
    Ok(new)
}

fn chunks<A: ActiveModelTrait>(rows: Vec<A>) -> impl Iterator<Item = Vec<A>> {
    let size = chunk_rows(<A::Entity as EntityTrait>::Column::iter().count());
    let mut rows = rows.into_iter();
    std::iter::from_fn(move || {
        let chunk: Vec<A> = rows.by_ref().take(size).collect();
        (!chunk.is_empty()).then_some(chunk)
    })
}
