//! Asks a process of this machine whether it is ready: what a container's health check does where there is
//! no shell and no curl.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, ensure};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::config::Settings;

/// A process that takes longer to say that it is ready is not.
const WITHIN: Duration = Duration::from_secs(2);

/// Whether a service is ready: by `/readyz` where that is served, else by gRPC.
///
/// # Errors
/// It does not answer, or says that it is not ready.
pub async fn service(settings: &Settings) -> anyhow::Result<()> {
    match settings.section(&["process", "metrics_listen"])? {
        Some(listen) => http(listen).await,
        None => grpc(settings.section(&["process", "listen"])?).await,
    }
}

/// Whether the service that listens on `listen` serves.
///
/// # Errors
/// It does not answer, or says that it does not serve.
pub async fn grpc(listen: SocketAddr) -> anyhow::Result<()> {
    let channel = crate::client::channel(&format!("http://{}", local(listen)))?;
    let mut client = HealthClient::new(channel);
    let asked = tokio::time::timeout(WITHIN, client.check(HealthCheckRequest::default()));
    let answer = asked.await.context("no answer in time")??.into_inner();
    ensure!(answer.status() == ServingStatus::Serving, "not ready");
    Ok(())
}

/// Whether the HTTP server that listens on `listen` is ready.
///
/// # Errors
/// It does not answer, or says that it is not ready.
pub async fn http(listen: SocketAddr) -> anyhow::Result<()> {
    // A proxy of the environment leads elsewhere.
    let client = reqwest::Client::builder().no_proxy().timeout(WITHIN);
    let client = client.build()?;
    let url = format!("http://{}/readyz", local(listen));
    client.get(url).send().await?.error_for_status()?;
    Ok(())
}

/// Who listens everywhere is asked on loopback.
fn local(listen: SocketAddr) -> SocketAddr {
    let address: IpAddr = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(address, listen.port())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tonic_health::server::health_reporter;

    use super::*;

    #[tokio::test]
    async fn tells_ready_from_not_ready_and_from_not_there() {
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
        let listen = listener.local_addr().expect("an address");
        let (health, service) = health_reporter();
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let server = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming);
        let asking = async {
            let ready = tonic_health::ServingStatus::Serving;
            health.set_service_status("", ready).await;
            grpc(listen).await.expect("ready");
            let not_ready = tonic_health::ServingStatus::NotServing;
            health.set_service_status("", not_ready).await;
            assert!(grpc(listen).await.is_err());
        };
        tokio::select! {
            _ = server => panic!("the server ended"),
            () = asking => {}
        }
        assert!(grpc(listen).await.is_err(), "nobody listens any more");
    }
}
