//! The GraphQL schema, derived from the contracts: types from messages, fields of Query and Mutation
//! from the tables in [`table`], fields across services from the edges in [`edge`].

mod access;
mod edge;
mod mutation;
mod name;
mod order;
mod query;
mod subscription;
mod table;
mod types;
mod value;

use async_graphql::{
    Context,
    dynamic::{Schema, SchemaBuilder},
};
use chassis::{auth::Caller, error::Error};

use crate::{
    locale::Locale,
    peers::Peers,
    problem::{self, RequestId},
};
use edge::Fetch;
pub use mutation::{file_header, in_own_words};
pub use order::execute;
pub use value::{Reader, take_messages, tree, with};

/// Deepest document, deeper than any page needs.
const DEPTH_MAX: usize = 15;
/// Most fields of a document after its fragments are spread.
const COMPLEXITY_MAX: usize = 2000;

/// Builds the schema over `peers`.
///
/// # Panics
/// The tables do not fit the contracts; they are part of the program and tested.
#[must_use]
pub fn build(peers: Peers, introspection: bool) -> Schema {
    let mut types = types::Types::default();
    let query = query::build(&mut types);
    let mutation = mutation::build(&mut types);
    let subscription = subscription::build(&mut types);
    let mut builder: SchemaBuilder = Schema::build("Query", Some("Mutation"), Some("Subscription"))
        .register(query)
        .register(mutation)
        .register(subscription)
        .limit_depth(DEPTH_MAX)
        .limit_complexity(COMPLEXITY_MAX)
        .limit_directives(10)
        .data(peers);
    if !introspection {
        builder = builder.disable_introspection().disable_suggestions();
    }
    for registered in types.finish() {
        builder = builder.register(registered);
    }
    builder.finish().expect("the tables fit the contracts")
}

/// What a request came with.
fn fetch(ctx: &Context<'_>) -> async_graphql::Result<Fetch> {
    Ok(Fetch {
        peers: ctx.data::<Peers>()?.clone(),
        caller: ctx.data::<Caller>()?.clone(),
    })
}

fn locale(ctx: &Context<'_>) -> Locale {
    ctx.data::<Locale>().copied().unwrap_or(Locale::Zh)
}

fn request(ctx: &Context<'_>) -> RequestId {
    ctx.data::<RequestId>().cloned().unwrap_or_default()
}

/// The error as the caller sees it.
fn problem(ctx: &Context<'_>, error: &Error) -> async_graphql::Error {
    problem::graphql(locale(ctx), &request(ctx), error)
}

/// Reports an error at its place in the answer. The field is null then, and its neighbours are not: an
/// error that a resolver returns would empty the whole answer, for dynamic schemas do not stop it at the
/// next nullable field.
fn report(ctx: &Context<'_>, error: &Error) {
    let error = problem(ctx, error).into_server_error(ctx.item.pos);
    ctx.add_error(ctx.set_error_path(error));
}
