//! What people ask to be verified now.

use super::{Shop, good};
use crate::{
    Error,
    auth::Role,
    fixity::{Selection, Stage, runs, service},
    jobs::{Kind, work::Answer},
    testing::{archivist, caller, contributor, reader},
    versions::Status,
};

#[tokio::test]
async fn each_selection_has_its_own_and_no_others() {
    let shop = Shop::new().await;
    let ann = contributor("ann");
    let other = shop.world.transfer(&ann).await;
    let elsewhere = shop.world.collection("X", "OTHER").await;
    let bob = caller("bob", Role::Contributor, &["OTHER"]);
    let elsewhere = shop.world.transfer_in(&elsewhere, &bob).await;
    let version = shop.kept("a").await;
    shop.kept("b").await;
    shop.world.accepted(&other, "c").await;
    shop.world.accepted(&elsewhere, "d").await;
    // Not kept, or not yet.
    shop.world
        .record(&shop.transfer, "e", Status::AwaitingUpload)
        .await;
    shop.world
        .record(&shop.transfer, "f", Status::Rejected)
        .await;
    let package = shop.package().await;
    for (selection, asked) in [
        (Selection::RecordId(version.record_id.into()), 1),
        (Selection::TransferId(shop.transfer.id.into()), 3),
        (Selection::CollectionId(shop.world.collection.id.into()), 4),
        (Selection::ExportId(package.id.into()), 1),
        (Selection::Everything, 5),
    ] {
        let run = shop.verify(selection).await;
        assert_eq!((run.asked, run.scheduled), (asked, asked), "{selection:?}");
        assert_eq!((run.bytes, run.stage), (asked * 10, Stage::Done));
    }
}

#[tokio::test]
async fn a_run_with_nothing_in_it_has_ended() {
    let shop = Shop::new().await;
    let run = shop.verify(Selection::Everything).await;
    assert_eq!(run.asked, 0);
    assert!(run.finished_at.is_some());
    assert_eq!(shop.events("fixity.finished").await.len(), 1);
}

#[tokio::test]
async fn the_same_key_is_the_same_run_and_another_selection_a_conflict() {
    let shop = Shop::new().await;
    shop.kept("a").await;
    let ask = |selection| {
        let app = shop.app();
        async move { runs::verify_now(app, &archivist(), Some("k"), selection).await }
    };
    let first = ask(Selection::Everything).await.unwrap();
    let again = ask(Selection::Everything).await.unwrap();
    assert_eq!(first.id, again.id);
    let other = ask(Selection::TransferId(shop.transfer.id.into())).await;
    assert!(matches!(other, Err(Error::Conflict(_))), "{other:?}");
}

#[tokio::test]
async fn archivists_and_admins_may_ask_and_nobody_else() {
    let shop = Shop::new().await;
    let version = shop.kept("a").await;
    let selections = [
        Selection::RecordId(version.record_id.into()),
        Selection::TransferId(shop.transfer.id.into()),
        Selection::CollectionId(shop.world.collection.id.into()),
        Selection::Everything,
    ];
    for selection in selections {
        let ann = contributor("ann");
        let refused = runs::verify_now(shop.app(), &ann, None, selection).await;
        assert!(matches!(refused, Err(Error::Forbidden(_))), "{refused:?}");
        // A reader is not shown the transfer.
        let refused = runs::verify_now(shop.app(), &reader("rita"), None, selection).await;
        let refusal = matches!(
            refused,
            Err(Error::Forbidden(_) | Error::NotFound("transfer"))
        );
        assert!(refusal, "{refused:?}");
        let stranger = caller("x", Role::Contributor, &["OTHER"]);
        let hidden = runs::verify_now(shop.app(), &stranger, None, selection).await;
        if selection == Selection::Everything {
            assert!(matches!(hidden, Err(Error::Forbidden(_))), "{hidden:?}");
        } else {
            assert!(matches!(hidden, Err(Error::NotFound(_))), "{hidden:?}");
        }
        let admin = caller("ada", Role::Admin, &[]);
        runs::verify_now(shop.app(), &admin, None, selection)
            .await
            .unwrap();
    }
    let runs = service::runs(
        shop.app(),
        &contributor("ann"),
        &crate::page::Args::default(),
    )
    .await;
    assert!(matches!(runs, Err(Error::Forbidden(_))), "{runs:?}");
}

#[tokio::test]
async fn a_large_run_is_put_into_the_table_bit_by_bit_and_ends() {
    let shop = Shop::new().await;
    let most = usize::try_from(runs::MOST_OPEN).unwrap();
    for index in 0..most + 2 {
        shop.kept(&format!("{index:04}")).await;
    }
    let run = shop.verify(Selection::Everything).await;
    let total = i64::try_from(most).unwrap() + 2;
    assert_eq!((run.asked, run.scheduled), (total, total - 2));
    assert_eq!(shop.pass_once().await, 0, "no more of it waits at a time");
    let filter = crate::fixity::store::Filter {
        run: Some(run.id),
        ..crate::fixity::store::Filter::default()
    };
    for check in &shop.fixity_by(filter).await[..5] {
        shop.finds(check, good()).await;
    }
    assert_eq!(shop.pass_once().await, 2);
    let run = shop.run_now(&run).await;
    assert_eq!(
        (run.scheduled, run.verified, run.stage),
        (total, 5, Stage::Done)
    );
    assert_eq!(run.finished_at, None);
    let why = service::why_waiting_many(shop.app(), &[run.id]).await;
    assert!(why.unwrap()[&run.id].contains("waiting for its turn"));
}

#[tokio::test]
async fn what_is_kept_no_more_when_its_turn_comes_is_counted_out() {
    let shop = Shop::new().await;
    let version = shop.kept("a").await;
    let run = shop.verify(Selection::Everything).await;
    let mut unit = shop.app().begin_internal().await.unwrap();
    let mut row = shop.version(version.id).await;
    row.status = Status::Rejected;
    crate::versions::store::update(&mut unit, row, Status::Accepted)
        .await
        .unwrap();
    unit.commit().await.unwrap();
    let check = shop.fixity(version.id).await.remove(0);
    let job = shop.open(check.id, Kind::Fixity).await.remove(0);
    let claim = shop.claim(&[job.id.into()]).await.remove(0);
    assert!(matches!(claim.answer, Answer::NothingToDo));
    let run = shop.run_now(&run).await;
    assert_eq!((run.asked, run.verified), (0, 0));
    assert!(run.finished_at.is_some());
}
