//! A new database for each test, on SQLite and PostgreSQL.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::{env, fs, thread};

use anyhow::Context;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{tell, then_clean, with_path};

/// A database of one test.
#[derive(Debug)]
pub struct TestDatabase {
    /// `sqlite` or `postgres`, for messages.
    pub name: &'static str,
    /// What `masar_store::DatabaseUrl` reads.
    pub url: String,
    home: Home,
}

#[derive(Debug)]
enum Home {
    Folder(TempDir),
    Server { url: String, database: String },
}

impl TestDatabase {
    fn sqlite() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite:{}", folder.path().display());
        Ok(Self { name: "sqlite", url, home: Home::Folder(folder) })
    }

    async fn postgres(server: String) -> anyhow::Result<Self> {
        let database = format!("masar_test_{}", Uuid::now_v7().simple());
        execute(&server, &format!("CREATE DATABASE {database}")).await?;
        let url = with_path(&server, &database);
        Ok(Self { name: "postgres", url, home: Home::Server { url: server, database } })
    }

    /// Removes the database, whoever is still connected to it.
    ///
    /// # Errors
    /// When the folder stays or the server does not answer.
    pub async fn remove(self) -> anyhow::Result<()> {
        match self.home {
            Home::Folder(folder) => Ok(remove_folder(&folder.keep())?),
            Home::Server { url, database } => {
                execute(&url, &format!("DROP DATABASE {database} WITH (FORCE)")).await
            }
        }
    }
}

/// Removes a folder in which somebody who is stopping may still make files.
fn remove_folder(path: &Path) -> io::Result<()> {
    const ATTEMPTS: usize = 100;
    for _ in 1..ATTEMPTS {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => thread::yield_now(),
            end => return end,
        }
    }
    fs::remove_dir_all(path)
}

/// A new database on every backend that is there; the caller removes them.
///
/// # Errors
/// When a folder cannot be made or the server does not answer.
pub async fn databases() -> anyhow::Result<Vec<TestDatabase>> {
    let mut databases = vec![TestDatabase::sqlite()?];
    if let Some(server) = postgres_server() {
        databases.push(TestDatabase::postgres(server).await?);
    }
    Ok(databases)
}

/// A new database on every backend that is there, used by the test and removed after it even when it fails.
///
/// # Errors
/// What the test or a backend says; the backend is named.
pub async fn on_each_database<F>(test: impl Fn(String) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    on(TestDatabase::sqlite()?, &test).await?;
    match postgres_server() {
        Some(server) => on(Box::pin(TestDatabase::postgres(server)).await?, &test).await,
        None => Ok(()),
    }
}

/// Does to a database what no code of the product does; the number of rows that it changed.
///
/// # Errors
/// What the database says.
pub async fn tamper<C: ConnectionTrait>(db: &C, statement: &str) -> anyhow::Result<u64> {
    Ok(db.execute_unprepared(statement).await?.rows_affected())
}

/// How many rows a table has.
///
/// # Errors
/// What the database says.
pub async fn count(db: &DatabaseConnection, table: &str) -> anyhow::Result<i64> {
    let count =
        Statement::from_string(db.get_database_backend(), format!("SELECT COUNT(*) AS n FROM {table}"));
    let row = db.query_one_raw(count).await?.context("no count")?;
    Ok(row.try_get("", "n")?)
}

async fn on<F>(database: TestDatabase, test: impl Fn(String) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    then_clean(database.name, Box::pin(test(database.url.clone())), Box::pin(database.remove())).await
}

fn postgres_server() -> Option<String> {
    let server = env::var("MASAR_TEST_POSTGRES").ok();
    if server.is_none() {
        tell("skipped: PostgreSQL (set MASAR_TEST_POSTGRES)");
    }
    server
}

async fn execute(server: &str, statement: &str) -> anyhow::Result<()> {
    let connection = Database::connect(server).await.context("the server of MASAR_TEST_POSTGRES")?;
    connection.execute_unprepared(statement).await?;
    Ok(connection.close().await?)
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;
    use std::path::Path;
    use std::sync::Mutex;

    use anyhow::{Result, bail};
    use futures::FutureExt;

    use super::*;

    async fn is_there(url: &str) -> bool {
        match url.strip_prefix("sqlite:") {
            Some(folder) => Path::new(folder).exists(),
            None => Database::connect(url).await.is_ok(),
        }
    }

    /// Runs a test that ends on one backend as `end` says; the databases that it was given.
    async fn given(end: impl AsyncFn() -> Result<()>, on: &str) -> Vec<String> {
        let urls = Mutex::new(Vec::new());
        let ended = AssertUnwindSafe(on_each_database(async |url| {
            assert!(is_there(&url).await);
            let here = url.starts_with(on);
            urls.lock().unwrap().push(url);
            if here { end().await } else { Ok(()) }
        }))
        .catch_unwind()
        .await;
        let urls = urls.into_inner().unwrap();
        let failed = !matches!(ended, Ok(Ok(())));
        assert_eq!(failed, urls.iter().any(|url| url.starts_with(on)), "a failure is passed on");
        urls
    }

    #[tokio::test]
    async fn a_database_goes_with_its_test_however_it_ends() {
        for backend in ["sqlite", "postgres"] {
            let mut urls = given(async || bail!("no"), backend).await;
            urls.extend(given(async || panic!("no"), backend).await);
            for url in urls {
                assert!(!is_there(&url).await, "{url} is left behind");
            }
        }
    }

    #[tokio::test]
    async fn a_failure_names_its_backend() {
        let error = on_each_database(async |_| bail!("no")).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "on sqlite: no");
    }

    #[tokio::test]
    async fn databases_are_there_until_removed() -> Result<()> {
        for database in databases().await? {
            let url = database.url.clone();
            assert!(is_there(&url).await);
            database.remove().await?;
            assert!(!is_there(&url).await);
        }
        Ok(())
    }
}
