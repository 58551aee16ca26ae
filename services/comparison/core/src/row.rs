//! Rows of a department's file, checked against its contract. What was in a bad cell is not kept.

use kernel::{IdNumber, InvalidIdNumber, Money};

use crate::{
    column::{Column, Kind, Value},
    contract::Contract,
};

/// A row that keeps its contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Whose row it is.
    pub id_number: IdNumber,
    /// What it says of them.
    pub values: Values,
}

/// The values of a row in the order of [`Contract::values`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values(Vec<Value>);

/// What is wrong with a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Header of the column.
    pub column: &'static str,
    /// Stable name; [`reason`] has the sentence.
    pub code: &'static str,
}

const REASONS: [(&str, &str); 31] = [
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
    ("COLUMNS", "该行缺少应有的列"),
    ("NUL", "该行含有空字符"),
    ("QUOTE", "引号未闭合或闭合后仍有内容"),
    ("ROW_TOO_LONG", "该行过长"),
    ("CONTRADICTORY_ROWS", "同一人前后两行内容不一致"),
    ("TOO_MANY_ROWS", "同一人的行数过多"),
    ("BAND", "应填约定的金额区间,例如 20000-50000"),
    ("TOKEN_MALFORMED", "查询令牌不完整"),
    ("TOKEN_SIGNATURE", "查询令牌不是本县签发的"),
    ("TOKEN_OTHER_DEPARTMENT", "查询令牌是发给另一部门的"),
    ("TOKEN_OTHER_ITEM", "查询令牌是为另一比对项目签发的"),
    ("TOKEN_OTHER_CASE", "查询令牌是为另一案件签发的"),
    ("TOKEN_OTHER_PERSON", "查询令牌是为另一人签发的"),
    ("TOKEN_EXPIRED", "查询令牌已过有效期"),
    ("TOKEN_ANSWERED", "该查询令牌已答复过"),
    ("TOKEN_CLOSED", "该比对已经结束或不再需要此项"),
    ("TOKEN_NOT_AUTHORISED", "授权已撤回或失效,不再采用"),
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

/// Reads an ID number that is there.
pub(crate) fn id_number(text: &str, column: &'static str) -> Result<IdNumber, Fault> {
    text.parse().map_err(|error| Fault {
        column,
        code: id_number_code(error),
    })
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
        let mut values = Vec::with_capacity(self.places.len());
        for (column, place) in self.contract.columns.iter().zip(&self.places) {
            let fault = |code| Fault {
                column: column.name,
                code,
            };
            let cell = place.map_or(Some(""), |at| cells.get(at).copied().unwrap_or(Some("")));
            let text = cell.ok_or_else(|| fault("UNREADABLE"))?.trim();
            if column.kind == Kind::IdNumber {
                if text.is_empty() {
                    return Err(fault("REQUIRED"));
                }
                id_number = Some(self::id_number(text, column.name)?);
            } else {
                values.push(read(column, text)?);
            }
        }
        // Every contract has one.
        let id_number = id_number.ok_or(Fault {
            column: "id_number",
            code: "REQUIRED",
        })?;
        let values = Values(values);
        Ok(Row { id_number, values })
    }
}

fn read(column: &Column, text: &str) -> Result<Value, Fault> {
    let fault = |code| Fault {
        column: column.name,
        code,
    };
    match (text.is_empty(), column.optional) {
        (true, true) => Ok(column.kind.nothing()),
        (true, false) => Err(fault("REQUIRED")),
        (false, _) => column.kind.read(text).map_err(fault),
    }
}

impl Values {
    /// Reads the cells of [`Contract::values`], in their order and without blanks around them.
    ///
    /// # Errors
    /// The first bad cell.
    pub fn read<T: AsRef<str>>(
        contract: &Contract,
        cells: impl IntoIterator<Item = T>,
    ) -> Result<Self, Fault> {
        let values = contract.values().zip(cells);
        let values = values.map(|(column, cell)| read(column, cell.as_ref()));
        values.collect::<Result<_, _>>().map(Self)
    }

    /// Values of a row that says nothing but that it is there.
    #[must_use]
    pub fn nothing(contract: &Contract) -> Self {
        Self(contract.values().map(|c| c.kind.nothing()).collect())
    }

    /// Values of which an amount alone is known.
    pub(crate) fn only(contract: &Contract, amount: &str, fen: i64) -> Self {
        let values = contract.values().map(|column| {
            if column.name == amount {
                Value::Money(Money::from_fen(fen))
            } else {
                column.kind.nothing()
            }
        });
        Self(values.collect())
    }

    /// The first amount, zero where there is none.
    pub(crate) fn fen(&self, contract: &Contract) -> i64 {
        let mut values = contract.values().zip(&self.0);
        let amount = values.find_map(|(_, value)| match value {
            Value::Money(amount) => Some(amount.fen()),
            _ => None,
        });
        amount.unwrap_or_default()
    }

    /// The values with their names.
    pub fn named<'a>(
        &'a self,
        contract: &'a Contract,
    ) -> impl Iterator<Item = (&'static str, &'a Value)> {
        contract.values().map(|column| column.name).zip(&self.0)
    }

    /// What may be kept of the row: `name=value` of everything that is no free text (CMP-8).
    #[must_use]
    pub fn evidence(&self, contract: &Contract) -> Vec<String> {
        let evidence = contract.values().zip(&self.0);
        let evidence = evidence.filter(|(column, _)| column.kind.is_evidence());
        evidence
            .map(|(column, value)| format!("{}={value}", column.name))
            .collect()
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
        let contract = *contract::of_alerts("disability").expect("a contract");
        let layout = Layout::find(contract, &["level", "x", "category", "id_number"]);
        let layout = layout.expect("all there");
        let id = id();
        let cells = [Some("2"), Some("?"), Some("智力"), Some(&*id)];
        let row = layout.read(&cells).expect("a row");
        assert_eq!(row.values.evidence(&contract), ["category=智力", "level=2"]);
        let fault = layout.read(&[Some("zwei"), None, Some("智力"), Some(&id)]);
        assert_eq!(fault.expect_err("bad").code, "NUMBER");
        let missing = Layout::find(contract, &["id_number", "level"]);
        assert_eq!(missing.expect_err("missing"), "category");

        let contract = contract::of_alerts("dropout").expect("a contract");
        let values = Values::read(contract, ["中学", ""]).expect("values");
        assert!(values.evidence(contract).is_empty(), "texts");
        let fault = Values::read(contract, ["", "搬家"]).expect_err("bad");
        assert_eq!((fault.column, fault.code), ("school", "REQUIRED"));
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
            let contract = *contract::of_alerts("medical_expense").expect("a contract");
            let layout = Layout::find(contract, &["id_number", "stay_oop", "ytd_oop"]).expect("there");
            let texts: Vec<Option<&str>> = cells.iter().map(|cell| Some(&**cell)).collect();
            let _ = layout.read(&texts);
            let _ = Values::read(&contract::of_item(ItemKind::Vehicle), &cells);
        }
    }
}
