//! A document with several operations, of which one is asked for.
//!
//! Owns finding it, its shape and whether its variables are there, and leaving out what belongs to the others:
//! their variables are not given, so nothing that depends on a variable, as the cost of a list does, can be said
//! of them.

use std::collections::HashSet;

use async_graphql::{
    Name, Positioned, Request, ServerError, Value, Variables,
    parser::types::{
        DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
        SelectionSet,
    },
};

use super::{
    errors::server_error,
    limits::{QueryLimits, Shape},
};
use crate::Error;

/// The operation that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// What sort it is.
    pub(super) ty: OperationType,
    /// How much it asks for.
    pub(super) shape: Shape,
    /// The first field that it asks for, which may be none that there is.
    pub(super) field: Option<String>,
}

/// Finds the operation that a request asks for; the others are taken out of its document.
pub(super) fn choose(request: &mut Request, limits: &QueryLimits) -> Result<Chosen, ServerError> {
    let name = request.operation_name.clone();
    let variables = std::mem::take(&mut request.variables);
    let document = request.parsed_query()?;
    let mut found = document
        .operations
        .iter()
        .filter(|(known, _)| match &name {
            Some(name) => known.is_some_and(|known| known.as_str() == name),
            None => true,
        })
        .map(|(known, operation)| (known.cloned(), operation.clone()));
    let (known, operation) = match (found.next(), found.next()) {
        (Some(operation), None) => operation,
        (Some(_), Some(_)) => {
            return Err(named_wrongly(
                "several operations: name one by `operationName`",
            ));
        }
        (None, _) => {
            return Err(named_wrongly("there is no such operation in the document"));
        }
    };
    drop(found);
    let shape = limits
        .check_shape(document, &operation.node)
        .map_err(server_error)?;
    given(&operation.node, &variables).map_err(server_error)?;
    let items = &operation.node.selection_set.node.items;
    let chosen = Chosen {
        ty: operation.node.ty,
        shape,
        field: items.iter().find_map(|item| match &item.node {
            Selection::Field(field) => Some(field.node.name.node.to_string()),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
        }),
    };
    if document.operations.iter().count() > 1
        && let Some(known) = known
    {
        let alone = alone(document, known, operation);
        request.set_parsed_query(alone);
    }
    request.variables = variables;
    Ok(chosen)
}

fn named_wrongly(message: &str) -> ServerError {
    server_error(Error::input("operationName", message))
}

/// That each variable that must have a value has one.
fn given(operation: &OperationDefinition, variables: &Variables) -> Result<(), Error> {
    for definition in &operation.variable_definitions {
        let definition = &definition.node;
        let name = &definition.name.node;
        let value = variables.get(name);
        let missing = match &definition.default_value {
            None => value.is_none_or(|value| *value == Value::Null),
            Some(_) => value.is_some_and(|value| *value == Value::Null),
        };
        if missing && !definition.var_type.node.nullable {
            return Err(Error::input(
                format!("variables.{name}"),
                format!(
                    "the variable `${name}` must be given: it is a {}",
                    definition.var_type.node
                ),
            ));
        }
    }
    Ok(())
}

fn alone(
    document: &ExecutableDocument,
    name: Name,
    operation: Positioned<OperationDefinition>,
) -> ExecutableDocument {
    let mut reached = HashSet::new();
    reach(document, &operation.node.selection_set.node, &mut reached);
    let fragments = document
        .fragments
        .iter()
        .filter(|(name, _)| reached.contains(*name))
        .map(|(name, fragment)| (name.clone(), fragment.clone()))
        .collect();
    ExecutableDocument {
        operations: DocumentOperations::Multiple([(name, operation)].into_iter().collect()),
        fragments,
    }
}

/// The fragments that a selection spreads, and those that they spread. The parser bounds how deep it goes, and
/// each fragment is entered once.
fn reach(document: &ExecutableDocument, selection: &SelectionSet, reached: &mut HashSet<Name>) {
    for item in &selection.items {
        match &item.node {
            Selection::Field(field) => {
                reach(document, &field.node.selection_set.node, reached);
            }
            Selection::InlineFragment(inline) => {
                reach(document, &inline.node.selection_set.node, reached);
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                if reached.insert(name.clone())
                    && let Some(fragment) = document.fragments.get(name)
                {
                    reach(document, &fragment.node.selection_set.node, reached);
                }
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    const TWO: &str = "query A($first: Int!) { a(first: $first) { ...F } } \
                       mutation B { b { ...G ... on X { c } } } \
                       fragment F on X { f } fragment G on X { ...H } fragment H on X { h }";

    fn chosen(name: Option<&str>) -> Result<(OperationType, usize, Vec<String>), ServerError> {
        let mut request = Request::new(TWO);
        request.operation_name = name.map(str::to_owned);
        request.variables = Variables::from_json(serde_json::json!({"first": 1}));
        let limits = QueryLimits::default();
        let ty = choose(&mut request, &limits)?.ty;
        let document = request.parsed_query()?;
        let mut fragments: Vec<String> =
            document.fragments.keys().map(ToString::to_string).collect();
        fragments.sort();
        Ok((ty, document.operations.iter().count(), fragments))
    }

    #[test]
    fn what_belongs_to_other_operations_is_left_out() {
        let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(
            chosen(Some("A")).ok(),
            Some((OperationType::Query, 1, texts(&["F"])))
        );
        assert_eq!(
            chosen(Some("B")).ok(),
            Some((OperationType::Mutation, 1, texts(&["G", "H"])))
        );
    }

    #[test]
    fn one_of_several_must_be_named_and_be_there() {
        assert!(chosen(None).is_err());
        assert!(chosen(Some("C")).is_err());
    }

    #[test]
    fn a_variable_that_must_be_given_is_asked_for_before_anything_is_done() {
        let asked = |document: &str, variables: serde_json::Value| {
            let mut request = Request::new(document);
            request.variables = Variables::from_json(variables);
            let chosen = choose(&mut request, &QueryLimits::default());
            chosen.map_err(|error| error.message)
        };
        for (document, taken) in [
            ("query($a: Int!) { b }", false),
            ("query($a: Int) { b }", true),
            ("query($a: Int! = 1) { b }", true),
        ] {
            let answer = asked(document, serde_json::json!({}));
            assert_eq!(answer.is_ok(), taken, "{document}: {answer:?}");
        }
        let null = serde_json::json!({"a": null});
        assert!(asked("query($a: Int! = 1) { b }", null.clone()).is_err());
        let message = asked("query($a: [ID!]!) { b }", null).unwrap_err();
        assert!(
            message.contains("`$a`") && message.contains("[ID!]!"),
            "{message}"
        );
    }
}
