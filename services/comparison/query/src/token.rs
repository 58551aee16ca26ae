//! Query tokens: JWTs (RFC 7519) signed with Ed25519 (RFC 8037), checked offline by a JWK set (RFC 7517)
//! that the county publishes.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use comparison_core::answer::TOKEN_CHARS_MAX;
use ed25519_dalek::pkcs8::{EncodePrivateKey as _, KeypairBytes};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    jwk::{Jwk, ThumbprintHash},
};
use kernel::{Code, Department, IdNumber, ItemKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// So that no token of another kind is taken for a query's (RFC 8725, 3.11).
const TYPE: &str = "backstop-query+jwt";
/// What households authorise (S18).
const PURPOSE: &str = "monitoring";
/// Keys of a set: one signs, a few others have signed.
const KEYS_MAX: usize = 16;

/// A question about one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Which question.
    pub id: Uuid,
    /// Whom it is put to.
    pub department: Department,
    /// What is asked for.
    pub item: ItemKind,
    /// What it is needed for.
    pub case: Uuid,
    /// When it was put.
    pub asked_at: DateTime<Utc>,
    /// Answers are taken until then.
    pub expires_at: DateTime<Utc>,
    person: String,
}

impl Query {
    /// A question about the person with `id_number`.
    #[must_use]
    pub fn about(
        id_number: &IdNumber,
        id: Uuid,
        department: Department,
        item: ItemKind,
        case: Uuid,
        asked_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Self {
        Self {
            person: person(id, id_number),
            id,
            department,
            item,
            case,
            asked_at,
            expires_at,
        }
    }

    /// Whether it is about that person and for that case.
    ///
    /// # Errors
    /// Which of the two it is not.
    pub fn check(&self, id_number: &IdNumber, case: Uuid) -> Result<(), TokenFault> {
        if self.person != person(self.id, id_number) {
            return Err(TokenFault::OtherPerson);
        }
        if self.case != case {
            return Err(TokenFault::OtherCase);
        }
        Ok(())
    }
}

/// Whom a token is about, for those who know the number; another one in every token. A token is as
/// private as the number itself: there are few enough numbers to try them all.
fn person(id: Uuid, id_number: &IdNumber) -> String {
    let mut hash = Sha256::new();
    hash.update(b"backstop query\0");
    hash.update(id.as_bytes());
    hash.update(id_number.expose().as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(hash.finalize())
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    jti: Uuid,
    iat: i64,
    exp: i64,
    purpose: String,
    item: String,
    case: Uuid,
    person: String,
}

/// Why a token is not taken. Order as it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is no query token at all.
    #[error("no query token")]
    Malformed,
    /// No key of the county has signed it.
    #[error("signed by no key of the county")]
    Signature,
    /// It was given to another department.
    #[error("for another department")]
    OtherDepartment,
    /// It was given for another item.
    #[error("for another item")]
    OtherItem,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// It is about somebody else.
    #[error("about another person")]
    OtherPerson,
    /// It was given for another case.
    #[error("for another case")]
    OtherCase,
}

impl TokenFault {
    /// Stable name; [`comparison_core::row::reason`] has the sentence.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "TOKEN_MALFORMED",
            Self::Signature => "TOKEN_SIGNATURE",
            Self::OtherDepartment => "TOKEN_OTHER_DEPARTMENT",
            Self::OtherItem => "TOKEN_OTHER_ITEM",
            Self::Expired => "TOKEN_EXPIRED",
            Self::OtherPerson => "TOKEN_OTHER_PERSON",
            Self::OtherCase => "TOKEN_OTHER_CASE",
        }
    }
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeys {
    /// Not an Ed25519 key.
    #[error("no Ed25519 key: {0}")]
    Key(String),
    /// Not what a county publishes.
    #[error("not a county's query keys: {0}")]
    Set(#[from] serde_json::Error),
    /// None, or more than sixteen.
    #[error("1 to {KEYS_MAX} keys expected")]
    Number,
}

fn invalid(error: impl ToString) -> InvalidKeys {
    InvalidKeys::Key(error.to_string())
}

/// What signs.
pub struct Signer {
    issuer: String,
    key: EncodingKey,
    public: Jwk,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// Signs for the county `issuer` with the Ed25519 key of a seed.
    ///
    /// # Errors
    /// The seed makes no key, which does not happen.
    pub fn new(issuer: &str, seed: &[u8; 32]) -> Result<Self, InvalidKeys> {
        let pair = KeypairBytes {
            secret_key: *seed,
            // The form that is read.
            public_key: None,
        };
        let der = pair.to_pkcs8_der().map_err(invalid)?;
        let key = EncodingKey::from_ed_der(der.as_bytes());
        let mut public = Jwk::from_encoding_key(&key, Algorithm::EdDSA).map_err(invalid)?;
        let thumbprint = public.thumbprint(ThumbprintHash::SHA256).map_err(invalid)?;
        public.common.key_id = Some(thumbprint);
        Ok(Self {
            issuer: issuer.to_owned(),
            key,
            public,
        })
    }

    /// The token of a question; the same question has the same token.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn sign(&self, query: &Query) -> Result<String, InvalidKeys> {
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: query.department.to_string(),
            jti: query.id,
            iat: query.asked_at.timestamp(),
            exp: query.expires_at.timestamp(),
            purpose: PURPOSE.to_owned(),
            item: query.item.as_str().to_owned(),
            case: query.case,
            person: query.person.clone(),
        };
        let header = Header {
            typ: Some(TYPE.to_owned()),
            kid: self.public.common.key_id.clone(),
            ..Header::new(Algorithm::EdDSA)
        };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(invalid)
    }
}

#[derive(Serialize, Deserialize)]
struct Published {
    issuer: String,
    keys: Vec<Jwk>,
}

/// What tokens are checked with: the county's name, and the keys that sign or have signed.
pub struct Keys {
    published: Published,
    /// By the names of the keys.
    keys: Vec<(String, DecodingKey)>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("issuer", &self.published.issuer)
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// Those of a county: the one that signs, then those that have signed before it.
    ///
    /// # Errors
    /// Too many of them.
    pub fn of(signer: &Signer, earlier: &[Signer]) -> Result<Self, InvalidKeys> {
        let signers = std::iter::once(signer).chain(earlier);
        Self::read(Published {
            issuer: signer.issuer.clone(),
            keys: signers.map(|signer| signer.public.clone()).collect(),
        })
    }

    /// Reads what a county publishes.
    ///
    /// # Errors
    /// It is not that.
    pub fn parse(json: &str) -> Result<Self, InvalidKeys> {
        Self::read(serde_json::from_str(json)?)
    }

    fn read(published: Published) -> Result<Self, InvalidKeys> {
        if !(1..=KEYS_MAX).contains(&published.keys.len()) {
            return Err(InvalidKeys::Number);
        }
        let keys = published.keys.iter().map(|jwk| {
            let name = jwk.common.key_id.clone();
            let name = name.ok_or_else(|| invalid("a key without kid"))?;
            Ok((name, DecodingKey::from_jwk(jwk).map_err(invalid)?))
        });
        let keys = keys.collect::<Result<_, InvalidKeys>>()?;
        Ok(Self { published, keys })
    }

    /// The JWK set to publish, with the county's name.
    ///
    /// # Errors
    /// None: keys are text.
    pub fn to_json(&self) -> Result<String, InvalidKeys> {
        Ok(serde_json::to_string(&self.published)?)
    }

    /// Reads a token that was given to `department` for `item` and is good at `now`. Whom it is about and
    /// for which case is [`Query::check`]'s.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read_token(
        &self,
        token: &str,
        department: &Department,
        item: ItemKind,
        now: DateTime<Utc>,
    ) -> Result<Query, TokenFault> {
        if token.len() > TOKEN_CHARS_MAX {
            return Err(TokenFault::Malformed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenFault::Malformed)?;
        if header.typ.as_deref() != Some(TYPE) {
            return Err(TokenFault::Malformed);
        }
        let named = |name: &str| self.keys.iter().find(|(known, _)| known == name);
        let (_, key) = header
            .kid
            .as_deref()
            .and_then(named)
            .ok_or(TokenFault::Signature)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.published.issuer]);
        // Each has an answer of its own, and time is the caller's.
        validation.validate_aud = false;
        validation.validate_exp = false;
        let read = jsonwebtoken::decode::<Claims>(token, key, &validation);
        let claims = read.map_err(|_| TokenFault::Signature)?.claims;
        if claims.aud != department.as_str() {
            return Err(TokenFault::OtherDepartment);
        }
        if claims.item != item.as_str() || claims.purpose != PURPOSE {
            return Err(TokenFault::OtherItem);
        }
        let at = |seconds| DateTime::from_timestamp(seconds, 0).ok_or(TokenFault::Malformed);
        let (asked_at, expires_at) = (at(claims.iat)?, at(claims.exp)?);
        if expires_at <= now {
            return Err(TokenFault::Expired);
        }
        Ok(Query {
            id: claims.jti,
            department: department.clone(),
            item,
            case: claims.case,
            asked_at,
            expires_at,
            person: claims.person,
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{Days, TimeDelta};
    use jsonwebtoken::encode;
    use proptest::prelude::*;

    use super::*;

    fn number(serial: u32) -> IdNumber {
        let digits = format!("99999919800101{serial:03}");
        let check = IdNumber::check_character(&digits.as_bytes().try_into().expect("17"));
        format!("{digits}{check}").parse().expect("a number")
    }

    fn now() -> DateTime<Utc> {
        "2026-08-01T04:00:00Z".parse().expect("an instant")
    }

    fn banking() -> Department {
        "banking".parse().expect("a department")
    }

    fn query() -> Query {
        let until = now() + Days::new(15);
        let (id, case) = (Uuid::from_u128(1), Uuid::from_u128(2));
        Query::about(
            &number(1),
            id,
            banking(),
            ItemKind::BankDeposit,
            case,
            now(),
            until,
        )
    }

    fn signer(seed: u8) -> Signer {
        Signer::new("county.example/999999", &[seed; 32]).expect("a key")
    }

    #[test]
    fn a_token_says_who_what_for_which_case_and_until_when() {
        let (signer, query) = (signer(1), query());
        let keys = Keys::of(&signer, &[]).expect("keys");
        // A department has nothing but what is published.
        let keys = Keys::parse(&keys.to_json().expect("json")).expect("the same");
        let token = signer.sign(&query).expect("signed");
        assert_eq!(
            signer.sign(&query).expect("signed"),
            token,
            "the same again"
        );
        assert!(token.len() < TOKEN_CHARS_MAX, "{}", token.len());
        let read = |department: &str, item, now| {
            keys.read_token(&token, &department.parse().expect("one"), item, now)
        };
        let known = read("banking", ItemKind::BankDeposit, now()).expect("good");
        assert_eq!(known, query);
        assert_eq!(known.check(&number(1), query.case), Ok(()));
        assert_eq!(
            known.check(&number(2), query.case),
            Err(TokenFault::OtherPerson)
        );
        assert_eq!(
            known.check(&number(1), query.id),
            Err(TokenFault::OtherCase)
        );
        for (department, item, at, fault) in [
            (
                "housing",
                ItemKind::BankDeposit,
                now(),
                TokenFault::OtherDepartment,
            ),
            ("banking", ItemKind::Vehicle, now(), TokenFault::OtherItem),
            (
                "banking",
                ItemKind::BankDeposit,
                query.expires_at,
                TokenFault::Expired,
            ),
        ] {
            assert_eq!(read(department, item, at), Err(fault));
        }
        let last = query.expires_at - TimeDelta::seconds(1);
        assert!(read("banking", ItemKind::BankDeposit, last).is_ok());
    }

    #[test]
    fn the_number_is_in_no_token() {
        let token = signer(1).sign(&query()).expect("signed");
        let claims = token.split('.').nth(1).expect("claims");
        let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).expect("base64");
        let claims = String::from_utf8(claims).expect("text");
        assert!(
            !claims.contains(number(1).expose()) && !claims.contains("19800101"),
            "{claims}"
        );
    }

    #[test]
    fn a_key_that_has_signed_is_kept_and_a_strangers_is_not_taken() {
        let (old, new, stranger) = (signer(1), signer(2), signer(3));
        let token = old.sign(&query()).expect("signed");
        let read = |keys: &Keys, token: &str| {
            keys.read_token(token, &banking(), ItemKind::BankDeposit, now())
        };
        let rotated = Keys::of(&new, std::slice::from_ref(&old)).expect("keys");
        assert!(read(&rotated, &token).is_ok(), "signed before the rotation");
        assert!(read(&rotated, &new.sign(&query()).expect("signed")).is_ok());
        let dropped = Keys::of(&new, &[]).expect("keys");
        assert_eq!(read(&dropped, &token), Err(TokenFault::Signature));
        let theirs = stranger.sign(&query()).expect("signed");
        assert_eq!(read(&rotated, &theirs), Err(TokenFault::Signature));
        let elsewhere = Signer::new("county.example/888888", &[2; 32]).expect("a key");
        let theirs = elsewhere.sign(&query()).expect("signed");
        assert_eq!(
            read(&rotated, &theirs),
            Err(TokenFault::Signature),
            "another county"
        );
        assert!(matches!(Keys::parse("{}"), Err(InvalidKeys::Set(_))));
        let none = r#"{"issuer":"x","keys":[]}"#;
        assert!(matches!(Keys::parse(none), Err(InvalidKeys::Number)));
    }

    #[test]
    fn a_token_of_another_kind_or_algorithm_is_none() {
        let signer = signer(1);
        let keys = Keys::of(&signer, &[]).expect("keys");
        let claims: serde_json::Value = {
            let token = signer.sign(&query()).expect("signed");
            let claims = token.split('.').nth(1).expect("claims");
            let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).expect("base64");
            serde_json::from_slice(&claims).expect("json")
        };
        let read = |token: &str| {
            keys.read_token(token, &banking(), ItemKind::BankDeposit, now())
                .expect_err("refused")
        };
        let plain = encode(&Header::new(Algorithm::EdDSA), &claims, &signer.key).expect("signed");
        assert_eq!(read(&plain), TokenFault::Malformed, "a session's token");
        let header = Header {
            typ: Some(TYPE.to_owned()),
            kid: signer.public.common.key_id.clone(),
            ..Header::new(Algorithm::HS256)
        };
        let confused =
            encode(&header, &claims, &EncodingKey::from_secret(b"public")).expect("signed");
        assert_eq!(read(&confused), TokenFault::Signature, "another algorithm");
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_token(at in 0usize..400, with in any::<u8>(), text in ".{0,200}") {
            let signer = signer(1);
            let keys = Keys::of(&signer, &[]).expect("keys");
            let read = |token: &str| {
                keys.read_token(token, &banking(), ItemKind::BankDeposit, now())
            };
            prop_assert!(read(&text).is_err());
            let mut bent = signer.sign(&query()).expect("signed").into_bytes();
            let at = at % bent.len();
            bent[at] = BENT[usize::from(with) % BENT.len()];
            let bent = String::from_utf8(bent).expect("ascii");
            // The last character of a part has bits that stand for nothing.
            if let Ok(query) = read(&bent) {
                prop_assert_eq!(query, self::query());
            }
        }
    }

    const BENT: &[u8] = b"AZaz09-_.=+";
}
