//! The tables of a database: made once, by whoever is first, and refused when they are of a later version.

use futures_util::future::join_all;
use qlik_embed_bff::store::{Condition, Settings, Store, condition};
use sqlx::AnyConnection;
use sqlx::Connection;

use super::{in_a_file, on_postgres};
use crate::servers::postgres::Postgres;

async fn hold(settings: Settings, url: &str) {
    assert_eq!(condition(&settings).await.expect("it can be looked at"), Condition::Nothing);
    let opened = join_all((0..5).map(|_| Store::open(&settings))).await;
    for store in opened {
        store.expect("of those who start at once, one makes the tables").close().await;
    }
    assert_eq!(condition(&settings).await.expect("it can be looked at"), Condition::Current);
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.expect("the database answers");
    let steps: i64 =
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(&mut connection).await.unwrap();
    assert!(steps > 0);
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 SELECT 9999, 'later', success, checksum, 0 FROM _sqlx_migrations LIMIT 1";
    sqlx::query(later).execute(&mut connection).await.expect("a later version");
    assert_eq!(condition(&settings).await.expect("it can be looked at"), Condition::Newer);
    let refused = Store::open(&settings).await.expect_err("it is newer");
    assert!(
        refused.to_string().contains("belongs to a newer version of qlik-embed-bff: install that version"),
        "{refused}"
    );
    assert!(refused.is_of_configuration());
}

#[tokio::test]
async fn a_file_gets_its_tables_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("portal.db").display());
    hold(in_a_file(&folder), &url).await;
}

#[tokio::test]
async fn postgresql_gets_its_tables_once() {
    let server = Postgres::start();
    let url = server.database("portal");
    hold(on_postgres(&url), &url).await;
}
