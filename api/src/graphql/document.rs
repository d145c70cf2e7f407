//! A document with several operations, of which one is asked for.
//!
//! Owns finding it, and leaving out what belongs to the others: their variables are not given, so nothing
//! that depends on a variable, as the cost of a list does, can be said of them.

use std::collections::HashSet;

use async_graphql::{
    Name, Positioned, Request, ServerError,
    parser::types::{
        DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
        SelectionSet,
    },
};

/// The operation that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// What sort it is.
    pub(super) ty: OperationType,
    /// The first field that it asks for, which may be none that there is.
    pub(super) field: Option<String>,
}

/// Finds the operation that a request asks for; the others are taken out of its document.
pub(super) fn choose(request: &mut Request) -> Result<Chosen, ServerError> {
    let name = request.operation_name.clone();
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
            return Err(ServerError::new(
                "several operations: name one by `operationName`",
                None,
            ));
        }
        (None, _) => {
            return Err(ServerError::new(
                "there is no such operation in the document",
                None,
            ));
        }
    };
    drop(found);
    let items = &operation.node.selection_set.node.items;
    let chosen = Chosen {
        ty: operation.node.ty,
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
    Ok(chosen)
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
mod tests {
    use super::*;

    const TWO: &str = "query A($first: Int!) { a(first: $first) { ...F } } \
                       mutation B { b { ...G ... on X { c } } } \
                       fragment F on X { f } fragment G on X { ...H } fragment H on X { h ...G }";

    fn chosen(name: Option<&str>) -> Result<(OperationType, usize, Vec<String>), ServerError> {
        let mut request = Request::new(TWO);
        request.operation_name = name.map(str::to_owned);
        let ty = choose(&mut request)?.ty;
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
}
