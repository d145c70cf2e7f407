//! What is packed, under which names and with which facts.

use super::*;

#[tokio::test]
async fn a_transfer_is_packed_by_its_accepted_versions_in_the_order_of_bytes() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    for path in ["b", "a/z", "a b", "é", "Z"] {
        world.accepted(&transfer, path).await;
    }
    world
        .record(&transfer, "refused", versions::Status::Rejected)
        .await;
    let other = world.transfer(&archivist()).await;
    world.accepted(&other, "elsewhere").await;
    world.clock.advance(Duration::from_mins(1));
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    assert_eq!(paths(&world, &export).await, ["Z", "a b", "a/z", "b", "é"]);
    assert_eq!((export.files, export.bytes), (5, 50));
    assert_eq!(export.reference, transfer.reference);
    assert!(export.as_of < export.created_at);
    let job = job_of(&world, &export).await;
    assert_eq!(
        (job.queue.as_str(), job.lane, job.kind),
        (JOBS_QUEUE, export.id, job::Kind::Export)
    );
}

#[tokio::test]
async fn no_two_files_of_a_package_have_names_that_some_system_takes_for_the_same() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let mut names = Vec::new();
    let originals = [
        "May.pdf",
        "may.PDF",
        "MAY.pdf", // twins by case
        "\u{e9}",
        "e\u{301}", // twins by normalisation
        "a\\b",
        "a_b", // alike once they are safe
        "folder",
        "Folder/x",
        "FOLDER/X", // a file and a folder
        "v1.2/notes",
        "v1.2/NOTES",
        ".keep",
        ".KEEP",
        "archive.tar.gz",
        "Archive.tar.gz",
        "long.notAnExtensionBecauseItIsLong",
        "Long.notAnExtensionBecauseItIsLong",
    ];
    let mut records = Vec::new();
    for path in originals {
        records.push(world.accepted(&transfer, path).await);
    }
    let forged = format!("may~{}.PDF", records[1].reference);
    records.push(world.accepted(&transfer, &forged).await);
    records.push(
        world
            .accepted(&transfer, &format!("{}/x", forged.to_lowercase()))
            .await,
    );
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    for path in paths(&world, &export).await {
        let mut shown = path.clone();
        for (number, record) in records.iter().enumerate() {
            shown = shown.replace(&record.reference, &format!("<{number}>"));
        }
        names.push((crate::records::path_key(&path), shown));
    }
    for (key, shown) in &names {
        let alike = names.iter().filter(|(other, _)| other == key).count();
        let folder = format!("{key}/");
        assert_eq!(alike, 1, "{shown} is not unique");
        assert!(
            !names.iter().any(|(other, _)| other.starts_with(&folder)),
            "{shown} is a folder too"
        );
    }
    let mut shown: Vec<_> = names.into_iter().map(|(_, shown)| shown).collect();
    shown.sort();
    assert_eq!(
        shown,
        [
            ".KEEP~<13>",
            ".keep",
            "Archive.tar~<15>.gz",
            "FOLDER/X~<9>",
            "Folder/x",
            "Long.notAnExtensionBecauseItIsLong~<17>",
            "MAY~<2>.pdf",
            "May.pdf",
            "a_b",
            "a_b~<6>",
            "archive.tar.gz",
            "e\u{301}~<4>",
            "folder~<7>",
            "long.notAnExtensionBecauseItIsLong",
            "may~<1>.PDF",
            "v1.2/NOTES~<11>",
            "v1.2/notes",
            "~<18>.PDF",
            "~<19>",
            "\u{e9}",
        ]
    );
}

#[tokio::test]
async fn a_collection_is_packed_with_a_folder_for_each_transfer() {
    let world = World::new().await;
    let (one, two) = (
        world.transfer(&archivist()).await,
        world.transfer(&archivist()).await,
    );
    world.accepted(&one, "a.txt").await;
    world.accepted(&two, "A.txt").await;
    let elsewhere = world.collection("OTHER", "OTHER").await;
    let elsewhere = world.transfer_in(&elsewhere, &archivist()).await;
    world.accepted(&elsewhere, "x").await;
    let selection = Selection::CollectionId(CollectionId(world.collection.id));
    let export = request(&world, &archivist(), selection).await.unwrap();
    let mut expected = [
        format!("{}/a.txt", one.reference),
        format!("{}/A.txt", two.reference),
    ];
    expected.sort();
    assert_eq!(paths(&world, &export).await, expected);
    assert_eq!(export.reference, "WO_95");
}

#[tokio::test]
async fn the_same_records_give_the_same_package_whenever_and_by_whomever_it_is_asked_for() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let (a, b) = (
        world.accepted(&transfer, "a").await,
        world.accepted(&transfer, "A").await,
    );
    let one = request(&world, &archivist(), of_records(&[&a, &b]))
        .await
        .unwrap();
    world.clock.advance(Duration::from_hours(1));
    let admin = caller("admin", Role::Admin, &[]);
    let two = request(&world, &admin, of_records(&[&b, &a, &b]))
        .await
        .unwrap();
    assert_ne!(one.id, two.id);
    assert_eq!(
        (&one.reference, one.as_of, one.files),
        (&two.reference, two.as_of, two.files)
    );
    assert_eq!(paths(&world, &one).await, paths(&world, &two).await);
    let mut facts = Vec::new();
    for export in [&one, &two] {
        let mut unit = world.app.begin(&worker()).await.unwrap();
        let work = service::work_for_claim(&mut unit, export.id)
            .await
            .unwrap()
            .unwrap();
        facts.push(work.bag_info);
    }
    assert_eq!(facts[0], facts[1]);
}

#[tokio::test]
async fn the_facts_of_a_bag_are_those_of_its_transfer() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    world.clock.advance(Duration::from_secs(90));
    world.accepted(&transfer, "a").await;
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    let mut unit = world.app.begin(&worker()).await.unwrap();
    let work = service::work_for_claim(&mut unit, export.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (work.bucket.as_str(), work.key),
        ("test-exports", format!("{}.tar", ExportId(export.id)))
    );
    let facts: Vec<_> = work
        .bag_info
        .into_iter()
        .map(|entry| {
            format!(
                "{}: {}",
                entry.label,
                entry.value.replace(&transfer.reference, "<reference>")
            )
        })
        .collect();
    insta::assert_snapshot!(facts.join("\n"), @r"
    Source-Organization: OWN
    Internal-Sender-Identifier: <reference>
    Consignment-Series: WO/95
    Consignment-Type: standard
    Consignment-Start-Datetime: 2026-01-01T00:00:00Z
    Consignment-Completed-Datetime: 2026-01-01T00:01:30Z
    ");
}

#[tokio::test]
async fn a_file_that_no_check_measured_is_not_packed() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let (_, version) = world
        .record(&transfer, "a", versions::Status::Accepted)
        .await;
    let mut version = version.into_active_model();
    version.sha512 = sea_orm::ActiveValue::Set(None);
    version.update(world.app.database()).await.unwrap();
    let refused = request(&world, &archivist(), of_transfer(&transfer)).await;
    assert!(matches!(refused, Err(Error::Precondition(_))));
}
