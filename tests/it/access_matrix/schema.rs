//! The schema as introspection tells it, and selections that ask for everything of a type.

use std::collections::BTreeMap;

use serde_json::Value;

/// How deep a selection goes below its root.
const DEPTH: usize = 4;

const INTROSPECTION: &str = "{ __schema { types {
    name kind possibleTypes { name } interfaces { name }
    fields(includeDeprecated: true) {
        name
        args { name type { ...Named } }
        type { ...Named }
    }
} } }
fragment Named on __Type { name ofType { name ofType { name ofType { name } } } }";

/// A field of an object.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) ty: String,
    /// The names of its arguments with their types.
    pub(super) arguments: BTreeMap<String, String>,
}

/// What a type is made of.
enum Shape {
    Object { node: bool, fields: Vec<Field> },
    Abstract(Vec<String>),
    Leaf,
}

/// All types.
pub(super) struct Schema(BTreeMap<String, Shape>);

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The name of a type, whatever lists and non-nulls are around it.
fn named(ty: &Value) -> String {
    if ty["name"].is_string() {
        return text(&ty["name"]);
    }
    named(&ty["ofType"])
}

impl Schema {
    pub(super) async fn of(client: &tests::Client) -> Self {
        let answer = client.send(INTROSPECTION, Value::Null).await;
        let types = items(&answer.ok()["__schema"]["types"]).iter();
        let types = types.filter(|ty| !text(&ty["name"]).starts_with("__"));
        Self(types.map(|ty| (text(&ty["name"]), shape(ty))).collect())
    }

    /// The fields of an object.
    pub(super) fn fields(&self, ty: &str) -> &[Field] {
        match self.0.get(ty) {
            Some(Shape::Object { fields, .. }) => fields,
            _ => &[],
        }
    }

    pub(super) fn field(&self, ty: &str, name: &str) -> &Field {
        let found = self.fields(ty).iter().find(|field| field.name == name);
        found.unwrap_or_else(|| panic!("{ty} has no field {name}"))
    }

    pub(super) fn is_leaf(&self, ty: &str) -> bool {
        matches!(self.0.get(ty), Some(Shape::Leaf))
    }

    /// Every field of every object, as `Type.field`.
    pub(super) fn every_field(&self) -> Vec<String> {
        let objects = self.0.keys();
        objects
            .flat_map(|ty| {
                self.fields(ty)
                    .iter()
                    .map(move |field| format!("{ty}.{}", field.name))
            })
            .collect()
    }

    /// All of a type; of the things with an id that stand further in, only that.
    pub(super) fn all_of(&self, ty: &str) -> String {
        self.select(ty, DEPTH, true)
    }

    fn select(&self, ty: &str, depth: usize, whole: bool) -> String {
        match self.0.get(ty) {
            Some(Shape::Leaf) | None => String::new(),
            Some(Shape::Abstract(possible)) => {
                let parts = possible.iter().map(|one| {
                    let inside = self.select(one, depth, whole && ty != "Node");
                    format!("... on {one} {inside}")
                });
                format!("{{ __typename {} }}", parts.collect::<Vec<_>>().join(" "))
            }
            Some(Shape::Object { node: true, .. }) if !whole => "{ __typename id }".to_owned(),
            Some(Shape::Object { .. }) if depth == 0 => "{ __typename }".to_owned(),
            Some(Shape::Object { fields, .. }) => {
                let parts = fields.iter().map(|field| {
                    let page = if field.arguments.contains_key("first") {
                        "(first: 5)"
                    } else {
                        ""
                    };
                    format!(
                        "{}{page} {}",
                        field.name,
                        self.select(&field.ty, depth - 1, false)
                    )
                });
                format!("{{ __typename {} }}", parts.collect::<Vec<_>>().join(" "))
            }
        }
    }
}

fn shape(ty: &Value) -> Shape {
    match ty["kind"].as_str().unwrap_or_default() {
        "OBJECT" => Shape::Object {
            node: items(&ty["interfaces"])
                .iter()
                .any(|one| one["name"] == "Node"),
            fields: items(&ty["fields"])
                .iter()
                .map(|field| Field {
                    name: text(&field["name"]),
                    ty: named(&field["type"]),
                    arguments: items(&field["args"])
                        .iter()
                        .map(|argument| (text(&argument["name"]), named(&argument["type"])))
                        .collect(),
                })
                .collect(),
        },
        "UNION" | "INTERFACE" => Shape::Abstract(
            items(&ty["possibleTypes"])
                .iter()
                .map(|one| text(&one["name"]))
                .collect(),
        ),
        _ => Shape::Leaf,
    }
}
