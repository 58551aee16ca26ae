//! `POST /objections`: the one door without an account (WF-8). Anybody who read a notice may object by the
//! code that stands on it, in a small JSON document, so often and no more. What the door says is what
//! the notice says already: of a code that is none, or whose notice is down, it knows nothing.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use axum::{
    Extension, Json,
    body::Body,
    extract::{ConnectInfo, State},
    response::{IntoResponse, Response},
};
use chassis::error::Error;
use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use http::{
    HeaderMap, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use prost_reflect::{DynamicMessage, Value as Wire};
use serde::Deserialize;
use serde_json::json;

use crate::{
    body, contract,
    locale::Locale,
    problem::{Rejection, RequestId},
    schema,
    server::Gateway,
};

/// A text of 1 000 characters and its code, in JSON.
const BODY_BYTES_MAX: usize = 8 * 1024;
/// A family that shares a telephone objects so often at once, and again every ten minutes.
const SOURCE_BURST: NonZeroU32 = NonZeroU32::new(5).unwrap();
const SOURCE_EVERY: Duration = Duration::from_secs(600);
/// A county's notices draw a few objections a day; a hundred at once are a machine's.
const ALL_BURST: NonZeroU32 = NonZeroU32::new(100).unwrap();
const ALL_EVERY: Duration = Duration::from_secs(10);
/// Sources that are remembered; more than this at once are turned away until some are forgotten.
const SOURCES_MAX: usize = 10_000;

/// How often somebody may knock.
#[derive(Debug)]
pub struct Door {
    sources: DefaultKeyedRateLimiter<IpAddr>,
    all: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl Door {
    /// A door at which nobody has knocked yet.
    pub fn new() -> Arc<Self> {
        let quota = |every, burst| {
            let quota = Quota::with_period(every).expect("no period is zero");
            quota.allow_burst(burst)
        };
        Arc::new(Self {
            sources: RateLimiter::keyed(quota(SOURCE_EVERY, SOURCE_BURST)),
            all: RateLimiter::direct(quota(ALL_EVERY, ALL_BURST)),
            clock: DefaultClock::default(),
        })
    }

    /// Whether a source may knock again now. One that is turned away costs the others nothing.
    fn admit(&self, source: IpAddr) -> Result<(), Rejection> {
        if self.sources.len() >= SOURCES_MAX {
            self.sources.retain_recent();
            if self.sources.len() >= SOURCES_MAX {
                return Err(too_many(SOURCE_EVERY));
            }
        }
        let now = self.clock.now();
        let own = self.sources.check_key(&source);
        own.map_err(|until| too_many(until.wait_time_from(now)))?;
        let all = self.all.check();
        all.map_err(|until| too_many(until.wait_time_from(now)))
    }
}

fn too_many(wait: Duration) -> Rejection {
    Rejection::TooManyRequests {
        retry_after_seconds: wait.as_secs() + 1,
    }
}

/// Whose limit it is: an address, of IPv6 the network that one customer has. Behind the deployment's
/// proxy it is the last address that the proxy wrote down; what stands before it is anybody's text.
fn source(peer: SocketAddr, headers: &HeaderMap, behind_proxy: bool) -> IpAddr {
    let forwarded = headers.get_all("x-forwarded-for").iter().next_back();
    let forwarded = forwarded.and_then(|list| list.to_str().ok());
    let last = forwarded.and_then(|list| list.rsplit(',').next());
    let last = last.and_then(|address| address.trim().parse().ok());
    match last.filter(|_| behind_proxy).unwrap_or(peer.ip()) {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => IpAddr::V4(address),
            None => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        },
    }
}

/// What is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Objection {
    notice_code: String,
    text: String,
    /// Absent for an anonymous objection.
    #[serde(default)]
    contact: String,
    /// The same one again gets the same answer; absent, every request is another objection.
    #[serde(default)]
    request_id: Option<String>,
}

pub async fn object(
    State(gateway): State<Gateway>,
    Extension(id): Extension<RequestId>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match take_in(&gateway, peer, &headers, body).await {
        Ok(answer_due_on) => {
            let said = json!({ "received": true, "answerDueOn": answer_due_on });
            let headers = [(CACHE_CONTROL, "no-store")];
            (StatusCode::ACCEPTED, headers, Json(said)).into_response()
        }
        Err(rejection) => rejection.document(Locale::of(&headers), &id),
    }
}

/// Day by which the objection is answered.
async fn take_in(
    gateway: &Gateway,
    peer: SocketAddr,
    headers: &HeaderMap,
    body: Body,
) -> Result<String, Rejection> {
    gateway
        .door
        .admit(source(peer, headers, gateway.behind_proxy))?;
    // A page of somebody else's cannot send this type without asking first.
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let content_type = content_type.and_then(|text| text.parse::<mime::Mime>().ok());
    if content_type.is_none_or(|mime| mime.essence_str() != "application/json") {
        return Err(Rejection::UnsupportedMediaType);
    }
    let body = body::read(body, BODY_BYTES_MAX).await;
    let body = body.ok_or_else(|| Error::TooLarge {
        limit: format!("{} KiB", BODY_BYTES_MAX / 1024),
    })?;
    let objection: Objection = serde_json::from_slice(&body).map_err(|_| Rejection::BadRequest)?;
    let new_id = || gateway.clock.new_id().to_string();
    let method = contract::method("workflow.SubmitObjection");
    let mut request = DynamicMessage::new(method.input());
    for (field, text) in [
        ("request_id", objection.request_id.unwrap_or_else(new_id)),
        ("notice_code", objection.notice_code),
        ("text", objection.text),
        ("contact", objection.contact),
    ] {
        request.set_field_by_name(field, Wire::String(text));
    }
    let caller = gateway.identity.caller().await?;
    let answer = gateway.peers.call(&caller, &method, request).await;
    let answer = answer.map_err(|error| schema::in_own_words(error, ""))?;
    let due = answer.get_field_by_name("answer_due_on");
    let due = due.and_then(|due| due.as_str().map(str::to_owned));
    Ok(due.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_source_is_an_address_that_nobody_can_make_up() {
        let peer = |text: &str| SocketAddr::new(address(text), 4711);
        let mut headers = HeaderMap::new();
        let own = source(peer("192.0.2.7"), &headers, true);
        assert_eq!(own, address("192.0.2.7"));
        headers.insert(
            "x-forwarded-for",
            "1.2.3.4, 198.51.100.9".parse().expect("a value"),
        );
        assert_eq!(
            source(peer("192.0.2.7"), &headers, false),
            address("192.0.2.7")
        );
        assert_eq!(
            source(peer("192.0.2.7"), &headers, true),
            address("198.51.100.9")
        );
        headers.append("x-forwarded-for", "203.0.113.5".parse().expect("a value"));
        assert_eq!(
            source(peer("192.0.2.7"), &headers, true),
            address("203.0.113.5")
        );
        headers.insert("x-forwarded-for", "somebody".parse().expect("a value"));
        assert_eq!(
            source(peer("192.0.2.7"), &headers, true),
            address("192.0.2.7")
        );
        // All addresses of one customer.
        let one = source(peer("2001:db8:1:2:3::4"), &HeaderMap::new(), false);
        let other = source(peer("2001:db8:1:2:ffff::1"), &HeaderMap::new(), false);
        assert_eq!(
            (one, other),
            (address("2001:db8:1:2::"), address("2001:db8:1:2::"))
        );
        let mapped = source(peer("::ffff:192.0.2.7"), &HeaderMap::new(), false);
        assert_eq!(mapped, address("192.0.2.7"));
    }

    #[test]
    fn wf8_a_source_and_all_together_have_their_limits() {
        let door = Door::new();
        let burst = SOURCE_BURST.get();
        for _ in 0..burst {
            door.admit(address("192.0.2.1")).expect("admitted");
        }
        let Err(Rejection::TooManyRequests {
            retry_after_seconds,
        }) = door.admit(address("192.0.2.1"))
        else {
            panic!("must be turned away")
        };
        assert!(
            (1..=601).contains(&retry_after_seconds),
            "{retry_after_seconds}"
        );
        // Somebody else is not held up, until everybody together is too much.
        let mut admitted = burst;
        for last in 2..=254 {
            admitted += u32::from(door.admit(address(&format!("192.0.2.{last}"))).is_ok());
        }
        // One may have been earned meanwhile.
        let most = ALL_BURST.get()..=ALL_BURST.get() + 1;
        assert!(most.contains(&admitted), "{admitted}");
    }
}
