//! Multi-row statements: on PostgreSQL one with an array for each column, on SQLite several, cut so that none exceeds what it
//! takes.

mod arrays;

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, EntityTrait, Insert, IntoActiveModel, Iterable, ModelTrait,
    PrimaryKeyToColumn, TryInsertResult,
};

use crate::Error;

/// The parameters that one statement of SQLite may have.
const PARAMETERS: usize = 32_766;

/// What becomes of a row whose key is there already.
enum Taken<C> {
    /// All rows are refused.
    Refused,
    /// It is left out.
    Skipped(Vec<C>),
    /// It takes the place of the other.
    Replaced { key: Vec<C>, others: Vec<C> },
}

/// Inserts all rows, or none.
///
/// # Errors
/// What the database says.
pub async fn insert_all<R, A, C>(db: &C, rows: Vec<R>) -> Result<(), Error>
where
    R: IntoActiveModel<A>,
    A: ActiveModelTrait,
    C: ConnectionTrait,
{
    write(db, rows, &Taken::Refused).await
}

/// Inserts the rows whose keys are not there yet and returns these.
///
/// # Errors
/// What the database says.
pub async fn insert_new<R, A, C, K>(
    db: &C,
    rows: Vec<R>,
    key: K,
) -> Result<Vec<<A::Entity as EntityTrait>::Model>, Error>
where
    R: IntoActiveModel<A>,
    A: ActiveModelTrait,
    C: ConnectionTrait,
    K: IntoIterator<Item = <A::Entity as EntityTrait>::Column>,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
{
    let key: Vec<_> = key.into_iter().collect();
    if db.get_database_backend() == DbBackend::Postgres {
        let Some(insert) = arrays::insert(active(rows), &Taken::Skipped(key)) else { return Ok(Vec::new()) };
        return Ok(A::Entity::find().from_raw_sql(insert).all(db).await?);
    }
    let mut new = Vec::new();
    for chunk in chunks::<A::Entity, R>(rows) {
        let inserted = Insert::<A>::many(chunk)
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

/// Writes rows, new ones and changed ones, as they are now. No two may have the same primary key.
///
/// # Errors
/// What the database says.
pub async fn save_all<M, A, C>(db: &C, rows: Vec<M>) -> Result<(), Error>
where
    M: ModelTrait + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity>,
    C: ConnectionTrait,
{
    let key: Vec<_> =
        <M::Entity as EntityTrait>::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column).collect();
    let others = <M::Entity as EntityTrait>::Column::iter()
        .filter(|column| <M::Entity as EntityTrait>::PrimaryKey::from_column(*column).is_none());
    let others = others.collect();
    write(db, rows, &Taken::Replaced { key, others }).await
}

async fn write<R, A, C>(
    db: &C,
    rows: Vec<R>,
    taken: &Taken<<A::Entity as EntityTrait>::Column>,
) -> Result<(), Error>
where
    R: IntoActiveModel<A>,
    A: ActiveModelTrait,
    C: ConnectionTrait,
{
    if db.get_database_backend() == DbBackend::Postgres {
        if let Some(insert) = arrays::insert(active(rows), taken) {
            db.execute_raw(insert).await?;
        }
        return Ok(());
    }
    for chunk in chunks::<A::Entity, R>(rows) {
        let mut insert = Insert::<A>::many(chunk);
        if let Taken::Replaced { key, others } = taken {
            let conflict =
                OnConflict::columns(key.iter().copied()).update_columns(others.iter().copied()).to_owned();
            insert = insert.on_conflict(conflict);
        }
        insert.exec_without_returning(db).await?;
    }
    Ok(())
}

fn active<R: IntoActiveModel<A>, A: ActiveModelTrait>(rows: Vec<R>) -> Vec<A> {
    rows.into_iter().map(IntoActiveModel::into_active_model).collect()
}

/// Keys for an `IN`, filled up to a power of two by the last of them: as with `insert_all`, the databases meet few different
/// statements.
pub fn padded<T: Clone>(keys: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut keys: Vec<T> = keys.into_iter().collect();
    if let Some(last) = keys.last().cloned() {
        keys.resize(keys.len().next_power_of_two(), last);
    }
    keys
}

/// Cuts a batch into powers of two: whatever its size, the databases meet few different statements, and what they
/// prepared for one batch serves the next.
fn chunks<E: EntityTrait, R>(rows: Vec<R>) -> impl Iterator<Item = Vec<R>> {
    let columns = E::Column::iter().count();
    let most = power_of_two_within(PARAMETERS / columns);
    let mut rows = rows.into_iter();
    std::iter::from_fn(move || {
        let size = power_of_two_within(rows.len()).min(most);
        (size > 0).then(|| rows.by_ref().take(size).collect())
    })
}

/// The largest power of two that is not above a number; none for zero.
fn power_of_two_within(number: usize) -> usize {
    number.checked_ilog2().map_or(0, |exponent| 1 << exponent)
}

#[cfg(test)]
mod tests {
    use super::{padded, power_of_two_within};

    #[test]
    fn keys_are_filled_up_by_the_last() {
        assert_eq!(padded([1, 2, 3]), [1, 2, 3, 3]);
        assert_eq!(padded(0..4), [0, 1, 2, 3]);
        assert_eq!(padded([0; 0]), [0; 0]);
    }

    #[test]
    fn a_batch_is_cut_into_powers_of_two() {
        let sizes = [(0, 0), (1, 1), (2, 2), (3, 2), (1_000, 512), (1_024, 1_024)];
        for (rows, size) in sizes {
            assert_eq!(power_of_two_within(rows), size, "{rows}");
        }
    }
}
