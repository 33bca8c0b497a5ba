//! Very many rows: copies of one that came the usual way, written straight into the table of a service.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use masar_store::{DatabaseUrl, Store};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

/// Rows of one statement.
const MOST: u32 = 50_000;
/// How often is asked whether all is done.
const PACE: Duration = Duration::from_millis(500);

/// What is copied.
pub(in crate::bench) struct Copies {
    /// The service whose table it is.
    pub(in crate::bench) service: &'static str,
    pub(in crate::bench) table: &'static str,
    /// The column by which the row is found that is copied.
    pub(in crate::bench) key: &'static str,
    /// What the copy with the number `n` has in a column, in the words of a database; none where it is as its original.
    pub(in crate::bench) differs: fn(DbBackend, &str) -> Option<String>,
}

/// The tasks of a queue, each as if it had come a little later.
pub(in crate::bench) const TASKS: Copies = Copies {
    service: "routing",
    table: "tasks",
    key: "reference",
    differs: |backend, column| match column {
        "case_id" => Some(id(backend)),
        "reference" => Some("reference || '-' || n".to_owned()),
        "urgency" => Some("urgency + n".to_owned()),
        _ => None,
    },
};

/// Clocks that are open: on PostgreSQL their marks come a day later and a tenth of a second apart, on SQLite with their original's.
pub(in crate::bench) const CLOCKS: Copies = Copies {
    service: "sla",
    table: "clocks",
    key: "case_id",
    differs: |backend, column| match column {
        "id" | "case_id" => Some(id(backend)),
        "reference" => Some("reference || '-' || n".to_owned()),
        "shard" => Some("n % 16".to_owned()),
        "due_at" | "next_at" if backend == DbBackend::Postgres => {
            Some(format!("{column} + interval '1 day' + n * interval '100 milliseconds'"))
        }
        _ => None,
    },
};

/// The entity that has the first million of `PROMISES`.
pub(in crate::bench) const STATE: &str = "BENCH-STATE";

/// Clocks that are open, of two entities.
pub(in crate::bench) const PROMISES: Copies = Copies {
    differs: |backend, column| match column {
        "tenant" => Some(format!("CASE WHEN n <= 1000000 THEN '{STATE}' ELSE tenant END")),
        _ => (CLOCKS.differs)(backend, column),
    },
    ..CLOCKS
};

/// How many open clocks of `STATE` count on an older version of a calendar than this.
pub(in crate::bench) async fn behind(url: &DatabaseUrl, version: u32) -> Result<i64> {
    number(url, &format!("SELECT COUNT(*) AS n FROM ({}) AS behind", older(version))).await
}

/// Returns when none does any more.
pub(in crate::bench) async fn until_none_behind(url: &DatabaseUrl, version: u32) -> Result<()> {
    let store = Store::connect(url, CLOCKS.service).await?;
    let first = Statement::from_string(store.backend(), format!("{} LIMIT 1", older(version)));
    let mut pace = tokio::time::interval(PACE);
    while store.reader().query_one_raw(first.clone()).await?.is_some() {
        pace.tick().await;
    }
    Ok(store.close().await?)
}

fn older(version: u32) -> String {
    format!(
        "SELECT 1 FROM clocks WHERE tenant = '{STATE}' AND phase IN ('running', 'paused') \
         AND calendar_version < {version}"
    )
}

/// The transactions that a server has done in this database; none of SQLite, which does not count them.
pub(in crate::bench) async fn transactions(url: &DatabaseUrl) -> Result<Option<i64>> {
    if !matches!(url, DatabaseUrl::Postgres(_)) {
        return Ok(None);
    }
    let count = "SELECT xact_commit AS n FROM pg_stat_database WHERE datname = current_database()";
    number(url, count).await.map(Some)
}

async fn number(url: &DatabaseUrl, query: &str) -> Result<i64> {
    let store = Store::connect(url, CLOCKS.service).await?;
    let row = store.reader().query_one_raw(Statement::from_string(store.backend(), query)).await?;
    let number = row.context("no row")?.try_get("", "n")?;
    store.close().await?;
    Ok(number)
}

/// An id like those that services give: in the order of time, so that copies lie in indexes and tables as rows that came do.
fn id(backend: DbBackend) -> String {
    // As if one had come each millisecond since the spring of 2026.
    const SINCE: u64 = 1_775_000_000_000;
    if backend == DbBackend::Postgres {
        let time = format!("lpad(to_hex({SINCE} + n), 12, '0')");
        format!(
            "(substr({time}, 1, 8) || '-' || substr({time}, 9) || '-7' || substr(gen_random_uuid()::text, 16))::uuid"
        )
    } else {
        format!("unhex(printf('%012x7', {SINCE} + n) || substr(hex(randomblob(10)), 2))")
    }
}

/// Makes so many copies of a row.
pub(in crate::bench) async fn fill(
    url: &DatabaseUrl,
    copies: &Copies,
    original: Value,
    count: u32,
) -> Result<()> {
    let store = Store::connect(url, copies.service).await?;
    let columns = columns(&store, copies).await?;
    let quoted = |column: &String| format!("\"{column}\"");
    let copied: Vec<_> = columns
        .iter()
        .map(|column| (copies.differs)(store.backend(), column).unwrap_or_else(|| quoted(column)))
        .collect();
    let numbers = match store.backend() {
        DbBackend::Postgres => "generate_series($1::bigint, $2::bigint) AS numbers (n)",
        _ => {
            "(WITH RECURSIVE up (n) AS (SELECT $1 UNION ALL SELECT n + 1 FROM up WHERE n < $2) SELECT n FROM up) AS numbers"
        }
    };
    let insert = format!(
        "INSERT INTO {} ({}) SELECT {} FROM {}, {numbers} WHERE {} = $3",
        copies.table,
        columns.iter().map(quoted).collect::<Vec<_>>().join(", "),
        copied.join(", "),
        copies.table,
        copies.key,
    );
    let mut done = 0;
    while done < count {
        let last = count.min(done + MOST);
        let values = [i64::from(done + 1).into(), i64::from(last).into(), original.clone()];
        let tx = store.begin().await?;
        tx.execute_raw(Statement::from_sql_and_values(store.backend(), &insert, values)).await?;
        tx.commit().await?;
        done = last;
    }
    if store.backend() == DbBackend::Postgres {
        // As the server does by itself, only later: what is measured does not wait while the disk still writes the copies.
        store.reader().execute_unprepared(&format!("VACUUM ANALYZE {}", copies.table)).await?;
        store.reader().execute_unprepared("CHECKPOINT").await?;
    }
    Ok(store.close().await?)
}

/// The columns of the table, whatever they are: the bench knows no more of them than it must.
async fn columns(store: &Store, copies: &Copies) -> Result<Vec<String>> {
    let table = copies.table;
    let list = match store.backend() {
        DbBackend::Postgres => format!(
            "SELECT column_name::text AS name FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = '{table}'"
        ),
        _ => format!("SELECT name FROM pragma_table_info('{table}')"),
    };
    let rows = store.reader().query_all_raw(Statement::from_string(store.backend(), list)).await?;
    let columns: Vec<String> = rows.iter().map(|row| row.try_get("", "name")).collect::<Result<_, _>>()?;
    ensure!(columns.iter().any(|column| column == copies.key), "there is no table {table}: {columns:?}");
    Ok(columns)
}
