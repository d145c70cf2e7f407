//! What somebody who can write to the database cannot hide.

use contract::EventId;

use super::*;

#[tokio::test]
async fn an_untouched_log_is_intact() {
    let world = World::new().await;
    let newest = log(&world).await;
    let (findings, totals) = look_against(&world, &[&newest]).await;
    assert_eq!(findings, []);
    let expected = Totals {
        events: 21,
        subjects: 3,
        leaves: 21,
        checkpoints: 3,
        waiting: 0,
        findings: 0,
    };
    assert_eq!(totals, expected);
    happen(&world.app, 1, 2).await;
    let (findings, totals) = look_against(&world, &[&newest]).await;
    assert_eq!((findings, totals.waiting, totals.events), (vec![], 2, 23));
}

#[tokio::test]
async fn an_edited_event_is_named() {
    for (column, value) in [
        ("agent", "'somebody else'"),
        ("action", "'record.added'"),
        ("\"after\"", "'{\"number\": 7}'"),
        ("\"before\"", "'{}'"),
        ("request_id", "NULL"),
        ("record_id", "NULL"),
        ("at", "'2020-01-01T00:00:00+00:00'"),
        ("sequence", "70"),
        ("previous", "NULL"),
    ] {
        let world = World::new().await;
        log(&world).await;
        let victim = of(&world, 1).await[12].clone();
        let id = quoted(&world, victim.id);
        sql(
            &world,
            &format!("UPDATE event SET {column} = {value} WHERE id = {id}"),
        )
        .await;
        let findings = look(&world).await;
        let named = findings.iter().any(
            |found| matches!(found, Finding::Edited { event, .. } if *event == EventId(victim.id)),
        );
        assert!(named, "{column}: {findings:?}");
    }
}

#[tokio::test]
async fn an_edited_event_is_named_even_where_its_hashes_were_made_to_fit() {
    let world = World::new().await;
    log(&world).await;
    let mut victim = of(&world, 1).await[3].clone();
    victim.agent = "somebody else".into();
    let hash = hex::encode(crate::events::chain::hash(&victim));
    let hash = match world.app.database().get_database_backend() {
        sea_orm::DbBackend::Postgres => format!("'\\x{hash}'"),
        _ => format!("x'{hash}'"),
    };
    let id = quoted(&world, victim.id);
    sql(
        &world,
        &format!("UPDATE event SET agent = 'somebody else', hash = {hash} WHERE id = {id}"),
    )
    .await;
    // Its leaf is not what it is, and the next one does not follow it.
    assert_eq!(codes(&look(&world).await), ["EDITED", "NOT_LINKED"]);
    sql(
        &world,
        &format!("UPDATE event_leaf SET hash = {hash} WHERE event_id = {id}"),
    )
    .await;
    let found = look(&world).await;
    assert_eq!(
        codes(&found),
        ["OTHER_ROOT", "LEAVES_CHANGED", "NOT_LINKED"]
    );
    let place = leaves(&world)
        .await
        .into_iter()
        .find(|leaf| leaf.event_id == victim.id);
    let place = u64::try_from(place.unwrap().position).unwrap();
    let pair = place & !1;
    assert!(
        found.contains(&Finding::LeavesChanged {
            from: pair,
            to: pair + 1
        }),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_removed_event_is_named_in_the_middle_at_the_end_and_with_its_whole_subject() {
    let world = World::new().await;
    log(&world).await;
    let all = of(&world, 1).await;
    let remove = async |id| {
        let id = quoted(&world, id);
        sql(&world, &format!("DELETE FROM event WHERE id = {id}")).await;
    };
    remove(all[5].id).await;
    let found = look(&world).await;
    assert_eq!(codes(&found), ["REMOVED", "GAP"]);
    assert!(matches!(&found[0], Finding::Removed { event, .. } if event.0 == all[5].id));
    assert!(matches!(
        &found[1],
        Finding::Gap {
            missing: (6, 6),
            ..
        }
    ));
    remove(all[12].id).await;
    assert_eq!(codes(&look(&world).await), ["REMOVED", "REMOVED", "GAP"]);
    for event in of(&world, 2).await {
        remove(event.id).await;
    }
    assert_eq!(look(&world).await.len(), 3 + 7);
    happen(&world.app, 3, 2).await;
    remove(of(&world, 3).await[1].id).await;
    assert!(codes(&look(&world).await).contains(&"REMOVED_UNSEALED"));
}

#[tokio::test]
async fn events_that_changed_places_are_named() {
    let world = World::new().await;
    log(&world).await;
    let all = of(&world, 1).await;
    let (one, other) = (quoted(&world, all[2].id), quoted(&world, all[3].id));
    for (id, number) in [(&one, 99), (&other, 3), (&one, 4)] {
        sql(
            &world,
            &format!("UPDATE event SET sequence = {number} WHERE id = {id}"),
        )
        .await;
    }
    let found = look(&world).await;
    assert_eq!(
        codes(&found),
        ["EDITED", "EDITED", "NOT_LINKED", "NOT_LINKED", "NOT_LINKED"]
    );
}

#[tokio::test]
async fn leaves_that_changed_places_are_found() {
    let world = World::new().await;
    log(&world).await;
    for (from, to) in [(4, 1_000), (9, 4), (1_000, 9)] {
        sql(
            &world,
            &format!("UPDATE event_leaf SET position = {to} WHERE position = {from}"),
        )
        .await;
    }
    let found = look(&world).await;
    assert_eq!(
        codes(&found),
        ["OTHER_ROOT", "LEAVES_CHANGED", "LEAVES_CHANGED"]
    );
    assert!(found.contains(&Finding::LeavesChanged { from: 4, to: 5 }));
    assert!(found.contains(&Finding::LeavesChanged { from: 8, to: 9 }));
}

#[tokio::test]
async fn an_event_inserted_from_outside_is_named() {
    let world = World::new().await;
    log(&world).await;
    let last = of(&world, 1).await.pop().unwrap();
    let (id, new) = (quoted(&world, last.id), uuid::Uuid::from_u128(99));
    let new_id = quoted(&world, new);
    let columns = "at, agent, action, subject_type, subject_id, collection_id, record_id, \"before\", \"after\", request_id";
    sql(
        &world,
        &format!(
            "INSERT INTO event (id, {columns}, sequence, previous, hash)
            SELECT {new_id}, {columns}, sequence + 1, hash, hash FROM event WHERE id = {id}"
        ),
    )
    .await;
    let found = look(&world).await;
    assert!(
        found
            .iter()
            .any(|found| matches!(found, Finding::Inserted { event, .. } if event.0 == new)),
        "{found:?}"
    );
    // Into the middle of the tree as well.
    sql(
        &world,
        "UPDATE event_leaf SET position = position + 1000 WHERE position > 5",
    )
    .await;
    sql(
        &world,
        "UPDATE event_leaf SET position = position - 999 WHERE position > 1000",
    )
    .await;
    sql(
        &world,
        &format!(
            "INSERT INTO event_leaf (position, event_id, hash) SELECT 6, {new_id}, hash FROM event WHERE id = {new_id}"
        ),
    )
    .await;
    let found = codes(&look(&world).await);
    for code in ["OTHER_ROOT", "LEAVES_CHANGED", "UNSIGNED"] {
        assert!(found.contains(&code), "{code}: {found:?}");
    }
}

#[tokio::test]
async fn a_checkpoint_that_was_edited_or_removed_is_found() {
    let world = World::new().await;
    log(&world).await;
    let forged = |found: &[Finding], size| matches!(found, [Finding::Forged { size: of, .. }] if *of == size);
    let note = store::of_size(world.app.database(), 15)
        .await
        .unwrap()
        .unwrap()
        .note;
    let stranger = crate::testing::checkpoint_key();
    let ours = tlog::Checkpoint::read(&note).unwrap();
    let by_stranger = tlog::Checkpoint {
        origin: stranger.verifier().name().to_owned(),
        ..ours
    }
    .sign(&stranger);
    let changed = note.replacen("\n15\n", "\n14\n", 1);
    for forgery in ["", "x\n\n", &changed, &by_stranger] {
        sql(
            &world,
            &format!("UPDATE checkpoint SET note = '{forgery}' WHERE size = 15"),
        )
        .await;
        let found = look(&world).await;
        assert!(forged(&found, 15), "{forgery}: {found:?}");
    }
    sql(
        &world,
        &format!("UPDATE checkpoint SET note = '{note}', size = 14 WHERE size = 15"),
    )
    .await;
    assert!(forged(&look(&world).await, 14));
    sql(&world, "UPDATE checkpoint SET size = 15 WHERE size = 14").await;
    assert_eq!(look(&world).await, []);
    sql(&world, "DELETE FROM checkpoint WHERE size = 21").await;
    let unsigned = Finding::Unsigned {
        leaves: 21,
        signed: 15,
    };
    assert_eq!(look(&world).await, [unsigned]);
}

#[tokio::test]
async fn a_tree_that_was_rolled_back_is_found() {
    let world = World::new().await;
    let kept = log(&world).await;
    sql(&world, "DELETE FROM event_leaf WHERE position >= 15").await;
    let rolled_back = |kept| Finding::RolledBack {
        signed: 21,
        found: 15,
        kept,
    };
    let found = look(&world).await;
    assert_eq!(found[0], rolled_back(false));
    assert_eq!(codes(&found)[1..], ["INSERTED"; 6]);
    // Nothing is ever added to it.
    happen(&world.app, 1, 1).await;
    service::seal(&world.app, 1).await.unwrap_err();
    // With all that could tell of it: only what was kept elsewhere does.
    for id in of(&world, 1).await[7..]
        .iter()
        .map(|event| quoted(&world, event.id))
    {
        sql(&world, &format!("DELETE FROM event WHERE id = {id}")).await;
    }
    sql(&world, "DELETE FROM event_pending").await;
    sql(&world, "DELETE FROM checkpoint WHERE size = 21").await;
    sql(
        &world,
        "DELETE FROM event_node WHERE (position + 1) * (1 << level) > 15",
    )
    .await;
    assert_eq!(look(&world).await, []);
    let (found, _) = look_against(&world, &[&kept]).await;
    assert_eq!(found, [rolled_back(true)]);
    // Written anew on top of it, as the API would.
    happen(&world.app, 1, 9).await;
    seal(&world).await;
    assert_eq!(look(&world).await, []);
    let (found, _) = look_against(&world, &[&kept]).await;
    assert_eq!(
        found,
        [Finding::OtherRoot {
            size: 21,
            kept: true
        }]
    );
}

#[tokio::test]
async fn a_leaf_or_a_node_that_is_gone_is_found() {
    let world = World::new().await;
    log(&world).await;
    sql(
        &world,
        "DELETE FROM event_node WHERE level = 2 AND position = 1",
    )
    .await;
    assert_eq!(
        look(&world).await,
        [Finding::LeavesChanged { from: 4, to: 7 }]
    );
    sql(&world, "DELETE FROM event_leaf WHERE position IN (9, 10)").await;
    let found = look(&world).await;
    assert_eq!(found[0], Finding::LeavesMissing { from: 9, to: 10 });
    assert_eq!(codes(&found)[1..], ["INSERTED", "INSERTED"]);
}
