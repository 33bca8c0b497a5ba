//! What tests stand on: databases of their own, on every backend that the product supports.
//!
//! SQLite is always there. PostgreSQL is used when `MASAR_TEST_POSTGRES` holds the URL of a server, which
//! `make test` sees to.

use std::env;

use sea_orm::{ConnectionTrait, Database, DbErr};
use tempfile::TempDir;
use uuid::Uuid;

/// A database of one test.
#[derive(Debug)]
pub struct TestDatabase {
    /// `sqlite` or `postgres`, for messages.
    pub name: &'static str,
    /// What `masar_store::DatabaseUrl` reads.
    pub url: String,
    /// Where it is, and its name there.
    server: Option<(String, String)>,
    /// Holds the SQLite files until the test ends.
    _folder: Option<TempDir>,
}

impl TestDatabase {
    /// Removes a database from its server; one of SQLite goes with its folder.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn remove(self) -> Result<(), DbErr> {
        let Some((server, database)) = self.server else { return Ok(()) };
        let server = Database::connect(server).await?;
        server.execute_unprepared(&format!("DROP DATABASE {database} WITH (FORCE)")).await?;
        server.close().await
    }
}

/// A new database on every backend that is there.
///
/// # Errors
/// When a folder cannot be made or the server does not answer.
pub async fn databases() -> anyhow::Result<Vec<TestDatabase>> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().display());
    let mut databases = vec![TestDatabase { name: "sqlite", url, server: None, _folder: Some(folder) }];
    match env::var("MASAR_TEST_POSTGRES") {
        Ok(server) => databases.push(postgres(server).await?),
        Err(_) => skipped("PostgreSQL: MASAR_TEST_POSTGRES names no server"),
    }
    Ok(databases)
}

/// A new database on every backend, used by the test and removed after it.
///
/// # Errors
/// What the test or a backend says; the backend is named.
pub async fn on_each_database<F>(test: impl Fn(String) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    for database in databases().await? {
        let result = test(database.url.clone()).await;
        let name = database.name;
        database.remove().await?;
        result.map_err(|error| error.context(format!("on {name}")))?;
    }
    Ok(())
}

async fn postgres(server: String) -> anyhow::Result<TestDatabase> {
    let database = format!("masar_test_{}", Uuid::now_v7().simple());
    let connection = Database::connect(&server).await?;
    connection.execute_unprepared(&format!("CREATE DATABASE {database}")).await?;
    connection.close().await?;
    let (address, _) = server.rsplit_once('/').unwrap_or((&server, ""));
    let url = format!("{address}/{database}");
    Ok(TestDatabase { name: "postgres", url, server: Some((server, database)), _folder: None })
}

#[allow(clippy::print_stderr, reason = "a test that does less than it could must say so")]
fn skipped(what: &str) {
    eprintln!("skipped: {what}");
}
