//! Alerts as they are raised, over a WebSocket: each watcher sees the own division's, and nobody
//! another's.

use std::time::Duration;

use backstop::issuer::Account;
use futures::{SinkExt as _, StreamExt as _};
use kernel::{Code as _, DivisionCode, Role};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};
use tests::{
    Client, Sandbox, county,
    family::{Family, Registered},
};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

struct Watcher(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Watcher {
    /// Watches the alerts after a cursor.
    async fn after(sandbox: &Sandbox, client: &Client, cursor: Option<&str>) -> Self {
        let url = format!("ws://{}/graphql/ws", sandbox.http());
        let mut request = url.into_client_request().expect("a request");
        let protocol = "graphql-transport-ws".parse().expect("a header");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (socket, _) = connect_async(request).await.expect("a socket");
        let mut watcher = Self(socket);
        let token = format!("Bearer {}", client.token());
        watcher
            .send(json!({ "type": "connection_init", "payload": { "authorization": token } }))
            .await;
        assert_eq!(
            watcher.next().await.expect("a message")["type"],
            "connection_ack"
        );
        let query = "subscription($after: String) { alerts(afterCursor: $after) { \
                     ruleId divisionCode cursor household { id } } }";
        let payload = json!({ "query": query, "variables": { "after": cursor } });
        watcher
            .send(json!({ "type": "subscribe", "id": "1", "payload": payload }))
            .await;
        watcher
    }

    async fn send(&mut self, message: Value) {
        let message = Message::text(message.to_string());
        self.0.send(message).await.expect("sent");
    }

    /// The next message; none within the time that a feed needs many times over.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let message = tokio::time::timeout(Duration::from_secs(3), self.0.next()).await;
            match message.ok()?.expect("open").expect("a message") {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn alert(&mut self) -> Option<Value> {
        let message = self.next().await?;
        let alert = message["payload"]["data"]["alerts"].clone();
        assert!(alert.is_object(), "{message:#}");
        Some(alert)
    }
}

/// Whoever watches from wherever sees nothing of elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn no_watcher_sees_outside_the_own_scope() {
    const DIVISIONS: [&str; 6] = [
        tests::COUNTY,
        county::TOWNSHIP,
        county::VILLAGE,
        county::OTHER_VILLAGE,
        county::OTHER_TOWNSHIP,
        county::FAR_VILLAGE,
    ];
    let sandbox = Sandbox::start().await;
    county::set_up(&sandbox).await;
    let mut families = Vec::new();
    for village in [county::VILLAGE, county::OTHER_VILLAGE, county::FAR_VILLAGE] {
        let family = Family {
            village,
            ..Family::default()
        };
        families.push(family.register_bare(&sandbox).await);
    }
    let roles = Role::ALL.iter().filter(|role| **role != Role::Service);
    let viewpoints = (
        prop::sample::select(roles.copied().collect::<Vec<_>>()),
        prop::sample::select(DIVISIONS.to_vec()),
    );
    let mut runner = TestRunner::default();
    let mut watchers = Vec::new();
    for _ in 0..24 {
        let tree = viewpoints.new_tree(&mut runner).expect("a viewpoint");
        let (role, division) = tree.current();
        let mut account = Account::new(role, division.parse().expect("a division"));
        if role == Role::DepartmentLiaison {
            account = account.of_department("medical_insurance");
        }
        let client = sandbox.client_of(&account);
        watchers.push((account, Watcher::after(&sandbox, &client, None).await));
    }
    hospital(&sandbox, &families.iter().collect::<Vec<_>>()).await;
    let looks = watchers
        .into_iter()
        .map(|(account, mut watcher)| async move {
            let mut seen = 0;
            while let Some(message) = watcher.next().await {
                // A role that may not watch is told so, and its subscription ends.
                let code = message["payload"]["data"]["alerts"]["divisionCode"].as_str();
                if let Some(code) = code {
                    let code: DivisionCode = code.parse().expect("a division");
                    assert!(account.division.contains(&code), "{account:?} sees {code}");
                    seen += 1;
                }
            }
            seen
        });
    let seen: u32 = futures::future::join_all(looks).await.into_iter().sum();
    assert!(seen > 0, "somebody sees something");
    sandbox.stop().await;
}

async fn hospital(sandbox: &Sandbox, families: &[&Registered]) {
    let mut rows = "id_number,stay_oop,ytd_oop\n".to_owned();
    for family in families {
        rows += &format!("{},50000,50000\n", family.id_numbers[0]);
    }
    let path = format!(
        "alerts?department=medical_insurance&rowKind=medical_expense&dataDate={}&fileName=h.csv",
        sandbox.today()
    );
    let officer = sandbox.client(Role::CountyOfficer, tests::COUNTY);
    let report = officer.upload(&path, rows.into_bytes()).await;
    assert_eq!(report["rowsRefused"], 0, "{report:#}");
    assert!(report["alertsRaised"].as_i64() >= Some(1), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_see_what_is_raised_in_their_division_and_go_on_where_they_were() {
    let sandbox = Sandbox::start().await;
    county::set_up(&sandbox).await;
    let near = Family::default().register_bare(&sandbox).await;
    let far = Family {
        village: county::FAR_VILLAGE,
        ..Family::default()
    };
    let far = far.register_bare(&sandbox).await;
    let cadre = sandbox.client(Role::VillageCadre, county::VILLAGE);
    let officer = sandbox.client(Role::CountyOfficer, tests::COUNTY);
    let mut village = Watcher::after(&sandbox, &cadre, None).await;
    let mut county_wide = Watcher::after(&sandbox, &officer, None).await;
    hospital(&sandbox, &[&near, &far]).await;

    let first = village.alert().await.expect("the own village's alert");
    assert_eq!(first["household"]["id"], json!(near.id));
    let mut seen = vec![first.clone()];
    while let Some(alert) = village.alert().await {
        seen.push(alert);
    }
    let elsewhere = seen
        .iter()
        .find(|alert| alert["divisionCode"] != county::VILLAGE);
    assert_eq!(elsewhere, None, "an alert of another village");
    let mut all = Vec::new();
    while let Some(alert) = county_wide.alert().await {
        all.push(alert);
    }
    let of_far = |alert: &&Value| alert["household"]["id"] == json!(far.id);
    assert!(all.iter().any(|alert| of_far(&alert)), "{all:#?}");
    assert!(all.len() > seen.len());

    // Somebody who was away goes on after the last alert that was seen.
    let cursor = first["cursor"].as_str().expect("a cursor");
    let mut again = Watcher::after(&sandbox, &cadre, Some(cursor)).await;
    let mut missed = Vec::new();
    while let Some(alert) = again.alert().await {
        missed.push(alert);
    }
    assert_eq!(missed, seen[1..], "each once, in order");
    sandbox.stop().await;
}
