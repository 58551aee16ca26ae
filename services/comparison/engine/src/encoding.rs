//! What offices export: UTF-8, with or without a mark, or GB18030 (of which GBK and GB2312 are parts).

use std::borrow::Cow;

use encoding_rs::GB18030;
use serde::{Deserialize, Serialize};

/// How a file's text is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// GB18030, GBK, GB2312.
    Gb18030,
    /// The file began with ASCII alone: a later cell is UTF-8 where it can be, else GB18030.
    Open,
}

/// Mark of UTF-8.
pub(crate) const UTF8_MARK: &[u8] = b"\xEF\xBB\xBF";
/// Marks of UTF-16, which is not read.
pub(crate) const UTF16_MARKS: [&[u8]; 2] = [b"\xFF\xFE", b"\xFE\xFF"];

impl Encoding {
    /// Tells the encoding of a file by its beginning: UTF-8 if most of what is not ASCII is
    /// well-formed UTF-8. Single names in GBK may be that by accident, a page of them is not; and one
    /// broken character does not make GBK of a file.
    pub(crate) fn of(beginning: &[u8]) -> Self {
        let (mut good, mut bad) = (0, 0);
        for chunk in beginning.utf8_chunks() {
            good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
            bad += usize::from(!chunk.invalid().is_empty());
        }
        match (good, bad) {
            // The last character may have been cut in two.
            (0, 0) => Self::Open,
            _ if good > bad => Self::Utf8,
            _ => Self::Gb18030,
        }
    }

    /// The text of a cell, if it is one.
    pub(crate) fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        let utf8 = || std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
        let gb18030 = || {
            let (text, bad) = GB18030.decode_without_bom_handling(bytes);
            (!bad).then_some(text)
        };
        match self {
            Self::Utf8 => utf8(),
            Self::Gb18030 if bytes.is_ascii() => utf8(),
            Self::Gb18030 => gb18030(),
            Self::Open => utf8().or_else(gb18030),
        }
    }
}

/// A text without what stands around it: blanks of every width, a mark.
pub(crate) fn bare(text: Cow<'_, str>) -> Cow<'_, str> {
    // Nearly always: nothing to take away.
    if let ([b'!'..=b'~', ..], [.., b'!'..=b'~']) = (text.as_bytes(), text.as_bytes()) {
        return text;
    }
    let is_blank = |c: char| c.is_whitespace() || c == '\u{FEFF}';
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches(is_blank)),
        Cow::Owned(text) => match text.trim_matches(is_blank) {
            bare if bare.len() == text.len() => Cow::Owned(text),
            bare => Cow::Owned(bare.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_by_the_beginning() {
        let text = "身份证号,姓名\n999999,联通\n";
        let (gbk, _, _) = GB18030.encode(text);
        assert_eq!(Encoding::of(text.as_bytes()), Encoding::Utf8);
        assert_eq!(Encoding::of(&text.as_bytes()[..11]), Encoding::Utf8);
        assert_eq!(Encoding::of(&gbk), Encoding::Gb18030);
        assert_eq!(Encoding::of(b"id,name\n"), Encoding::Open);
        assert_eq!(Encoding::of(b""), Encoding::Open);
        let mut broken = text.as_bytes().to_vec();
        broken[1] = b'x';
        assert_eq!(Encoding::of(&broken), Encoding::Utf8);
        assert_eq!(Encoding::Utf8.decode(&broken[..3]), None);
        assert_eq!(Encoding::Open.decode(&gbk).as_deref(), Some(text));
    }
}
