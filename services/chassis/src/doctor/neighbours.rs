//! What is around a process: the issuer, its own token and certificate, the services that it calls, and
//! the feeds that it follows.

use std::{collections::BTreeMap, time::SystemTime};

use chrono::DateTime;
use futures::future::join_all;
use jsonwebtoken::dangerous::insecure_decode_claims;
use kernel::{DivisionCode, Role};
use proto::feed::v1::{Filter, ListItemsRequest, feed_service_client::FeedServiceClient};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{Check, Finding, State, database::cursor, look, verdict};
use crate::{
    auth::{Authenticator, Caller},
    client::{self, Channel, Peers},
    clock::Clock,
    config::{AuthConfig, DatabaseConfig},
    error::Error,
    lifecycle::Lifecycle,
    subscription::Followed,
    tls::{Tls, TlsConfig},
};

/// Items that are asked for: of the first that the caller may see the age counts.
const ITEMS: i32 = 50;

/// What was found around a process, and what feeds are asked with.
#[derive(Debug)]
pub struct Around {
    /// What was looked at.
    pub checks: Vec<Check>,
    /// Peers that are ready.
    ready: BTreeMap<String, Channel>,
    caller: Option<Caller>,
}

/// Looks at what is around a process whose settings stand in `section` (`process.`, or nothing). `county`
/// is what its token has to be for.
pub async fn neighbours(
    section: &'static str,
    auth: &AuthConfig,
    urls: &BTreeMap<String, String>,
    tls: Option<&TlsConfig>,
    county: Option<DivisionCode>,
) -> Around {
    let lifecycle = Lifecycle::new();
    let mut checks = Vec::new();
    let tls = tls.map(|tls| {
        let section = if section.is_empty() {
            "tls"
        } else {
            "process.tls"
        };
        let opened = Tls::open(tls, section, &lifecycle);
        checks.push(certificate(&opened).of("certificate"));
        opened.ok()
    });
    // Nothing here lives long enough to see new files.
    lifecycle.stop();
    let tls = tls.flatten();
    let (identity, asked) = tokio::join!(
        identity(section, auth, county),
        join_all(urls.keys().map(|name| {
            let peers = Peers::new(urls, "peers", tls.clone());
            peer(section, name, peers)
        })),
    );
    let (own, caller) = identity;
    checks.extend(own);
    let mut ready = BTreeMap::new();
    for (name, (check, channel)) in urls.keys().zip(asked) {
        if let (State::Ok, Some(channel)) = (check.state, channel) {
            ready.insert(name.clone(), channel);
        }
        checks.push(check);
    }
    Around {
        checks,
        ready,
        caller,
    }
}

fn certificate(opened: &anyhow::Result<Tls>) -> Finding {
    match opened {
        Ok(tls) => verdict::certificate(tls.expires_at().duration_since(SystemTime::now()).ok()),
        Err(error) => Finding::wrong(format!("{error:#}"), "put right the file that is named"),
    }
}

/// Asks the issuer for its keys, and looks at the process's own token with them.
async fn identity(
    section: &str,
    auth: &AuthConfig,
    county: Option<DivisionCode>,
) -> (Vec<Check>, Option<Caller>) {
    let mut verifier = None;
    let issuer = async {
        match Authenticator::with_keys(auth).await {
            Ok((authenticator, keys)) => {
                verifier = Some(authenticator);
                Finding::ok(format!("{keys} keys"))
            }
            Err(error) => Finding::wrong(
                format!("{section}auth.jwks: {error:#}"),
                "is the issuer up, and may this process reach it?",
            ),
        }
    };
    let issuer = look("issuer", issuer).await;
    let mut caller = None;
    let token = look("service token", async {
        let (finding, found) = token(section, auth, verifier.as_ref(), county).await;
        caller = found;
        finding
    });
    let token = token.await;
    (vec![issuer, token], caller)
}

async fn token(
    section: &str,
    auth: &AuthConfig,
    verifier: Option<&Authenticator>,
    county: Option<DivisionCode>,
) -> (Finding, Option<Caller>) {
    let setting = format!("{section}auth.service_token_file");
    let wrong = |found: String, advice: &str| (Finding::wrong(found, advice), None);
    let file = auth.service_token_file.display();
    let text = match tokio::fs::read_to_string(&auth.service_token_file).await {
        Ok(text) => text,
        Err(error) => return wrong(format!("{setting}: {file}: {error}"), "put the token there"),
    };
    let text = text.trim();
    // Its end is told whoever signed it; whether it counts is asked below.
    let Ok(life) = insecure_decode_claims::<verdict::Life>(text) else {
        return wrong(
            format!("{setting}: {file} holds no token"),
            "put the token there",
        );
    };
    let judged = life.judge(Clock::system().now().timestamp().unsigned_abs());
    if judged.state == State::Wrong {
        let found = format!("{setting}: {}", judged.found);
        return wrong(found, &judged.advice);
    }
    let Some(verifier) = verifier else {
        let found = format!("{}; there are no keys to check it with", judged.found);
        return (Finding::skipped(found), None);
    };
    let Ok(caller) = verifier.verify(text).await else {
        let found = format!(
            "{setting}: the token is not one of {section}auth.issuer for {section}auth.audience"
        );
        return wrong(found, "let the county's issuer mint it");
    };
    let principal = &caller.principal;
    let is_ours = county.is_none_or(|county| county == principal.scope.division);
    if principal.role != Role::Service || !is_ours {
        let found = format!("{setting}: the token is not a service's of this county");
        return wrong(
            found,
            "let the issuer mint it with role SERVICE and the county as division",
        );
    }
    (judged, Some(caller))
}

async fn peer(section: &str, name: &str, peers: Peers) -> (Check, Option<Channel>) {
    let setting = format!("{section}peers.{name}");
    let mut reached = None;
    let asked = async {
        let channel = match peers.channel(name) {
            Ok(channel) => channel,
            Err(error) => {
                return Finding::wrong(format!("{section}{error:#}"), format!("correct {setting}"));
            }
        };
        reached = Some(channel.clone());
        let answer = HealthClient::new(channel)
            .check(HealthCheckRequest::default())
            .await;
        match answer.map(|answer| answer.into_inner().status()) {
            Ok(ServingStatus::Serving) => Finding::ok("ready"),
            Ok(_) => Finding::wrong(
                format!("{setting}: answers, and is not ready"),
                format!("run `{name} doctor` there"),
            ),
            Err(status) => Finding::wrong(
                format!("{setting}: {}", status.message()),
                "is it running, and may this process reach it?",
            ),
        }
    };
    let check = look(format!("peer {name}"), asked).await;
    (check, reached)
}

impl Around {
    /// Looks at how far a service is in the feeds that it follows.
    pub(super) async fn feeds(
        &self,
        config: &DatabaseConfig,
        schema: &str,
        follows: &[Followed],
    ) -> Vec<Check> {
        let mut checks = Vec::new();
        for followed in follows {
            let name = format!("feed {}", followed.source);
            checks.push(look(name, self.feed(config, schema, followed)).await);
        }
        checks
    }

    async fn feed(&self, config: &DatabaseConfig, schema: &str, followed: &Followed) -> Finding {
        let source = followed.source;
        let Some(caller) = &self.caller else {
            return Finding::skipped("without a token of its own nobody may ask");
        };
        let Some(channel) = self.ready.get(source) else {
            return Finding::skipped(format!("{source} is not ready"));
        };
        let cursor = match cursor(config, schema, source).await {
            Ok(Some(cursor)) => cursor,
            Ok(None) => return Finding::skipped("it has not been followed yet"),
            Err(_) => return Finding::skipped("the database does not say"),
        };
        let request = ListItemsRequest {
            after_cursor: cursor,
            filter: Some(Filter {
                kinds: followed.kinds.iter().map(|&kind| kind.to_owned()).collect(),
                ..Filter::default()
            }),
            page_size: ITEMS,
        };
        let mut feed = FeedServiceClient::new(channel.clone())
            .max_decoding_message_size(client::MESSAGE_BYTES_MAX);
        let answer = feed.list_items(client::authorise(caller, request)).await;
        let page = match answer.map_err(|status| Error::from_status(&status)) {
            Ok(page) => page.into_inner(),
            Err(Error::CursorEpochChanged) => {
                let found = format!("{source} was restored to an earlier state, not resumed");
                return Finding::wrong(found, "see \"Backup and restore\" in docs/operations.md");
            }
            Err(error) => {
                let advice = format!("run `{source} doctor` there");
                return Finding::wrong(format!("{source} does not say: {error}"), advice);
            }
        };
        let first = page.items.first().and_then(|item| item.recorded_at);
        let waits = first.and_then(|at| DateTime::from_timestamp(at.seconds, 0));
        verdict::lag(waits.map(|since| Clock::system().now() - since))
    }
}
