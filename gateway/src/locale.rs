//! The language that a caller reads: Chinese unless English is asked for.

use http::{HeaderMap, header::ACCEPT_LANGUAGE};

/// A language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locale {
    /// zh-CN, the default.
    Zh,
    /// English.
    En,
}

impl Locale {
    /// The language that `Accept-Language` names first.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let wanted = headers
            .get(ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok());
        let first = wanted.and_then(|wanted| wanted.split([',', ';']).next());
        let english = first.is_some_and(|tag| tag.trim().to_ascii_lowercase().starts_with("en"));
        if english { Self::En } else { Self::Zh }
    }
}
