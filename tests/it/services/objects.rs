//! The object store: what is kept is encrypted, and one that is asked too much is asked again.

use api::auth::Role;
use serde_json::json;
use tests::{
    For, Services,
    faults::{Proxy, Rates, SLOW_DOWN},
    stderr,
};

use super::{Fleet, ends, folder, open};

#[tokio::test]
async fn what_is_kept_is_encrypted_by_the_key_that_is_set() {
    const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555";
    let Some(mut services) = Services::start().await else {
        return;
    };
    services.set(For::Both, "MUNIMENT_S3_KMS_KEY", KEY.to_owned());
    let jobs = services.queue("jobs").await;
    let Some(fleet) = Fleet::over(services, &jobs, &jobs, None).await else {
        return;
    };
    let owner = fleet.client(0, Role::Contributor);
    let transfer = open(&owner, "Encrypted").await;
    let (_, version) = owner.deposit(&transfer, &[("a.txt", b"a")]).await.remove(0);
    assert_eq!(owner.decided(&version).await["status"], "ACCEPTED");
    let request = "mutation($id: ID!) { requestExport(input: {selection: {transferId: $id}}) { export { id } } }";
    let requested = owner.send(request, json!({"id": transfer})).await;
    let export = requested.ok()["requestExport"]["export"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let ready = "query($id: ID!) { node(id: $id) { ... on Export { status } } }";
    owner
        .until(ready, json!({"id": export}), |answer| {
            answer["node"]["status"] == "READY"
        })
        .await;
    for (bucket, key) in [("records", version), ("exports", format!("{export}.tar"))] {
        let head = fleet.services.s3().head_object();
        let head = head.bucket(fleet.services.bucket(bucket)).key(key);
        let head = head.send().await.unwrap();
        let encrypted = head
            .server_side_encryption()
            .map(|how| how.as_str().to_owned());
        assert_eq!(encrypted.as_deref(), Some("aws:kms"), "{bucket}");
        assert_eq!(head.ssekms_key_id(), Some(KEY), "{bucket}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_that_asks_to_slow_down_is_asked_again() {
    let Some(mut services) = Services::start().await else {
        return;
    };
    let behind = vec![services.aws().trim_start_matches("http://").to_owned()];
    let slow = Proxy::start(behind, 1, SLOW_DOWN, None).await;
    services.set(For::Both, "MUNIMENT_S3_ENDPOINT", slow.url().to_owned());
    let jobs = services.queue("jobs").await;
    let Some(fleet) = Fleet::over(services, &jobs, &jobs, None).await else {
        return;
    };
    slow.misbehave(Rates {
        refuse: 0.2,
        ..Rates::default()
    });
    let folder = folder(60);
    let output = fleet.transfer(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        slow.faults() > 10,
        "{} requests were refused",
        slow.faults()
    );
    let ends = ends(&fleet.client(1, Role::Archivist)).await;
    assert_eq!(ends.len(), 60);
    assert!(
        ends.values().all(|versions| versions == &["1 ACCEPTED"]),
        "{ends:?}"
    );
}
