use async_graphql::MaybeUndefined;
use chrono::NaiveDate;
use contract::{RecordId, TaskId};

use super::{
    Status, Task,
    service::{self, Changes, New, NewComment},
    store::{self, Filter, Order},
};
use crate::{
    Error,
    auth::{Caller, Role},
    events,
    page::Args,
    records::Record,
    testing::{World, archivist, caller, contributor, reader},
    versions,
};

fn new(record: &Record, title: &str) -> New {
    New {
        record: RecordId(record.id),
        title: title.into(),
        description: String::new(),
        assignee: None,
        due_on: None,
    }
}

fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, day).unwrap()
}

async fn world() -> (World, Record) {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let record = world.accepted(&transfer, "a.txt").await;
    (world, record)
}

async fn titles(
    world: &World,
    by: &Caller,
    filter: Filter,
    order: Order,
    args: &Args,
) -> Vec<String> {
    let page = store::list(world.app.database(), &by.actor, filter, order, args)
        .await
        .unwrap();
    page.items.into_iter().map(|(_, task)| task.title).collect()
}

async fn actions(world: &World, task: &Task) -> Vec<String> {
    let filter = events::store::Filter {
        subject: Some(TaskId(task.id).into()),
        ..events::store::Filter::default()
    };
    let args = Args {
        last: Some(100),
        ..Args::default()
    };
    let page = events::store::list(world.app.database(), &archivist().actor, filter, &args)
        .await
        .unwrap();
    page.items
        .into_iter()
        .rev()
        .map(|(_, event)| event.action)
        .collect()
}

#[tokio::test]
async fn a_task_is_added_changed_done_and_talked_about() {
    let (world, record) = world().await;
    let (app, ann) = (&world.app, contributor("ann"));
    let task = service::add(app, &ann, None, new(&record, "Read it"))
        .await
        .unwrap();
    let id = TaskId(task.id);
    let changes = Changes {
        assignee: MaybeUndefined::Value("bob".into()),
        due_on: MaybeUndefined::Value(day(9)),
        ..Changes::default()
    };
    let task = service::update(app, &ann, id, 1, changes).await.unwrap();
    assert_eq!(
        (task.assignee.as_deref(), task.due_on, task.revision),
        (Some("bob"), Some(day(9)), 2)
    );
    let changes = Changes {
        assignee: MaybeUndefined::Null,
        ..Changes::default()
    };
    let task = service::update(app, &ann, id, 2, changes).await.unwrap();
    assert_eq!(
        (task.assignee, task.due_on, task.title.as_str()),
        (None, Some(day(9)), "Read it")
    );
    service::set_status(app, &ann, id, None, Status::InProgress)
        .await
        .unwrap();
    let task = service::set_status(app, &ann, id, Some(4), Status::Done)
        .await
        .unwrap();
    let comment = NewComment {
        task: id,
        body: "I did.".into(),
    };
    service::comment(app, &ann, None, comment).await.unwrap();
    let said = store::comments(app.database(), &task, &Args::default())
        .await
        .unwrap();
    assert_eq!(said.items[0].1.author, "ann");
    assert_eq!(
        actions(&world, &task).await,
        [
            "task.added",
            "task.updated",
            "task.updated",
            "task.statusSet",
            "task.statusSet",
            "task.commented"
        ]
    );
}

#[tokio::test]
async fn what_changes_nothing_leaves_no_trace() {
    let (world, record) = world().await;
    let (app, ann) = (&world.app, archivist());
    let task = service::add(app, &ann, None, new(&record, "Read it"))
        .await
        .unwrap();
    let id = TaskId(task.id);
    let same = Changes {
        title: Some("Read it".into()),
        ..Changes::default()
    };
    assert_eq!(service::update(app, &ann, id, 1, same).await.unwrap(), task);
    assert_eq!(
        service::set_status(app, &ann, id, None, Status::Open)
            .await
            .unwrap(),
        task
    );
    assert_eq!(actions(&world, &task).await, ["task.added"]);
}

#[tokio::test]
async fn an_older_revision_is_refused() {
    let (world, record) = world().await;
    let (app, ann) = (&world.app, archivist());
    let id = TaskId(
        service::add(app, &ann, None, new(&record, "x"))
            .await
            .unwrap()
            .id,
    );
    service::set_status(app, &ann, id, Some(1), Status::InProgress)
        .await
        .unwrap();
    let changes = Changes {
        title: Some("y".into()),
        ..Changes::default()
    };
    let stale = service::update(app, &ann, id, 1, changes).await;
    assert!(matches!(stale, Err(Error::Precondition(_))));
    let stale = service::set_status(app, &ann, id, Some(1), Status::Done).await;
    assert!(matches!(stale, Err(Error::Precondition(_))));
}

#[tokio::test]
async fn a_repeated_mutation_gives_the_first_answer() {
    let (world, record) = world().await;
    let (app, ann) = (&world.app, archivist());
    let first = service::add(app, &ann, Some("k"), new(&record, "x"))
        .await
        .unwrap();
    let again = service::add(app, &ann, Some("k"), new(&record, "x"))
        .await
        .unwrap();
    assert_eq!(first, again);
    let other = service::add(app, &ann, Some("k"), new(&record, "y")).await;
    assert!(matches!(other, Err(Error::Conflict(_))));
    let say = || NewComment {
        task: TaskId(first.id),
        body: "hm".into(),
    };
    let (one, _) = service::comment(app, &ann, Some("c"), say()).await.unwrap();
    let (two, _) = service::comment(app, &ann, Some("c"), say()).await.unwrap();
    assert_eq!(one, two);
}

#[tokio::test]
async fn a_task_on_a_record_that_one_cannot_see_is_not_found() {
    let (world, record) = world().await;
    let stranger = caller("eve", Role::Contributor, &["OTHER"]);
    let refused = service::add(&world.app, &stranger, None, new(&record, "x")).await;
    assert!(matches!(refused, Err(Error::NotFound("record"))));
    let transfer = world.transfer(&archivist()).await;
    let (waiting, _) = world
        .record(&transfer, "b", versions::Status::Checking)
        .await;
    let refused = service::add(&world.app, &reader("rob"), None, new(&waiting, "x")).await;
    assert!(matches!(refused, Err(Error::NotFound("record"))));
    let refused = service::add(&world.app, &reader("rob"), None, new(&record, "x")).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))));
}

#[tokio::test]
async fn a_reader_sees_and_does_only_what_is_assigned_to_them() {
    let (world, record) = world().await;
    let (app, ann, rob) = (&world.app, archivist(), reader("rob"));
    let theirs = New {
        assignee: Some("rob".into()),
        ..new(&record, "rob's")
    };
    let theirs = service::add(app, &ann, None, theirs).await.unwrap();
    let other = service::add(app, &ann, None, new(&record, "other"))
        .await
        .unwrap();
    let seen = titles(
        &world,
        &rob,
        Filter::default(),
        Order::CreatedAt,
        &Args::default(),
    )
    .await;
    assert_eq!(seen, ["rob's"]);
    assert!(
        store::lookup(app.database(), &rob.actor, other.id)
            .await
            .unwrap()
            .is_none()
    );
    let refused = service::set_status(app, &rob, TaskId(other.id), None, Status::InProgress).await;
    assert!(matches!(refused, Err(Error::NotFound("task"))));
    service::set_status(app, &rob, TaskId(theirs.id), None, Status::InProgress)
        .await
        .unwrap();
    let stranger = caller("rob", Role::Reader, &["OTHER"]);
    let seen = titles(
        &world,
        &stranger,
        Filter::default(),
        Order::CreatedAt,
        &Args::default(),
    )
    .await;
    assert!(seen.is_empty());
}

#[tokio::test]
async fn a_comment_is_seen_by_those_who_see_its_task() {
    let (world, record) = world().await;
    let (app, ann) = (&world.app, archivist());
    let task = service::add(app, &ann, None, new(&record, "x"))
        .await
        .unwrap();
    let say = NewComment {
        task: TaskId(task.id),
        body: "hm".into(),
    };
    let (comment, _) = service::comment(app, &ann, None, say).await.unwrap();
    for (by, seen) in [
        (ann, true),
        (contributor("cy"), true),
        (reader("rob"), false),
        (caller("eve", Role::Contributor, &["OTHER"]), false),
        (caller("w", Role::Worker, &[]), false),
    ] {
        let found = store::lookup_comment(app.database(), &by.actor, comment.id)
            .await
            .unwrap();
        assert_eq!(found.is_some(), seen, "{}", by.actor.subject);
    }
    let empty = NewComment {
        task: TaskId(task.id),
        body: " \n".into(),
    };
    let refused = service::comment(app, &archivist(), None, empty).await;
    assert!(matches!(refused, Err(Error::BadInput { .. })));
}

#[tokio::test]
async fn tasks_page_by_day_and_those_without_one_come_last() {
    let (world, record) = world().await;
    let (app, ann) = (&world.app, archivist());
    for (title, due_on) in [
        ("a", None),
        ("b", Some(day(3))),
        ("c", Some(day(1))),
        ("d", None),
        ("e", Some(day(3))),
    ] {
        service::add(
            app,
            &ann,
            None,
            New {
                due_on,
                ..new(&record, title)
            },
        )
        .await
        .unwrap();
    }
    let (mut seen, mut after) = (Vec::new(), None);
    for _ in 0..3 {
        let args = Args {
            first: Some(2),
            after: after.take(),
            ..Args::default()
        };
        let page = store::list(
            app.database(),
            &ann.actor,
            Filter::default(),
            Order::DueOn,
            &args,
        )
        .await
        .unwrap();
        assert_eq!(page.has_next, seen.len() + page.items.len() < 5);
        for (cursor, task) in page.items {
            after = Some(cursor);
            seen.push(task.title);
        }
    }
    assert_eq!(seen, ["c", "b", "e", "a", "d"]);
    let args = Args {
        last: Some(2),
        ..Args::default()
    };
    assert_eq!(
        titles(&world, &ann, Filter::default(), Order::DueOn, &args).await,
        ["a", "d"]
    );
}

#[tokio::test]
async fn a_filter_in_the_query_and_on_a_row_agree() {
    let (world, record) = world().await;
    let (app, ann) = (&world.app, archivist());
    let (due_on, assignee) = (Some(day(2)), Some("bob".to_owned()));
    let one = service::add(
        app,
        &ann,
        None,
        New {
            assignee,
            due_on,
            ..new(&record, "one")
        },
    )
    .await
    .unwrap();
    let two = service::add(app, &ann, None, new(&record, "two"))
        .await
        .unwrap();
    let filters = [
        (Filter::default(), 2),
        (
            Filter {
                record: Some(record.id),
                ..Filter::default()
            },
            2,
        ),
        (
            Filter {
                record: Some(one.id),
                ..Filter::default()
            },
            0,
        ),
        (
            Filter {
                status: Some(Status::Done),
                ..Filter::default()
            },
            0,
        ),
        (
            Filter {
                assignee: Some("bob".into()),
                ..Filter::default()
            },
            1,
        ),
        (
            Filter {
                due_before: Some(day(2)),
                ..Filter::default()
            },
            0,
        ),
        (
            Filter {
                due_before: Some(day(3)),
                ..Filter::default()
            },
            1,
        ),
    ];
    for (filter, count) in filters {
        let matching = [&one, &two]
            .into_iter()
            .filter(|task| filter.matches(task))
            .count();
        let listed = titles(
            &world,
            &ann,
            filter.clone(),
            Order::CreatedAt,
            &Args::default(),
        )
        .await;
        assert_eq!((matching, listed.len()), (count, count), "{filter:?}");
    }
}
