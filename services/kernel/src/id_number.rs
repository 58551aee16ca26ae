//! Resident ID numbers (GB 11643-1999).

use std::{fmt, str::FromStr};

use chrono::{Datelike, NaiveDate};

use crate::codes;

codes! {
    /// Sex as the ID number says it.
    Sex {
        /// 男
        Male = "MALE",
        /// 女
        Female = "FEMALE",
    }
}

/// A checked 18-character ID number. `Debug` and `Display` never show it; use [`IdNumber::expose`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdNumber([u8; 18]);

/// Why a text is no ID number. Says what was expected, never what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdNumber {
    /// First-generation number: 15 digits, withdrawn in 2013.
    #[error("a 15-digit ID number is no longer valid, expected 18 characters")]
    FifteenDigits,
    /// Neither 15 nor 18 characters.
    #[error("expected 18 characters")]
    Length,
    /// Something else than 17 digits and a digit or X.
    #[error("expected 17 digits and a digit or X")]
    Characters,
    /// Digits 7 to 14 are no date of birth between 1900 and 2099.
    #[error("digits 7 to 14 are not a date of birth")]
    BirthDate,
    /// The last character does not match the others.
    #[error("the check digit does not match")]
    CheckDigit,
    /// A spreadsheet turned the number into a float and lost its last digits.
    #[error("the number was damaged by a spreadsheet (1.23E+17): enter it as text")]
    SpreadsheetFloat,
}

/// GB 11643-1999, table 1: weights of the first 17 digits.
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// GB 11643-1999, table 2: check character by remainder modulo 11.
const CHECK: &[u8; 11] = b"10X98765432";
/// Area code of numbers that belong to nobody; all test people have it.
const PSEUDO_AREA: &[u8] = b"999999";

impl IdNumber {
    /// The number itself, for encryption, hashing and matching. Never log, trace or show it.
    #[must_use]
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The check character for 17 digits.
    #[must_use]
    pub fn check_character(digits: &[u8; 17]) -> char {
        let sum: u32 = digits
            .iter()
            .zip(WEIGHTS)
            .map(|(d, weight)| u32::from(d - b'0') * weight)
            .sum();
        CHECK[(sum % 11) as usize].into()
    }

    /// Date of birth.
    #[must_use]
    pub fn birth_date(&self) -> NaiveDate {
        // Checked on construction.
        parse_birth_date(&self.0).unwrap_or_default()
    }

    /// Sex by the parity of the 17th digit.
    #[must_use]
    pub fn sex(&self) -> Sex {
        if self.0[16] % 2 == 1 {
            Sex::Male
        } else {
            Sex::Female
        }
    }

    /// Whether the number begins with 999999 and so belongs to no real person.
    #[must_use]
    pub fn is_pseudo(&self) -> bool {
        self.0.starts_with(PSEUDO_AREA)
    }

    /// For people who may see it masked: first six and last four characters.
    #[must_use]
    pub fn masked(&self) -> String {
        let text = self.expose();
        format!("{}********{}", &text[..6], &text[14..])
    }

    /// Full years of age on `date`.
    #[must_use]
    pub fn age_on(&self, date: NaiveDate) -> u32 {
        date.years_since(self.birth_date()).unwrap_or(0)
    }
}

impl FromStr for IdNumber {
    type Err = InvalidIdNumber;

    /// Accepts lower-case x, full-width digits and surrounding white space.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut number = [0u8; 18];
        let mut len = 0;
        for character in text.trim().chars() {
            let narrow = match character {
                '０'..='９' | 'Ｘ' | 'ｘ' => {
                    char::from_u32(character as u32 - 0xFEE0).unwrap_or(character)
                }
                other => other,
            };
            match narrow.to_ascii_uppercase() {
                '.' | '+' | 'E' => return Err(InvalidIdNumber::SpreadsheetFloat),
                c if c.is_ascii_alphanumeric() => {
                    if len == 18 {
                        return Err(InvalidIdNumber::Length);
                    }
                    number[len] = c as u8;
                    len += 1;
                }
                _ => return Err(InvalidIdNumber::Characters),
            }
        }
        match len {
            18 => {}
            15 if number[..15].iter().all(u8::is_ascii_digit) => {
                return Err(InvalidIdNumber::FifteenDigits);
            }
            _ => return Err(InvalidIdNumber::Length),
        }
        let digits: &[u8; 17] = number[..17]
            .try_into()
            .map_err(|_| InvalidIdNumber::Length)?;
        if !digits.iter().all(u8::is_ascii_digit)
            || !(number[17].is_ascii_digit() || number[17] == b'X')
        {
            return Err(InvalidIdNumber::Characters);
        }
        parse_birth_date(&number).ok_or(InvalidIdNumber::BirthDate)?;
        if Self::check_character(digits) != char::from(number[17]) {
            return Err(InvalidIdNumber::CheckDigit);
        }
        Ok(Self(number))
    }
}

fn parse_birth_date(number: &[u8; 18]) -> Option<NaiveDate> {
    let text = std::str::from_utf8(&number[6..14]).ok()?;
    let date = NaiveDate::parse_from_str(text, "%Y%m%d").ok()?;
    (1900..2100).contains(&date.year()).then_some(date)
}

impl fmt::Debug for IdNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdNumber(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_the_published_examples() {
        for text in [
            "110101202311012176",
            "11010519491231002X",
            "999999197001010017",
        ] {
            assert_eq!(text.parse::<IdNumber>().expect(text).expose(), text);
        }
    }

    #[test]
    fn normalises_case_and_width() {
        let number: IdNumber = " １１０１０５１９４９１２３１００２ｘ "
            .parse()
            .expect("full width");
        assert_eq!(number.expose(), "11010519491231002X");
        assert_eq!("11010519491231002x".parse(), Ok(number));
        assert_eq!(
            number.birth_date(),
            NaiveDate::from_ymd_opt(1949, 12, 31).expect("a date")
        );
        assert_eq!(number.sex(), Sex::Female);
        assert_eq!(number.masked(), "110105********002X");
        assert_eq!(format!("{number:?}"), "IdNumber(…)");
    }

    #[test]
    fn names_what_is_wrong() {
        let cases = [
            ("110105491231002", InvalidIdNumber::FifteenDigits),
            ("", InvalidIdNumber::Length),
            ("1101051949123100200", InvalidIdNumber::Length),
            ("11010519491331002X", InvalidIdNumber::BirthDate),
            ("110105194912310021", InvalidIdNumber::CheckDigit),
            ("1.10105194912E+17", InvalidIdNumber::SpreadsheetFloat),
            ("1101051949123100-X", InvalidIdNumber::Characters),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<IdNumber>(), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<IdNumber>();
        }

        #[test]
        fn one_changed_digit_is_always_found(
            year in 1930u32..2025, month in 1u32..13, day in 1u32..29, serial in 0u32..1000,
            at in 0usize..17, by in 1u8..10,
        ) {
            let body = format!("999999{year:04}{month:02}{day:02}{serial:03}");
            let digits: [u8; 17] = body.as_bytes().try_into().expect("17 digits");
            let good = format!("{body}{}", IdNumber::check_character(&digits));
            prop_assert!(good.parse::<IdNumber>().is_ok());
            let mut bad = good.into_bytes();
            bad[at] = b'0' + (bad[at] - b'0' + by) % 10;
            prop_assert!(String::from_utf8(bad).expect("ascii").parse::<IdNumber>().is_err());
        }
    }
}
