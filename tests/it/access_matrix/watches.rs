//! Every subscription, by each role, until its token has ended.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tests::World;

use super::{
    client_of,
    matrix::{Asked, Body, Matrix, ROLES},
    schema::Schema,
    seed::{Holdings, run},
};

/// How long each of them watches.
const WATCHED: Duration = Duration::from_secs(4);

/// Watches, all at once, while everything changes that is watched.
pub(super) async fn all(
    matrix: &mut Matrix<'_>,
    schema: &Schema,
    world: &World,
    all: &[Holdings; 2],
) {
    let mut watches = Vec::new();
    for (body, holdings) in Body::BOTH.into_iter().zip(all) {
        for field in schema.fields("Subscription") {
            let (declared, arguments, id) = match field.name.as_str() {
                "exportChanged" => ("($v: ID!)", "(id: $v)", &holdings.export),
                "transferProgress" => ("($v: ID!)", "(id: $v)", &holdings.transfer),
                "versionChanged" => (
                    "($v: ID!)",
                    "(recordId: $v)",
                    &holdings.twice[ROLES.len()].0,
                ),
                "taskChanged" => (
                    "($v: ID!)",
                    "(filter: {recordId: $v})",
                    &holdings.accepted[0].0,
                ),
                other => panic!(
                    "{other} is a subscription that this test does not know: say here how it is called"
                ),
            };
            let query = format!(
                "subscription{declared} {{ {}{arguments} {} }}",
                field.name,
                schema.all_of(&field.ty)
            );
            for role in 0..ROLES.len() {
                let client = client_of(world, role, WATCHED);
                let (query, name, id) = (query.clone(), field.name.as_str(), id.clone());
                watches.push(async move {
                    let stream = client.stream(&query, json!({"v": id})).await;
                    (
                        role,
                        body,
                        name,
                        stream.text().await.expect("it ends in order"),
                    )
                });
            }
        }
    }
    let answers = tokio::select! {
        answers = join_all(watches) => answers,
        () = change(world, all) => unreachable!("changes go on"),
    };
    for (role, body, field, text) in answers {
        for answer in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
            let answer: Value = serde_json::from_str(answer).expect("an answer is JSON");
            let asked = Asked {
                role,
                body,
                errors: &answer["errors"],
            };
            matrix.record_root(&asked, "Subscription", field, &answer["data"]);
        }
        // Nobody watches what cannot be refused in an event: that is said at once.
        if let Ok(answer) = serde_json::from_str::<Value>(&text) {
            let asked = Asked {
                role,
                body,
                errors: &answer["errors"],
            };
            matrix.record_root(&asked, "Subscription", field, &answer["data"]);
        }
    }
}

/// Has the tasks and the versions change, again and again.
async fn change(world: &World, all: &[Holdings; 2]) {
    let (admin, archivist) = (world.admin(), world.archivist());
    for status in ["IN_PROGRESS", "DONE", "OPEN"].into_iter().cycle() {
        for holdings in all {
            let input = json!({"id": holdings.task, "status": status});
            run(
                &admin,
                "setTaskStatus",
                "SetTaskStatusInput",
                input,
                "{ task { id } }",
            )
            .await;
            let input = json!({"versionId": holdings.twice[ROLES.len()].1});
            run(
                &archivist,
                "restoreVersion",
                "RestoreVersionInput",
                input,
                "{ version { id } }",
            )
            .await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
