//! What departments that look up for themselves answer of a person: no more than their item's form lets
//! them (CMP-5, CMP-8).

use kernel::{IdNumber, ItemKind};
use uuid::Uuid;

use crate::{
    column::{Kind, Value},
    contract::{self, Contract},
    row::{self, Fault, Values},
};

/// How much of what it holds a department tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerForm {
    /// Every row of the person as the register has it, without the texts that rules do not need.
    Rows,
    /// Of the sum of the person's amounts the band that it lies in, and no row.
    Bands,
    /// Whether there is a row.
    YesNo,
}

/// The form of an item's answers: an amount is nobody's business beyond the band that a rule needs, and
/// of an employment only that there is one.
#[must_use]
pub const fn form_of(item: ItemKind) -> AnswerForm {
    match item {
        ItemKind::BankDeposit | ItemKind::Securities | ItemKind::HousingFund => AnswerForm::Bands,
        ItemKind::PublicPayroll => AnswerForm::YesNo,
        _ => AnswerForm::Rows,
    }
}

/// Where bands begin, in yuan: below a month's wage, then in steps that tell apart households around
/// the defaults of C-DEP-01, C-SEC-01 and C-PRO-01.
const BANDS_YUAN: [i64; 9] = [
    0, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
];

/// Amounts that are told as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band(usize);

impl Band {
    /// The band of an amount that is not negative.
    #[must_use]
    pub fn of(fen: i64) -> Self {
        let begun = BANDS_YUAN.iter().filter(|yuan| **yuan * 100 <= fen);
        Self(begun.count().saturating_sub(1))
    }

    /// Its smallest and its largest amount in fen.
    #[must_use]
    pub fn ends_fen(self) -> (i64, i64) {
        let low = BANDS_YUAN.get(self.0).map_or(0, |yuan| yuan * 100);
        let next = BANDS_YUAN.get(self.0 + 1);
        (
            low,
            next.map_or(crate::column::FEN_MAX, |yuan| yuan * 100 - 1),
        )
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..BANDS_YUAN.len()).map(Self)
    }

    fn parse(text: &str) -> Option<Self> {
        Self::all().find(|band| band.to_string() == text)
    }
}

impl std::fmt::Display for Band {
    /// In yuan: "2000-5000" begins with 2000 and ends below 5000; the last has no end.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-", BANDS_YUAN.get(self.0).unwrap_or(&0))?;
        BANDS_YUAN
            .get(self.0 + 1)
            .map_or(Ok(()), |next| write!(f, "{next}"))
    }
}

/// What is known of a person's thing: its values, or two that they lie between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The smallest that it can be.
    pub low: Values,
    /// The largest.
    pub high: Values,
    /// What may be kept of it, as `name=value`.
    pub evidence: Vec<String>,
}

impl Told {
    /// Exact values.
    #[must_use]
    pub fn exactly(values: Values, contract: &Contract) -> Self {
        Self {
            evidence: values.evidence(contract),
            low: values.clone(),
            high: values,
        }
    }
}

/// Columns of a request file in their order.
pub const REQUEST_COLUMNS: [&str; 4] = ["token", "case_id", "id_number", "name"];

const TOKEN: &str = "token";
const CASE: &str = "case_id";
const ID_NUMBER: &str = "id_number";
const FOUND: &str = "found";

/// Longest token: its claims are of known sizes, six hundred characters in all.
pub const TOKEN_CHARS_MAX: usize = 1_000;

/// A row of a result file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The token that came with the question.
    pub token: String,
    /// The case that the question was for.
    pub case: Uuid,
    /// Whom it was about.
    pub id_number: IdNumber,
    /// One thing that the person has; `None` says that there is nothing.
    pub told: Option<Told>,
}

/// The column of a banded item: its amount's.
fn band_column(contract: &Contract) -> Option<(&'static str, String)> {
    let mut values = contract.values();
    let amount = values.find(|column| column.kind == Kind::Money)?;
    Some((amount.name, format!("{}_band", amount.name)))
}

/// The columns of an item's result file, in the order that [`write`] keeps.
#[must_use]
pub fn columns(item: ItemKind) -> Vec<String> {
    let contract = contract::of_item(item);
    let always = [TOKEN, CASE, ID_NUMBER, FOUND].map(str::to_owned);
    let told: Vec<String> = match form_of(item) {
        AnswerForm::Rows => contract.values().map(|c| c.name.to_owned()).collect(),
        AnswerForm::Bands => band_column(&contract)
            .map(|(_, band)| band)
            .into_iter()
            .collect(),
        AnswerForm::YesNo => Vec::new(),
    };
    always.into_iter().chain(told).collect()
}

/// Where the columns of an item's answers are in a result file.
#[derive(Debug, Clone)]
pub struct Layout {
    item: ItemKind,
    /// Of each of [`columns`] its place.
    places: Vec<usize>,
}

impl Layout {
    /// Finds the columns in a file's headers; others are not looked at.
    ///
    /// # Errors
    /// The first column that is missing.
    pub fn find(item: ItemKind, headers: &[&str]) -> Result<Self, String> {
        let places = columns(item).into_iter().map(|name| {
            let place = headers.iter().position(|header| header.trim() == name);
            place.ok_or(name)
        });
        let places = places.collect::<Result<_, _>>()?;
        Ok(Self { item, places })
    }

    /// Reads a row. A cell is `None` where its bytes are no text.
    ///
    /// # Errors
    /// The first bad cell.
    pub fn read(&self, cells: &[Option<&str>]) -> Result<Answer, Fault> {
        let cell = |at: usize, column: &'static str| {
            let place = self.places.get(at).copied().unwrap_or(usize::MAX);
            let cell = cells.get(place).copied().unwrap_or(Some(""));
            let cell = cell.map(str::trim);
            cell.ok_or(Fault {
                column,
                code: "UNREADABLE",
            })
        };
        let given = |at, column| match cell(at, column)? {
            "" => Err(Fault {
                column,
                code: "REQUIRED",
            }),
            text => Ok(text),
        };
        let token = given(0, TOKEN)?;
        if token.len() > TOKEN_CHARS_MAX || !token.is_ascii() {
            return Err(Fault {
                column: TOKEN,
                code: "TOKEN_MALFORMED",
            });
        }
        let case = given(1, CASE)?.parse();
        let case = case.map_err(|_| Fault {
            column: CASE,
            code: "TOKEN_OTHER_CASE",
        })?;
        let id_number = given(2, ID_NUMBER)?;
        let id_number = row::id_number(id_number, ID_NUMBER)?;
        let found = Kind::Flag.read(given(3, FOUND)?);
        let found = found.map_err(|code| Fault {
            column: FOUND,
            code,
        })?;
        let told = match found {
            Value::Flag(true) => Some(self.told(|at, column| cell(4 + at, column))?),
            _ => None,
        };
        Ok(Answer {
            token: token.to_owned(),
            case,
            id_number,
            told,
        })
    }

    fn told<'a>(
        &self,
        cell: impl Fn(usize, &'static str) -> Result<&'a str, Fault>,
    ) -> Result<Told, Fault> {
        let contract = contract::of_item(self.item);
        match form_of(self.item) {
            AnswerForm::Rows => {
                let cells = contract.values().enumerate();
                let cells = cells.map(|(at, column)| cell(at, column.name));
                let cells: Vec<&str> = cells.collect::<Result<_, _>>()?;
                Ok(Told::exactly(Values::read(&contract, cells)?, &contract))
            }
            AnswerForm::Bands => {
                // Every banded item has an amount; a test holds it.
                let (amount, column) = band_column(&contract).unwrap_or_default();
                let bad = Fault {
                    column: amount,
                    code: "BAND",
                };
                let band = Band::parse(cell(0, amount)?).ok_or(bad)?;
                let (low, high) = band.ends_fen();
                Ok(Told {
                    low: Values::only(&contract, amount, low),
                    high: Values::only(&contract, amount, high),
                    evidence: vec![format!("{column}={band}")],
                })
            }
            AnswerForm::YesNo => {
                let nothing = Values::nothing(&contract);
                Ok(Told {
                    low: nothing.clone(),
                    high: nothing,
                    evidence: vec![format!("{FOUND}=yes")],
                })
            }
        }
    }
}

/// What a department has found of a person: the cells of [`Contract::values`] of each of their rows.
pub type Held = Vec<Vec<String>>;

/// The rows of a result file that answer one question, in the order of [`columns`]: as much of what is
/// held as the item's form tells.
///
/// # Errors
/// A held row that does not keep the contract.
pub fn write(
    item: ItemKind,
    token: &str,
    case: Uuid,
    id_number: &str,
    held: &Held,
) -> Result<Vec<Vec<String>>, Fault> {
    let contract = contract::of_item(item);
    let row = |found: &str, told: Vec<String>| {
        let always = [
            token.to_owned(),
            case.to_string(),
            id_number.to_owned(),
            found.to_owned(),
        ];
        let width = columns(item).len();
        let mut row: Vec<String> = always.into_iter().chain(told).collect();
        row.resize(width, String::new());
        row
    };
    if held.is_empty() {
        return Ok(vec![row("no", Vec::new())]);
    }
    let values = held.iter().map(|cells| Values::read(&contract, cells));
    let values: Vec<Values> = values.collect::<Result<_, _>>()?;
    Ok(match form_of(item) {
        AnswerForm::Rows => held.iter().map(|cells| row("yes", cells.clone())).collect(),
        AnswerForm::Bands => {
            let fen = values.iter().map(|values| values.fen(&contract));
            let sum = fen.fold(0, i64::saturating_add);
            vec![row("yes", vec![Band::of(sum).to_string()])]
        }
        AnswerForm::YesNo => vec![row("yes", Vec::new())],
    })
}

#[cfg(test)]
mod tests {
    use kernel::Code;
    use proptest::prelude::*;

    use super::*;
    use crate::finding::{FindingKind, Rules, tests::rule};

    fn number() -> String {
        let digits = *b"99999919800101001";
        let check = IdNumber::check_character(&digits);
        format!("{}{check}", String::from_utf8_lossy(&digits))
    }

    fn read(item: ItemKind, rows: &[Vec<String>]) -> Vec<Result<Answer, Fault>> {
        let headers = columns(item);
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let layout = Layout::find(item, &headers).expect("all there");
        let rows = rows.iter().map(|row| {
            let cells: Vec<Option<&str>> = row.iter().map(|cell| Some(&**cell)).collect();
            layout.read(&cells)
        });
        rows.collect()
    }

    #[test]
    fn what_is_written_is_read_and_tells_no_more_than_the_form_lets() {
        let (case, number) = (Uuid::from_u128(7), number());
        let texts = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        for (item, held, rows, evidence) in [
            (
                ItemKind::Vehicle,
                vec![
                    texts(&["小型汽车", "30000", ""]),
                    texts(&["摩托车", "", ""]),
                ],
                2,
                "kind=小型汽车",
            ),
            (
                ItemKind::BankDeposit,
                vec![texts(&["30000.01"]), texts(&["25000"])],
                1,
                "balance_band=50000-100000",
            ),
            (
                ItemKind::PublicPayroll,
                vec![texts(&["某单位"])],
                1,
                "found=yes",
            ),
        ] {
            let written = write(item, "t.o.k", case, &number, &held).expect("held rows");
            assert_eq!(written.len(), rows, "{item}");
            let shown = written.concat().join(" ");
            assert!(
                !shown.contains("30000.01") && !shown.contains("某单位"),
                "{shown}"
            );
            let answers: Vec<Answer> = read(item, &written)
                .into_iter()
                .collect::<Result<_, _>>()
                .expect("read");
            let first = &answers[0];
            assert_eq!((&*first.token, first.case), ("t.o.k", case));
            let told = first.told.as_ref().expect("something");
            assert_eq!(told.evidence[0], evidence);
            let nothing = write(item, "t.o.k", case, &number, &Vec::new()).expect("nothing");
            assert_eq!(read(item, &nothing)[0].as_ref().expect("read").told, None);
        }
    }

    #[test]
    fn a_bad_cell_is_named() {
        let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
        let case = Uuid::from_u128(7).to_string();
        let number = number();
        let long = "x".repeat(TOKEN_CHARS_MAX + 1);
        for (cells, column, code) in [
            (["", &case, &number, "no", ""], "token", "REQUIRED"),
            (
                [&long, &case, &number, "no", ""],
                "token",
                "TOKEN_MALFORMED",
            ),
            (["t", "7", &number, "no", ""], "case_id", "TOKEN_OTHER_CASE"),
            (
                ["t", &case, "123456789012345", "no", ""],
                "id_number",
                "ID_FIFTEEN_DIGITS",
            ),
            (["t", &case, &number, "", ""], "found", "REQUIRED"),
            (["t", &case, &number, "maybe", ""], "found", "YES_NO"),
            (["t", &case, &number, "yes", ""], "balance", "BAND"),
            (["t", &case, &number, "yes", "30000"], "balance", "BAND"),
            (
                ["t", &case, &number, "yes", "20000-50001"],
                "balance",
                "BAND",
            ),
        ] {
            let fault = read(ItemKind::BankDeposit, &[row(cells)]).remove(0);
            assert_eq!(fault, Err(Fault { column, code }), "{cells:?}");
        }
        let missing = Layout::find(
            ItemKind::BankDeposit,
            &["token", "case_id", "id_number", "found"],
        );
        assert_eq!(missing.expect_err("missing"), "balance_band");
    }

    #[test]
    fn every_item_has_its_columns_and_banded_ones_an_amount() {
        for item in ItemKind::ALL {
            let contract = contract::of_item(*item);
            let banded = form_of(*item) == AnswerForm::Bands;
            assert!(!banded || band_column(&contract).is_some(), "{item}");
            assert_eq!(
                columns(*item)[..4],
                [TOKEN, CASE, ID_NUMBER, FOUND],
                "{item}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_band_holds_its_amounts_and_hides_no_hit(
            fen in 0i64..100_000_000, threshold in 0i64..100_000_000, members in 1i64..8,
        ) {
            let band = Band::of(fen);
            let (low, high) = band.ends_fen();
            prop_assert!((low..=high).contains(&fen));
            prop_assert_eq!(Band::parse(&band.to_string()), Some(band));

            let item = ItemKind::BankDeposit;
            let mut rule = rule("balance > threshold * members", "");
            (rule.item, rule.kind, rule.head.threshold) = (item, FindingKind::HardFlaw, threshold);
            let rules = Rules::compile(&[rule], item).expect("compiles");
            let cells = vec![vec![format!("{}.{:02}", fen / 100, fen % 100)]];
            let row = write(item, "t", Uuid::nil(), &number(), &cells).expect("written");
            let told = read(item, &row).remove(0).expect("read").told.expect("something");
            let hits = rules.judge(&told, false, members);
            if fen > threshold * members {
                prop_assert_eq!(hits.len(), 1);
            }
            let certain = low > threshold * members;
            let possible = high > threshold * members;
            prop_assert_eq!(hits.len(), usize::from(possible));
            // What is not certain is for a person to look at.
            for (_, kind) in hits {
                let expected = if certain { FindingKind::HardFlaw } else { FindingKind::Review };
                prop_assert_eq!(kind, expected);
            }
        }
    }
}
