//! How many statements a query costs, counted: that does not grow with the length of its lists.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_graphql::Request;
use chrono::{DateTime, Utc};
use contract::VersionId;

use super::{ApiSchema, build, context::Session, loaders::Loaders};
use crate::{
    App,
    app::connect,
    auth::Caller,
    fixity::{self, Selection},
    jobs::tests::shop::Shop,
    tasks,
    testing::{archivist, contributor},
    versions::Status,
};

/// What ten of a list cost more than two, where something costs a statement an item. A little less may be chance: what
/// is asked for at the same time is loaded together, and on a busy machine that may be two times.
const EIGHT_MORE: usize = 8;
/// How many there are of everything.
const SEEDED: usize = 12;

/// An archive with some of everything, and a second handle to it whose statements are counted.
struct Counted {
    shop: Shop,
    app: App,
    schema: ApiSchema,
    statements: Arc<AtomicUsize>,
}

impl Counted {
    async fn new() -> Self {
        let shop = seeded().await;
        let statements = Arc::new(AtomicUsize::new(0));
        let mut database = connect(shop.world.url(), 2).await.unwrap();
        let counter = Arc::clone(&statements);
        database.set_metric_callback(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let app = shop.world.another(database);
        Self {
            shop,
            schema: build().data(app.clone()).finish(),
            app,
            statements,
        }
    }

    /// How many statements a query costs. It must answer without errors.
    async fn cost(&self, query: &str) -> usize {
        let mut caller = archivist();
        caller.actor.expires_at = DateTime::<Utc>::MAX_UTC;
        let loaders = Loaders::new(&self.app, &caller.actor);
        let request = Request::new(query)
            .data::<Session>(Ok::<Caller, _>(caller))
            .data(loaders);
        self.statements.store(0, Ordering::Relaxed);
        let answer = self.schema.execute(request).await;
        assert_eq!(answer.errors, [], "{query}");
        self.statements.load(Ordering::Relaxed)
    }

    /// What two of a list cost, and ten. There are so many.
    async fn costs(&self, list: &str, fields: &str) -> (usize, usize) {
        let query =
            |first: usize| format!("{{ {list}(first: {first}) {{ nodes {{ {fields} }} }} }}");
        let answer = self.page(list).await;
        assert_eq!(answer, 10, "there are too few of {list}");
        (self.cost(&query(2)).await, self.cost(&query(10)).await)
    }

    async fn page(&self, list: &str) -> usize {
        let mut caller = archivist();
        caller.actor.expires_at = DateTime::<Utc>::MAX_UTC;
        let query = format!("{{ {list}(first: 10) {{ nodes {{ id }} }} }}");
        let request = Request::new(query).data::<Session>(Ok::<Caller, _>(caller));
        let answer = self.schema.execute(request).await.data.into_json().unwrap();
        answer[list]["nodes"].as_array().unwrap().len()
    }
}

async fn seeded() -> Shop {
    let shop = Shop::new().await;
    let app = shop.app();
    for number in 0..SEEDED {
        shop.uploaded(&format!("checking-{number}")).await;
        let path = format!("kept-{number}");
        let (record, _) = shop
            .world
            .record(&shop.transfer, &path, Status::Accepted)
            .await;
        let task = tasks::service::New {
            record: record.id.into(),
            title: "Look".into(),
            description: String::new(),
            assignee: None,
            due_on: None,
        };
        let task = tasks::service::add(app, &archivist(), None, task).await;
        for body in ["one", "two"] {
            let comment = tasks::service::NewComment {
                task: task.as_ref().unwrap().id.into(),
                body: body.into(),
            };
            tasks::service::comment(app, &archivist(), None, comment)
                .await
                .unwrap();
        }
        shop.world.transfer(&contributor("ann")).await;
        shop.world.collection(&format!("WO/{number}"), "OWN").await;
        for selection in [
            Selection::ExportId(shop.package().await.id.into()),
            Selection::RecordId(record.id.into()),
        ] {
            fixity::runs::verify_now(app, &archivist(), None, selection)
                .await
                .unwrap();
        }
    }
    shop
}

const VERSION: &str = "id whyWaiting checks { id status } decision { outcome } fixity { isOverdue } \
    download { url } upload { expiresAt } record { id transfer { id totals { versions } } collection { policy { revision } } }";

#[tokio::test]
async fn a_list_of_ten_costs_as_many_statements_as_one_of_two() {
    let counted = Counted::new().await;
    let record = format!(
        "id collection {{ id policy {{ revision }} }} transfer {{ id totals {{ records }} }} viewerCan {{ addTask decide }} \
         currentVersion {{ {VERSION} }}"
    );
    for (list, fields) in [
        (
            "collections",
            "id policy { revision } fixitySchedule { everyDays }",
        ),
        (
            "transfers",
            "id collection { id policy { revision } } totals { records }",
        ),
        ("records", record.as_str()),
        ("versions", VERSION),
        ("tasks", "id record { id currentVersion { id } }"),
        (
            "exports",
            "id whyWaiting download { url } fixity { isOverdue }",
        ),
        ("fixityRuns", "id whyWaiting"),
        ("events", "id leafIndex"),
        ("jobs", "id whyWaiting"),
    ] {
        let (two, ten) = counted.costs(list, fields).await;
        assert!(two > 0, "nothing is counted");
        assert!(
            ten < two + EIGHT_MORE,
            "{two} and {ten}: {list} {{ {fields} }}"
        );
    }
}

#[tokio::test]
async fn a_list_in_a_list_costs_one_statement_for_each_it_is_in() {
    let counted = Counted::new().await;
    // With how many of its fields hang on the items of the inner list: those of lists that are read at the same time
    // are loaded together, which may be all of them or one.
    for (list, fields, more) in [
        ("tasks", "comments(first: 2) { nodes { id author } }", 0),
        ("versions", "checkHistory(first: 2) { nodes { id } }", 0),
        (
            "fixityRuns",
            "whyWaiting checks(first: 2) { nodes { id } }",
            0,
        ),
        (
            "records",
            "versions(first: 2) { nodes { id checks { id } record { id } } }",
            2,
        ),
        (
            "transfers",
            "versions(first: 2) { nodes { id checks { id } } }",
            1,
        ),
        (
            "fixityRuns",
            "checks(first: 2) { nodes { id export { id } version { id } } }",
            2,
        ),
    ] {
        let (two, ten) = counted.costs(list, fields).await;
        assert!(two > 0, "nothing is counted");
        let most = two + EIGHT_MORE + 10 * more;
        assert!(
            ten < most + EIGHT_MORE,
            "{two} and {ten}: {list} {{ {fields} }}"
        );
    }
}

#[tokio::test]
async fn things_named_one_by_one_cost_a_statement_a_type() {
    let counted = Counted::new().await;
    let mut ids = Vec::new();
    for number in 0..10 {
        let path = format!("named-{number}");
        let made = counted
            .shop
            .world
            .record(&counted.shop.transfer, &path, Status::Accepted);
        let (record, version) = made.await;
        ids.push(contract::RecordId(record.id).to_string());
        ids.push(VersionId(version.id).to_string());
    }
    let query = |ids: &[String]| {
        format!(
            "{{ nodes(ids: {ids:?}) {{ id ... on Record {{ collection {{ id }} }} ... on Version {{ checks {{ id }} }} }} }}"
        )
    };
    let (four, twenty) = (
        counted.cost(&query(&ids[..4])).await,
        counted.cost(&query(&ids)).await,
    );
    // Two types, the collections and the checks.
    assert!((4..4 + EIGHT_MORE).contains(&four), "{four}");
    assert!(twenty < four + EIGHT_MORE, "{four} and {twenty}");
}

#[tokio::test]
async fn things_named_one_by_one_come_in_the_order_asked_for_and_as_often() {
    let counted = Counted::new().await;
    let world = &counted.shop.world;
    let (record, version) = world
        .record(&counted.shop.transfer, "named", Status::Accepted)
        .await;
    let record = contract::RecordId(record.id).to_string();
    let of_another_type = contract::TaskId(version.id).to_string();
    let version = VersionId(version.id).to_string();
    let mut caller = archivist();
    caller.actor.expires_at = DateTime::<Utc>::MAX_UTC;
    let asked = [&version, &record, &of_another_type, &version];
    let request = Request::new(format!("{{ nodes(ids: {asked:?}) {{ id }} }}"));
    let answer = counted.schema.execute(request.data::<Session>(Ok(caller)));
    let answer = answer.await.data.into_json().unwrap();
    let expected = serde_json::json!([{"id": version}, {"id": record}, null, {"id": version}]);
    assert_eq!(answer["nodes"], expected);
}
