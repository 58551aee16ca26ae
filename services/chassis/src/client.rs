//! Calls to other services: channels, and requests in a caller's name.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::{auth::Caller, telemetry};

/// Longest that a call to another service may take; a page that waits longer helps nobody.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// Largest answer that is read: a page of 100 with everything in it is far below.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A header of answers by a service that waits for what it needs: the call was not looked at.
pub(crate) const WAITING: &str = "backstop-waiting";

/// A channel that connects when it is first used and again whenever it has to.
///
/// # Errors
/// The URL is not one.
pub fn channel(url: &str) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(url.to_owned())?
        .connect_timeout(Duration::from_secs(2))
        .tcp_nodelay(true)
        // A black hole is found within 20 s.
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true);
    Ok(endpoint.connect_lazy())
}

/// A request in the caller's name, with deadline and trace context.
#[must_use]
pub fn authorise<T>(caller: &Caller, message: T) -> tonic::Request<T> {
    let mut request = authorise_stream(caller, message);
    request.set_timeout(DEADLINE);
    request
}

/// The same for streams, which last as long as they last.
#[must_use]
pub fn authorise_stream<T>(caller: &Caller, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    if let Ok(value) = format!("Bearer {}", caller.token()).parse() {
        request.metadata_mut().insert("authorization", value);
    }
    if let Some(Ok(value)) = telemetry::traceparent().map(|text| text.parse()) {
        request.metadata_mut().insert("traceparent", value);
    }
    request
}
