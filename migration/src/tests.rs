//! Every change can be made, taken back and made again, on either database.

use sea_orm_migration::{MigratorTrait as _, sea_orm::Database};

use super::Migrator;

#[tokio::test]
async fn every_change_can_be_taken_back_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = testdb::postgres()
        .await
        .unwrap_or_else(|| format!("sqlite://{}?mode=rwc", folder.path().join("db").display()));
    let database = Database::connect(url).await.unwrap();
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
