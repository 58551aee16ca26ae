//! What is encrypted at rest: ID numbers and phones, each bound to its column and row; and the keyed
//! hash by which an ID number is found.

use std::{collections::BTreeMap, sync::Arc};

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead, Generate, KeyInit, Payload, consts::U12},
};
use anyhow::{Context, ensure};
use chassis::{error::Error, secret::SecretKey};
use hmac::{Hmac, Mac};
use kernel::IdNumber;
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::Sha256;
use uuid::Uuid;

/// Keys of what is encrypted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SealKeys {
    /// Key id that new values are sealed under.
    pub current: String,
    /// Keys by id. A key stays until nothing is sealed under it any more.
    pub keys: BTreeMap<String, SecretKey>,
}

/// A column whose values are sealed.
#[derive(Debug, Clone, Copy)]
pub enum Column {
    /// ID numbers; the row is the person.
    IdNumber,
    /// ID numbers of relatives; the row is the person.
    RelativeIdNumber,
    /// Phones; the row is the household.
    Phone,
    /// Remembered answers, which hold both; the row is the request.
    Answer,
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Self::IdNumber => "households.members|id_sealed",
            Self::RelativeIdNumber => "households.relatives|id_sealed",
            Self::Phone => "households.households|phone_sealed",
            Self::Answer => "households.idempotency|response",
        }
    }
}

/// Seals and opens. Cheap to clone.
#[derive(Clone)]
pub struct Sealer(Arc<Inner>);

struct Inner {
    current: String,
    keys: BTreeMap<String, Aes256Gcm>,
    lookup: Hmac<Sha256>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer")
            .field("current", &self.0.current)
            .finish_non_exhaustive()
    }
}

/// Form of a sealed value: version, length of the key id, key id, nonce, ciphertext with tag.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;

impl Sealer {
    /// A sealer with the configured keys.
    ///
    /// # Errors
    /// The current key is not among them, or a key id is too long.
    pub fn new(config: &SealKeys, lookup_key: &SecretKey) -> anyhow::Result<Self> {
        ensure!(
            config.keys.contains_key(&config.current),
            "id_number_keys.keys has no key {:?}",
            config.current
        );
        ensure!(
            config.keys.keys().all(|id| (1..=32).contains(&id.len())),
            "a key id of id_number_keys.keys has 1 to 32 bytes"
        );
        let cipher = |key: &SecretKey| Aes256Gcm::new(&(*key.expose()).into());
        let keys = config
            .keys
            .iter()
            .map(|(id, key)| (id.clone(), cipher(key)));
        Ok(Self(Arc::new(Inner {
            current: config.current.clone(),
            keys: keys.collect(),
            lookup: Hmac::new_from_slice(lookup_key.expose())?,
        })))
    }

    /// Seals a value of `column` in the row `row`.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn seal(&self, column: Column, row: Uuid, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let id = &self.0.current;
        let failed = || Error::Internal(anyhow::anyhow!("sealing failed"));
        let cipher = self.0.keys.get(id).ok_or_else(failed)?;
        // 96 random bits: a collision is unlikely below 2^32 values, far more than a county has.
        let nonce = Nonce::<U12>::try_generate().map_err(|_| failed())?;
        let aad = associated(column, row, id);
        let payload = Payload {
            msg: plain,
            aad: &aad,
        };
        let ciphertext = cipher.encrypt(&nonce, payload).map_err(|_| failed())?;
        let mut sealed = Vec::with_capacity(2 + id.len() + NONCE_BYTES + ciphertext.len());
        // Checked on construction: at most 32.
        sealed.extend([VERSION, id.len() as u8]);
        sealed.extend(id.as_bytes());
        sealed.extend(&nonce[..]);
        sealed.extend(ciphertext);
        Ok(sealed)
    }

    /// Opens what was sealed for the same column and row.
    ///
    /// # Errors
    /// The value was changed, moved from another row, or sealed under a key that is gone.
    pub fn open(&self, column: Column, row: Uuid, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        self.try_open(column, row, sealed)
            .with_context(|| format!("{} of row {row}", column.name()))
            .map_err(Error::Internal)
    }

    fn try_open(&self, column: Column, row: Uuid, sealed: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (&[version, id_len], rest) = sealed.split_first_chunk().context("too short")?;
        ensure!(version == VERSION, "unknown version {version}");
        let (id, rest) = rest.split_at_checked(id_len.into()).context("too short")?;
        let (nonce, ciphertext) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .context("too short")?;
        let id = std::str::from_utf8(id)?;
        let cipher = self
            .0
            .keys
            .get(id)
            .with_context(|| format!("no key {id:?}"))?;
        let aad = associated(column, row, id);
        let payload = Payload {
            msg: ciphertext,
            aad: &aad,
        };
        cipher
            .decrypt(&(*nonce).into(), payload)
            .map_err(|_| anyhow::anyhow!("does not open: changed or moved"))
    }

    /// The same, of a text.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn open_text(&self, column: Column, row: Uuid, sealed: &[u8]) -> Result<String, Error> {
        String::from_utf8(self.open(column, row, sealed)?)
            .map_err(|error| Error::Internal(error.utf8_error().into()))
    }

    /// What every value begins with that is sealed under the current key.
    pub(crate) fn beginning(&self) -> Vec<u8> {
        let id = self.0.current.as_bytes();
        // Checked on construction: at most 32.
        [&[VERSION, id.len() as u8], id].concat()
    }

    /// Id of the key that new values are sealed under.
    pub(crate) fn current(&self) -> &str {
        &self.0.current
    }

    /// The same value under the current key.
    ///
    /// # Errors
    /// As for [`Self::open`] and [`Self::seal`].
    pub(crate) fn reseal(&self, column: Column, row: Uuid, old: &[u8]) -> Result<Vec<u8>, Error> {
        self.seal(column, row, &self.open(column, row, old)?)
    }

    /// The keyed hash by which an ID number is found.
    #[must_use]
    pub fn lookup(&self, id_number: &IdNumber) -> Vec<u8> {
        self.keyed_hash("id_number", id_number.expose())
    }

    /// A keyed hash of what a sheet says of a household.
    #[must_use]
    pub fn digest(&self, content: &str) -> Vec<u8> {
        self.keyed_hash("sheet", content)
    }

    fn keyed_hash(&self, purpose: &str, text: &str) -> Vec<u8> {
        let mut mac = self.0.lookup.clone();
        mac.update(purpose.as_bytes());
        mac.update(b"|");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }
}

fn associated(column: Column, row: Uuid, key_id: &str) -> Vec<u8> {
    format!("{}|{row}|{key_id}", column.name()).into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn key(byte: u8) -> SecretKey {
        SecretKey::new([byte; 32])
    }

    fn config(current: &str) -> SealKeys {
        SealKeys {
            current: current.to_owned(),
            keys: [("a".to_owned(), key(1)), ("b".to_owned(), key(2))].into(),
        }
    }

    fn sealer(current: &str) -> Sealer {
        Sealer::new(&config(current), &key(3)).expect("a sealer")
    }

    #[test]
    fn a_value_opens_in_its_own_place_only() {
        let sealer = sealer("a");
        let (row, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = sealer.seal(Column::IdNumber, row, b"x").expect("sealed");
        assert_eq!(
            sealer.open(Column::IdNumber, row, &sealed).expect("open"),
            b"x"
        );
        assert!(sealer.open(Column::IdNumber, other, &sealed).is_err());
        assert!(sealer.open(Column::Phone, row, &sealed).is_err());
        let again = sealer.seal(Column::IdNumber, row, b"x").expect("sealed");
        assert_ne!(sealed, again);
    }

    #[test]
    fn a_new_key_leaves_old_values_readable() {
        let (old, new) = (sealer("a"), sealer("b"));
        let row = Uuid::from_u128(1);
        let sealed = old.seal(Column::Phone, row, b"139").expect("sealed");
        assert_eq!(new.open(Column::Phone, row, &sealed).expect("open"), b"139");
        let mut lost = config("b");
        lost.keys.remove("a");
        let lost = Sealer::new(&lost, &key(3)).expect("a sealer");
        assert!(lost.open(Column::Phone, row, &sealed).is_err());
        assert!(Sealer::new(&config("c"), &key(3)).is_err());
    }

    proptest! {
        #[test]
        fn any_change_is_noticed(at in 0usize..40, bit in 0u8..8, junk: Vec<u8>) {
            let sealer = sealer("a");
            let row = Uuid::from_u128(1);
            let mut sealed = sealer.seal(Column::Phone, row, b"13900000000").expect("sealed");
            let at = at % sealed.len();
            sealed[at] ^= 1 << bit;
            prop_assert!(sealer.open(Column::Phone, row, &sealed).is_err());
            prop_assert!(sealer.open(Column::Phone, row, &junk).is_err());
        }
    }
}
