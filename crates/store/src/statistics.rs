//! What PostgreSQL knows of how much its tables hold, by which it chooses the way to rows.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::{Error, Store};

/// Tables of the service that were never looked at, and hold enough that the way to rows matters: of one that was looked at while
/// it held little, PostgreSQL would go on reading all of it.
const UNSEEN: &str = "
    SELECT quote_ident(relname) AS name FROM pg_class
    WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND reltuples < 0
      AND pg_relation_size(oid) > 8 * 1024 * 1024";

/// Has PostgreSQL look at large tables that it has never looked at, which it does by itself a minute later at best: until then it takes
/// each value for one that is there many times, and reads whole tables for a few rows. SQLite needs none of it.
///
/// # Errors
/// What the database says.
pub async fn look_at_new_tables(store: &Store) -> Result<(), Error> {
    if store.backend() != DbBackend::Postgres {
        return Ok(());
    }
    let unseen = store.reader().query_all_raw(Statement::from_string(DbBackend::Postgres, UNSEEN)).await?;
    for table in unseen {
        let table: String = table.try_get("", "name")?;
        // Another replica may be at it.
        store.reader().execute_unprepared(&format!("ANALYZE (SKIP_LOCKED) {table}")).await?;
    }
    Ok(())
}
