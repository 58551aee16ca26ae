//! Mutual TLS: who is let in, who is not, and certificates that are replaced while calls go on.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chassis::{
    client::Peers,
    lifecycle::{Lifecycle, Runtime},
    pg::Database,
    server,
    tls::{Tls, TlsConfig},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tonic::{Code, Status, service::Routes};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{authenticator, done, fresh, issuer, until};

/// An authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("signed").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Writes what a process of this deployment has; its certificate ends in `year`.
    fn issue(&self, folder: &TempDir, name: &str, year: i32) -> TlsConfig {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let file = |kind: &str, text: &str| -> PathBuf {
            let file = folder.path().join(format!("{name}.{kind}"));
            fs::write(&file, text).expect("written");
            file
        };
        TlsConfig {
            ca_file: file("ca", &self.pem),
            certificate_file: file("crt", &certificate.pem()),
            key_file: file("key", &key.serialize_pem()),
        }
    }
}

/// Serves a database's health with these certificates.
async fn serve(database: &Database, tls: &TlsConfig) -> (String, Runtime) {
    let runtime = Runtime::system();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let tls = Tls::open(tls, "process.tls", &runtime.lifecycle).expect("certificates");
    let socket = server::Socket::new(listener, Some(tls));
    let keys = issuer(1);
    let authenticator = authenticator(&keys, "spine").await;
    let (database, own) = (database.clone(), runtime.clone());
    runtime.lifecycle.spawn("server", async move {
        let _keys = keys;
        let served = server::serve(socket, Routes::default(), authenticator, database, &own).await;
        served.expect("served");
    });
    (url, runtime)
}

fn client(
    url: &str,
    tls: &TlsConfig,
    lifecycle: &Lifecycle,
) -> HealthClient<chassis::client::Channel> {
    let tls = Tls::open(tls, "process.tls", lifecycle).expect("certificates");
    let urls = [("spine".to_owned(), url.to_owned())].into();
    let peers = Peers::new(&urls, "process.peers", Some(tls));
    HealthClient::new(peers.channel("spine").expect("a URL"))
}

async fn ask(client: &mut HealthClient<chassis::client::Channel>) -> Result<i32, Status> {
    let mut request = tonic::Request::new(HealthCheckRequest::default());
    request.set_timeout(Duration::from_secs(5));
    Ok(client.check(request).await?.into_inner().status)
}

#[tokio::test]
async fn only_members_of_the_deployment_talk() {
    let (test, database, _) = fresh().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (own, other) = (Authority::new(), Authority::new());
    let (url, runtime) = serve(&database, &own.issue(&folder, "server", 2090)).await;
    let clients = Lifecycle::new();

    let mut good = client(&url, &own.issue(&folder, "good", 2090), &clients);
    assert_eq!(ask(&mut good).await.expect("answered"), 1);

    // Trusts the server, and has a certificate of somebody else's.
    let mut foreign = other.issue(&folder, "foreign", 2090);
    foreign.ca_file = folder.path().join("server.ca");
    let refused = ask(&mut client(&url, &foreign, &clients)).await;
    assert_eq!(refused.expect_err("refused").code(), Code::Unavailable);

    let expired = own.issue(&folder, "expired", 2021);
    let refused = ask(&mut client(&url, &expired, &clients)).await;
    assert_eq!(refused.expect_err("refused").code(), Code::Unavailable);

    // Does not trust the server.
    let distrustful = other.issue(&folder, "distrustful", 2090);
    let refused = ask(&mut client(&url, &distrustful, &clients)).await;
    assert_eq!(refused.expect_err("refused").code(), Code::Unavailable);

    // Without a certificate, and without TLS at all.
    let ca = fs::read(folder.path().join("server.ca")).expect("readable");
    let config = tonic::transport::ClientTlsConfig::new()
        .ca_certificate(tonic::transport::Certificate::from_pem(ca));
    let endpoint = tonic::transport::Endpoint::from_shared(url.clone()).expect("a URL");
    let channel = endpoint
        .tls_config(config)
        .expect("certificates")
        .connect_lazy();
    let refused = HealthClient::new(channel)
        .check(HealthCheckRequest::default())
        .await;
    refused.expect_err("refused");
    let plain = chassis::client::channel(&url.replace("https", "http")).expect("a URL");
    ask(&mut HealthClient::new(plain))
        .await
        .expect_err("refused");

    // And all the time members talk.
    assert_eq!(ask(&mut good).await.expect("answered"), 1);
    clients.wait(Duration::from_secs(5)).await;
    runtime.lifecycle.wait(Duration::from_secs(5)).await;
    done(test, [database]).await;
}

#[tokio::test]
async fn a_server_that_greets_nobody_costs_no_more_than_a_call_may() {
    let folder = tempfile::tempdir().expect("a folder");
    // The kernel accepts, and nobody does.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let clients = Lifecycle::new();
    let own = Authority::new().issue(&folder, "client", 2090);
    let mut client = client(&url, &own, &clients);
    let began = Instant::now();
    let gone = ask(&mut client).await.expect_err("nobody greets");
    assert_eq!(gone.code(), Code::Unavailable);
    let took = began.elapsed();
    assert!(took < Duration::from_millis(5500), "{took:?}");
    clients.wait(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_server_whose_certificate_ended_says_which_file_it_is() {
    let (test, database, _) = fresh().await;
    let folder = tempfile::tempdir().expect("a folder");
    let own = Authority::new();
    let (url, runtime) = serve(&database, &own.issue(&folder, "server", 2021)).await;
    let not_ready = runtime.lifecycle.not_ready().join("\n");
    assert!(
        not_ready.contains("server.crt ended at 2021-01-01"),
        "{not_ready}"
    );
    let clients = Lifecycle::new();
    let mut good = client(&url, &own.issue(&folder, "good", 2090), &clients);
    let refused = ask(&mut good).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unavailable);

    // The next one is taken without a restart.
    own.issue(&folder, "server", 2090);
    let last = tokio::sync::Mutex::new(good);
    until("a new certificate", || async {
        ask(&mut *last.lock().await)
            .await
            .is_ok_and(|status| status == 1)
    })
    .await;
    assert!(runtime.lifecycle.not_ready().is_empty());
    clients.wait(Duration::from_secs(5)).await;
    runtime.lifecycle.wait(Duration::from_secs(5)).await;
    done(test, [database]).await;
}

#[tokio::test]
async fn certificates_are_replaced_without_a_failed_call() {
    let (test, database, _) = fresh().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (Authority::new(), Authority::new());
    let (url, runtime) = serve(&database, &old.issue(&folder, "server", 2090)).await;
    let clients = Lifecycle::new();
    let mine = old.issue(&folder, "client", 2090);
    let mut calling = client(&url, &mine, &clients);
    let (made, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let stop = Arc::new(AtomicBool::new(false));
    let (counted, wrong, stopping) = (made.clone(), failed.clone(), stop.clone());
    clients.spawn("calls", async move {
        while !stopping.load(Ordering::Relaxed) {
            match ask(&mut calling).await {
                Ok(_) => counted.fetch_add(1, Ordering::Relaxed),
                Err(_) => wrong.fetch_add(1, Ordering::Relaxed),
            };
        }
    });
    let both = format!("{}{}", old.pem, new.pem);
    let trusts_both = |name: &str| fs::write(folder.path().join(name), &both).expect("written");
    // How an authority is replaced: first everybody trusts both, then each gets a certificate of the new
    // one, then nobody trusts the old one. Two looks at the files lie between.
    let noticed = || tokio::time::sleep(Duration::from_millis(4500));
    trusts_both("server.ca");
    trusts_both("client.ca");
    noticed().await;
    new.issue(&folder, "server", 2090);
    trusts_both("server.ca");
    new.issue(&folder, "client", 2090);
    trusts_both("client.ca");
    noticed().await;
    fs::write(folder.path().join("server.ca"), &new.pem).expect("written");
    fs::write(folder.path().join("client.ca"), &new.pem).expect("written");
    noticed().await;
    // Whoever comes anew meets the new authority only.
    let stranger = old.issue(&folder, "stranger", 2090);
    ask(&mut client(&url, &stranger, &clients))
        .await
        .expect_err("refused");
    let mut fresh = client(&url, &new.issue(&folder, "fresh", 2090), &clients);
    assert_eq!(ask(&mut fresh).await.expect("answered"), 1);

    stop.store(true, Ordering::Relaxed);
    clients.wait(Duration::from_secs(5)).await;
    assert_eq!(failed.load(Ordering::Relaxed), 0, "failed calls");
    assert!(made.load(Ordering::Relaxed) > 100, "too few calls");
    runtime.lifecycle.wait(Duration::from_secs(5)).await;
    done(test, [database]).await;
}

#[tokio::test]
async fn files_that_are_wrong_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = Authority::new();
    let right = own.issue(&folder, "right", 2090);
    let other = own.issue(&folder, "other", 2090);
    let empty = folder.path().join("empty");
    fs::write(&empty, "").expect("written");
    let missing = folder.path().join("missing");
    let with = |change: fn(&mut TlsConfig, PathBuf), file: &PathBuf| {
        let mut config = right.clone();
        change(&mut config, file.clone());
        let lifecycle = Lifecycle::new();
        let error = Tls::open(&config, "process.tls", &lifecycle).expect_err("refused");
        format!("{error:#}")
    };
    let cases = [
        (with(|c, file| c.ca_file = file, &missing), "process.tls"),
        (
            with(|c, file| c.ca_file = file, &empty),
            "process.tls.ca_file: ",
        ),
        (
            with(|c, file| c.certificate_file = file, &empty),
            "process.tls.certificate_file: ",
        ),
        (
            with(|c, file| c.key_file = file, &empty),
            "process.tls.key_file: ",
        ),
        (
            with(|c, file| c.key_file = file, &other.key_file),
            "does not belong to",
        ),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("PRIVATE"), "{said}");
    }
}
