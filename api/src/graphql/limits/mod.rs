//! How large a request may be, said before anything is done for it.
//!
//! Owns the bounds and what is told to whoever goes beyond one. Does not own the cost of a list
//! ([`crate::page::cost`]) or the bounds of one field's input (the nouns).
//!
//! Always: a document is bounded before it is parsed (`tokens`), and before a fragment is spread (`shape`): what
//! refusing costs grows with the length of the text alone.

mod shape;
mod tokens;

use std::time::Duration;

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition};

pub(super) use shape::Shape;

use crate::Error;

/// How deep brackets may be nested: the parser goes one level down for each.
const NESTING: usize = 64;
/// The longest name in a document: no field's is half as long.
const NAME: usize = 128;
/// How many selections may stand in one another, fragments and all: the library goes one level down for each.
const LEVELS: usize = 64;

/// The bounds of a request.
#[derive(Debug, Clone)]
pub struct QueryLimits {
    /// Bytes of a body, or of a message of a websocket.
    pub body: usize,
    /// Tokens of a document.
    pub tokens: usize,
    /// Fields in one another.
    pub depth: usize,
    /// Aliases of an operation.
    pub aliases: usize,
    /// Fields that an operation begins with.
    pub root_fields: usize,
    /// Directives of an operation.
    pub directives: usize,
    /// What an operation may cost: each field is one, and a list as many times its fields as it may have items,
    /// and fifty for its own statement ([`crate::page::cost`]). So a query reads a thousand lists at most. What hangs
    /// on the items of a list is loaded together, with as many statements as there are such fields
    /// (`graphql::statements`).
    pub complexity: usize,
    /// Errors of an answer.
    pub errors: usize,
    /// How long a query or mutation may take.
    pub time: Duration,
    /// Operations of one websocket at a time.
    pub operations: usize,
    /// Subscriptions of this process at a time.
    pub subscriptions: usize,
    /// Of them, those of one subject.
    pub subscriptions_each: usize,
    /// How long a client may take to read one message of a websocket, or read nothing of any other answer.
    pub send: Duration,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            // 500 records with what they mostly hold are less.
            body: 8 << 20,
            tokens: 10_000,
            depth: 15,
            aliases: 100,
            root_fields: 30,
            directives: 50,
            complexity: 50_000,
            errors: 20,
            time: Duration::from_mins(1),
            operations: 100,
            // Each reads again with every change that concerns it, and one client over HTTP has a file open.
            subscriptions: 1_000,
            subscriptions_each: 200,
            send: Duration::from_secs(20),
        }
    }
}

impl QueryLimits {
    /// Counts the tokens of a document that nobody has parsed yet.
    pub(super) fn check_text(&self, text: &str) -> Result<usize, Error> {
        tokens::count(text, self.tokens)
    }

    /// Looks at the shape of an operation and its fragments, without spreading any.
    pub(super) fn check_shape(
        &self,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
    ) -> Result<Shape, Error> {
        let shape = Shape::of(document, operation)?;
        for (count, most, what, advice) in [
            (
                shape.depth,
                self.depth,
                "fields in one another",
                "ask for what is further down by its id",
            ),
            (
                shape.aliases,
                self.aliases,
                "aliases",
                "send several requests",
            ),
            (
                shape.roots,
                self.root_fields,
                "fields to begin with",
                "send several requests",
            ),
            (
                shape.directives,
                self.directives,
                "directives",
                "leave out what is always there, or never",
            ),
            (
                shape.selections,
                self.complexity,
                "fields, its fragments spread",
                "ask for fewer",
            ),
        ] {
            if count > most {
                return Err(too_many(count, most, what, advice));
            }
        }
        Ok(shape)
    }

    /// Refuses what costs too much.
    pub(super) fn check_cost(&self, cost: usize) -> Result<(), Error> {
        if cost > self.complexity {
            return Err(Error::Limit(format!(
                "this would cost {cost}; a request may cost {} at most: ask for fewer items a page (`first`, `last`), or for fewer fields",
                self.complexity
            )));
        }
        Ok(())
    }

    /// What took too long.
    pub(super) fn out_of_time(&self) -> Error {
        Error::Limit(format!(
            "this took longer than {} s and was given up: ask for less",
            self.time.as_secs_f64()
        ))
    }
}

fn too_many(count: usize, most: usize, what: &str, advice: &str) -> Error {
    let count = if count == usize::MAX {
        "far more".to_owned()
    } else {
        count.to_string()
    };
    Error::Limit(format!(
        "this operation has {count} {what}; at most {most} are taken: {advice}"
    ))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn limits() -> QueryLimits {
        QueryLimits {
            depth: 3,
            aliases: 2,
            root_fields: 4,
            directives: 2,
            complexity: 20,
            ..QueryLimits::default()
        }
    }

    fn refusal(text: &str) -> Option<String> {
        let document = parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        match limits().check_shape(&document, &operation.node) {
            Ok(_) => None,
            Err(Error::Limit(message)) => Some(message),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_bound_is_taken_to_the_full_and_no_further() {
        for (within, beyond, what) in [
            (
                "{ a { b { c } } }",
                "{ a { b { c { d } } } }",
                "4 fields in one another; at most 3",
            ),
            (
                "{ x: a y: a }",
                "{ x: a y: a ...F } fragment F on Query { z: a }",
                "3 aliases; at most 2",
            ),
            (
                "{ a b c d }",
                "{ a b ... on Query { c d e } }",
                "5 fields to begin with; at most 4",
            ),
            (
                "{ a @x @y }",
                "{ a @x @x ...F @x } fragment F on Query { b }",
                "3 directives; at most 2",
            ),
        ] {
            assert_eq!(refusal(within), None, "{within}");
            let message = refusal(beyond).unwrap_or_default();
            assert!(message.contains(what), "{beyond}: {message}");
        }
    }

    #[test]
    fn a_fragment_counts_as_often_as_it_is_spread() {
        let text = "{ a { ...F ...F ...F ...F } } fragment F on A { b c d e f }";
        let message = refusal(text).unwrap_or_default();
        assert!(message.contains("has 25 fields"), "{message}");
    }

    #[test]
    fn what_an_operation_costs_is_said_with_what_it_may_cost() {
        assert!(limits().check_cost(20).is_ok());
        let Err(Error::Limit(message)) = limits().check_cost(21) else {
            panic!("it should be refused");
        };
        assert!(
            message.contains("cost 21; a request may cost 20"),
            "{message}"
        );
    }
}
