//! Administrative divisions: 12 digits, 6 county (GB/T 2260) + 3 township + 3 village.

use std::{fmt, str::FromStr};

/// A 12-digit division code of a county, township or village.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DivisionCode([u8; 12]);

/// Level of a division.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DivisionLevel {
    /// 县: `dddddd000000`
    County,
    /// 乡镇: `ddddddddd000`
    Township,
    /// 行政村: `dddddddddddd`
    Village,
}

/// A text that is no division code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a division code has 12 digits and begins with a county")]
pub struct InvalidDivisionCode;

impl DivisionCode {
    /// The code as text, always 12 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The level that the code's trailing zeros say.
    #[must_use]
    pub fn level(&self) -> DivisionLevel {
        match (&self.0[6..9], &self.0[9..]) {
            (b"000", b"000") => DivisionLevel::County,
            (_, b"000") => DivisionLevel::Township,
            _ => DivisionLevel::Village,
        }
    }

    /// The digits that every division inside this one begins with: 6, 9 or 12 of them.
    #[must_use]
    pub fn prefix(&self) -> &str {
        let len = match self.level() {
            DivisionLevel::County => 6,
            DivisionLevel::Township => 9,
            DivisionLevel::Village => 12,
        };
        &self.as_str()[..len]
    }

    /// Whether `other` is this division or lies inside it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.as_str().starts_with(self.prefix())
    }

    /// The division one level up; a county has none within a deployment.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let mut digits = self.0;
        match self.level() {
            DivisionLevel::County => return None,
            DivisionLevel::Township => digits[6..].fill(b'0'),
            DivisionLevel::Village => digits[9..].fill(b'0'),
        }
        Some(Self(digits))
    }

    /// The county that the division lies in.
    #[must_use]
    pub fn county(&self) -> Self {
        let mut digits = self.0;
        digits[6..].fill(b'0');
        Self(digits)
    }
}

impl serde::Serialize for DivisionCode {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for DivisionCode {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for DivisionCode {
    type Err = InvalidDivisionCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: [u8; 12] = text
            .as_bytes()
            .try_into()
            .map_err(|_| InvalidDivisionCode)?;
        let village_without_township = digits[6..9] == *b"000" && digits[9..] != *b"000";
        if !digits.iter().all(u8::is_ascii_digit)
            || digits[..6] == *b"000000"
            || village_without_township
        {
            return Err(InvalidDivisionCode);
        }
        Ok(Self(digits))
    }
}

impl fmt::Display for DivisionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DivisionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> DivisionCode {
        text.parse().expect("a valid code")
    }

    #[test]
    fn levels_and_parents() {
        let village = code("999999001002");
        assert_eq!(village.level(), DivisionLevel::Village);
        assert_eq!(village.parent(), Some(code("999999001000")));
        assert_eq!(
            village.parent().and_then(|t| t.parent()),
            Some(code("999999000000"))
        );
        assert_eq!(code("999999000000").parent(), None);
    }

    #[test]
    fn refuses_what_is_no_code() {
        for text in [
            "",
            "99999900100",
            "9999990010022",
            "99999900100a",
            "999999000001",
            "000000001001",
        ] {
            assert_eq!(
                text.parse::<DivisionCode>(),
                Err(InvalidDivisionCode),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn contains_is_prefix_of_the_level(t in 0u32..1000, v in 0u32..1000, t2 in 0u32..1000, v2 in 0u32..1000) {
            let (Ok(a), Ok(b)) = (
                format!("999999{t:03}{v:03}").parse::<DivisionCode>(),
                format!("999999{t2:03}{v2:03}").parse::<DivisionCode>(),
            ) else { return Ok(()) };
            let expected = match a.level() {
                DivisionLevel::County => true,
                DivisionLevel::Township => t == t2,
                DivisionLevel::Village => (t, v) == (t2, v2),
            };
            prop_assert_eq!(a.contains(&b), expected);
        }
    }
}
