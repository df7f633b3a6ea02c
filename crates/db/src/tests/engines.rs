//! The suite on each engine, and what only one of them has.

use domain::{ErrorKind, Secret};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use testkit::postgres::Postgres;
use uuid::Uuid;

use super::{
    conformance::{CASES, LIMITS},
    fixture::{Scratch, at, camera_id, details, key, refused, server, server_id},
};
use crate::{
    CameraFilter, Catalogue, Credentials, Error, Limits, Page, SealingKey,
    engine::{Pools, Statement, values},
    migrate::{MIGRATIONS, Migration, migrate},
    postgres, sqlite,
};

/// A new, empty database of a server.
async fn database(server: &Postgres) -> Secret {
    let name = format!("cctv_{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect(&server.address("postgres")).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    Secret::new(server.address(&name))
}

#[tokio::test]
async fn sqlite_in_memory_passes_the_suite() {
    for case in CASES {
        case(&sqlite::open_in_memory(key(), LIMITS).await.unwrap()).await;
    }
}

#[tokio::test]
async fn sqlite_in_a_file_passes_the_suite() {
    let scratch = Scratch::new();
    for (at, case) in CASES.iter().enumerate() {
        let file = scratch.0.join(format!("{at}.db"));
        case(&sqlite::open(&file, key(), LIMITS).await.unwrap()).await;
    }
}

#[tokio::test]
async fn postgresql_passes_the_suite() {
    let mut server = Postgres::start().await.unwrap();
    for case in CASES {
        let address = database(&server).await;
        case(&postgres::open(&address, key(), LIMITS).await.unwrap()).await;
    }
    let address = database(&server).await;
    migrations_go_forward_only(&postgres::pools(&address).await.unwrap()).await;

    let address = database(&server).await;
    let (one, other) = tokio::join!(postgres::open(&address, key(), LIMITS), postgres::open(&address, key(), LIMITS));
    let (one, _) = (one.unwrap(), other.unwrap());
    assert_no_trace_of_the_password(&one, rows_of_servers(&postgres::pools(&address).await.unwrap())).await;

    server.stop().await.unwrap();
    let error = refused(one.settings("x".to_owned()).await);
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let with_password = Secret::new(address.expose().replace("postgres@", "postgres:hunter2@"));
    let error = refused(postgres::open(&with_password, key(), LIMITS).await);
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

async fn rows_of_servers(pools: &Pools) -> String {
    let mut tx = pools.read().await.unwrap();
    let rows = tx.rows("SELECT CAST(server.* AS TEXT) AS line FROM server", values![]).await.unwrap();
    rows.iter().map(|row| row.get::<String>("line").unwrap()).collect()
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_not_quoted() {
    let address = Secret::new("postgres://cctv:hunter2@[bad:port/x".to_owned());
    let error = refused(postgres::open(&address, key(), LIMITS).await);
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn a_file_is_opened_again_with_what_it_held() {
    let scratch = Scratch::new();
    let file = scratch.0.join("main.db");
    let first = sqlite::open(&file, key(), LIMITS).await.unwrap();
    first.put_camera(camera_id(1), None, details(1, "Gate", "بوابة"), at(0)).await.unwrap();
    let camera = first.camera(camera_id(1)).await.unwrap();
    // Also while another process still has it open.
    let second = sqlite::open(&file, key(), Limits::default()).await.unwrap();
    assert_eq!(second.camera(camera_id(1)).await.unwrap(), camera);
    second.remove_camera(camera_id(1)).await.unwrap();
    assert_eq!(first.camera(camera_id(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_file_is_written_as_carefully_as_promised() {
    let scratch = Scratch::new();
    let pools = sqlite::file_pools(&scratch.0.join("main.db")).await.unwrap();
    let Pools::Sqlite { writer, readers } = &pools else { panic!("this is another engine") };
    for pool in [writer, readers] {
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await.unwrap();
        assert_eq!(mode, "wal");
        for (pragma, expected) in
            [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1), ("PRAGMA busy_timeout", 5_000)]
        {
            let value: i64 = sqlx::query_scalar(pragma).fetch_one(pool).await.unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
    }
    assert!(sqlx::query("CREATE TABLE x (y)").execute(readers).await.is_err(), "a reader writes");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_called_corrupt() {
    let scratch = Scratch::new();
    let file = scratch.0.join("main.db");
    std::fs::write(&file, "not a database ".repeat(1_000)).unwrap();
    let error = refused(sqlite::open(&file, key(), LIMITS).await);
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    let error = refused(sqlite::open(&scratch.0.join("absent/main.db"), key(), LIMITS).await);
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn sqlite_migrates_forward_only() {
    migrations_go_forward_only(&sqlite::memory_pools().await.unwrap()).await;
}

async fn migrations_go_forward_only(pools: &Pools) {
    let step = |version, sql: &'static str| Migration { version, sql: Statement::from(sql) };
    let first = || step(1, "CREATE TABLE one (a TEXT); INSERT INTO one VALUES ('kept');");
    let second = || step(2, "ALTER TABLE one ADD COLUMN b TEXT;");
    migrate(pools, &[first()]).await.unwrap();
    migrate(pools, &[first()]).await.unwrap();
    // One that fails in its middle leaves nothing.
    let broken = step(2, "CREATE TABLE two (a TEXT); SELECT nonsense FROM nowhere;");
    assert_eq!(refused(migrate(pools, &[first(), broken]).await).kind(), ErrorKind::Internal);
    let mut tx = pools.read().await.unwrap();
    assert!(tx.rows("SELECT a FROM two", values![]).await.is_err());
    drop(tx);
    migrate(pools, &[first(), second()]).await.unwrap();
    let mut tx = pools.read().await.unwrap();
    let row = tx.row("SELECT a, b FROM one", values![]).await.unwrap().unwrap();
    assert_eq!((row.get::<String>("a").unwrap(), row.get::<Option<String>>("b").unwrap()), ("kept".to_owned(), None));
    drop(tx);
    let error = refused(migrate(pools, &[first()]).await);
    assert!(matches!(error, Error::MigrationUnknown { found: 2, known: 1 }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let error = refused(migrate(pools, &[step(1, "CREATE TABLE one (a TEXT);"), second()]).await);
    assert!(matches!(error, Error::MigrationEdited { version: 1 }), "{error:?}");
}

#[test]
fn migrations_are_numbered_without_a_gap() {
    for (number, migration) in (1..).zip(MIGRATIONS) {
        assert_eq!(migration.version, number);
    }
}

#[tokio::test]
async fn no_trace_of_a_password_is_in_a_file() {
    let scratch = Scratch::new();
    let file = scratch.0.join("main.db");
    let catalogue = sqlite::open(&file, key(), LIMITS).await.unwrap();
    let stored = async {
        let files = std::fs::read_dir(&scratch.0).unwrap();
        let bytes: Vec<u8> = files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    assert_no_trace_of_the_password(&catalogue, stored).await;

    let other_key = sqlite::open(&file, SealingKey::new(&[1; 32]), LIMITS).await.unwrap();
    let error = refused(other_key.open_credentials_for_connector(server_id(1)).await);
    assert!(matches!(error, Error::Sealed { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

/// `stored` reads what the engine keeps, after credentials were set.
async fn assert_no_trace_of_the_password(catalogue: &impl Catalogue, stored: impl Future<Output = String>) {
    let (user, password) = ("operator-account", "Tr0ub4dor&3");
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let clean = |text: String| {
        for secret in [user.to_owned(), password.to_owned(), hex(user), hex(password)] {
            assert!(!text.contains(&secret), "{secret} is in {text}");
        }
    };
    catalogue.put_server(server(1, "One")).await.unwrap();
    let credentials = Credentials { user: Secret::new(user.to_owned()), password: Secret::new(password.to_owned()) };
    clean(format!("{credentials:?} {:?}", key()));
    catalogue.set_credentials(server_id(1), Some(credentials.clone())).await.unwrap();
    clean(format!("{:?}", catalogue.server(server_id(1)).await.unwrap()));
    clean(format!("{:?}", catalogue.servers(Page::first(9)).await.unwrap()));
    let nobody = refused(catalogue.set_credentials(server_id(9), Some(credentials.clone())).await);
    clean(format!("{nobody} {nobody:?}"));
    let long = Credentials { password: Secret::new(password.repeat(1_000)), ..credentials.clone() };
    let long = refused(catalogue.set_credentials(server_id(1), Some(long)).await);
    clean(format!("{long} {long:?}"));
    let text = stored.await;
    assert!(text.contains("vms.example"), "the rows were read");
    clean(text);
    assert_eq!(catalogue.open_credentials_for_connector(server_id(1)).await.unwrap(), Some(credentials));
}

#[tokio::test]
async fn a_catalogue_is_an_object() {
    let catalogue: std::sync::Arc<dyn Catalogue> =
        std::sync::Arc::new(sqlite::open_in_memory(key(), Limits::default()).await.unwrap());
    assert_eq!(catalogue.count_cameras(CameraFilter::default()).await.unwrap(), 0);
}
