//! A queue with very many tasks: copies of one that is there, written straight into the table of routing.

use anyhow::{Result, ensure};
use masar_store::{DatabaseUrl, Store};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

/// The name under which routing opens its database.
const ROUTING: &str = "routing";
/// Rows of one statement.
const MOST: u32 = 50_000;

/// Makes so many copies of the task of a case, each as if it had come a little later.
pub(in crate::bench) async fn fill(url: &DatabaseUrl, reference: &str, copies: u32) -> Result<()> {
    let store = Store::connect(url, ROUTING).await?;
    let columns = columns(&store).await?;
    let copied: Vec<_> = columns.iter().map(|column| copied(store.backend(), column)).collect();
    let numbers = match store.backend() {
        DbBackend::Postgres => "generate_series($1::bigint, $2::bigint) AS numbers (n)",
        _ => {
            "(WITH RECURSIVE up (n) AS (SELECT $1 UNION ALL SELECT n + 1 FROM up WHERE n < $2) SELECT n FROM up) AS numbers"
        }
    };
    let insert = format!(
        "INSERT INTO tasks ({}) SELECT {} FROM tasks, {numbers} WHERE reference = $3",
        columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", "),
        copied.join(", ")
    );
    let mut done = 0;
    while done < copies {
        let last = copies.min(done + MOST);
        let values = [i64::from(done + 1).into(), i64::from(last).into(), reference.into()];
        let tx = store.begin().await?;
        tx.execute_raw(Statement::from_sql_and_values(store.backend(), &insert, values)).await?;
        tx.commit().await?;
        done = last;
    }
    let tidy = if store.backend() == DbBackend::Postgres { "VACUUM ANALYZE tasks" } else { "ANALYZE tasks" };
    store.reader().execute_unprepared(tidy).await?;
    Ok(store.close().await?)
}

/// The columns of the table, whatever they are: the bench knows no more of them than it must.
async fn columns(store: &Store) -> Result<Vec<String>> {
    let list = match store.backend() {
        DbBackend::Postgres => {
            "SELECT column_name::text AS name FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = 'tasks'"
        }
        _ => "SELECT name FROM pragma_table_info('tasks')",
    };
    let rows = store.reader().query_all_raw(Statement::from_string(store.backend(), list)).await?;
    let columns: Vec<String> = rows.iter().map(|row| row.try_get("", "name")).collect::<Result<_, _>>()?;
    ensure!(columns.iter().any(|column| column == "case_id"), "routing has no table of tasks: {columns:?}");
    Ok(columns)
}

/// What a copy has in a column: all that tells tasks apart is its own.
fn copied(backend: DbBackend, column: &str) -> String {
    match column {
        "case_id" if backend == DbBackend::Postgres => "gen_random_uuid()".to_owned(),
        "case_id" => "randomblob(16)".to_owned(),
        "reference" => "reference || '-' || n".to_owned(),
        "urgency" => "urgency + n".to_owned(),
        column => format!("\"{column}\""),
    }
}
