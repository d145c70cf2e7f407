//! Proofs, and who gets them.

use contract::EventId;

use super::*;
use crate::{
    Error,
    auth::Role,
    page::Args,
    testing::{caller, contributor, reader},
};

#[tokio::test]
async fn every_event_is_shown_to_be_in_every_later_tree() {
    let world = World::new().await;
    log(&world).await;
    for event in events(&world).await {
        for size in [8, 15, 21] {
            let id = EventId(event.id);
            let shown = service::inclusion(&world.app, &archivist(), id, Some(size)).await;
            let Some((shown, checkpoint)) = shown.unwrap() else {
                assert!(size < 21);
                continue;
            };
            let signed = tlog::Checkpoint::read(&checkpoint.note).unwrap();
            let leaf = tlog::leaf(shown.entry.as_bytes());
            assert_eq!(Some(&leaf[..]), event.hash.as_deref());
            assert!(shown.leaf < size && signed.size == size);
            tlog::verify_inclusion(&leaf, shown.leaf, size, &shown.proof, &signed.root).unwrap();
        }
    }
}

#[tokio::test]
async fn every_tree_is_shown_to_begin_with_every_earlier_one() {
    let world = World::new().await;
    log(&world).await;
    let root = async |size| {
        let row = store::of_size(world.app.database(), size).await.unwrap();
        tlog::Checkpoint::read(&row.unwrap().note).unwrap().root
    };
    for (from, to) in [(8, 8), (8, 15), (8, 21), (15, 21)] {
        let shown = service::consistency(&world.app, &archivist(), from, to).await;
        let (old, new) = (root(from).await, root(to).await);
        tlog::verify_consistency(from, &old, to, &new, &shown.unwrap()).unwrap();
    }
    for (from, to) in [(1, 22), (16, 15), (0, 0)] {
        let refused = service::consistency(&world.app, &archivist(), from, to).await;
        assert!(
            matches!(refused, Err(Error::BadInput { .. })),
            "{from} {to}"
        );
    }
}

#[tokio::test]
async fn what_was_tampered_with_is_not_proved() {
    let world = World::new().await;
    log(&world).await;
    let victim = of(&world, 1).await[2].clone();
    let prove =
        async || service::inclusion(&world.app, &archivist(), EventId(victim.id), None).await;
    assert!(prove().await.unwrap().is_some());
    let id = quoted(&world, victim.id);
    sql(
        &world,
        &format!("UPDATE event SET agent = 'x' WHERE id = {id}"),
    )
    .await;
    assert!(matches!(prove().await, Err(Error::Internal(_))));
}

#[tokio::test]
async fn a_proof_is_for_those_who_see_the_event_and_checkpoints_are_for_people() {
    let world = World::new().await;
    let transfer = world.transfer(&contributor("ann")).await;
    seal(&world).await;
    let mut opened = events(&world).await;
    opened.retain(|event| event.subject_id == transfer.id);
    let event = EventId(opened[0].id);
    for (by, proof, checkpoints) in [
        (archivist(), true, true),
        (caller("root", Role::Admin, &[]), true, true),
        (contributor("bob"), true, true),
        (caller("eve", Role::Contributor, &["OTHER"]), false, true),
        (reader("ann"), false, true),
        (caller("w", Role::Worker, &[]), false, false),
    ] {
        let who = &by.actor.subject;
        let shown = service::inclusion(&world.app, &by, event, None)
            .await
            .unwrap();
        assert_eq!(shown.is_some(), proof, "{who}");
        let listed = service::list(&world.app, &by, &Args::default()).await;
        assert_eq!(listed.is_ok(), checkpoints, "{who}");
        let consistent = service::consistency(&world.app, &by, 0, 2).await;
        assert_eq!(consistent.is_ok(), checkpoints, "{who}");
    }
}

#[tokio::test]
async fn checkpoints_come_newest_first_page_by_page() {
    let world = World::new().await;
    log(&world).await;
    let mut sizes = Vec::new();
    let mut after = None;
    for more in [true, false] {
        let args = Args {
            first: Some(2),
            after,
            ..Args::default()
        };
        let page = service::list(&world.app, &archivist(), &args)
            .await
            .unwrap();
        assert_eq!(page.has_next, more);
        after = page.items.last().map(|(cursor, _)| cursor.clone());
        sizes.extend(page.items.into_iter().map(|(_, row)| row.size));
    }
    assert_eq!(sizes, [21, 15, 8]);
}
