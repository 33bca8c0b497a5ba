//! What a service keeps of another's: the newest message of each subject, in its own database. Reference data travel by
//! events, and whoever needs them has a copy.

use std::collections::{BTreeSet, HashMap};

use prost::Message;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryTrait,
};

use crate::Error;
use crate::tables::kept::{ActiveModel, Column, Entity, Model};

/// Keeps a message of a subject instead of the one before.
///
/// # Errors
/// What the database says.
pub async fn keep(tx: &DatabaseTransaction, subject: &str, message: &impl Message) -> Result<(), Error> {
    let row = ActiveModel { subject: Set(subject.to_owned()), data: Set(message.encode_to_vec()) };
    let conflict = OnConflict::column(Column::Subject).update_column(Column::Data).to_owned();
    Entity::insert(row).on_conflict(conflict).exec_without_returning(tx).await?;
    Ok(())
}

/// What is kept of some subjects; there is nothing of those that nobody has told of.
///
/// # Errors
/// `Data` when it is another message, or what the database says.
pub async fn kept<M: Message + Default>(
    db: &impl ConnectionTrait,
    subjects: BTreeSet<&str>,
) -> Result<HashMap<String, M>, Error> {
    if subjects.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = Entity::find().filter(Column::Subject.is_in(subjects)).all(db).await?;
    rows.into_iter().map(read).collect()
}

/// What is kept of one subject, or everything.
///
/// # Errors
/// As `kept`.
pub async fn all_kept<M: Message + Default>(
    db: &impl ConnectionTrait,
    subject: Option<&str>,
) -> Result<Vec<M>, Error> {
    let rows = Entity::find().apply_if(subject, |rows, subject| rows.filter(Column::Subject.eq(subject)));
    rows.all(db).await?.into_iter().map(|row| read(row).map(|(_, message)| message)).collect()
}

fn read<M: Message + Default>(row: Model) -> Result<(String, M), Error> {
    let unreadable = |problem: String| Error::Data { kind: format!("kept of {}", row.subject), problem };
    let message = M::decode(row.data.as_slice()).map_err(|error| unreadable(error.to_string()))?;
    Ok((row.subject, message))
}
