//! What each role saw of each field, of its own body and of another.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
};

use serde_json::Value;

use super::schema::Schema;

/// Whose a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Body {
    Own,
    Other,
}

impl Body {
    pub(super) const BOTH: [Self; 2] = [Self::Own, Self::Other];

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Own => "LOCAL",
            Self::Other => "OTHER",
        }
    }
}

/// The columns.
pub(super) const ROLES: [&str; 6] = [
    "nobody",
    "WORKER",
    "READER",
    "CONTRIBUTOR",
    "ADMIN",
    "ARCHIVIST",
];

/// What was seen of a field, the least first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Empty,
    Null,
    Refused(String),
    Seen,
}

impl Cell {
    fn short(&self) -> &str {
        match self {
            Self::Empty => "none",
            Self::Null => "null",
            Self::Seen => "yes",
            Self::Refused(code) => match code.as_str() {
                "UNAUTHENTICATED" => "who?",
                "FORBIDDEN" => "no",
                "NOT_FOUND" => "gone",
                other => other,
            },
        }
    }
}

/// One question: who asks, about whose things, and what came.
pub(super) struct Asked<'a> {
    pub(super) role: usize,
    pub(super) body: Body,
    pub(super) errors: &'a Value,
}

/// The whole matrix.
pub(super) struct Matrix<'a> {
    schema: &'a Schema,
    /// Whose everything is that has an id.
    pub(super) owners: HashMap<String, Body>,
    cells: BTreeMap<String, BTreeMap<(usize, Body), Cell>>,
}

impl<'a> Matrix<'a> {
    pub(super) fn new(schema: &'a Schema) -> Self {
        Self {
            schema,
            owners: HashMap::new(),
            cells: BTreeMap::new(),
        }
    }

    fn mark(&mut self, field: &str, role: usize, body: Body, cell: Cell) {
        let cells = self.cells.entry(field.to_owned()).or_default();
        let known = cells.entry((role, body)).or_insert_with(|| cell.clone());
        if *known < cell {
            *known = cell;
        }
    }

    /// Whose the things are that stand in a value; where none has an owner, nobody's.
    fn owners_in(&self, value: &Value, found: &mut BTreeSet<Body>) {
        match value {
            Value::Object(members) => {
                if let Some(owner) = members
                    .get("id")
                    .and_then(Value::as_str)
                    .and_then(|id| self.owners.get(id))
                {
                    found.insert(*owner);
                } else {
                    members
                        .values()
                        .for_each(|member| self.owners_in(member, found));
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.owners_in(item, found)),
            _ => {}
        }
    }

    /// Writes down an answer: an object of type `ty` at `path`.
    pub(super) fn record(
        &mut self,
        asked: &Asked<'_>,
        ty: &str,
        value: &Value,
        path: &mut Vec<String>,
        bodies: &[Body],
    ) {
        let owner = value["id"]
            .as_str()
            .and_then(|id| self.owners.get(id))
            .copied();
        let bodies = owner.map_or_else(|| bodies.to_vec(), |owner| vec![owner]);
        for field in self.schema.fields(ty) {
            let Some(member) = value.get(&field.name) else {
                continue;
            };
            path.push(field.name.clone());
            let name = format!("{ty}.{}", field.name);
            let mut within = BTreeSet::new();
            self.owners_in(member, &mut within);
            let listed =
                field.ty.ends_with("Connection") || ty.ends_with("Connection") && member.is_array();
            let within: Vec<Body> = if within.is_empty() {
                bodies.clone()
            } else {
                within.into_iter().collect()
            };
            let bulk = ["outcomes", "nodes"].contains(&field.name.as_str());
            let empty = listed && !has_item(member) || bulk && is_refused(member);
            let cell = match refusal(asked.errors, path) {
                Some(code) if member.is_null() => Cell::Refused(code),
                _ if member.is_null() => Cell::Null,
                _ if empty => Cell::Empty,
                _ => Cell::Seen,
            };
            let seen = cell == Cell::Seen;
            for &body in if seen { &within } else { &bodies } {
                self.mark(&name, asked.role, body, cell.clone());
            }
            if (seen || bulk) && !self.schema.is_leaf(&field.ty) {
                self.record_each(asked, &field.ty, member, path, &within);
            }
            path.pop();
        }
    }

    fn record_each(
        &mut self,
        asked: &Asked<'_>,
        ty: &str,
        value: &Value,
        path: &mut Vec<String>,
        bodies: &[Body],
    ) {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.record_each(asked, ty, item, path, bodies);
                    path.pop();
                }
            }
            Value::Object(_) => {
                let ty = value["__typename"].as_str().unwrap_or(ty).to_owned();
                self.record(asked, &ty, value, path, bodies);
            }
            _ => {}
        }
    }

    /// A root field that was refused, or that has no answer.
    pub(super) fn record_root(&mut self, asked: &Asked<'_>, root: &str, field: &str, data: &Value) {
        let name = format!("{root}.{field}");
        match refusal(asked.errors, &[field.to_owned()]) {
            Some(code) if data[field].is_null() => {
                self.mark(&name, asked.role, asked.body, Cell::Refused(code));
            }
            _ => self.record(
                asked,
                root,
                &serde_json::json!({field: data[field]}),
                &mut Vec::new(),
                &[asked.body],
            ),
        }
    }

    /// The fields of the schema that nobody was ever answered.
    pub(super) fn uncovered(&self) -> Vec<String> {
        let every = self.schema.every_field();
        every
            .into_iter()
            .filter(|field| !self.cells.contains_key(field))
            .collect()
    }

    /// The fields that were null, empty or refused for everybody.
    pub(super) fn never_seen(&self) -> Vec<&str> {
        let never = self
            .cells
            .iter()
            .filter(|(_, cells)| cells.values().all(|cell| *cell != Cell::Seen));
        never.map(|(field, _)| field.as_str()).collect()
    }

    /// As people read it: a line a field, a column a role, each of the own body and of another.
    pub(super) fn table(&self) -> String {
        let mut table = format!("{:<42}", "own/another's");
        for role in ROLES {
            write!(table, " {role:<13}").expect("a String takes it");
        }
        for (field, cells) in &self.cells {
            table.truncate(table.trim_end().len());
            write!(table, "\n{field:<42}").expect("a String takes it");
            for role in 0..ROLES.len() {
                let cell = |body| cells.get(&(role, body)).map_or(".", Cell::short);
                let both = format!("{}/{}", cell(Body::Own), cell(Body::Other));
                write!(table, " {both:<13}").expect("a String takes it");
            }
        }
        table.truncate(table.trim_end().len());
        table
    }

    /// What a role was shown of another's body, as `Type.field`.
    pub(super) fn seen_of_others(&self, role: &str) -> Vec<&str> {
        let role = ROLES
            .iter()
            .position(|known| *known == role)
            .expect("a role");
        let seen = self
            .cells
            .iter()
            .filter(|(_, cells)| cells.get(&(role, Body::Other)) == Some(&Cell::Seen));
        seen.map(|(field, _)| field.as_str()).collect()
    }
}

/// Whether all items of a list are absent, or refused.
fn is_refused(value: &Value) -> bool {
    let refused = |item: &Value| item.is_null() || item["__typename"] == "ItemRefused";
    value
        .as_array()
        .is_some_and(|items| items.iter().all(refused))
}

fn has_item(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => ["nodes", "edges"]
            .iter()
            .any(|list| members.get(*list).is_some_and(has_item)),
        _ => true,
    }
}

/// The code of the error that took the place of what stands at a path.
fn refusal(errors: &Value, path: &[String]) -> Option<String> {
    let errors = errors.as_array()?;
    let at = |error: &Value| {
        let Some(steps) = error["path"].as_array() else {
            return true;
        };
        let steps: Vec<String> = steps
            .iter()
            .map(|step| {
                step.as_str()
                    .map_or_else(|| step.to_string(), str::to_owned)
            })
            .collect();
        steps.starts_with(path)
    };
    let found = errors.iter().find(|error| at(error))?;
    Some(
        found["extensions"]["code"]
            .as_str()
            .unwrap_or("?")
            .to_owned(),
    )
}
