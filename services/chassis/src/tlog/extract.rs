//! An extract of the log: every item about one subject, with what proves that each is in it. Checked by
//! anybody who has the log's public key, offline.

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    checkpoint::{Checkpoint, LogVerifier, NotGenuine},
    proof::check_inclusion,
};
use crate::{
    feed::Stored,
    ledger::{self, Leaf, MAC_BYTES},
    merkle::Hash,
};

/// What the file is, and its version.
const FORMAT: &str = "backstop-extract/1";
/// Fifty items are usual.
const ITEMS_MAX: usize = 10_000;
/// Bytes of the verify code: nobody finds another extract with the same.
const CODE_BYTES: usize = 16;

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extract {
    /// What it is.
    pub format: String,
    /// What it is about.
    pub subject: Uuid,
    /// The checkpoint that everything is proved against, as a signed note.
    pub checkpoint: String,
    /// In order.
    pub items: Vec<Entry>,
}

/// An item with its proof. Bytes are base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Place in the log, from 1.
    pub position: i64,
    /// e.g. `case.enrolled`.
    pub kind: String,
    /// Where it lies.
    pub division: String,
    /// Set when it belongs to a department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// Trace context of the change.
    pub traceparent: String,
    /// When it was recorded, UTC to the microsecond.
    pub recorded_at: String,
    /// The encoded message; absent when it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// Keyed hash of the message: what the log holds of it.
    pub payload_hash: String,
    /// Key of that hash; absent for items of before there were such keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<String>,
    /// Inclusion proof, lowest sibling first.
    pub proof: Vec<String>,
}

/// What is wrong with an extract, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Another kind of file, or another version.
    #[error("the file is no extract that this program reads")]
    Format,
    /// The checkpoint.
    #[error("{0}")]
    Checkpoint(NotGenuine),
    /// The order of positions.
    #[error("item {position} is not in its place")]
    Order {
        /// Its position.
        position: i64,
    },
    /// A field that does not read.
    #[error("item {position}: {field} was altered")]
    Field {
        /// Its position.
        position: i64,
        /// The field.
        field: &'static str,
    },
    /// The message is not the one that was recorded.
    #[error("item {position}: its content was altered")]
    Payload {
        /// Its position.
        position: i64,
    },
    /// The rest of the item is not what was recorded, or its proof is not one.
    #[error("item {position} is not in the log as it stands here")]
    NotIncluded {
        /// Its position.
        position: i64,
    },
}

/// An extract that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What it was proved against.
    pub checkpoint: Checkpoint,
    /// Stands for this extract and no other.
    pub code: String,
    /// Positions of items whose content is not in the file, or cannot be checked without the key of the
    /// ledger.
    pub unopened: Vec<i64>,
}

impl Extract {
    /// An extract without items yet.
    #[must_use]
    pub fn new(subject: Uuid, checkpoint: String) -> Self {
        Self {
            format: FORMAT.to_owned(),
            subject,
            checkpoint,
            items: Vec::new(),
        }
    }

    /// Checks everything that is in the file.
    ///
    /// # Errors
    /// Everything that is wrong, in order.
    pub fn check(&self, log: &LogVerifier) -> Result<Checked, Vec<Flaw>> {
        if self.format != FORMAT || self.items.len() > ITEMS_MAX {
            return Err(vec![Flaw::Format]);
        }
        let checkpoint = log.open(&self.checkpoint);
        let checkpoint = checkpoint.map_err(|wrong| vec![Flaw::Checkpoint(wrong)])?;
        let (mut flaws, mut unopened, mut before) = (Vec::new(), Vec::new(), 0);
        let mut code = Sha256::new_with_prefix(FORMAT);
        code.update(self.subject.as_bytes());
        code.update(checkpoint.size.to_be_bytes());
        code.update(checkpoint.root);
        for item in &self.items {
            if item.position <= before {
                flaws.push(Flaw::Order {
                    position: item.position,
                });
            }
            before = before.max(item.position);
            match item.check(self.subject, &checkpoint) {
                Ok((leaf, opened)) => {
                    code.update(leaf);
                    if !opened {
                        unopened.push(item.position);
                    }
                }
                Err(flaw) => flaws.push(flaw),
            }
        }
        if !flaws.is_empty() {
            return Err(flaws);
        }
        Ok(Checked {
            checkpoint,
            code: grouped(&code.finalize()[..CODE_BYTES]),
            unopened,
        })
    }
}

impl Entry {
    /// A stored item. `payload_mac` is its row's.
    #[must_use]
    pub fn new(item: &Stored, payload_mac: &[u8], opening: Option<Hash>, proof: &[Hash]) -> Self {
        Self {
            position: item.position,
            kind: item.kind.clone(),
            division: item.division.to_string(),
            department: item.department.as_ref().map(ToString::to_string),
            traceparent: item.traceparent.clone(),
            recorded_at: written(item.recorded_at),
            payload: item
                .payload
                .as_ref()
                .map(|bytes| BASE64_STANDARD.encode(bytes)),
            payload_hash: BASE64_STANDARD.encode(payload_mac),
            opening: opening.map(|bytes| BASE64_STANDARD.encode(bytes)),
            proof: proof
                .iter()
                .map(|hash| BASE64_STANDARD.encode(hash))
                .collect(),
        }
    }

    /// The leaf, and whether the content was checked.
    fn check(&self, subject: Uuid, checkpoint: &Checkpoint) -> Result<(Hash, bool), Flaw> {
        let position = self.position;
        let altered = |field| Flaw::Field { position, field };
        let read = |field, text: &str| BASE64_STANDARD.decode(text).map_err(|_| altered(field));
        let payload_mac = read("payload_hash", &self.payload_hash)?;
        let recorded_at = DateTime::parse_from_rfc3339(&self.recorded_at);
        let recorded_at = recorded_at.map_err(|_| altered("recorded_at"))?.to_utc();
        // The leaf knows microseconds, and a text that says more says what nobody recorded.
        if written(recorded_at) != self.recorded_at {
            return Err(altered("recorded_at"));
        }
        let proof: Option<Vec<Hash>> = self.proof.iter().map(|text| hash(text)).collect();
        let proof = proof.ok_or(altered("proof"))?;
        let leaf = Leaf {
            position,
            kind: &self.kind,
            subject,
            division: &self.division,
            department: self.department.as_deref(),
            traceparent: &self.traceparent,
            recorded_at,
            payload_mac: &payload_mac,
        };
        let leaf = leaf.hash();
        let index = u64::try_from(position.saturating_sub(1)).unwrap_or(u64::MAX);
        let Checkpoint { size, root } = *checkpoint;
        // An empty department reads as none; it must not be written otherwise.
        if self.department.as_deref() == Some("")
            || !check_inclusion(leaf, index, size, root, &proof)
        {
            return Err(Flaw::NotIncluded { position });
        }
        let payload = match &self.payload {
            Some(payload) => Some(read("payload", payload)?),
            None => None,
        };
        let opening = match &self.opening {
            Some(opening) => Some(hash(opening).ok_or(altered("opening"))?),
            None => None,
        };
        match (payload, opening) {
            // An item of before, whose content only the ledger's own check can judge.
            (Some(_), None) if payload_mac.len() != MAC_BYTES => Ok((leaf, false)),
            (Some(payload), Some(opening)) if payload_mac == ledger::opened(&opening, &payload) => {
                Ok((leaf, true))
            }
            // Erased, and the log still holds that it was there.
            (None, None) => Ok((leaf, false)),
            _ => Err(Flaw::Payload { position }),
        }
    }
}

fn hash(text: &str) -> Option<Hash> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}

fn written(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Groups of four, as people read them to each other.
fn grouped(bytes: &[u8]) -> String {
    let digits = hex::encode_upper(bytes);
    let groups: Vec<&str> = (0..digits.len())
        .step_by(4)
        .map(|at| &digits[at..at + 4])
        .collect();
    groups.join("-")
}
