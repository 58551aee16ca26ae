//! Closed code lists: an enum with one stable text per variant.

use std::fmt;

/// A value of a closed code list. The text is stable: it is stored, sent and shown in APIs.
pub trait Code: Copy + Eq + Sized + 'static {
    /// What the list is called in messages, e.g. `Origin`.
    const NAME: &'static str;
    /// Every value, in the order of the source.
    const ALL: &'static [Self];

    /// The stable SCREAMING_SNAKE text.
    fn as_str(self) -> &'static str;

    /// Reads the stable text.
    ///
    /// # Errors
    /// [`UnknownCode`] names the list and the text that is not in it.
    fn parse(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| UnknownCode {
                list: Self::NAME,
                expected: Self::ALL
                    .iter()
                    .map(|code| code.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }
}

/// A text that is in no place of a code list. The text itself is not kept: it may hold anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCode {
    /// Name of the code list.
    pub list: &'static str,
    /// The texts that would have been accepted.
    pub expected: String,
}

impl fmt::Display for UnknownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown {}, expected one of {}",
            self.list, self.expected
        )
    }
}

impl std::error::Error for UnknownCode {}

/// Declares a code list: an enum, its texts and its [`Code`] implementation.
#[macro_export]
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $crate::Code for $name {
            const NAME: &'static str = stringify!($name);
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::Code::as_str(*self))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownCode;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::Code::parse(text)
            }
        }

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str($crate::Code::as_str(*self))
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as $crate::serde::Deserialize>::deserialize(from)?;
                $crate::Code::parse(&text).map_err($crate::serde::de::Error::custom)
            }
        }
    };
}
