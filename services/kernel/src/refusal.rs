//! Why something may not be done: every unmet requirement at once.

use std::fmt;

use chrono::NaiveDate;

/// Id of a rule of the domain: `S27`, `T7`, `C-HSE-01`, `CMP-4`.
pub type RuleId = &'static str;

/// One unmet requirement.
///
/// `code` names the sentence that front ends and the gateway's message files show; `needed` and
/// `found` are the values that go into it. No personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The rule that asks for it.
    pub rule: RuleId,
    /// Stable SCREAMING_SNAKE name of the requirement, e.g. `VILLAGER_REPRESENTATIVES`.
    pub code: &'static str,
    /// What is needed, e.g. `15`.
    pub needed: String,
    /// What is there, e.g. `14`.
    pub found: String,
    /// First date on which it can be met, when time alone decides.
    pub possible_from: Option<NaiveDate>,
    /// Part of the request that it is about, e.g. `ballots[2]`, when one decides several things.
    pub about: String,
}

impl Requirement {
    /// A requirement that time alone does not cure.
    #[must_use]
    pub fn new(
        rule: RuleId,
        code: &'static str,
        needed: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self {
            rule,
            code,
            needed: needed.to_string(),
            found: found.to_string(),
            possible_from: None,
            about: String::new(),
        }
    }

    /// The same, with the first date on which it can be met.
    #[must_use]
    pub fn possible_from(mut self, date: NaiveDate) -> Self {
        self.possible_from = Some(date);
        self
    }

    /// The same, about one of several things that a request decides.
    #[must_use]
    pub fn about(mut self, part: impl fmt::Display) -> Self {
        self.about = part.to_string();
        self
    }
}

/// A refusal: all unmet requirements, never an empty list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Every unmet requirement.
    pub unmet: Vec<Requirement>,
}

impl Refusal {
    /// `Ok` when nothing is unmet, else the refusal.
    ///
    /// # Errors
    /// The refusal with all of `unmet`.
    pub fn check(unmet: Vec<Requirement>) -> Result<(), Self> {
        if unmet.is_empty() {
            Ok(())
        } else {
            Err(Self { unmet })
        }
    }
}

impl From<Requirement> for Refusal {
    fn from(requirement: Requirement) -> Self {
        Self {
            unmet: vec![requirement],
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, r) in self.unmet.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(
                f,
                "{separator}{} {}: needed {}, found {}",
                r.rule, r.code, r.needed, r.found
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
