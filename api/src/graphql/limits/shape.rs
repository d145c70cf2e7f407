//! The shape of an operation: how much it asks for, counted without spreading a fragment twice.

use std::collections::HashMap;

use async_graphql::parser::types::{
    ExecutableDocument, OperationDefinition, Selection, SelectionSet,
};

use super::LEVELS;
use crate::Error;

/// How much an operation asks for, with its fragments spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::graphql) struct Shape {
    /// Fields, spreads and inline fragments.
    pub(super) selections: usize,
    /// Fields in one another.
    pub(super) depth: usize,
    /// Fields under another name.
    pub(super) aliases: usize,
    /// Directives.
    pub(super) directives: usize,
    /// Fields that it begins with.
    pub(super) roots: usize,
    /// Whether it asks what the schema is.
    pub(in crate::graphql) introspects: bool,
    /// Selections in one another.
    levels: usize,
}

impl Shape {
    /// The shape of an operation. Fragments that spread one another in a circle have none.
    pub(super) fn of(
        document: &ExecutableDocument,
        operation: &OperationDefinition,
    ) -> Result<Self, Error> {
        let mut walk = Walk {
            document,
            known: HashMap::new(),
        };
        let mut shape = walk.set(&operation.selection_set.node, 0)?;
        add(&mut shape.directives, operation.directives.len());
        // Those that nothing spreads are looked at by the library all the same.
        for name in document.fragments.keys() {
            walk.fragment(name, 0)?;
        }
        Ok(shape)
    }

    fn add(&mut self, other: Self) {
        add(&mut self.selections, other.selections);
        add(&mut self.aliases, other.aliases);
        add(&mut self.directives, other.directives);
        add(&mut self.roots, other.roots);
        self.depth = self.depth.max(other.depth);
        self.introspects |= other.introspects;
        self.levels = self.levels.max(other.levels);
    }
}

fn add(to: &mut usize, more: usize) {
    *to = to.saturating_add(more);
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    /// `None` while it is walked.
    known: HashMap<&'a str, Option<Shape>>,
}

impl<'a> Walk<'a> {
    fn set(&mut self, set: &'a SelectionSet, level: usize) -> Result<Shape, Error> {
        if level > LEVELS {
            return Err(too_deep());
        }
        let mut shape = Shape::default();
        for item in &set.items {
            let mut one = match &item.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let mut one = self.set(&field.selection_set.node, level + 1)?;
                    one.depth += 1;
                    one.roots = 1;
                    add(&mut one.aliases, usize::from(field.alias.is_some()));
                    one.introspects |= ["__schema", "__type"].contains(&field.name.node.as_str());
                    one
                }
                Selection::InlineFragment(inline) => {
                    self.set(&inline.node.selection_set.node, level + 1)?
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(&spread.node.fragment_name.node, level + 1)?
                }
            };
            add(&mut one.selections, 1);
            add(&mut one.directives, item.node.directives().len());
            one.levels += 1;
            if one.levels > LEVELS {
                return Err(too_deep());
            }
            shape.add(one);
        }
        Ok(shape)
    }

    fn fragment(&mut self, name: &str, level: usize) -> Result<Shape, Error> {
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            // That there is none is said by the library.
            return Ok(Shape::default());
        };
        match self.known.get(name.as_str()) {
            Some(Some(shape)) => return Ok(*shape),
            Some(None) => {
                return Err(Error::input(
                    "query",
                    format!("the fragment \"{name}\" spreads itself"),
                ));
            }
            None => {}
        }
        self.known.insert(name, None);
        let mut shape = self.set(&fragment.node.selection_set.node, level)?;
        add(&mut shape.directives, fragment.node.directives.len());
        self.known.insert(name, Some(shape));
        Ok(shape)
    }
}

fn too_deep() -> Error {
    Error::Limit(format!(
        "the selections of the document are more than {LEVELS} deep in one another, fragments included"
    ))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn shape(text: &str) -> Result<Shape, Error> {
        let document = parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        Shape::of(&document, &operation.node)
    }

    #[test]
    fn everything_is_counted_through_fragments() {
        let text =
            "query @a { x: a { b ...F @b } ... on Query { c } } fragment F on A { y: d { e } }";
        let expected = Shape {
            selections: 7,
            depth: 3,
            aliases: 2,
            directives: 2,
            roots: 2,
            introspects: false,
            levels: 4,
        };
        assert_eq!(shape(text).unwrap(), expected);
    }

    #[test]
    fn fragments_in_a_circle_are_refused() {
        for text in [
            "{ ...F } fragment F on Query { ...F ...F }",
            "{ ...F } fragment F on Query { a { ...G } } fragment G on A { ...F }",
            "{ a } fragment F on Query { ...G ...G } fragment G on Query { ...F ...F }",
        ] {
            assert!(matches!(shape(text), Err(Error::BadInput { .. })), "{text}");
        }
    }

    #[test]
    fn fragments_that_double_sixty_times_are_counted_at_once() {
        let mut text = "{ ...F0 }".to_owned();
        for index in 0..60 {
            let next = index + 1;
            text.push_str(&format!(
                " fragment F{index} on Query {{ ...F{next} ...F{next} }}"
            ));
        }
        text.push_str(" fragment F60 on Query { a }");
        assert!(shape(&text).unwrap().selections > 1 << 60);
    }

    #[test]
    fn a_chain_of_fragments_is_as_deep_as_what_stands_in_one_another() {
        // Backwards, so that each is known when the next is looked at.
        let mut text = "{".to_owned();
        for index in 0..1000 {
            text.push_str(&format!(" ...F{index}"));
        }
        text.push_str(" } fragment F0 on Query { a }");
        for index in 1..1000 {
            text.push_str(&format!(
                " fragment F{index} on Query {{ ...F{} }}",
                index - 1
            ));
        }
        assert!(matches!(shape(&text), Err(Error::Limit(_))));
    }

    #[test]
    fn asking_for_the_schema_is_seen_wherever_it_stands() {
        for (text, asks) in [
            ("{ __typename }", false),
            ("{ __type(name: \"A\") { name } }", true),
            (
                "{ ...F } fragment F on Query { ... on Query { x: __schema { types { name } } } }",
                true,
            ),
        ] {
            assert_eq!(shape(text).unwrap().introspects, asks, "{text}");
        }
    }
}
