//! `schema.graphql` is what the code prints.

use std::path::Path;

use serde_json::{Value, json};
use tests::World;

#[test]
fn the_schema_file_is_what_the_code_prints() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema.graphql");
    let printed = api::graphql::sdl();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&file, &printed).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(
        kept == printed,
        "schema.graphql is not what the code prints: run `cargo run -- schema > schema.graphql` and look at the change"
    );
}

/// All that a frontend developer reads of a type.
const DESCRIPTIONS: &str = "{ __schema { types {
    name description
    fields(includeDeprecated: true) { name description args { name description type { ...Kind } } }
    inputFields { name description }
    enumValues(includeDeprecated: true) { name description }
} } }
fragment Kind on __Type { kind ofType { kind ofType { kind } } }";

#[tokio::test]
async fn every_type_and_field_is_described() {
    let world = World::start().await;
    let answer = world.archivist().send(DESCRIPTIONS, json!({})).await;
    let types = items(&answer.ok()["__schema"], "types").to_vec();
    let fields = types.iter().map(|kind| items(kind, "fields").len());
    assert!(
        fields.sum::<usize>() > 300,
        "introspection shows the fields"
    );
    let undescribed: Vec<String> = types
        .iter()
        .filter(|kind| !is_the_librarys(name(kind)))
        .flat_map(undescribed)
        .collect();
    assert_eq!(undescribed, Vec::<String>::new());
}

/// Everything of a type that has no description, by its path.
fn undescribed(kind: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut look = |path: String, item: &Value| {
        if item["description"].as_str().unwrap_or("").trim().is_empty() {
            found.push(path);
        }
    };
    let owner = name(kind);
    if !ROOTS.contains(&owner) {
        look(owner.to_owned(), kind);
    }
    for list in ["fields", "inputFields", "enumValues"] {
        for item in items(kind, list) {
            let path = format!("{owner}.{}", name(item));
            look(path.clone(), item);
            for argument in items(item, "args") {
                let path = format!("{path}({})", name(argument));
                if !is_described_elsewhere(argument, item) {
                    look(path, argument);
                }
            }
        }
    }
    found
}

/// What they are is said by GraphQL itself.
const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];
/// Relay's specification of connections describes them.
const PAGING: [&str; 4] = ["after", "before", "first", "last"];

/// Whether what an argument means is said by its type, by its field, or by Relay.
fn is_described_elsewhere(argument: &Value, field: &Value) -> bool {
    let kind = &argument["type"];
    let kinds = [kind, &kind["ofType"], &kind["ofType"]["ofType"]];
    // These have a description, which this test looks at.
    let by_type = kinds
        .iter()
        .any(|kind| kind["kind"] == "INPUT_OBJECT" || kind["kind"] == "ENUM");
    let by_field = field["description"]
        .as_str()
        .is_some_and(|text| text.contains(&format!("`{}`", name(argument))));
    by_type || by_field || PAGING.contains(&name(argument))
}

/// Introspection, the scalars of GraphQL, and what the library makes of Relay's specification.
fn is_the_librarys(name: &str) -> bool {
    let scalars = ["Boolean", "Float", "ID", "Int", "String"];
    name.starts_with("__")
        || scalars.contains(&name)
        || name == "PageInfo"
        || name.ends_with("Connection")
        || name.ends_with("Edge")
}

fn items<'a>(of: &'a Value, list: &str) -> &'a [Value] {
    of[list].as_array().map_or(&[], Vec::as_slice)
}

fn name(of: &Value) -> &str {
    of["name"].as_str().unwrap_or_default()
}
