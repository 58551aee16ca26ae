//! Names as they may hang on a wall (PUB-4).

use std::fmt;

/// Surnames of two characters: a mask that kept the first only would name another family.
const COMPOUND_SURNAMES: [&str; 40] = [
    "欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "夏侯", "轩辕",
    "宇文", "长孙", "司徒", "司空", "端木", "百里", "东郭", "南宫", "呼延", "澹台", "公冶", "宗政",
    "濮阳", "淳于", "单于", "太叔", "申屠", "仲孙", "钟离", "闻人", "赫连", "拓跋", "独孤", "万俟",
    "闾丘", "鲜于", "第五", "梁丘",
];
/// Stars in a row: a long name does not tell how long it is.
const STARS_MAX: usize = 4;
/// Longest name that is looked at, in characters.
const CHARS_MAX: usize = 60;
/// Between the parts of a name.
const DOT: char = '·';
/// Other ways of writing it.
const DOTS: [char; 10] = [
    '.', '\u{2022}', '\u{2024}', '\u{2027}', '\u{2219}', '\u{22c5}', '\u{25cf}', '\u{30fb}',
    '\u{ff0e}', '\u{ff65}',
];

/// A person's name with what identifies the person taken out: 张*三, 李*, 欧阳**, 买**·***.
///
/// Making one masks, so no value holds a name in full; making one of a masked name changes nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MaskedName(String);

impl MaskedName {
    /// Masks a name. Whatever follows the name, a number or a remark, is left out.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let written = name.chars().take(CHARS_MAX);
        let letters: String = written
            .filter(|c| !c.is_whitespace())
            .map(|c| if DOTS.contains(&c) { DOT } else { c })
            .take_while(|c| is_letter(*c) || matches!(*c, '*' | DOT))
            .collect();
        let mut parts = letters.split(DOT).filter(|part| !part.is_empty());
        let first: Vec<char> = parts.next().unwrap_or_default().chars().collect();
        let others: Vec<&str> = parts.collect();
        let mut masked = match others.is_empty() {
            true => whole(&first),
            false => beginning(&first),
        };
        for part in others {
            masked.push(DOT);
            masked.push_str(&stars(part.chars().count()));
        }
        Self(masked)
    }

    /// The masked name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() && !c.is_numeric()
}

/// A name of one part. The only character of a name would be all of it.
fn whole(name: &[char]) -> String {
    match name {
        [] | [_] => "*".to_owned(),
        [surname, _] => format!("{surname}*"),
        [first, second, given @ ..] if is_compound(*first, *second) => {
            format!("{first}{second}{}", stars(given.len()))
        }
        [first, given @ .., last] => format!("{first}{}{last}", stars(given.len())),
    }
}

/// The first part of a name of several parts.
fn beginning(part: &[char]) -> String {
    match part {
        [] | [_] => "*".to_owned(),
        [first, rest @ ..] => format!("{first}{}", stars(rest.len())),
    }
}

fn is_compound(first: char, second: char) -> bool {
    let both = String::from_iter([first, second]);
    COMPOUND_SURNAMES.contains(&both.as_str())
}

fn stars(hidden: usize) -> String {
    "*".repeat(hidden.clamp(1, STARS_MAX))
}

impl fmt::Display for MaskedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MaskedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaskedName({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pub4_every_kind_of_name_has_its_mask() {
        for (name, masked) in [
            ("张三", "张*"),
            ("张大山", "张*山"),
            (" 张  大 山 ", "张*山"),
            ("张王小明", "张**明"),
            ("欧阳锋", "欧阳*"),
            ("欧阳小明", "欧阳**"),
            ("欧阳", "欧*"),
            ("买买提·艾力", "买**·**"),
            ("买买提•艾力", "买**·**"),
            ("迪丽热巴・迪力木拉提", "迪***·****"),
            ("阿·买买提", "*·***"),
            ("阿卜杜热西提·阿卜杜拉·买买提", "阿****·****·***"),
            ("张", "*"),
            ("", "*"),
            ("*", "*"),
            ("·", "*"),
            ("13800000000", "*"),
            ("张三13800000000", "张*"),
            ("张大山(已故)", "张*山"),
            ("John Smith", "J****h"),
        ] {
            assert_eq!(MaskedName::of(name).as_str(), masked, "{name}");
        }
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            "[\u{4e00}-\u{9fa5}]{1,6}",
            "[\u{4e00}-\u{9fa5}·]{1,20}",
            "[^*]{0,40}",
            "[a-zA-Z .]{1,30}",
        ]
    }

    proptest! {
        #[test]
        fn pub4_no_mask_holds_the_name(name in name()) {
            let masked = MaskedName::of(&name);
            let text = masked.as_str();
            let bare: String = name.chars().filter(|c| is_letter(*c)).collect();
            prop_assert!(text.contains('*'));
            prop_assert!(bare.is_empty() || !text.contains(&bare), "{} in {}", bare, text);
            prop_assert!(!text.chars().any(char::is_numeric), "{}", text);
            let shown = text.chars().filter(|c| is_letter(*c)).count();
            prop_assert!(shown <= 2, "{}", text);
            prop_assert_eq!(&MaskedName::of(text), &masked, "masking twice changes nothing");
        }
    }
}
