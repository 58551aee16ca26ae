//! A gateway whose services do not answer.

use std::net::SocketAddr;

use chassis::{
    lifecycle::Runtime,
    testing::{TestIssuer, new_id},
};
use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes};
use kernel::Role;
use tokio::net::TcpListener;

pub struct Server {
    pub address: SocketAddr,
    pub issuer: TestIssuer,
    runtime: Runtime,
}

impl Server {
    pub async fn start() -> Self {
        Self::configured(true).await
    }

    pub async fn configured(explorer: bool) -> Self {
        // Installed once for all tests of the program.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let secret = new_id().as_bytes().repeat(2);
        let key = KeypairBytes {
            secret_key: *secret.first_chunk().expect("32 bytes"),
            public_key: None,
        };
        let pem = key.to_pkcs8_pem(Default::default()).expect("a PEM");
        let issuer = TestIssuer::new(pem.as_bytes());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let nobody = |service: &str| (service.to_owned(), "http://127.0.0.1:9".to_owned());
        let services = ["households", "workflow", "comparison", "measures"];
        let config = gateway::Config {
            listen: address,
            peers: services.into_iter().map(nobody).collect(),
            auth: issuer.config("gateway", "999999000000"),
            explorer,
            behind_proxy: false,
            drain_seconds: 0,
            tls: None,
        };
        let runtime = Runtime::system();
        let serving = gateway::run(config, listener, runtime.clone());
        runtime
            .lifecycle
            .spawn("gateway", async { serving.await.expect("served") });
        Self {
            address,
            issuer,
            runtime,
        }
    }

    pub fn token(&self) -> String {
        let role = Role::CountyOfficer;
        self.issuer.token("officer", role, "999999000000", None)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn stop(&self) {
        self.runtime.lifecycle.stop();
    }
}
