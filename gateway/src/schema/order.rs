//! The order of an answer's fields. The library writes root fields as they are done; clients and people
//! expect them as they were asked.

use async_graphql::{
    Name, Request, Response, Value,
    dynamic::Schema,
    parser::types::{DocumentOperations, ExecutableDocument, Selection, SelectionSet},
};

/// Executes a request that has passed the guard; its root fields come in the order of the query, and
/// all others are ready at once and come in it anyway.
pub async fn execute(schema: &Schema, mut request: Request) -> Response {
    let keys = match request.parsed_query() {
        Ok(document) => keys(document),
        Err(error) => return Response::from_errors(vec![error]),
    };
    let mut response = schema.execute(request).await;
    if let Value::Object(fields) = &mut response.data {
        fields.sort_by_cached_key(|name, _| keys.iter().position(|key| key == name));
    }
    response
}

/// The names of the root fields in the answer, in order; a name may come twice.
fn keys(document: &ExecutableDocument) -> Vec<Name> {
    let mut keys = Vec::new();
    match &document.operations {
        DocumentOperations::Single(operation) => {
            collect(document, &operation.node.selection_set.node, &mut keys);
        }
        DocumentOperations::Multiple(operations) => {
            for operation in operations.values() {
                collect(document, &operation.node.selection_set.node, &mut keys);
            }
        }
    }
    keys
}

/// As deep as the document's brackets and fragments, which the guard has counted.
fn collect(document: &ExecutableDocument, selections: &SelectionSet, keys: &mut Vec<Name>) {
    for selection in &selections.items {
        match &selection.node {
            Selection::Field(field) => keys.push(field.node.response_key().node.clone()),
            Selection::InlineFragment(fragment) => {
                collect(document, &fragment.node.selection_set.node, keys);
            }
            Selection::FragmentSpread(spread) => {
                let fragment = document.fragments.get(&spread.node.fragment_name.node);
                if let Some(fragment) = fragment {
                    collect(document, &fragment.node.selection_set.node, keys);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_stand_where_they_are_spread() {
        let mut request =
            Request::new("query { b ...F ... on Query { d } a } fragment F on Query { z: y c } ");
        let found = keys(request.parsed_query().expect("a document"));
        assert_eq!(found, ["b", "z", "c", "d", "a"].map(Name::new));
    }
}
