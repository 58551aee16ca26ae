//! Opaque, signed cursors: the place in a feed, and the place in a list.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::{error::Error, secret::SecretKey};

/// Half a SHA-256: far beyond guessing, and a cursor stays short.
const TAG_BYTES: usize = 16;
/// No cursor or page token of ours is longer.
const TEXT_BYTES_MAX: usize = 1024;

/// Signs and reads cursors with a key that all replicas share.
#[derive(Debug, Clone)]
pub struct CursorKey(SecretKey);

impl CursorKey {
    /// Cursors signed with `key`.
    #[must_use]
    pub const fn new(key: SecretKey) -> Self {
        Self(key)
    }

    /// Cursor behind `position` of the feed of `epoch`.
    #[must_use]
    pub fn feed(&self, epoch: Uuid, position: i64) -> String {
        let mut body = epoch.as_bytes().to_vec();
        body.extend(position.to_be_bytes());
        self.seal("feed", &body)
    }

    /// The position of a feed cursor; empty text is the beginning.
    ///
    /// # Errors
    /// [`Error::CursorInvalid`], or [`Error::CursorEpochChanged`] after a restore.
    pub fn read_feed(&self, epoch: Uuid, text: &str) -> Result<i64, Error> {
        if text.is_empty() {
            return Ok(0);
        }
        let body = self.open("feed", text)?;
        let (found, position) = body.split_at_checked(16).ok_or(Error::CursorInvalid)?;
        if found != epoch.as_bytes() {
            return Err(Error::CursorEpochChanged);
        }
        position
            .try_into()
            .map(i64::from_be_bytes)
            .map_err(|_| Error::CursorInvalid)
    }

    /// Token for the page after the row with sort key `last`. `list` names the list and everything
    /// that filters it: a token is good for that list only.
    #[must_use]
    pub fn page(&self, list: &str, last: &str) -> String {
        self.seal(list, last.as_bytes())
    }

    /// The sort key of a page token; `None` for the first page.
    ///
    /// # Errors
    /// [`Error::CursorInvalid`] for a token that is not of this list.
    pub fn read_page(&self, list: &str, text: &str) -> Result<Option<String>, Error> {
        if text.is_empty() {
            return Ok(None);
        }
        String::from_utf8(self.open(list, text)?)
            .map(Some)
            .map_err(|_| Error::CursorInvalid)
    }

    fn tag(&self, purpose: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose()).ok()?;
        mac.update(b"cursor");
        mac.update(&(purpose.len() as u64).to_be_bytes());
        mac.update(purpose.as_bytes());
        mac.update(body);
        Some(mac)
    }

    fn seal(&self, purpose: &str, body: &[u8]) -> String {
        let mut sealed = body.to_vec();
        if let Some(mac) = self.tag(purpose, body) {
            sealed.extend_from_slice(&mac.finalize().into_bytes()[..TAG_BYTES]);
        }
        BASE64_URL_SAFE_NO_PAD.encode(sealed)
    }

    fn open(&self, purpose: &str, text: &str) -> Result<Vec<u8>, Error> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Error::CursorInvalid);
        }
        let mut body = BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| Error::CursorInvalid)?;
        let at = body
            .len()
            .checked_sub(TAG_BYTES)
            .ok_or(Error::CursorInvalid)?;
        let tag = body.split_off(at);
        let mac = self.tag(purpose, &body).ok_or(Error::CursorInvalid)?;
        mac.verify_truncated_left(&tag)
            .map_err(|_| Error::CursorInvalid)?;
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> CursorKey {
        CursorKey::new(SecretKey::new([7; 32]))
    }

    #[test]
    fn an_epoch_is_noticed() {
        let (epoch, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let cursor = key().feed(epoch, 42);
        assert_eq!(key().read_feed(epoch, &cursor).ok(), Some(42));
        assert!(matches!(
            key().read_feed(other, &cursor),
            Err(Error::CursorEpochChanged)
        ));
        assert_eq!(key().read_feed(epoch, "").ok(), Some(0));
    }

    proptest! {
        #[test]
        fn a_changed_cursor_is_refused(position in 0i64.., at in 0usize..54, to in "[A-Za-z0-9_-]") {
            let cursor = key().feed(Uuid::from_u128(1), position);
            let mut changed = cursor.clone();
            changed.replace_range(at.min(cursor.len() - 1)..=at.min(cursor.len() - 1), &to);
            if changed != cursor {
                prop_assert!(key().read_feed(Uuid::from_u128(1), &changed).is_err());
            }
        }

        #[test]
        fn a_token_is_good_for_its_list_only(last in "\\PC{0,40}") {
            let token = key().page("households/999999", &last);
            prop_assert_eq!(key().read_page("households/999999", &token).ok().flatten(), Some(last));
            prop_assert!(key().read_page("households/999998", &token).is_err());
        }

        #[test]
        fn never_panics(text in "\\PC{0,80}") {
            let _ = key().read_page("x", &text);
            let _ = key().read_feed(Uuid::nil(), &text);
        }
    }
}
