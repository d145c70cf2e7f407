//! Every change can be made, taken back and made again, on either database.

use sea_orm_migration::{
    MigratorTrait as _,
    sea_orm::{ConnectionTrait as _, Database, DatabaseConnection},
};

use super::{Migrator, Standing, standing};

async fn empty(folder: &std::path::Path) -> DatabaseConnection {
    let url = testdb::postgres()
        .await
        .unwrap_or_else(|| format!("sqlite://{}?mode=rwc", folder.join("db").display()));
    Database::connect(url).await.unwrap()
}

#[tokio::test]
async fn a_database_lacks_changes_is_up_to_date_or_is_newer_than_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let database = empty(folder.path()).await;
    let all = Migrator::migrations().len();
    let stands = async |lacking, newer| {
        let found = standing(&database).await.unwrap();
        assert_eq!(found, Standing { lacking, newer });
    };
    stands(all, 0).await;
    Migrator::up(&database, Some(1)).await.unwrap();
    stands(all - 1, 0).await;
    Migrator::up(&database, None).await.unwrap();
    stands(0, 0).await;
    let newer =
        "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29991231_9999_later', 1)";
    database.execute_unprepared(newer).await.unwrap();
    stands(0, 1).await;
}

#[tokio::test]
async fn every_change_can_be_taken_back_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let database = empty(folder.path()).await;
    Migrator::up(&database, None).await.unwrap();
    assert!(
        Migrator::get_pending_migrations(&database)
            .await
            .unwrap()
            .is_empty()
    );
    Migrator::down(&database, None).await.unwrap();
    assert_eq!(
        Migrator::get_pending_migrations(&database)
            .await
            .unwrap()
            .len(),
        Migrator::migrations().len()
    );
    Migrator::up(&database, None).await.unwrap();
}
