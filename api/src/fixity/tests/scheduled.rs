//! What the schedules of collections have verified, and when.

use super::{DAY, Shop, good};
use crate::{
    Error,
    fixity::{Schedule, schedule, service},
    testing::{archivist, contributor},
    versions::Version,
};

async fn set(shop: &Shop, revision: i32, every_days: Option<i32>, bytes_per_day: Option<i64>) {
    let new = Schedule {
        every_days,
        bytes_per_day,
    };
    let id = shop.world.collection.id.into();
    service::set_schedule(shop.app(), &archivist(), id, revision, new)
        .await
        .unwrap();
}

/// Three versions, each a day younger than the one before.
async fn three(shop: &Shop) -> [Version; 3] {
    let first = shop.kept("a").await;
    shop.pass(DAY);
    let second = shop.kept("b").await;
    shop.pass(DAY);
    [first, second, shop.kept("c").await]
}

async fn asked(shop: &Shop, versions: &[Version]) -> Vec<usize> {
    let mut counts = Vec::new();
    for version in versions {
        counts.push(shop.fixity(version.id).await.len());
    }
    counts
}

#[tokio::test]
async fn nothing_is_due_before_its_time_and_everything_at_it() {
    let shop = Shop::new().await;
    let version = shop.kept("a").await;
    shop.pass(90 * DAY - 1);
    assert_eq!(shop.pass_once().await, 0);
    shop.pass(1);
    assert_eq!(shop.pass_once().await, 1);
    assert_eq!(shop.pass_once().await, 0, "it is asked for once");
    let check = shop.fixity(version.id).await.remove(0);
    shop.finds(&check, good()).await;
    assert_eq!(
        shop.version(version.id).await.verified_at,
        Some(shop.app().clock().now())
    );
    shop.pass(90 * DAY - 1);
    assert_eq!(shop.pass_once().await, 0, "the time begins anew");
    shop.pass(1);
    assert_eq!(shop.pass_once().await, 1);
}

#[tokio::test]
async fn what_was_longest_not_verified_comes_first_within_a_days_bytes() {
    let shop = Shop::new().await;
    let versions = three(&shop).await;
    set(&shop, 1, Some(90), Some(20)).await;
    shop.pass(100 * DAY);
    assert_eq!(shop.pass_once().await, 2);
    assert_eq!(asked(&shop, &versions).await, [1, 1, 0]);
    assert_eq!(shop.pass_once().await, 0, "the day's bytes are used up");
    for version in &versions[..2] {
        let check = shop.fixity(version.id).await.remove(0);
        shop.finds(&check, good()).await;
    }
    shop.pass(DAY);
    assert_eq!(shop.pass_once().await, 1);
    assert_eq!(asked(&shop, &versions).await, [1, 1, 1]);
}

#[tokio::test]
async fn a_file_larger_than_a_days_bytes_is_verified_alone() {
    let shop = Shop::new().await;
    let versions = three(&shop).await;
    set(&shop, 1, Some(1), Some(1)).await;
    shop.pass(10 * DAY);
    assert_eq!(shop.pass_once().await, 1);
    assert_eq!(asked(&shop, &versions).await, [1, 0, 0]);
}

#[tokio::test]
async fn a_collection_without_a_schedule_is_left_alone() {
    let shop = Shop::new().await;
    three(&shop).await;
    set(&shop, 1, None, None).await;
    shop.pass(1_000 * DAY);
    assert_eq!(shop.pass_once().await, 0);
    set(&shop, 2, Some(900), None).await;
    assert_eq!(shop.pass_once().await, 3);
}

#[tokio::test]
async fn two_processes_ask_for_each_version_once() {
    let shop = Shop::new().await;
    let mut versions = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        versions.push(shop.kept(name).await);
    }
    let package = shop.package().await;
    shop.pass(90 * DAY);
    let mut again = shop.export(package.id).await;
    again.expires_at = Some(shop.app().clock().now() + chrono::TimeDelta::days(1));
    let mut unit = shop.app().begin_internal().await.unwrap();
    crate::exports::store::update(&mut unit, again)
        .await
        .unwrap();
    unit.commit().await.unwrap();
    // Of two that meet, one may be refused by the key, and looks again later.
    let passes = tokio::join!(schedule::pass(shop.app()), schedule::pass(shop.app()));
    assert!(passes.0.is_ok() || passes.1.is_ok(), "{passes:?}");
    shop.pass_once().await;
    assert_eq!(asked(&shop, &versions).await, [1; 5]);
    let filter = super::store::Filter {
        export: Some(package.id),
        ..super::store::Filter::default()
    };
    assert_eq!(shop.fixity_by(filter).await.len(), 1);
}

#[tokio::test]
async fn a_schedule_is_set_by_those_who_may_set_the_policy_and_is_an_event() {
    let shop = Shop::new().await;
    let id = shop.world.collection.id.into();
    let new = Schedule {
        every_days: Some(30),
        bytes_per_day: Some(1 << 40),
    };
    let app = shop.app();
    let refused = service::set_schedule(app, &contributor("ann"), id, 1, new).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))), "{refused:?}");
    let stale = service::set_schedule(app, &archivist(), id, 7, new).await;
    assert!(matches!(stale, Err(Error::Precondition(_))), "{stale:?}");
    let row = service::set_schedule(app, &archivist(), id, 1, new)
        .await
        .unwrap();
    assert_eq!((service::schedule(&row), row.revision), (new, 2));
    let events = shop.events("collection.fixityScheduleSet").await;
    assert_eq!(
        (events[0].before.clone(), events[0].after.clone()),
        (
            Some(serde_json::json!({"everyDays": 90, "bytesPerDay": null})),
            Some(serde_json::json!({"everyDays": 30, "bytesPerDay": 1_i64 << 40}))
        )
    );
}

#[tokio::test]
async fn a_package_is_verified_every_week_while_it_is_kept() {
    let shop = Shop::new().await;
    let package = shop.package().await;
    shop.pass(7 * DAY - 1);
    assert_eq!(shop.pass_once().await, 0);
    shop.pass(1);
    assert_eq!(shop.pass_once().await, 1);
    assert_eq!(shop.pass_once().await, 0);
    shop.pass(30 * DAY);
    assert_eq!(shop.pass_once().await, 0, "it has expired");
    assert_eq!(
        shop.export(package.id).await.status,
        crate::exports::Status::Ready
    );
}

#[tokio::test]
async fn a_large_collection_leaves_room_for_packages_and_other_collections() {
    let shop = Shop::new().await;
    let package = shop.package().await;
    let large = shop.kept("a").await;
    let mut unit = shop.app().begin_internal().await.unwrap();
    let more = (0..300).map(|number| {
        let id = unit.id();
        Version {
            id,
            content_id: id,
            number: number + 2,
            ..large.clone()
        }
    });
    let more: Vec<Version> = more.collect();
    crate::versions::store::insert_many(&unit, more)
        .await
        .unwrap();
    let mut row = shop.export(package.id).await;
    row.expires_at = Some(unit.now() + chrono::TimeDelta::days(200));
    crate::exports::store::update(&mut unit, row).await.unwrap();
    unit.commit().await.unwrap();
    let other = shop.world.collection("WO/96", "OWN").await;
    let transfer = shop.world.transfer_in(&other, &contributor("ann")).await;
    let (_, small) = shop
        .world
        .record(&transfer, "b", crate::versions::Status::Accepted)
        .await;
    shop.pass(90 * DAY);
    let all = usize::try_from(schedule::MOST_OPEN).unwrap();
    assert_eq!(shop.pass_once().await, all, "no room is left empty");
    assert_eq!(shop.fixity(small.id).await.len(), 1);
    let filter = crate::fixity::store::Filter {
        export: Some(package.id),
        ..crate::fixity::store::Filter::default()
    };
    assert_eq!(shop.fixity_by(filter).await.len(), 1);
}
