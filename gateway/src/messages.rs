//! Sentences by code, from the files in `gateway/messages`, one for each service.

use std::{collections::HashMap, sync::LazyLock};

use proto::r#type::v1::Requirement;
use serde::Deserialize;

use crate::locale::Locale;

#[derive(Debug, Deserialize)]
struct Sentence {
    zh: String,
    en: String,
}

const FILES: [&str; 5] = [
    include_str!("../messages/gateway.toml"),
    include_str!("../messages/households.toml"),
    include_str!("../messages/workflow.toml"),
    include_str!("../messages/comparison.toml"),
    include_str!("../messages/measures.toml"),
];

static SENTENCES: LazyLock<HashMap<String, Sentence>> = LazyLock::new(|| {
    let mut sentences = HashMap::new();
    for file in FILES {
        let file: HashMap<String, Sentence> =
            toml::from_str(file).expect("the files are part of the program and tested");
        sentences.extend(file);
    }
    sentences
});

/// The sentence of a code with what is needed and what was found; the code itself when it has none.
#[must_use]
pub fn sentence(locale: Locale, code: &str, needed: &str, found: &str) -> String {
    let Some(sentence) = SENTENCES.get(code) else {
        return code.to_owned();
    };
    let (sentence, nothing) = match locale {
        Locale::Zh => (&sentence.zh, "无"),
        Locale::En => (&sentence.en, "none"),
    };
    let found = if found.is_empty() { nothing } else { found };
    sentence
        .replace("{needed}", needed)
        .replace("{found}", found)
}

/// What a requirement says.
#[must_use]
pub fn requirement(locale: Locale, requirement: &Requirement) -> String {
    sentence(
        locale,
        &requirement.code,
        &requirement.needed,
        &requirement.found,
    )
}

/// What is wrong with a field.
#[must_use]
pub fn violation(locale: Locale, code: &str, expected: &str) -> String {
    sentence(locale, code, expected, "")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_file_is_read_and_says_something_in_both_languages() {
        let mut known = HashSet::new();
        for file in FILES {
            let file: HashMap<String, Sentence> = toml::from_str(file).expect("a table");
            for (code, sentence) in file {
                assert!(!sentence.zh.is_empty() && !sentence.en.is_empty(), "{code}");
                let chinese = sentence
                    .zh
                    .chars()
                    .any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
                assert!(chinese, "{code} is not Chinese");
                assert!(known.insert(code.clone()), "{code} is in two files");
            }
        }
    }

    #[test]
    fn a_sentence_has_its_values_and_an_unknown_code_is_itself() {
        let requirement_ = Requirement {
            code: "VILLAGER_REPRESENTATIVES".to_owned(),
            needed: "15".to_owned(),
            found: "14".to_owned(),
            ..Requirement::default()
        };
        let said = requirement(Locale::Zh, &requirement_);
        assert!(said.contains("15") && said.contains("14"), "{said}");
        assert_eq!(violation(Locale::En, "NO_SUCH_CODE", ""), "NO_SUCH_CODE");
    }
}
