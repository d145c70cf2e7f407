use contract::{CollectionId, ExportId, RecordId, TransferId};

use super::store::{self, Filter};
use crate::{
    auth::{Caller, Role},
    exports::{self, Selection},
    page::Args,
    tasks,
    testing::{World, archivist, caller, contributor, reader},
};

async fn actions(world: &World, by: &Caller, filter: Filter) -> Vec<String> {
    let page = store::list(world.app.database(), &by.actor, filter, &Args::default())
        .await
        .unwrap();
    page.items
        .into_iter()
        .map(|(_, event)| event.action)
        .collect()
}

#[tokio::test]
async fn events_are_seen_by_those_who_can_read_what_they_are_about() {
    let world = World::new().await;
    let own = world.transfer(&contributor("ann")).await;
    let other = world.collection("OTHER", "OTHER").await;
    let foreign = world.transfer_in(&other, &archivist()).await;
    for (by, sees_own, sees_foreign) in [
        (caller("root", Role::Admin, &[]), true, true),
        (archivist(), true, true),
        (contributor("bob"), true, false),
        (caller("eve", Role::Contributor, &["OTHER"]), false, true),
        (reader("ann"), false, false),
        (caller("w", Role::Worker, &[]), false, false),
    ] {
        for (transfer, sees) in [(&own, sees_own), (&foreign, sees_foreign)] {
            let subject = Some(TransferId(transfer.id).into());
            let seen = actions(
                &world,
                &by,
                Filter {
                    subject,
                    ..Filter::default()
                },
            )
            .await;
            assert_eq!(
                seen,
                vec!["transfer.opened"; usize::from(sees)],
                "{}",
                by.actor.subject
            );
        }
    }
}

#[tokio::test]
async fn a_contributor_learns_nothing_of_anothers_export() {
    let world = World::new().await;
    let ann = contributor("ann");
    let transfer = world.transfer(&ann).await;
    let selection = Selection::TransferId(TransferId(transfer.id));
    let new = exports::service::New { selection };
    let export = exports::service::request(&world.app, &ann, None, new)
        .await
        .unwrap();
    let filter = || Filter {
        subject: Some(ExportId(export.id).into()),
        ..Filter::default()
    };
    assert_eq!(actions(&world, &ann, filter()).await, ["export.requested"]);
    assert_eq!(
        actions(&world, &contributor("bob"), filter()).await,
        [""; 0]
    );
    let args = Args::default();
    let page = store::list(world.app.database(), &ann.actor, filter(), &args)
        .await
        .unwrap();
    let id = page.items[0].1.id;
    for (by, sees) in [(ann, true), (contributor("bob"), false)] {
        let found = store::lookup(world.app.database(), &by.actor, id)
            .await
            .unwrap();
        assert_eq!(found.is_some(), sees);
    }
}

#[tokio::test]
async fn events_come_newest_first_and_can_be_narrowed() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let record = world.accepted(&transfer, "a").await;
    world.clock.advance(std::time::Duration::from_mins(1));
    let later = world.app.clock().now();
    let new = tasks::service::New {
        record: RecordId(record.id),
        title: "x".into(),
        description: String::new(),
        assignee: None,
        due_on: None,
    };
    tasks::service::add(&world.app, &archivist(), None, new)
        .await
        .unwrap();
    let all = ["task.added", "transfer.opened", "collection.created"];
    let by_record = Filter {
        record: Some(record.id),
        ..Filter::default()
    };
    let collection = Some(CollectionId(world.collection.id).into());
    for (filter, expected) in [
        (Filter::default(), &all[..]),
        (
            Filter {
                since: Some(later),
                ..Filter::default()
            },
            &all[..1],
        ),
        (
            Filter {
                until: Some(later),
                ..Filter::default()
            },
            &all[1..],
        ),
        (
            Filter {
                action: Some("transfer.opened".into()),
                ..Filter::default()
            },
            &all[1..2],
        ),
        (
            Filter {
                subject: collection,
                ..Filter::default()
            },
            &all[2..],
        ),
        (by_record, &all[..1]),
    ] {
        let shown = format!("{filter:?}");
        assert_eq!(
            actions(&world, &archivist(), filter).await,
            expected,
            "{shown}"
        );
    }
}
