//! Values of cells. Every reader answers with the code of what is wrong.

use chrono::{Days, NaiveDate};
use kernel::{IdNumber, InvalidIdNumber, Money, Month};

use super::Cell;

/// A fault's code.
pub(super) type Code = &'static str;

/// Whole numbers up to here are exact in a spreadsheet: 2^53.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// What a number cell says as text, when it is whole and exact.
fn whole(number: f64) -> Result<String, Code> {
    if number.abs() >= EXACT_MAX {
        return Err("SPREADSHEET_FLOAT");
    }
    Ok(if number.fract() == 0.0 {
        format!("{number:.0}")
    } else {
        number.to_string()
    })
}

/// Text of at most `most` characters; empty when the cell is.
pub(super) fn text(cell: Cell<'_>, most: usize) -> Result<String, Code> {
    let text = match cell {
        Cell::Empty => return Ok(String::new()),
        Cell::Text(text) => text.trim().to_owned(),
        Cell::Number(number) => return whole(number),
        Cell::Date(date) => return Ok(date.to_string()),
        Cell::Unreadable => return Err("UNREADABLE"),
    };
    if text.len() > most * 4 || text.chars().count() > most {
        return Err("TOO_LONG");
    }
    if text.chars().any(char::is_control) {
        return Err("CONTROL_CHARACTER");
    }
    // A spreadsheet would run it when it is exported again.
    if text.len() > 1 && text.starts_with(['=', '+', '-', '@']) {
        return Err("FORMULA");
    }
    Ok(text)
}

/// 是 or 否.
pub(super) fn yes_no(cell: Cell<'_>) -> Result<Option<bool>, Code> {
    match text(cell, 8)?.as_str() {
        "" => Ok(None),
        "是" => Ok(Some(true)),
        "否" => Ok(Some(false)),
        _ => Err("YES_NO"),
    }
}

/// One of `labels`.
pub(super) fn code<T: Copy>(cell: Cell<'_>, labels: &[(&str, T)]) -> Result<Option<T>, Code> {
    let text = text(cell, 40)?;
    if text.is_empty() {
        return Ok(None);
    }
    let found = labels.iter().find(|(label, _)| *label == text);
    found.map(|(_, code)| Some(*code)).ok_or("UNKNOWN_CODE")
}

/// An amount of yuan that is not negative.
pub(super) fn amount(cell: Cell<'_>) -> Result<Option<Money>, Code> {
    let amount = match cell {
        Cell::Number(yuan) => {
            let fen = (yuan * 100.0).round();
            // Two decimals, give or take what a float loses.
            if !(0.0..=1e12).contains(&fen) || (yuan * 100.0 - fen).abs() > 0.001 {
                return Err("AMOUNT");
            }
            // Whole and within the bounds just checked, so nothing is cut off.
            Money::from_fen(fen as i64)
        }
        Cell::Text(text) if !text.trim().is_empty() => text.parse().map_err(|_| "AMOUNT")?,
        Cell::Empty | Cell::Text(_) => return Ok(None),
        Cell::Date(_) | Cell::Unreadable => return Err("AMOUNT"),
    };
    if amount.is_negative() {
        return Err("AMOUNT");
    }
    Ok(Some(amount))
}

/// A day: `2026-08-31`, `2026/8/31`, `2026年8月31日`, `20260831`; a month `202608` is its first day; a
/// date cell or its serial number.
pub(super) fn date(cell: Cell<'_>) -> Result<Option<NaiveDate>, Code> {
    let text = match cell {
        Cell::Date(date) => return Ok(Some(date)),
        Cell::Number(number) => whole(number)?,
        other => text(other, 20)?,
    };
    if text.is_empty() {
        return Ok(None);
    }
    let separated = text.replace(['年', '月', '/', '.'], "-").replace('日', "");
    let found = match (separated.contains('-'), text.len()) {
        (true, _) => NaiveDate::parse_from_str(&separated, "%Y-%m-%d").ok(),
        (false, 8) => NaiveDate::parse_from_str(&text, "%Y%m%d").ok(),
        (false, 6) => month(&text),
        (false, 5) => serial(&text),
        _ => None,
    };
    // The platform's households live now; a year beyond is a typing error.
    let plausible =
        found.filter(|day| ("1900-01-01"..="2099-12-31").contains(&day.to_string().as_str()));
    plausible.map(Some).ok_or("DATE")
}

fn month(text: &str) -> Option<NaiveDate> {
    let (year, month) = text.split_at_checked(4)?;
    let month: Month = format!("{year}-{month}").parse().ok()?;
    Some(month.first_day())
}

/// Days since 1899-12-30, as spreadsheets count after February 1900.
fn serial(text: &str) -> Option<NaiveDate> {
    let days: u64 = text.parse().ok()?;
    NaiveDate::from_ymd_opt(1899, 12, 30)?.checked_add_days(Days::new(days))
}

/// A year.
pub(super) fn year(cell: Cell<'_>) -> Result<Option<i32>, Code> {
    let text = text(cell, 8)?;
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.trim_end_matches('年');
    digits.parse().map(Some).map_err(|_| "LIFTED_YEAR")
}

/// An ID number. `disability_card`: 20 or 22 characters that begin with it.
pub(super) fn id_number(cell: Cell<'_>, disability_card: bool) -> Result<IdNumber, Code> {
    let text = match cell {
        Cell::Number(number) => whole(number).map_err(|_| "ID_SPREADSHEET_FLOAT")?,
        other => text(other, 40)?,
    };
    if text.is_empty() {
        return Err("REQUIRED");
    }
    let card = disability_card && matches!(text.chars().count(), 20 | 22);
    let number: String = if card {
        text.chars().take(18).collect()
    } else {
        text
    };
    number.parse().map_err(id_number_code)
}

pub(super) const fn id_number_code(error: InvalidIdNumber) -> Code {
    match error {
        InvalidIdNumber::FifteenDigits => "ID_FIFTEEN_DIGITS",
        InvalidIdNumber::Length => "ID_LENGTH",
        InvalidIdNumber::Characters => "ID_CHARACTERS",
        InvalidIdNumber::BirthDate => "ID_BIRTH_DATE",
        InvalidIdNumber::CheckDigit => "ID_CHECK_DIGIT",
        InvalidIdNumber::SpreadsheetFloat => "ID_SPREADSHEET_FLOAT",
    }
}

/// A phone number: digits, with the country's prefix and spaces taken away.
pub(super) fn phone(cell: Cell<'_>) -> Result<String, Code> {
    let stripped = match cell {
        Cell::Text(text) => {
            let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            compact.strip_prefix("+86").unwrap_or(&compact).to_owned()
        }
        other => text(other, 20)?,
    };
    if !crate::household::is_phone(&stripped) {
        return Err("PHONE");
    }
    Ok(stripped)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> Result<Option<NaiveDate>, Code> {
        Ok(Some(text.parse().expect("a day")))
    }

    #[test]
    fn dates_in_every_spelling() {
        for spelling in [
            "2026-08-31",
            "2026/8/31",
            "2026年8月31日",
            "20260831",
            "2026.8.31",
        ] {
            assert_eq!(date(Cell::Text(spelling)), day("2026-08-31"), "{spelling}");
        }
        assert_eq!(date(Cell::Text("202608")), day("2026-08-01"));
        assert_eq!(date(Cell::Number(202_608.0)), day("2026-08-01"));
        assert_eq!(date(Cell::Number(46_265.0)), day("2026-08-31"));
        assert_eq!(date(Cell::Empty), Ok(None));
        for wrong in [
            "2026-13-01",
            "202613",
            "31.8.2026",
            "gestern",
            "20260231",
            "99999",
        ] {
            assert_eq!(date(Cell::Text(wrong)), Err("DATE"), "{wrong}");
        }
    }

    #[test]
    fn amounts_are_yuan() {
        assert_eq!(
            amount(Cell::Number(80_400.5)),
            Ok(Some(Money::from_fen(8_040_050)))
        );
        assert_eq!(
            amount(Cell::Text(" 12.3 ")),
            Ok(Some(Money::from_fen(1230)))
        );
        assert_eq!(amount(Cell::Text(" ")), Ok(None));
        for wrong in [
            Cell::Number(-1.0),
            Cell::Number(0.333),
            Cell::Number(1e13),
            Cell::Number(f64::NAN),
            Cell::Text("-5"),
            Cell::Text("1,000"),
            Cell::Text("=1+1"),
        ] {
            assert_eq!(amount(wrong), Err("AMOUNT"), "{wrong:?}");
        }
    }

    #[test]
    fn id_numbers_survive_spreadsheets_or_say_why_not() {
        assert_eq!(
            id_number(Cell::Number(1.101_054_912_310_02e17), false),
            Err("ID_SPREADSHEET_FLOAT")
        );
        assert_eq!(
            id_number(Cell::Number(110_105_491_231_002.0), false),
            Err("ID_FIFTEEN_DIGITS")
        );
        assert_eq!(
            id_number(Cell::Text("1.10105E+17"), false),
            Err("ID_SPREADSHEET_FLOAT")
        );
        assert_eq!(id_number(Cell::Empty, false), Err("REQUIRED"));
        let number = crate::member::tests::id_number("19800101", 1);
        let card = format!("{}11", number.expose());
        assert_eq!(id_number(Cell::Text(&card), true), Ok(number));
        assert_eq!(id_number(Cell::Text(&card), false), Err("ID_LENGTH"));
    }

    #[test]
    fn text_that_a_spreadsheet_would_run_is_refused() {
        for formula in ["=cmd()", "+1", "-1", "@x"] {
            assert_eq!(text(Cell::Text(formula), 20), Err("FORMULA"), "{formula}");
        }
        assert_eq!(text(Cell::Text("-"), 20), Ok("-".to_owned()));
        assert_eq!(text(Cell::Text("张\0三"), 20), Err("CONTROL_CHARACTER"));
        assert_eq!(
            text(Cell::Text(&"字".repeat(2_000_000)), 20),
            Err("TOO_LONG")
        );
    }

    #[test]
    fn phones() {
        assert_eq!(
            phone(Cell::Text("+86 139 0000 0000")),
            Ok("13900000000".to_owned())
        );
        assert_eq!(
            phone(Cell::Number(13_900_000_000.0)),
            Ok("13900000000".to_owned())
        );
        assert_eq!(
            phone(Cell::Text("0871-1234567")),
            Ok("0871-1234567".to_owned())
        );
        assert_eq!(phone(Cell::Text("无")), Err("PHONE"));
    }

    proptest! {
        #[test]
        fn no_cell_is_too_strange(content in "\\PC{0,40}", number: f64) {
            for cell in [Cell::Text(&content), Cell::Number(number), Cell::Unreadable] {
                let _ = (text(cell, 20), yes_no(cell), amount(cell), date(cell), year(cell));
                let _ = (id_number(cell, true), phone(cell));
            }
        }

        #[test]
        fn money_comes_through_a_float(fen in 0i64..1_000_000_000_000) {
            let yuan = fen as f64 / 100.0;
            prop_assert_eq!(amount(Cell::Number(yuan)), Ok(Some(Money::from_fen(fen))));
        }
    }
}
