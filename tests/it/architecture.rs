//! Who may import whom, over `cargo metadata`.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// The dependencies of each of our crates, tests left out.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let imports = package["dependencies"].as_array().unwrap().iter();
            let imports = imports
                .filter(|dependency| dependency["kind"] != "dev")
                .map(|dependency| dependency["name"].as_str().unwrap().to_owned());
            (
                package["name"].as_str().unwrap().to_owned(),
                imports.collect(),
            )
        })
        .collect()
}

#[test]
fn crates_import_only_what_they_may() {
    let imports = imports();
    let ours: BTreeSet<&str> = imports.keys().map(String::as_str).collect();
    let of = |name: &str| -> BTreeSet<&str> {
        imports[name]
            .iter()
            .map(String::as_str)
            .filter(|import| ours.contains(import))
            .collect()
    };
    for library in ["contract", "runtime", "pronom", "bagit", "tlog"] {
        assert_eq!(
            of(library),
            BTreeSet::new(),
            "{library} imports nothing of ours"
        );
    }
    assert!(of("embedded").is_subset(&BTreeSet::from(["contract", "runtime"])));
    assert!(of("entity").is_empty() && of("migration").is_empty());
    assert!(of("worker").is_disjoint(&BTreeSet::from(["api", "entity", "migration", "embedded"])));
    assert!(
        !imports["worker"].contains("sea-orm"),
        "the worker never sees the database"
    );
    assert!(of("api").is_disjoint(&BTreeSet::from([
        "worker", "embedded", "muniment", "pronom"
    ])));
    for (name, imports) in &imports {
        let both = imports.contains("api") && imports.contains("worker");
        assert!(
            !both || ["muniment", "tests"].contains(&name.as_str()),
            "{name} sees both sides"
        );
        let database = imports.contains("sea-orm") || imports.contains("entity");
        assert!(
            !database || ["api", "entity", "testdb"].contains(&name.as_str()),
            "{name} reaches the database"
        );
    }
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for name in imports().keys() {
        let manifest = ["", "crates/"]
            .iter()
            .map(|folder| root.join(folder).join(name).join("Cargo.toml"))
            .find(|manifest| manifest.is_file())
            .unwrap_or_else(|| panic!("{name} has no folder of its name"));
        let text = std::fs::read_to_string(manifest).unwrap();
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{name} takes no lints"
        );
    }
}

#[test]
fn no_resolver_returns_an_error_that_leaks() {
    let sources = sources("../api/src");
    assert!(sources.len() > 30, "the sources were not found");
    for (path, text) in sources {
        let whole_library = text.contains("use async_graphql::*");
        let named =
            text.contains("async_graphql::Error ") || text.contains("async_graphql::Result");
        let allowed = path.ends_with("graphql/errors.rs");
        assert!(
            !whole_library && (allowed || !named),
            "{} may leak: `async_graphql::Error` is `From` everything displayable; return `ClientError`",
            path.display()
        );
    }
}

/// The code below a folder of the repository.
fn sources(folder: &str) -> Vec<(std::path::PathBuf, String)> {
    let mut waiting = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut sources = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push((path, text));
            }
        }
    }
    sources
}

/// The code of the API's GraphQL objects.
fn graphql_sources() -> Vec<(std::path::PathBuf, String)> {
    let mut sources = sources("../api/src");
    sources.retain(|(path, _)| path.to_string_lossy().contains("graphql"));
    sources
}

#[test]
fn every_list_has_its_cost() {
    let mut lists = 0;
    for (path, text) in graphql_sources() {
        // A resolver's signature ends at its body; what stands before it since the last `}` are its attributes.
        for (at, _) in text.match_indices(") -> Result<Connection<") {
            let before = &text[..at];
            let begin = before.rfind("fn ").unwrap();
            if before[..begin].ends_with("pub async ") {
                continue;
            }
            let attributes = &before[before[..begin].rfind('}').unwrap_or(0)..begin];
            assert!(
                attributes.contains("crate::page::cost("),
                "{}: {}",
                path.display(),
                &before[begin..]
            );
            lists += 1;
        }
    }
    assert!(lists > 15, "{lists}");
}

#[test]
fn no_function_asks_the_object_store_while_it_has_a_transaction_open() {
    // What is answered without the network.
    let local = ["bucket(", "sign_"];
    let mut asked = 0;
    for (path, text) in sources("../api/src") {
        for (at, _) in text.match_indices(".objects()") {
            let call = text[at + ".objects()".len()..].trim_start();
            let call = call.trim_start_matches('.');
            if local.iter().any(|name| call.starts_with(name)) {
                continue;
            }
            asked += 1;
            let function = text[..at].rfind("fn ").unwrap();
            let before = &text[function..at];
            let signature = &before[..before.find('{').unwrap_or(before.len())];
            let begun = [".begin(", ".begin_internal("]
                .iter()
                .map(|begin| before.matches(begin).count())
                .sum::<usize>();
            let ended = before.matches(".commit()").count();
            assert!(
                !signature.contains("Unit") && begun <= ended,
                "{}: {before}",
                path.display()
            );
        }
    }
    assert!(asked > 8, "{asked}");
}
