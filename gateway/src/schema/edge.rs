//! What hangs on what, across services, and how it is fetched: for a whole page at once, before any
//! field below the page is resolved. Nothing waits for a timer and nothing is split, so the number of
//! calls follows from the document alone (ADR 0007).

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use async_graphql::Lookahead;
use chassis::{auth::Caller, error::Error};
use futures::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, join_all},
    stream,
};
use prost_reflect::{DynamicMessage, MethodDescriptor, ReflectMessage, Value as Wire};

use super::value;
use crate::{contract, peers::Peers};

/// A field that another call fills.
#[derive(Debug, Clone, Copy)]
pub struct Edge {
    /// Message that has the field.
    pub of: &'static str,
    /// The field.
    pub name: &'static str,
    pub rpc: &'static str,
    /// Field of the request that takes the keys, or the one key.
    pub request: &'static str,
    /// Field of the response that holds what was found.
    pub response: &'static str,
    /// Field of the parent that is the key.
    pub key: &'static str,
    /// Field of what was found that says whose it is; empty for calls with one key.
    pub owner: &'static str,
    /// Whether there are many for one parent.
    pub many: bool,
}

const fn batched(
    of: &'static str,
    name: &'static str,
    rpc: &'static str,
    (request, response): (&'static str, &'static str),
    (key, owner): (&'static str, &'static str),
) -> Edge {
    Edge {
        of,
        name,
        rpc,
        request,
        response,
        key,
        owner,
        many: false,
    }
}

const fn single(
    of: &'static str,
    name: &'static str,
    rpc: &'static str,
    (request, response): (&'static str, &'static str),
    key: &'static str,
) -> Edge {
    Edge {
        of,
        name,
        rpc,
        request,
        response,
        key,
        owner: "",
        many: true,
    }
}

const HOUSEHOLDS: (&str, &str) = ("ids", "households");
const BY_HOUSEHOLD: (&str, &str) = ("household_id", "id");

/// Every edge of the schema.
pub const EDGES: [Edge; 25] = [
    Edge {
        many: true,
        ..batched(
            "Household",
            "members",
            "households.BatchListMembers",
            ("household_ids", "members"),
            ("id", "household_id"),
        )
    },
    Edge {
        many: true,
        ..batched(
            "Household",
            "relatives",
            "households.BatchListRelatives",
            ("household_ids", "relatives"),
            ("id", "household_id"),
        )
    },
    batched(
        "Household",
        "currentCase",
        "workflow.BatchGetCurrentCases",
        ("household_ids", "cases"),
        ("id", "household_id"),
    ),
    batched(
        "Household",
        "assessment",
        "households.BatchAssess",
        ("household_ids", "assessments"),
        ("id", "household_id"),
    ),
    single(
        "Household",
        "authorisations",
        "households.ListAuthorisations",
        ("household_id", "authorisations"),
        "id",
    ),
    single(
        "Household",
        "noticePlaces",
        "households.ListNoticePlaces",
        ("division_code", "places"),
        "division_code",
    ),
    single(
        "Household",
        "history",
        "households.ListHistory",
        ("household_id", "changes"),
        "id",
    ),
    batched(
        "Case",
        "household",
        "households.BatchGetHouseholds",
        HOUSEHOLDS,
        BY_HOUSEHOLD,
    ),
    batched(
        "Case",
        "plan",
        "measures.BatchGetPlans",
        ("case_ids", "plans"),
        ("id", "case_id"),
    ),
    batched(
        "Case",
        "comparison",
        "comparison.BatchGetComparisons",
        ("case_ids", "comparisons"),
        ("id", "case_id"),
    ),
    Edge {
        many: true,
        ..batched(
            "Case",
            "comparisons",
            "comparison.BatchGetComparisons",
            ("case_ids", "comparisons"),
            ("id", "case_id"),
        )
    },
    single(
        "Case",
        "events",
        "workflow.ListCaseEvents",
        ("case_id", "events"),
        "id",
    ),
    single(
        "Case",
        "moves",
        "workflow.ListMoves",
        ("case_id", "moves"),
        "id",
    ),
    single(
        "Case",
        "objections",
        "workflow.ListObjections",
        ("case_id", "objections"),
        "id",
    ),
    batched(
        "Lead",
        "household",
        "households.BatchGetHouseholds",
        HOUSEHOLDS,
        BY_HOUSEHOLD,
    ),
    batched(
        "Lead",
        "case",
        "workflow.BatchGetCases",
        ("ids", "cases"),
        ("case_id", "id"),
    ),
    batched(
        "WorkItem",
        "household",
        "households.BatchGetHouseholds",
        HOUSEHOLDS,
        BY_HOUSEHOLD,
    ),
    batched(
        "WorkItem",
        "case",
        "workflow.BatchGetCases",
        ("ids", "cases"),
        ("case_id", "id"),
    ),
    batched(
        "WorkItem",
        "lead",
        "workflow.BatchGetLeads",
        ("ids", "leads"),
        ("lead_id", "id"),
    ),
    batched(
        "Alert",
        "household",
        "households.BatchGetHouseholds",
        HOUSEHOLDS,
        BY_HOUSEHOLD,
    ),
    batched(
        "OpenHit",
        "household",
        "households.BatchGetHouseholds",
        HOUSEHOLDS,
        BY_HOUSEHOLD,
    ),
    batched(
        "OpenHit",
        "case",
        "workflow.BatchGetCases",
        ("ids", "cases"),
        ("case_id", "id"),
    ),
    batched(
        "Reconsideration",
        "household",
        "households.BatchGetHouseholds",
        HOUSEHOLDS,
        BY_HOUSEHOLD,
    ),
    batched(
        "Reconsideration",
        "case",
        "workflow.BatchGetCases",
        ("ids", "cases"),
        ("case_id", "id"),
    ),
    batched(
        "MonitoringDue",
        "household",
        "households.BatchGetHouseholds",
        HOUSEHOLDS,
        BY_HOUSEHOLD,
    ),
];

impl Edge {
    pub fn method(&self) -> MethodDescriptor {
        contract::method(self.rpc)
    }
}

/// A message with what was fetched for it.
#[derive(Debug, Clone)]
pub struct Node(pub Arc<Fetched>);

#[derive(Debug)]
pub struct Fetched {
    pub message: DynamicMessage,
    edges: HashMap<&'static str, Found>,
}

/// What an edge leads to, or why it is not known. Parents share both.
type Found = Result<Vec<Node>, Arc<Error>>;

impl Node {
    /// A message on which nothing hangs.
    pub fn leaf(message: DynamicMessage) -> Self {
        Self(Arc::new(Fetched {
            message,
            edges: HashMap::new(),
        }))
    }

    /// What an edge leads to.
    pub fn follow(&self, edge: &str) -> Option<&Found> {
        self.0.edges.get(edge)
    }
}

/// What was asked for a key, and found.
type Answer = (String, Result<Vec<DynamicMessage>, Arc<Error>>);

/// Calls at once where a service has no batch.
const SINGLE_AT_ONCE: usize = 8;

/// Fetches for one request.
#[derive(Debug, Clone)]
pub struct Fetch {
    pub peers: Peers,
    pub caller: Caller,
}

impl Fetch {
    /// Fetches what `look` asks of `messages`, all of one type, and of what hangs on them.
    pub fn complete<'a>(
        &'a self,
        messages: Vec<DynamicMessage>,
        look: Lookahead<'a>,
    ) -> BoxFuture<'a, Vec<Node>> {
        async move {
            let Some(first) = messages.first() else {
                return Vec::new();
            };
            let of = first.descriptor().name().to_owned();
            let asked = EDGES
                .iter()
                .filter(|edge| edge.of == of && look.field(edge.name).exists());
            let fetches = asked.map(|edge| {
                let below = look.field(edge.name);
                self.follow(edge, &messages, below)
                    .map(move |found| (edge, found))
            });
            let found = join_all(fetches.collect::<Vec<_>>()).await;
            let nodes = messages.into_iter().map(|message| {
                let edges = found.iter().map(|(edge, found)| {
                    let own = found.get(&value::text(&message, edge.key));
                    (edge.name, own.cloned().unwrap_or_else(|| Ok(Vec::new())))
                });
                let edges = edges.collect();
                Node(Arc::new(Fetched { message, edges }))
            });
            nodes.collect()
        }
        .boxed()
    }

    /// What an edge leads to, by the key of the parent. Parents that share a key share what it leads to.
    async fn follow(
        &self,
        edge: &'static Edge,
        parents: &[DynamicMessage],
        look: Lookahead<'_>,
    ) -> HashMap<String, Found> {
        let keys = parents.iter().map(|p| value::text(p, edge.key));
        let keys: BTreeSet<String> = keys.filter(|key| !key.is_empty()).collect();
        let found = match edge.owner {
            _ if keys.is_empty() => return HashMap::new(),
            "" => self.ask_each(edge, keys).await,
            _ => self.ask_all(edge, keys).await,
        };
        // What hangs on what was found is fetched for all of it at once, too.
        let (mut all, mut sizes) = (Vec::new(), Vec::new());
        for (key, found) in found {
            sizes.push((key, found.as_ref().map(Vec::len).map_err(Arc::clone)));
            all.extend(found.into_iter().flatten());
        }
        let mut nodes = self.complete(all, look).await.into_iter();
        let mut own = |size| nodes.by_ref().take(size).collect();
        let found = sizes.into_iter();
        found.map(|(key, size)| (key, size.map(&mut own))).collect()
    }

    async fn ask_all(&self, edge: &Edge, keys: BTreeSet<String>) -> Vec<Answer> {
        let method = edge.method();
        let wanted = keys.iter().cloned().map(Wire::String).collect();
        let request = value::with(&method.input(), edge.request, Wire::List(wanted));
        let mut answer = match self.peers.call(&self.caller, &method, request).await {
            Ok(answer) => answer,
            Err(error) => {
                let error = Arc::new(error);
                let fail = |key| (key, Err(Arc::clone(&error)));
                return keys.into_iter().map(fail).collect();
            }
        };
        let mut by_owner: HashMap<String, Vec<DynamicMessage>> = HashMap::new();
        for found in value::take_messages(&mut answer, edge.response) {
            let own = by_owner.entry(value::text(&found, edge.owner)).or_default();
            // The newest comes first.
            if edge.many || own.is_empty() {
                own.push(found);
            }
        }
        by_owner
            .into_iter()
            .map(|(key, own)| (key, Ok(own)))
            .collect()
    }

    async fn ask_each(&self, edge: &Edge, keys: BTreeSet<String>) -> Vec<Answer> {
        let method = &edge.method();
        let asks = keys.into_iter().map(|key| async move {
            let value = Wire::String(key.clone());
            let request = value::with(&method.input(), edge.request, value);
            let answer = self.peers.call(&self.caller, method, request).await;
            let found = answer.map(|mut answer| value::take_messages(&mut answer, edge.response));
            (key, found.map_err(Arc::new))
        });
        let asks = asks.collect::<Vec<_>>();
        stream::iter(asks).buffered(SINGLE_AT_ONCE).collect().await
    }
}
