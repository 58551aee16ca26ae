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

/// Forms of one character that systems exchange for each other, each with the form that is compared.
const VARIANTS: [(char, char); 40] = [
    // Private code points of GBK and GB 18030-2000, before Unicode had the characters.
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
    // The same character in its other printed or traditional form, with a code point of its own.
    ('龑', '䶮'),
    ('呂', '吕'),
    ('吳', '吴'),
    ('呉', '吴'),
    ('黃', '黄'),
    ('溫', '温'),
    ('戶', '户'),
    ('戸', '户'),
    ('靑', '青'),
    ('淸', '清'),
    ('郞', '郎'),
    ('彔', '录'),
    ('宮', '宫'),
    ('兪', '俞'),
    ('強', '强'),
    ('內', '内'),
    ('姍', '姗'),
    ('娛', '娱'),
    ('衞', '卫'),
    ('衛', '卫'),
    ('瑤', '瑶'),
    ('潁', '颍'),
    ('頴', '颖'),
    ('穎', '颖'),
    ('晉', '晋'),
    ('眞', '真'),
    ('鎭', '镇'),
    ('峯', '峰'),
    ('羣', '群'),
    ('産', '产'),
];

/// A name as it is compared: compatibility forms and full width resolved (NFKC), without white space,
/// dots, joiners and selectors of variants, in one form of each character and in upper case.
pub(crate) fn normalised(name: &str) -> String {
    let characters = name.nfkc().filter(|c| !is_left_out(*c));
    let folded: String = characters.map(variant).collect::<String>().to_uppercase();
    // A letter without its dot or in upper case may combine with what follows it.
    folded.nfkc().filter(|c| !is_left_out(*c)).collect()
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
    let known = VARIANTS.iter().find(|(from, _)| *from == character);
    known.map_or(character, |(_, to)| *to)
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

    proptest! {
        #[test]
        fn a_normalised_name_stays_as_it_is(name in "[\\PC·吕呂黃\u{E863}\u{200d}a-zßİ]{0,12}") {
            let once = normalised(&name);
            prop_assert_eq!(normalised(&once), once);
        }
    }
}
