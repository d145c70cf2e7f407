//! What becomes of what was seen in the store.

use std::collections::HashMap;

use super::{
    Status,
    uploads::{Look, write_down},
};
use crate::{jobs::tests::shop::Shop, testing::World};

#[tokio::test]
async fn what_was_moved_on_while_it_was_looked_for_is_not_missing() {
    let shop = Shop::of(World::with_empty_store().await).await;
    let moved = shop.uploaded("a.pdf").await;
    let (_, awaited) = shop
        .world
        .record(&shop.transfer, "b.pdf", Status::AwaitingUpload)
        .await;
    let gone = || Look::Missing("the bytes are not there yet".into());
    let looks = HashMap::from([(moved.id, gone()), (awaited.id, gone())]);
    let mut unit = shop.app().begin_internal().await.expect("a transaction");
    let answers = write_down(&mut unit, &looks).await.expect("it is read");
    unit.commit().await.expect("nothing is in its way");
    let answers: Vec<_> = answers.into_iter().collect();
    assert_eq!(answers.len(), 1, "the other is missing: {answers:?}");
    let (id, (now, row)) = &answers[0];
    assert_eq!((*id, *now, row.status), (moved.id, false, Status::Checking));
}
