//! Money in fen (分). No floating point anywhere.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, Sub},
    str::FromStr,
};

/// An amount in fen. May be negative: a year's net income can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Money(i64);

/// A text that is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an amount in yuan with at most two decimals, up to 10 000 000 000")]
pub struct InvalidMoney;

/// Ten billion yuan: more than any household's amount, far from overflow when summed.
const LIMIT_FEN: i64 = 1_000_000_000_000;

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount in fen.
    #[must_use]
    pub const fn from_fen(fen: i64) -> Self {
        Self(fen)
    }

    /// An amount in whole yuan.
    #[must_use]
    pub const fn from_yuan(yuan: i64) -> Self {
        Self(yuan * 100)
    }

    /// The amount in fen.
    #[must_use]
    pub const fn fen(self) -> i64 {
        self.0
    }

    /// Whether the amount is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The amount for each of `heads`, rounded down so that a fraction of a fen never lifts a
    /// household over the line. `None` for no heads.
    #[must_use]
    pub const fn per_head(self, heads: u32) -> Option<Self> {
        if heads == 0 {
            None
        } else {
            Some(Self(self.0.div_euclid(heads as i64)))
        }
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl FromStr for Money {
    type Err = InvalidMoney;

    /// Reads yuan: `80400`, `80400.5`, `-12.34`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (yuan, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let ends_in_point = digits.ends_with('.');
        if yuan.is_empty()
            || fraction.len() > 2
            || ends_in_point
            || !all_digits(yuan)
            || !all_digits(fraction)
        {
            return Err(InvalidMoney);
        }
        let yuan: i64 = yuan.parse().map_err(|_| InvalidMoney)?;
        let fen: i64 = format!("{fraction:0<2}")
            .parse()
            .map_err(|_| InvalidMoney)?;
        let total = yuan
            .checked_mul(100)
            .and_then(|y| y.checked_add(fen))
            .ok_or(InvalidMoney)?;
        if total > LIMIT_FEN {
            return Err(InvalidMoney);
        }
        Ok(Self(sign * total))
    }
}

impl fmt::Display for Money {
    /// Yuan with two decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let fen = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", fen / 100, fen % 100)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_and_refuses() {
        assert_eq!("80400".parse(), Ok(Money::from_yuan(80_400)));
        assert_eq!("0.5".parse(), Ok(Money::from_fen(50)));
        assert_eq!("-12.34".parse(), Ok(Money::from_fen(-1234)));
        for text in [
            "",
            "-",
            "1.",
            "1.234",
            "1e5",
            "１２",
            "1,000",
            "99999999999999999999",
            "10000000001",
        ] {
            assert_eq!(text.parse::<Money>(), Err(InvalidMoney), "{text}");
        }
    }

    #[test]
    fn per_head_rounds_down() {
        assert_eq!(Money::from_fen(-1).per_head(3), Some(Money::from_fen(-1)));
        assert_eq!(Money::from_fen(100).per_head(3), Some(Money::from_fen(33)));
        assert_eq!(Money::from_yuan(1).per_head(0), None);
    }

    proptest! {
        #[test]
        fn text_round_trips(fen in -LIMIT_FEN..=LIMIT_FEN) {
            prop_assert_eq!(Money(fen).to_string().parse(), Ok(Money(fen)));
        }
    }
}
