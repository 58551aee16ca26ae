//! Resident ID numbers (GB 11643-1999), as three words that are checked eight digits at a time.

use crate::report::Reason;

/// A number whose check character matches. Its date of birth is not looked at: nobody who could be
/// authorised has an impossible one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    /// Digits 1 to 8 and 9 to 16 as text, the first one lowest.
    words: [u64; 2],
    /// Digit 17 and the check character, which is a digit or `X`.
    last: [u8; 2],
}

const ZEROS: u64 = 0x3030_3030_3030_3030;
const EVEN_BYTES: u64 = 0x00FF_00FF_00FF_00FF;

/// GB 11643-1999, table 2: check character by remainder modulo 11.
const CHECK: &[u8; 11] = b"10X98765432";
/// The same by weighted sum, see [`weighted`]; 2286 is the largest.
const CHECK_OF_SUM: [u8; 2304] = {
    let mut table = [0; 2304];
    let mut sum = 0;
    while sum < table.len() {
        table[sum] = CHECK[sum % 11];
        sum += 1;
    }
    table
};

/// The sum of 16 digits, each times its weight, modulo 11 (or 11s above it).
///
/// The weight of digit i is 2¹⁸⁻ⁱ modulo 11 (GB 11643-1999, table 1). So eight places earlier it is
/// three times as large, and one place earlier twice: 16 digits fall together into four 16-bit lanes,
/// with weights of 2⁸, 2⁶, 2⁴ and 2². A product of four lanes by four has the sum of the pairwise
/// products in its top lane, as long as no sum reaches 2¹⁶.
const fn weighted(digits: [u64; 2]) -> usize {
    const LANES: u64 = 3 << 48 | 9 << 32 | 5 << 16 | 4;
    let eight = 3 * digits[0] + digits[1];
    let four = 2 * (eight & EVEN_BYTES) + (eight >> 8 & EVEN_BYTES);
    (four.wrapping_mul(LANES) >> 48) as usize
}
/// 2¹ modulo 11.
const LAST_WEIGHT: usize = 2;

/// A set high bit for every byte above 9. (One byte may carry into the next, but only when its own
/// high bit is set anyway.)
const fn above_nine(digits: u64) -> u64 {
    (digits | digits.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080
}

/// The number that eight digits are.
const fn decimal(digits: u64) -> u64 {
    let pairs = (digits & EVEN_BYTES) * 10 + (digits >> 8 & EVEN_BYTES);
    let fours = (pairs & 0xFFFF) * 100 + (pairs >> 16 & 0xFFFF);
    let others = (pairs >> 32 & 0xFFFF) * 100 + (pairs >> 48);
    fours * 10_000 + others
}

/// Both halves of the 128-bit product: every bit of one depends on every bit of the other.
pub(crate) const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

impl Number {
    /// Reads 18 characters as they should be: 17 digits and their check character. `None` where
    /// anything else needs a closer look.
    #[inline]
    pub(crate) fn clean(text: &[u8; 18]) -> Option<Self> {
        let words = [
            u64::from_le_bytes(*text.first_chunk()?),
            u64::from_le_bytes(*text[8..].first_chunk()?),
        ];
        let [last, check] = *text.last_chunk()?;
        let digits = [words[0] ^ ZEROS, words[1] ^ ZEROS];
        let last_digit = last ^ b'0';
        if above_nine(digits[0]) | above_nine(digits[1]) != 0 || last_digit > 9 {
            return None;
        }
        let sum = weighted(digits) + LAST_WEIGHT * usize::from(last_digit);
        let expected = CHECK_OF_SUM.get(sum).copied();
        (expected == Some(check)).then_some(Self {
            words,
            last: [last, check],
        })
    }

    /// Reads what is clean but for blanks around it and a small x: the dirt there is most of.
    pub(crate) fn near(text: &[u8]) -> Option<Self> {
        let mut number: [u8; 18] = text.trim_ascii().try_into().ok()?;
        number[17].make_ascii_uppercase();
        Self::clean(&number)
    }

    /// Reads a number as people write it: blanks around it, a lower-case x, full-width digits.
    pub(crate) fn read(text: &str) -> Result<Self, Reason> {
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
                '.' | '+' | 'E' => return Err(Reason::SpreadsheetFloat),
                c if c.is_ascii_alphanumeric() => {
                    *number.get_mut(len).ok_or(Reason::Length)? = c as u8;
                    len += 1;
                }
                _ => return Err(Reason::Characters),
            }
        }
        let digits = number.iter().take_while(|byte| byte.is_ascii_digit());
        match (len, digits.count()) {
            (0, _) => Err(Reason::Missing),
            (18, 18) | (18, 17) if number[17].is_ascii_digit() || number[17] == b'X' => {
                Self::clean(&number).ok_or(Reason::CheckDigit)
            }
            (18, _) => Err(Reason::Characters),
            (15, 15) => Err(Reason::FifteenDigits),
            _ => Err(Reason::Length),
        }
    }

    /// The 17 digits as a number, × 16, + the check character (X as 10): below 2⁶¹, and another for
    /// every number.
    pub(crate) fn packed(self) -> u64 {
        let [first, second] = self.words.map(|word| decimal(word ^ ZEROS));
        let digits = (first * 100_000_000 + second) * 10 + u64::from(self.last[0] - b'0');
        let check = match self.last[1] {
            b'X' => 10,
            digit => u64::from(digit - b'0'),
        };
        digits << 4 | check
    }

    /// Spreads numbers evenly over 64 bits; needs no packing.
    #[inline]
    pub(crate) fn hash(self) -> u64 {
        let [first, second] = self.words;
        // Onto the century, which tells the least.
        let last = u64::from(u16::from_le_bytes(self.last)) << 48;
        fold(
            first ^ last ^ 0x9E37_79B9_7F4A_7C15,
            second ^ 0xC2B2_AE3D_27D4_EB4F,
        )
    }
}

#[cfg(test)]
mod tests {
    use kernel::{IdNumber, InvalidIdNumber};
    use proptest::prelude::*;

    use super::*;

    fn number(body: &str) -> String {
        let digits: [u8; 17] = body.as_bytes().try_into().expect("17 digits");
        format!("{body}{}", IdNumber::check_character(&digits))
    }

    fn clean(text: &str) -> Option<Number> {
        Number::clean(text.as_bytes().try_into().ok()?)
    }

    #[test]
    fn packs_digits_and_check_character() {
        let packed = |text: &str| clean(text).expect(text).packed();
        assert_eq!(
            packed("999999197001010017"),
            99_999_919_700_101_001 << 4 | 7
        );
        assert_eq!(
            packed("99999919491231005X"),
            99_999_919_491_231_005 << 4 | 10
        );
        assert!(clean("99999919491231005x").is_none());
        assert!(
            Number::read(" ９９９９９９１９４９１２３１００５ｘ\t").ok()
                == clean("99999919491231005X")
        );
    }

    /// What the rest of the platform says of a number; dates of birth are not looked at here.
    fn expected(text: &str) -> Option<Result<(), Reason>> {
        Some(match text.parse::<IdNumber>() {
            Ok(_) => Ok(()),
            Err(InvalidIdNumber::BirthDate) => return None,
            Err(InvalidIdNumber::Length) if text.trim().is_empty() => Err(Reason::Missing),
            Err(InvalidIdNumber::FifteenDigits) => Err(Reason::FifteenDigits),
            Err(InvalidIdNumber::Length) => Err(Reason::Length),
            Err(InvalidIdNumber::Characters) => Err(Reason::Characters),
            Err(InvalidIdNumber::CheckDigit) => Err(Reason::CheckDigit),
            Err(InvalidIdNumber::SpreadsheetFloat) => Err(Reason::SpreadsheetFloat),
        })
    }

    proptest! {
        #[test]
        fn judges_as_the_kernel_does(
            text in r"[ \t　]{0,2}([0-9]{15}|[0-9]{17}[0-9xXＸa]|99999919[0-9]{2}(0[1-9]|1[0-2])[0-2][0-9][0-9]{3}[0-9xX]|[0-9０-９.+Ee年x]{0,20})[ \t]?"
        ) {
            if let Some(expected) = expected(&text) {
                prop_assert_eq!(Number::read(&text).map(|_| ()), expected);
            }
        }

        #[test]
        fn the_fast_reading_is_the_slow_one(bytes: [u8; 18], body in "[0-9]{17}", at in 0usize..18) {
            let good = number(&body);
            let fast = clean(&good).expect("a good number");
            prop_assert!(Number::read(&good) == Ok(fast));
            let expected: u64 = body.parse().expect("digits");
            prop_assert_eq!(fast.packed() >> 4, expected);
            let mut bent: [u8; 18] = good.as_bytes().try_into().expect("18");
            bent[at] = bytes[at];
            let slow = std::str::from_utf8(&bent).map(Number::read);
            for fast in [Number::clean(&bent), Number::near(&bent)].into_iter().flatten() {
                prop_assert!(slow == Ok(Ok(fast)));
            }
            let blank = format!("\t{} ", good.to_lowercase());
            prop_assert!(Number::near(blank.as_bytes()) == Some(fast));
            if let Some(number) = Number::clean(&bytes) {
                let slow = std::str::from_utf8(&bytes).map(Number::read);
                prop_assert!(slow == Ok(Ok(number)));
            }

        }
    }
}
