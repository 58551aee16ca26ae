//! Checkpoints: how long the log is and what its root is, signed by the log and cosigned by witnesses
//! (signed-note, tlog-checkpoint, tlog-cosignature with Ed25519).

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use ed25519_dalek::{Signature as Ed25519Signature, Signer as _, SigningKey, VerifyingKey};
use signed_note::{Note, Signature, StandardVerifier, Verifier, VerifierList};

use crate::{merkle::Hash, secret::SecretKey};

/// Algorithm byte of a log's key and of a witness's key (signed-note, tlog-cosignature).
const LOG_KEY: u8 = 1;
const WITNESS_KEY: u8 = 4;
/// A checkpoint with a hundred cosignatures is below.
const NOTE_BYTES_MAX: usize = 32 * 1024;
/// A verifier key is a name and 44 characters.
const KEY_BYTES_MAX: usize = 512;

/// A text that is no key of the kind that is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a key such as example.org/log+1a2b3c4d+AR…")]
pub struct InvalidKey;

/// A checkpoint that is not what its signer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotGenuine {
    /// No note at all, or no checkpoint in it.
    #[error("this is no checkpoint")]
    Malformed,
    /// The signature of the key is missing or wrong.
    #[error("the checkpoint is not signed by the key")]
    Signature,
    /// Signed by the key, for another log.
    #[error("the checkpoint is another log's")]
    Origin,
}

/// How long a log is and what its root is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

/// The private key of a log. `Debug` shows the public part.
pub struct LogKey {
    origin: String,
    key: SigningKey,
}

impl LogKey {
    /// The key of the log `origin`, a name without spaces and plus signs.
    ///
    /// # Errors
    /// The name is not one.
    pub fn new(origin: &str, secret: &SecretKey) -> Result<Self, InvalidKey> {
        if !is_name(origin) {
            return Err(InvalidKey);
        }
        Ok(Self {
            origin: origin.to_owned(),
            key: SigningKey::from_bytes(secret.expose()),
        })
    }

    /// What others check with.
    #[must_use]
    pub fn verifier(&self) -> LogVerifier {
        LogVerifier {
            origin: self.origin.clone(),
            key: self.key.verifying_key(),
        }
    }

    /// The signed note.
    ///
    /// # Errors
    /// The origin cannot be written as a note, which [`LogKey::new`] rules out.
    pub fn sign(&self, checkpoint: &Checkpoint) -> Result<String, NotGenuine> {
        let root = tlog_tiles::Hash(checkpoint.root);
        let body = tlog_tiles::Checkpoint::new(&self.origin, checkpoint.size, root, "");
        let body = body.map_err(|_| NotGenuine::Malformed)?.to_bytes();
        let signature = self.key.sign(&body).to_bytes().to_vec();
        let id = key_id(&self.origin, LOG_KEY, &self.key.verifying_key());
        let line = Signature::new(self.origin.clone(), id, signature);
        let line = line.map_err(|_| NotGenuine::Malformed)?;
        let note = Note::new(&body, &[line]).map_err(|_| NotGenuine::Malformed)?;
        String::from_utf8(note.to_bytes()).map_err(|_| NotGenuine::Malformed)
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({})", self.verifier())
    }
}

/// The public key of a log, written `<origin>+<id>+<key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogVerifier {
    origin: String,
    key: VerifyingKey,
}

impl LogVerifier {
    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Name and id of the key, as short as it can be printed.
    #[must_use]
    pub fn name(&self) -> String {
        format!(
            "{}+{:08x}",
            self.origin,
            key_id(&self.origin, LOG_KEY, &self.key)
        )
    }

    /// What a note says, if this log has signed it.
    ///
    /// # Errors
    /// It has not.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NotGenuine> {
        let note = parse(note)?;
        let verifier =
            StandardVerifier::new(&self.to_string()).map_err(|_| NotGenuine::Signature)?;
        let signed = note.verify(&VerifierList::new(vec![Box::new(verifier)]));
        signed.map_err(|_| NotGenuine::Signature)?;
        let body = tlog_tiles::Checkpoint::from_bytes(note.text());
        let body = body.map_err(|_| NotGenuine::Malformed)?;
        if body.origin() != self.origin {
            return Err(NotGenuine::Origin);
        }
        Ok(Checkpoint {
            size: body.size(),
            root: body.hash().0,
        })
    }
}

impl fmt::Display for LogVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(&self.origin, LOG_KEY, &self.key))
    }
}

impl std::str::FromStr for LogVerifier {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let (origin, key) = read(text, LOG_KEY)?;
        Ok(Self { origin, key })
    }
}

/// The private key of a witness.
pub struct Cosigner {
    name: String,
    key: SigningKey,
}

impl Cosigner {
    /// The key of the witness `name`.
    ///
    /// # Errors
    /// The name is not one.
    pub fn new(name: &str, secret: &SecretKey) -> Result<Self, InvalidKey> {
        if !is_name(name) {
            return Err(InvalidKey);
        }
        Ok(Self {
            name: name.to_owned(),
            key: SigningKey::from_bytes(secret.expose()),
        })
    }

    /// What others check with.
    #[must_use]
    pub fn verifier(&self) -> WitnessVerifier {
        WitnessVerifier {
            name: self.name.clone(),
            id: key_id(&self.name, WITNESS_KEY, &self.key.verifying_key()),
            key: self.key.verifying_key(),
        }
    }

    /// The signature line that says: at `at` this was the longest log that the witness had seen, and it
    /// went on from what was seen before.
    ///
    /// # Errors
    /// It is no note.
    pub fn cosign(&self, note: &str, at: DateTime<Utc>) -> Result<String, NotGenuine> {
        let note = parse(note)?;
        let at = at.timestamp().max(0).unsigned_abs();
        let signature = self.key.sign(&cosigned(at, note.text()));
        let mut bytes = at.to_be_bytes().to_vec();
        bytes.extend(signature.to_bytes());
        let line = Signature::new(self.name.clone(), self.verifier().id, bytes);
        let line = line.map_err(|_| NotGenuine::Malformed)?;
        String::from_utf8(line.to_bytes()).map_err(|_| NotGenuine::Malformed)
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.verifier())
    }
}

/// The public key of a witness, written `<name>+<id>+<key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessVerifier {
    name: String,
    id: u32,
    key: VerifyingKey,
}

/// What a witness has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// The witness.
    pub name: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The signature line, with its end.
    pub line: String,
}

impl WitnessVerifier {
    /// The witness.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cosignature of this witness under a note, if there is one.
    ///
    /// # Errors
    /// It is no note, or the witness's signature is wrong.
    pub fn open(&self, note: &str) -> Result<Option<Cosignature>, NotGenuine> {
        let parsed = parse(note)?;
        let known = VerifierList::new(vec![Box::new(self.clone())]);
        let signed = match parsed.verify(&known) {
            Ok((signed, _)) => signed,
            Err(signed_note::NoteError::UnverifiedNote) => return Ok(None),
            Err(_) => return Err(NotGenuine::Signature),
        };
        let Some(signed) = signed.first() else {
            return Ok(None);
        };
        let (at, _) = split(signed.signature()).ok_or(NotGenuine::Signature)?;
        let at = i64::try_from(at).ok();
        let at = at.and_then(|at| DateTime::from_timestamp(at, 0));
        let line = String::from_utf8(signed.to_bytes());
        Ok(Some(Cosignature {
            name: self.name.clone(),
            at: at.ok_or(NotGenuine::Signature)?,
            line: line.map_err(|_| NotGenuine::Malformed)?,
        }))
    }
}

impl Verifier for WitnessVerifier {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        split(signature).is_some_and(|(at, signature)| {
            let message = cosigned(at, message);
            self.key.verify_strict(&message, &signature).is_ok()
        })
    }
}

impl fmt::Display for WitnessVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(&self.name, WITNESS_KEY, &self.key))
    }
}

impl std::str::FromStr for WitnessVerifier {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let (name, key) = read(text, WITNESS_KEY)?;
        let id = key_id(&name, WITNESS_KEY, &key);
        Ok(Self { name, id, key })
    }
}

/// Time and signature of a cosignature.
fn split(signature: &[u8]) -> Option<(u64, Ed25519Signature)> {
    let (at, signature) = signature.split_first_chunk::<8>()?;
    let signature = Ed25519Signature::from_slice(signature).ok()?;
    Some((u64::from_be_bytes(*at), signature))
}

fn cosigned(at: u64, body: &[u8]) -> Vec<u8> {
    let mut message = format!("cosignature/v1\ntime {at}\n").into_bytes();
    message.extend(body);
    message
}

fn parse(note: &str) -> Result<Note, NotGenuine> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(NotGenuine::Malformed);
    }
    Note::from_bytes(note.as_bytes()).map_err(|_| NotGenuine::Malformed)
}

fn is_name(name: &str) -> bool {
    signed_note::is_key_name_valid(name) && name.len() <= 200 && !name.chars().any(char::is_control)
}

fn key_id(name: &str, algorithm: u8, key: &VerifyingKey) -> u32 {
    let mut bytes = vec![algorithm];
    bytes.extend(key.as_bytes());
    signed_note::key_id(name, &bytes)
}

fn written(name: &str, algorithm: u8, key: &VerifyingKey) -> String {
    let mut bytes = vec![algorithm];
    bytes.extend(key.as_bytes());
    let id = key_id(name, algorithm, key);
    format!("{name}+{id:08x}+{}", BASE64_STANDARD.encode(bytes))
}

fn read(text: &str, algorithm: u8) -> Result<(String, VerifyingKey), InvalidKey> {
    let text = text.trim();
    if text.len() > KEY_BYTES_MAX {
        return Err(InvalidKey);
    }
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(InvalidKey);
    };
    let bytes = BASE64_STANDARD.decode(key).map_err(|_| InvalidKey)?;
    let key = match bytes.split_first() {
        Some((first, key)) if *first == algorithm => key,
        _ => return Err(InvalidKey),
    };
    let key = key.try_into().map_err(|_| InvalidKey)?;
    let key = VerifyingKey::from_bytes(key).map_err(|_| InvalidKey)?;
    // Written again it must be the same text, key id and all.
    if !is_name(name) || written(name, algorithm, &key) != text {
        return Err(InvalidKey);
    }
    Ok((name.to_owned(), key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> LogKey {
        LogKey::new("backstop.example/999999", &SecretKey::new([7; 32])).expect("a key")
    }

    fn witness(seed: u8) -> Cosigner {
        Cosigner::new("discipline.example/w1", &SecretKey::new([seed; 32])).expect("a key")
    }

    const CHECKPOINT: Checkpoint = Checkpoint {
        size: 70_000,
        root: [9; 32],
    };

    #[test]
    fn what_was_signed_is_read_and_nothing_else() {
        let (log, note) = (log(), log().sign(&CHECKPOINT).expect("signed"));
        let verifier: LogVerifier = log.verifier().to_string().parse().expect("a key");
        assert_eq!(verifier.open(&note), Ok(CHECKPOINT));
        let first: Vec<&str> = note.lines().take(2).collect();
        assert_eq!(first, ["backstop.example/999999", "70000"]);
        // Every single byte counts.
        for at in 0..note.len() {
            let mut bent = note.clone().into_bytes();
            bent[at] ^= 1;
            if let Ok(bent) = String::from_utf8(bent) {
                assert_ne!(verifier.open(&bent), Ok(CHECKPOINT), "byte {at}");
            }
        }
        let other = LogKey::new("backstop.example/999999", &SecretKey::new([8; 32]));
        let other = other.expect("a key").verifier();
        assert_eq!(other.open(&note), Err(NotGenuine::Signature));
        for bad in ["", "\n\n", "a\n1\n\n— b c\n", &"x".repeat(40_000)] {
            assert!(verifier.open(bad).is_err());
        }
    }

    #[test]
    fn a_witness_signs_what_it_saw_and_when() {
        let at = DateTime::from_timestamp(1_772_420_000, 0).expect("an instant");
        let note = log().sign(&CHECKPOINT).expect("signed");
        let line = witness(1).cosign(&note, at).expect("cosigned");
        let both = format!("{note}{line}");
        assert_eq!(
            log().verifier().open(&both),
            Ok(CHECKPOINT),
            "still the log's"
        );
        let verifier: WitnessVerifier = witness(1).verifier().to_string().parse().expect("a key");
        let found = verifier.open(&both).expect("genuine").expect("there");
        assert_eq!((found.at, found.line), (at, line.clone()));
        assert_eq!(verifier.open(&note), Ok(None));
        assert_eq!(
            witness(2).verifier().open(&both),
            Ok(None),
            "somebody else's key"
        );

        let elsewhere = log()
            .sign(&Checkpoint {
                size: 1,
                ..CHECKPOINT
            })
            .expect("signed");
        let moved = format!("{elsewhere}{line}");
        assert_eq!(verifier.open(&moved), Err(NotGenuine::Signature));
    }

    /// The example of tlog-cosignature: its key ids and its shape.
    #[test]
    fn keys_are_of_one_kind_and_name_themselves() {
        let log_key = log().verifier().to_string();
        let witness_key = witness(1).verifier().to_string();
        assert!(log_key.parse::<WitnessVerifier>().is_err());
        assert!(witness_key.parse::<LogVerifier>().is_err());
        assert!(format!("{:?}", witness(1)).contains(&witness_key));
        // The library reads the log's key as one of its own.
        assert!(StandardVerifier::new(&log_key).is_ok());
        let (name, rest) = log_key.split_once('+').expect("three parts");
        for bad in [
            "",
            "+",
            "++",
            name,
            &format!("other+{rest}"),
            &log_key[..log_key.len() - 1],
            &format!("{log_key}="),
            &log_key.to_uppercase(),
            &format!("{name}++{rest}"),
        ] {
            assert_eq!(bad.parse::<LogVerifier>(), Err(InvalidKey), "{bad}");
        }
        for bad in ["", "with space", "a+b", "line\nbreak"] {
            assert!(LogKey::new(bad, &SecretKey::new([1; 32])).is_err(), "{bad}");
        }
    }
}
