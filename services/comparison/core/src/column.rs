//! Columns of departments' files and the values in them.

use chrono::NaiveDate;
use kernel::Money;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 18-character ID number (GB 11643); of every file the first.
    IdNumber,
    /// Name: second factor of a match.
    Name,
    /// Yuan with at most two decimals.
    Money,
    /// A count or measure, not negative.
    Number,
    /// yes or no, 是 or 否.
    Flag,
    /// A day.
    Date,
    /// A word of a list that the department keeps: short, without digits.
    Word,
    /// Free text. Rules may look at it; it is never evidence, for it can hold anything.
    Text,
}

/// A column of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its header, and its name in rules.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether a cell may be empty. Rules read an empty cell as zero, no or "".
    pub optional: bool,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An amount; rules read fen.
    Money(Money),
    /// A count or measure, rounded down.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// A day; rules read it as text, which sorts as days do.
    Date(Option<NaiveDate>),
    /// A word or a text.
    Text(String),
}

/// Longest text.
const TEXT_CHARS_MAX: usize = 100;
/// Longest word.
const WORD_CHARS_MAX: usize = 12;
/// Ten billion yuan; more is a typing error.
pub(crate) const FEN_MAX: i64 = 1_000_000_000_000;

impl Kind {
    /// Reads a cell that is neither ID number nor name. An empty one has been dealt with.
    pub(crate) fn read(self, text: &str) -> Result<Value, &'static str> {
        match self {
            Self::Money => {
                let amount: Money = text.parse().map_err(|_| "AMOUNT")?;
                let sane = (0..=FEN_MAX).contains(&amount.fen());
                sane.then_some(Value::Money(amount)).ok_or("AMOUNT")
            }
            Self::Number => {
                let amount: Money = text.parse().map_err(|_| "NUMBER")?;
                let sane = (0..=FEN_MAX).contains(&amount.fen());
                sane.then_some(Value::Number(amount.fen() / 100))
                    .ok_or("NUMBER")
            }
            Self::Flag => match text {
                "yes" | "是" => Ok(Value::Flag(true)),
                "no" | "否" => Ok(Value::Flag(false)),
                _ => Err("YES_NO"),
            },
            Self::Date => {
                let day = (text.len() == 10).then(|| text.parse().ok()).flatten();
                day.map(|day| Value::Date(Some(day))).ok_or("DATE")
            }
            Self::Word => {
                let short = text.chars().count() <= WORD_CHARS_MAX;
                let plain = !text.chars().any(|c| c.is_numeric() || c.is_control());
                (short && plain)
                    .then(|| Value::Text(text.to_owned()))
                    .ok_or("WORD")
            }
            Self::Text | Self::Name | Self::IdNumber => {
                let short = text.chars().count() <= TEXT_CHARS_MAX;
                let plain = !text.chars().any(char::is_control);
                (short && plain)
                    .then(|| Value::Text(text.to_owned()))
                    .ok_or("TEXT")
            }
        }
    }

    /// What rules read where a cell is empty.
    pub(crate) fn nothing(self) -> Value {
        match self {
            Self::Money => Value::Money(Money::ZERO),
            Self::Number => Value::Number(0),
            Self::Flag => Value::Flag(false),
            Self::Date => Value::Date(None),
            Self::Word | Self::Text | Self::Name | Self::IdNumber => Value::Text(String::new()),
        }
    }

    /// Whether values may be kept as evidence.
    pub(crate) const fn is_evidence(self) -> bool {
        matches!(
            self,
            Self::Money | Self::Number | Self::Flag | Self::Date | Self::Word
        )
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Money(amount) => amount.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Flag(is) => f.write_str(if *is { "yes" } else { "no" }),
            Self::Date(day) => day.map_or(Ok(()), |day| day.fmt(f)),
            Self::Text(text) => f.write_str(text),
        }
    }
}
