//! The fake API's answers.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::take;
use super::world::{Version, World};

/// Above this, bytes come in parts.
const SINGLE: u64 = 1_000;
const PART: u64 = 400;
const NO_MORE: fn() -> Value = || json!({ "hasNextPage": false, "endCursor": null });

/// The data of an operation; nothing if it is not known.
pub(super) fn answer(world: &mut World, operation: &str, variables: &Value) -> Option<Value> {
    let input = &variables["input"];
    Some(match operation {
        "Viewer" => json!({ "viewer": { "subject": "me", "expiresAt": "2030-01-01T00:00:00Z" } }),
        "CollectionByCode" => match variables["code"].as_str()? {
            "DEFAULT" => {
                json!({ "collection": { "id": "collection_1", "code": "DEFAULT", "title": "" } })
            }
            _ => json!({ "collection": null }),
        },
        "FindTransfers" => {
            let source = variables["filter"]["source"].as_str();
            let found = world.source.is_some() && world.source.as_deref() == source;
            let nodes = if found { vec![transfer()] } else { Vec::new() };
            json!({ "transfers": { "nodes": nodes, "pageInfo": NO_MORE() } })
        }
        "OpenTransfer" => {
            world.source = input["source"].as_str().map(str::to_owned);
            json!({ "openTransfer": { "transfer": transfer() } })
        }
        "SubmitTransfer" => json!({ "submitTransfer": { "transfer": { "status": "SUBMITTED" } } }),
        "TransferState" => json!({ "transfer": { "totals": totals(world) } }),
        "AddRecords" => {
            let records = input["records"].as_array()?.clone();
            let outcomes: Option<Vec<Value>> =
                records.iter().map(|record| add(world, record)).collect();
            before_upload(world);
            json!({ "addRecords": { "outcomes": outcomes? } })
        }
        "AddVersion" => {
            let path = input["recordId"].as_str()?.to_owned();
            let (size, sha256) = declared(&input["file"])?;
            let versions = world.records.get_mut(&path)?;
            let number = versions.len() + 1;
            if input["number"].as_u64() != Some(number as u64) {
                return None;
            }
            versions.push(Version::new(size, sha256));
            before_upload(world);
            json!({ "addVersion": { "version": uploading(world, &path, number)? } })
        }
        "UploadTicket" | "UploadParts" if take(&mut world.faults.no_ticket) => return None,
        "UploadTicket" => {
            let (path, number) = variables["id"].as_str()?.rsplit_once('#')?;
            let mut version = uploading(world, path, number.parse().ok()?)?;
            version["__typename"] = json!("Version");
            json!({ "node": version })
        }
        "UploadParts" => parts(world, input["versionId"].as_str()?)?,
        "CompleteUploads" => {
            let uploads = input["uploads"].as_array()?.clone();
            let outcomes: Option<Vec<Value>> = uploads
                .iter()
                .map(|upload| complete(world, upload))
                .collect();
            json!({ "completeUploads": { "outcomes": outcomes? } })
        }
        "Verdicts" => verdicts(world, variables["filter"]["status"].as_str()),
        "Waiting" => json!({ "versions": { "nodes": [] } }),
        "RequestExport" => json!({ "requestExport": { "export": export(world, "QUEUED") } }),
        "ExportState" => {
            let mut export = export(world, "READY");
            export["__typename"] = json!("Export");
            json!({ "node": export })
        }
        _ => return None,
    })
}

fn transfer() -> Value {
    json!({ "id": "transfer_1", "reference": "T-1", "status": "OPEN", "createdAt": "2026-01-01T00:00:00Z" })
}

fn declared(file: &Value) -> Option<(u64, &str)> {
    Some((file["size"].as_u64()?, file["sha256"].as_str()?))
}

fn before_upload(world: &mut World) {
    if !world.faults.before_upload.is_empty() {
        world.faults.before_upload.remove(0)();
    }
}

fn add(world: &mut World, record: &Value) -> Option<Value> {
    let path = record["path"].as_str()?;
    let (size, sha256) = declared(&record["file"])?;
    if world.faults.refused.as_deref() == Some(path) {
        return Some(
            json!({ "__typename": "ItemRefused", "code": "BAD_USER_INPUT", "message": "no" }),
        );
    }
    let newest = world.records.get(path).and_then(|versions| {
        let newest = versions.last()?;
        Some((
            versions.len(),
            newest.size == size && newest.sha256 == sha256,
        ))
    });
    Some(match newest {
        None => {
            let versions = vec![Version::new(size, sha256)];
            world.records.insert(path.to_owned(), versions);
            let version = uploading(world, path, 1)?;
            json!({ "__typename": "RecordAdded", "record": { "id": path }, "version": version })
        }
        Some((number, true)) => {
            let version = uploading(world, path, number)?;
            json!({ "__typename": "RecordExists", "record": { "id": path }, "version": version })
        }
        Some((number, false)) => {
            json!({ "__typename": "RecordPathTaken", "record": { "id": path }, "newest": { "number": number } })
        }
    })
}

fn uploading(world: &mut World, path: &str, number: usize) -> Option<Value> {
    let id = format!("{path}#{number}");
    let url = world.url.clone();
    let no_address = world.faults.no_address;
    let version = world.version(&id)?;
    let single = version.size <= SINGLE;
    let headers = json!([
        { "name": "x-amz-content-sha256", "value": version.sha256 },
        { "name": "content-length", "value": version.size.to_string() },
    ]);
    let ticket = if single {
        json!({ "kind": "SINGLE", "method": "PUT", "url": address(&url, &id, 0), "headers": headers })
    } else {
        json!({ "kind": "MULTIPART", "method": null, "url": null, "headers": [] })
    };
    let awaiting = version.status == "AWAITING_UPLOAD" && !no_address;
    Some(json!({
        "id": id, "number": number, "status": version.status, "checks": version.checks(),
        "upload": if awaiting { ticket } else { Value::Null },
    }))
}

fn address(url: &str, id: &str, part: u64) -> String {
    format!("{url}/objects/{}?part={part}", hex::encode(id))
}

fn parts(world: &mut World, id: &str) -> Option<Value> {
    let url = world.url.clone();
    let version = world.version(id)?;
    let count = version.size.div_ceil(PART);
    let present = version.parts.len();
    let missing: Vec<Value> = (1..=count)
        .filter(|number| !version.parts.contains_key(number))
        .take(3)
        .map(|number| {
            let size = PART.min(version.size - (number - 1) * PART);
            json!({ "number": number, "size": size, "url": address(&url, id, number), "headers": [] })
        })
        .collect();
    Some(
        json!({ "uploadParts": { "partSize": PART, "partCount": count, "present": present, "missing": missing } }),
    )
}

fn complete(world: &mut World, upload: &Value) -> Option<Value> {
    let id = upload["versionId"].as_str()?;
    if take(&mut world.faults.unconfirmed) {
        return Some(
            json!({ "__typename": "ItemRefused", "code": "UNAVAILABLE", "message": "not now" }),
        );
    }
    let version = world.version(id)?;
    if upload["outcome"] == "REFUSED_DIGEST" {
        version.status = "REJECTED";
    } else if version.parts.is_empty() {
        return Some(json!({ "__typename": "UploadMissing", "message": "nothing came" }));
    } else {
        let right = hex::encode(Sha256::digest(version.bytes())) == version.sha256;
        version.status = if right { "ACCEPTED" } else { "REJECTED" };
    }
    Some(json!({ "__typename": "UploadCompleted", "version": { "id": id } }))
}

fn totals(world: &World) -> Value {
    let versions = || world.records.values().flatten();
    let count = |status: &str| {
        versions()
            .filter(|version| version.status == status)
            .count()
    };
    json!({
        "records": world.records.len(), "versions": versions().count(),
        "bytes": versions().map(|version| version.size).sum::<u64>(),
        "awaitingUpload": count("AWAITING_UPLOAD"), "checking": world.faults.checking,
        "accepted": count("ACCEPTED"), "rejected": count("REJECTED"),
        "quarantined": 0, "needsReview": 0, "abandoned": 0,
    })
}

fn verdicts(world: &World, status: Option<&str>) -> Value {
    let nodes: Vec<Value> = world
        .records
        .iter()
        .filter_map(|(path, versions)| Some((path, versions.len(), versions.last()?)))
        .filter(|(_, _, newest)| status.is_none_or(|status| status == newest.status))
        .map(|(path, number, newest)| {
            let version = json!({
                "number": number, "status": newest.status, "size": newest.size, "note": null,
                "whyWaiting": null, "format": null, "checks": [], "decision": null,
            });
            json!({ "reference": "R-1", "path": path, "versions": { "nodes": [version] } })
        })
        .collect();
    json!({ "transfer": { "records": { "nodes": nodes, "pageInfo": NO_MORE() } } })
}

fn export(world: &World, status: &str) -> Value {
    let digest = if world.faults.wrong_digest {
        "00".repeat(32)
    } else {
        hex::encode(Sha256::digest(&world.package))
    };
    json!({
        "id": "export_1", "reference": "E-1", "status": status, "whyWaiting": null,
        "files": 1, "bytes": 3, "filesDone": 1, "bytesDone": 3,
        "size": world.package.len(), "sha256": digest, "error": null,
        "download": { "url": format!("{}/export", world.url) },
    })
}
