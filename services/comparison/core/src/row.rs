//! Rows of a department's file, checked against its contract. What was in a bad cell is not kept.

use kernel::{IdNumber, InvalidIdNumber};

use crate::{
    column::{Kind, Value},
    contract::Contract,
};

/// A row that keeps its contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Whose row it is.
    pub id_number: IdNumber,
    /// Name, where the contract has one.
    pub name: Option<String>,
    /// The other columns, in the order of the contract.
    pub values: Vec<Value>,
}

/// What is wrong with a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Header of the column.
    pub column: &'static str,
    /// Stable name; [`reason`] has the sentence.
    pub code: &'static str,
}

const REASONS: [(&str, &str); 14] = [
    ("REQUIRED", "此项必填"),
    ("UNREADABLE", "文字编码无法识别"),
    ("AMOUNT", "金额应为不小于 0、最多两位小数的元数"),
    ("NUMBER", "应为不小于 0 的数"),
    ("YES_NO", "应填“是”或“否”"),
    ("DATE", "日期应形如 2026-08-31"),
    ("WORD", "应为不超过 12 个字的词"),
    ("TEXT", "内容过长或含有控制字符"),
    ("ID_FIFTEEN_DIGITS", "15 位身份证号码已停用,应为 18 位"),
    ("ID_LENGTH", "证件号码应为 18 位"),
    ("ID_CHARACTERS", "证件号码应为 17 位数字加 1 位数字或 X"),
    ("ID_BIRTH_DATE", "证件号码第 7 至 14 位不是有效的出生日期"),
    ("ID_CHECK_DIGIT", "证件号码校验位不符"),
    ("NAME_MISMATCH", "姓名与登记的姓名不符"),
];

/// One Chinese sentence for a code.
#[must_use]
pub fn reason(code: &str) -> &'static str {
    REASONS.iter().find(|(known, _)| *known == code).map_or(
        "证件号码被电子表格转成了数值,请以文本格式填写",
        |(_, reason)| reason,
    )
}

const fn id_number_code(error: InvalidIdNumber) -> &'static str {
    match error {
        InvalidIdNumber::FifteenDigits => "ID_FIFTEEN_DIGITS",
        InvalidIdNumber::Length => "ID_LENGTH",
        InvalidIdNumber::Characters => "ID_CHARACTERS",
        InvalidIdNumber::BirthDate => "ID_BIRTH_DATE",
        InvalidIdNumber::CheckDigit => "ID_CHECK_DIGIT",
        InvalidIdNumber::SpreadsheetFloat => "ID_SPREADSHEET_FLOAT",
    }
}

/// Where a contract's columns are in a file.
#[derive(Debug, Clone)]
pub struct Layout {
    contract: Contract,
    /// Of each column of the contract its place; absent optional ones have none.
    places: Vec<Option<usize>>,
}

impl Layout {
    /// Finds the columns in a file's headers.
    ///
    /// # Errors
    /// The first required column that is missing.
    pub fn find(contract: Contract, headers: &[&str]) -> Result<Self, &'static str> {
        let place = |name: &str| headers.iter().position(|header| header.trim() == name);
        let places = contract
            .columns
            .iter()
            .map(|column| match place(column.name) {
                None if !column.optional => Err(column.name),
                found => Ok(found),
            });
        let places = places.collect::<Result<_, _>>()?;
        Ok(Self { contract, places })
    }

    /// The contract.
    #[must_use]
    pub const fn contract(&self) -> &Contract {
        &self.contract
    }

    /// Reads a row. A cell is `None` where its bytes are no text.
    ///
    /// # Errors
    /// The first bad cell: one is enough to refuse the row.
    pub fn read(&self, cells: &[Option<&str>]) -> Result<Row, Fault> {
        let mut id_number: Option<IdNumber> = None;
        let (mut name, mut values) = (None, Vec::with_capacity(self.places.len()));
        for (column, place) in self.contract.columns.iter().zip(&self.places) {
            let fault = |code| Fault {
                column: column.name,
                code,
            };
            let cell = place.map_or(Some(""), |at| cells.get(at).copied().unwrap_or(Some("")));
            let text = cell.ok_or_else(|| fault("UNREADABLE"))?.trim();
            if text.is_empty() && !column.optional {
                return Err(fault("REQUIRED"));
            }
            match column.kind {
                Kind::IdNumber => {
                    let read = text.parse().map_err(|error| fault(id_number_code(error)))?;
                    id_number = Some(read);
                }
                Kind::Name => name = Some(text.to_owned()),
                kind if text.is_empty() => values.push(kind.nothing()),
                kind => values.push(kind.read(text).map_err(fault)?),
            }
        }
        // Every contract has one.
        let id_number = id_number.ok_or(Fault {
            column: "id_number",
            code: "REQUIRED",
        })?;
        Ok(Row {
            id_number,
            name,
            values,
        })
    }
}

impl Row {
    /// The values with their names.
    pub fn named<'a>(
        &'a self,
        contract: &'a Contract,
    ) -> impl Iterator<Item = (&'static str, &'a Value)> {
        let columns = contract.columns.iter();
        let columns = columns.filter(|c| !matches!(c.kind, Kind::IdNumber | Kind::Name));
        columns.map(|column| column.name).zip(&self.values)
    }

    /// What may be kept of the row: `name=value` of everything that is no free text (CMP-8).
    #[must_use]
    pub fn evidence(&self, contract: &Contract) -> Vec<String> {
        let kind = |name| {
            contract
                .columns
                .iter()
                .find(|c| c.name == name)
                .map(|c| c.kind)
        };
        self.named(contract)
            .filter(|(name, _)| kind(*name).is_some_and(Kind::is_evidence))
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    /// Whether the row's name is `registered`, but for spaces and the dots within names of several
    /// parts. A file without names matches by number alone.
    #[must_use]
    pub fn is_named(&self, registered: &str) -> bool {
        let bare = |name: &str| -> String {
            name.chars()
                .filter(|c| !c.is_whitespace() && !"·•・‧.".contains(*c))
                .collect()
        };
        self.name
            .as_ref()
            .is_none_or(|name| bare(name) == bare(registered))
    }
}

#[cfg(test)]
mod tests {
    use kernel::ItemKind;
    use proptest::prelude::*;

    use super::*;
    use crate::contract;

    const ID: &str = "999999198001010013";

    fn id() -> String {
        let digits: [u8; 17] = ID.as_bytes()[..17].try_into().expect("17");
        format!("{}{}", &ID[..17], IdNumber::check_character(&digits))
    }

    #[test]
    fn a_row_is_read_in_any_order_of_columns_and_keeps_no_text() {
        let contract = contract::of_item(ItemKind::BusinessRegistration);
        let layout = Layout::find(contract, &["operating", "x", "kind", "name", "id_number"]);
        let layout = layout.expect("all there");
        let id = id();
        let cells = [
            Some("是"),
            Some("?"),
            Some("公司"),
            Some("买买提·艾力"),
            Some(&*id),
        ];
        let row = layout.read(&cells).expect("a row");
        assert_eq!(row.evidence(&contract), ["kind=公司", "operating=yes"]);
        assert!(row.is_named("买买提 • 艾力") && !row.is_named("买买提"));
        let fault = layout.read(&[
            Some("vielleicht"),
            None,
            Some("公司"),
            Some("甲"),
            Some(&id),
        ]);
        assert_eq!(fault.expect_err("bad").code, "YES_NO");
        let missing = Layout::find(contract, &["id_number", "name", "kind"]);
        assert_eq!(missing.expect_err("missing"), "operating");
    }

    #[test]
    fn every_code_has_its_sentence() {
        for (code, sentence) in REASONS {
            assert_eq!(reason(code), sentence);
        }
        assert!(reason("ID_SPREADSHEET_FLOAT").contains("数值"));
    }

    proptest! {
        #[test]
        fn any_cells_are_read_or_refused(cells in prop::collection::vec(".{0,30}", 0..6)) {
            let contract = contract::of_item(ItemKind::Vehicle);
            let headers = ["id_number", "name", "kind", "price", "exemption"];
            let layout = Layout::find(contract, &headers).expect("all there");
            let cells: Vec<Option<&str>> = cells.iter().map(|cell| Some(&**cell)).collect();
            let _ = layout.read(&cells);
        }
    }
}
