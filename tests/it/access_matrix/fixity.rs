//! Fixity: a run that found all as it was, one that missed something, and checks that a worker is about to make.

use serde_json::{Value, json};
use tests::World;

use super::{
    calls::held,
    seed::{id, run},
};

const RUN: &str = "query($id: ID!) { node(id: $id) { ... on FixityRun { finishedAt
    checks(first: 100) { nodes { id version { id } exportId } } } } }";

/// Things by their types.
type Things = Vec<(&'static str, String)>;

/// Has something verified; answers the run.
async fn verify(world: &World, selection: Value) -> String {
    let input = json!({"selection": selection});
    let (kind, answer) = ("VerifyNowInput", "{ run { id } }");
    let payload = run(&world.archivist(), "verifyNow", kind, input, answer).await;
    id(&payload["run"]["id"])
}

/// A run over a transfer and its package that has ended, with a check of a version and one of the package.
pub(super) async fn verified(world: &World, transfer: &str, version: &str) -> Things {
    let run = verify(world, json!({"transferId": transfer})).await;
    let ended = |answer: &Value| !answer["node"]["finishedAt"].is_null();
    let archivist = world.archivist();
    let answer = archivist.until(RUN, json!({"id": run}), ended).await;
    let checks = answer["node"]["checks"]["nodes"]
        .as_array()
        .expect("checks");
    let of = |wanted: &dyn Fn(&Value) -> bool| {
        let found = checks.iter().find(|check| wanted(check));
        id(&found.expect("it was checked")["id"])
    };
    vec![
        (
            "FixityCheck",
            of(&|check| check["version"]["id"] == version),
        ),
        ("FixityCheck", of(&|check| check["exportId"].is_string())),
        ("FixityRun", run),
    ]
}

/// Has a record verified; answers the run and the check of a version, which nobody has begun.
async fn begun(world: &World, record: &str, version: &str) -> (String, String) {
    let run = verify(world, json!({"recordId": record})).await;
    let answer = world.archivist().send(RUN, json!({"id": run})).await;
    let checks = answer.ok()["node"]["checks"]["nodes"].as_array();
    let mut checks = checks.expect("checks").iter();
    let check = checks.find(|check| check["version"]["id"] == version);
    (run, id(&check.expect("it is to be verified")["id"]))
}

/// A check that nobody has begun.
pub(super) async fn asked(world: &World, (record, version): &(String, String)) -> String {
    begun(world, record, version).await.1
}

/// A version whose object a worker does not find, with the check and the run that said so, and those that are to
/// look again.
pub(crate) async fn missed(world: &World, record: &str, version: &str) -> Things {
    let (asked, check) = begun(world, record, version).await;
    let mut report = held(world, &check).await.named();
    report["engine"] = json!("test");
    let input = json!({"reports": [report]});
    let (kind, answer) = ("ReportFixityInput", "{ outcomes { status } }");
    let payload = run(&world.worker(), "reportFixity", kind, input, answer).await;
    assert_eq!(payload["outcomes"][0]["status"], "APPLIED", "{payload}");
    let (again, waiting) = begun(world, record, version).await;
    vec![
        ("FixityCheck", check),
        ("FixityRun", asked),
        ("FixityCheck", waiting),
        ("FixityRun", again),
        ("Version", version.to_owned()),
    ]
}
