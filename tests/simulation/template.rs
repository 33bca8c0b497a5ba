//! The tables that databases begin with: what the migrations of the product make of an empty file, read once.

use std::sync::{Arc, OnceLock};

use masar_bus::{LocalTransport, Transport};
use masar_runtime::Clock;
use masar_sla::{Deps, NAME, SOURCES};
use masar_store::{DatabaseUrl, Store};
use masar_workflow::Catalog;
use sea_orm::sqlx::query_scalar;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tokio_util::sync::CancellationToken;

use crate::world::start;

/// Who writes at the moment, and what is deleted from the outbox under which lease by whom.
const WATCH: &str = "
    CREATE TABLE acting (who TEXT);
    INSERT INTO acting VALUES ('');
    CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, shard BIGINT, epoch BIGINT, who TEXT);
    CREATE TRIGGER sent AFTER DELETE ON outbox BEGIN
        INSERT INTO log (shard, epoch, who)
        SELECT shard, epoch, who FROM leases, acting WHERE work = 'relay';
    END;
";

/// What those who stand in for services keep.
const STAND_IN: &str = "
    CREATE TABLE written (id INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT, number BIGINT, event TEXT);
    CREATE TABLE handled (id INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT, number BIGINT, event TEXT);
    CREATE TABLE submitted (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT);
";

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        masar_bus::migrations()
    }
}

/// The tables of a service that has nothing but the bus.
pub(crate) fn bus() -> &'static str {
    static TABLES: OnceLock<String> = OnceLock::new();
    TABLES.get_or_init(|| {
        let migrated =
            make("bus", async |store| store.migrate::<Migrator>().await.expect("tables can be made"));
        [&migrated, WATCH, STAND_IN].concat()
    })
}

/// The tables of sla.
pub(crate) fn sla() -> &'static str {
    static TABLES: OnceLock<String> = OnceLock::new();
    TABLES.get_or_init(|| {
        let migrated = make(NAME, async |store| {
            let transport: Arc<dyn Transport> = Arc::new(LocalTransport::new(&[(NAME, SOURCES)]));
            let (clock, catalog) =
                (Clock::manual(start()).0, Catalog::shipped().expect("packages are shipped"));
            let doors = CancellationToken::new();
            let deps = Deps { store, transport, clock, catalog: Arc::new(catalog), doors };
            drop(masar_sla::build(deps).await.expect("the service can be built"));
        });
        [&migrated, WATCH].concat()
    })
}

/// Worlds are in a runtime of their own, where no time passes: so another thread does it.
fn make(name: &str, migrate: impl AsyncFnOnce(Store) + Send) -> String {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let read = async || {
        let url = DatabaseUrl::SqliteFolder(folder.path().to_owned());
        let store = Store::connect(&url, name).await.expect("a file can be made");
        migrate(store.clone()).await;
        let tables = "SELECT sql || ';' FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' \
            ORDER BY type = 'index'";
        let done = "SELECT 'INSERT INTO seaql_migrations VALUES (' || quote(version) || ', ' || applied_at || ');' \
            FROM seaql_migrations";
        let mut texts = Vec::new();
        for sql in [tables, done] {
            let pool = store.reader().get_sqlite_connection_pool();
            texts.extend(query_scalar::<_, String>(sql).fetch_all(pool).await.expect("the file can be read"));
        }
        store.close().await.expect("the file can be closed");
        texts.join("\n")
    };
    std::thread::scope(|scope| {
        let made = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(read())
        });
        made.join().expect("the tables were made")
    })
}
