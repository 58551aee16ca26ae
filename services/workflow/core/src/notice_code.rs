//! The code that names an entry of a public notice when somebody objects to it (WF-8).

use std::{fmt, str::FromStr};

/// Digits and capitals without I, L, O and U, which are read as others (Crockford).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code; it is written in two halves.
const LENGTH: usize = 10;
/// Bits of a code: five for each character. Nobody finds one by trying.
const BITS: u32 = 50;

/// A code such as `7K2Q9-MXD3F`. It says nothing of whom it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NoticeCode([u8; LENGTH]);

impl NoticeCode {
    /// A code of random bits.
    #[must_use]
    pub fn of_bits(random: u64) -> Self {
        let mut code = [0; LENGTH];
        for (at, letter) in code.iter_mut().enumerate() {
            let shift = BITS - 5 * (u32::try_from(at).unwrap_or_default() + 1);
            let index = usize::try_from(random >> shift & 31).unwrap_or_default();
            *letter = ALPHABET[index];
        }
        Self(code)
    }

    /// The code in one piece, as it is stored.
    #[must_use]
    pub fn plain(&self) -> String {
        self.0.iter().map(|letter| char::from(*letter)).collect()
    }
}

impl fmt::Display for NoticeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.plain();
        let (first, second) = plain.split_at(LENGTH / 2);
        write!(f, "{first}-{second}")
    }
}

/// A text that is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidNoticeCode;

impl fmt::Display for InvalidNoticeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a code of ten letters and digits, as it is printed on the notice")
    }
}

impl std::error::Error for InvalidNoticeCode {}

impl FromStr for NoticeCode {
    type Err = InvalidNoticeCode;

    /// Reads a code as people copy it: in small letters, with spaces, with an O for a zero.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let written = text.chars().filter(|c| !matches!(c, '-' | ' '));
        let letters = written.map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            c => c,
        });
        let mut code = [0; LENGTH];
        let mut length = 0;
        for letter in letters {
            let known = u8::try_from(letter).ok().filter(|l| ALPHABET.contains(l));
            let place = code.get_mut(length).ok_or(InvalidNoticeCode)?;
            *place = known.ok_or(InvalidNoticeCode)?;
            length += 1;
        }
        if length == LENGTH {
            Ok(Self(code))
        } else {
            Err(InvalidNoticeCode)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_read_as_people_copy_it() {
        let code = NoticeCode::of_bits(0x3_ffff_ffff_ffff - 1);
        assert_eq!(code.to_string(), "ZZZZZ-ZZZZY");
        for text in ["ZZZZZ-ZZZZY", "zzzzz zzzzy", " ZZZZZZZZZY "] {
            assert_eq!(text.parse(), Ok(code), "{text}");
        }
        assert_eq!("OIL00-00000".parse(), "01100-00000".parse::<NoticeCode>());
        for text in ["", "ZZZZZ", "ZZZZZ-ZZZZYY", "ZZZZZ-ZZZZU", "ZZZZZ-ZZZZ字"] {
            assert_eq!(text.parse::<NoticeCode>(), Err(InvalidNoticeCode), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_code_reads_back(random in any::<u64>()) {
            let code = NoticeCode::of_bits(random);
            prop_assert_eq!(code.to_string().parse(), Ok(code));
            prop_assert_eq!(code.plain().parse(), Ok(code));
        }

        #[test]
        fn no_text_breaks_the_reader(text in ".{0,30}") {
            let _ = text.parse::<NoticeCode>();
        }
    }
}
