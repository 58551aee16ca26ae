//! The key of ID numbers and phones is changed while the service is used (SEC-1).

use std::collections::BTreeMap;

use chassis::testing::caller;
use households::{SealKeys, Sealer, Service};
use kernel::Role;
use proto::households::v1::{households_service_server::HouseholdsService, *};

use crate::desk::{COUNTY, Desk, admin, by, cadre, error, family, key};

/// A replica that has some keys, and seals under the last of them.
fn replica(desk: &Desk, keys: &[(&str, u8)], current: &str) -> Service {
    let keys = keys.iter().map(|(id, byte)| ((*id).to_owned(), key(*byte)));
    let keys = SealKeys {
        current: current.to_owned(),
        keys: keys.collect(),
    };
    let sealer = Sealer::new(&keys, &key(2)).expect("keys");
    Service::new(desk.database.clone(), sealer)
}

/// One call; says how many it sealed again, and how many lie under which key.
async fn reseal(service: &Service) -> (i64, BTreeMap<String, i64>) {
    let operator = caller(Role::SystemAdmin, COUNTY);
    let request = by(&operator, ResealPersonalDataRequest {});
    let answer = service.reseal_personal_data(request).await;
    let answer = answer.expect("resealed").into_inner();
    let values = answer.sealed_under.into_iter();
    let values = values.map(|sealed| (sealed.key_name, sealed.values));
    (answer.resealed, values.collect())
}

async fn create(service: &Service, serial: u32) -> String {
    let created = service
        .create_household(by(&cadre(), family(serial)))
        .await
        .expect("created")
        .into_inner();
    created.household.expect("a household").id
}

/// What a household's people are called by the state, and its phone.
async fn personal(service: &Service, id: &str) -> Vec<String> {
    let ids = vec![id.to_owned()];
    let request = BatchListMembersRequest {
        household_ids: ids.clone(),
    };
    let members = service.batch_list_members(by(&admin(), request)).await;
    let members = members.expect("members").into_inner().members;
    let request = BatchGetHouseholdsRequest { ids };
    let found = service.batch_get_households(by(&admin(), request)).await;
    let found = found.expect("households").into_inner().households;
    let phones = found.into_iter().map(|household| household.phone);
    let numbers = members.into_iter().map(|member| member.id_number);
    numbers.chain(phones).collect()
}

#[tokio::test]
async fn sec1_the_key_is_changed_while_everybody_reads_and_writes() {
    let desk = Desk::open().await;
    let mut ids = Vec::new();
    for serial in 0..4 {
        ids.push(create(&desk.service, 10 * serial + 1).await);
    }
    let before = personal(&desk.service, &ids[0]).await;
    assert_eq!(before.len(), 6, "five numbers and a phone");

    // First every replica gets to know the new key, then they use it, one after the other.
    let (k1, k2) = (("k1", 1), ("k2", 7));
    let not_yet = replica(&desk, &[k1, k2], "k1");
    let already = replica(&desk, &[k1, k2], "k2");
    let using = async {
        for serial in 4..12 {
            let writer = [&not_yet, &already][serial as usize % 2];
            let id = create(writer, 10 * serial + 1).await;
            let seen = personal(&already, &id).await;
            assert_eq!(personal(&not_yet, &id).await, seen);
            assert_eq!(personal(&not_yet, &ids[0]).await, before);
        }
    };
    let resealing = async {
        for _ in 0..8 {
            reseal(&already).await;
        }
    };
    tokio::join!(using, resealing);

    // The last replica that used the old one is gone: what it has left is the last.
    let (_, under) = reseal(&already).await;
    assert_eq!(under, BTreeMap::from([("k2".to_owned(), 12 * 6)]));
    assert_eq!(reseal(&already).await.0, 0, "there is nothing left to do");
    let without = replica(&desk, &[k2], "k2");
    assert_eq!(personal(&without, &ids[0]).await, before);

    let mere = replica(&desk, &[k2], "k2");
    let cadre = mere.reseal_personal_data(by(&cadre(), ResealPersonalDataRequest {}));
    assert!(matches!(
        error(cadre.await),
        chassis::error::Error::PermissionDenied
    ));
    desk.close().await;
}
