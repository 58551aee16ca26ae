//! Names as a second factor: the same name written in two systems should be the same.
//!
//! A name that differs does not prove another person, and one that agrees proves nothing beyond the
//! ID number: it finds the row where somebody typed another person's number. So what systems do to a
//! name is undone, and nothing that parents chose is: 喆 and 哲 stay two names.

use unicode_normalization::UnicodeNormalization as _;

/// Dots between the parts of a name, and what stands in for them.
const DOTS: &[char] = &[
    '·', '•', '・', '‧', '∙', '⋅', '●', '。', '.', '᛫', 'ᐧ', '⸱', 'ꞏ', '﹒',
];

/// Forms of one character that systems exchange for each other, each with the form that is compared; in
/// the order of the first ones.
const VARIANTS: [(char, char); 40] = [
    // The same character in another printed or in its traditional form, with a code point of its own.
    ('內', '内'),
    ('兪', '俞'),
    ('吳', '吴'),
    ('呂', '吕'),
    ('呉', '吴'),
    ('姍', '姗'),
    ('娛', '娱'),
    ('宮', '宫'),
    ('峯', '峰'),
    ('強', '强'),
    ('彔', '录'),
    ('戶', '户'),
    ('戸', '户'),
    ('晉', '晋'),
    ('淸', '清'),
    ('溫', '温'),
    ('潁', '颍'),
    ('瑤', '瑶'),
    ('産', '产'),
    ('眞', '真'),
    ('穎', '颖'),
    ('羣', '群'),
    ('衛', '卫'),
    ('衞', '卫'),
    ('郞', '郎'),
    ('鎭', '镇'),
    ('靑', '青'),
    ('頴', '颖'),
    ('黃', '黄'),
    ('龑', '䶮'),
    // Private code points of GBK and GB 18030-2000, from before Unicode had the characters.
    ('\u{E81B}', '㑇'),
    ('\u{E81E}', '龴'),
    ('\u{E826}', '龵'),
    ('\u{E82B}', '龶'),
    ('\u{E82C}', '龷'),
    ('\u{E832}', '龸'),
    ('\u{E843}', '龹'),
    ('\u{E854}', '龺'),
    ('\u{E863}', '䶮'),
    ('\u{E864}', '龻'),
];

/// Adds a name to `text` as it is compared: compatibility forms and full width resolved (NFKC), without
/// white space, dots, joiners and selectors of variants, in one form of each character and in upper case.
pub(crate) fn push_normalised(text: &mut String, name: &str) {
    // These have no other form for NFKC, no case and nothing that is left out.
    if name.chars().all(|c| matches!(c, '\u{4E00}'..='\u{9FFF}')) {
        text.extend(name.chars().map(variant));
        return;
    }
    let characters = name.nfkc().filter(|c| !is_left_out(*c));
    let folded: String = characters.map(variant).collect::<String>().to_uppercase();
    // A letter without its dot or in upper case may combine with what follows it.
    text.extend(folded.nfkc().filter(|c| !is_left_out(*c)));
}

fn normalised(name: &str) -> String {
    let mut text = String::new();
    push_normalised(&mut text, name);
    text
}

/// Whether `text` normalises to `name`, which has been normalised.
pub(crate) fn is(text: &str, name: &str) -> bool {
    // Nearly always: a name in its common form.
    text == name || normalised(text) == name
}

fn is_left_out(character: char) -> bool {
    character.is_whitespace()
        || DOTS.contains(&character)
        // Joiners and marks without width, selectors of variants.
        || matches!(character, '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

fn variant(character: char) -> char {
    let known = VARIANTS.binary_search_by_key(&character, |(from, _)| *from);
    known.map_or(character, |at| VARIANTS[at].1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_systems_do_to_a_name_is_undone() {
        for (one, other) in [
            ("买买提·艾力", "买买提•艾力"),
            ("买买提·艾力", "买买提 ・ 艾力"),
            ("买买提·艾力", "买买提．艾力"),
            ("买买提·艾力", "买买提艾力"),
            ("张  三", "\u{3000}张三\u{a0}"),
            ("吕\u{E863}", "呂䶮"),
            ("金\u{F90A}", "金金"),
            ("葛\u{E0100}优", "葛优"),
            ("ＡＢＣ", "abc"),
        ] {
            assert_eq!(normalised(one), normalised(other), "{one} {other}");
            assert!(is(one, &normalised(other)));
        }
        for (one, other) in [("王喆", "王哲"), ("张三", "张三丰"), ("李升", "李昇")] {
            assert_ne!(normalised(one), normalised(other), "{one} {other}");
        }
    }

    #[test]
    fn variants_can_be_searched() {
        assert!(VARIANTS.is_sorted_by(|one, next| one.0 < next.0));
        assert!(VARIANTS.iter().all(|(_, to)| variant(*to) == *to));
        for c in '\u{4E00}'..='\u{9FFF}' {
            let text = c.to_string();
            assert_eq!(text.nfkc().collect::<String>().to_uppercase(), text);
            assert!(!is_left_out(c));
        }
    }

    proptest! {
        #[test]
        fn a_normalised_name_stays_as_it_is(name in "[\\PC·吕呂黃\u{E863}\u{200d}a-zßİ]{0,12}") {
            let once = normalised(&name);
            prop_assert_eq!(normalised(&once), once);
        }
    }
}
