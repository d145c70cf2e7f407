//! `schema.graphql` is what the code prints.

use std::path::Path;

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

#[test]
fn every_type_and_field_is_described() {
    let printed = api::graphql::sdl();
    let mut described = false;
    let mut missing = Vec::new();
    for line in printed.lines() {
        let line = line.trim();
        if line.ends_with("\"\"\"") {
            described = true;
        } else if !line.is_empty() && !described && needs_description(line) {
            missing.push(line.to_owned());
            described = false;
        } else if !line.starts_with("\"\"\"") && !line.is_empty() {
            described = false;
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

fn needs_description(line: &str) -> bool {
    let definition = [
        "type ",
        "input ",
        "enum ",
        "union ",
        "interface ",
        "scalar ",
    ]
    .iter()
    .any(|word| line.starts_with(word));
    let roots = ["type Query", "type Mutation", "type Subscription"];
    // The library prints connections without a description: Relay's specification is theirs.
    let connection = line.starts_with("type ") && line.ends_with("Connection {");
    definition && !connection && !roots.iter().any(|root| line.starts_with(root))
}
