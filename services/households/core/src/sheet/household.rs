//! Rows that make a household.

use kernel::{IdNumber, LabourCapacity};

use super::{Fault, HeadFields, NATIONAL_NUMBER, RELATION, Row};
use crate::member::{MEMBERS_MAX, Standing};

/// A member as the sheet has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetMember {
    /// The row, from 1.
    pub row: u32,
    /// Name.
    pub name: String,
    /// ID number.
    pub id_number: IdNumber,
    /// Relation to the head.
    pub relation: String,
    /// The head of the household.
    pub is_head: bool,
    /// The three facts.
    pub standing: Standing,
    /// Labour capacity.
    pub labour: Option<LabourCapacity>,
    /// Health.
    pub health: String,
    /// Whether at school.
    pub schooling: String,
    /// Has basic medical insurance.
    pub medically_insured: bool,
    /// 低保 or 特困供养 is granted.
    pub social_security: bool,
}

/// A household as the sheet has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetHousehold {
    /// 户编号
    pub national_number: String,
    /// Row of the head.
    pub head_row: u32,
    /// What is said of the household.
    pub fields: HeadFields,
    /// Members, in the order of the sheet.
    pub members: Vec<SheetMember>,
}

impl SheetHousehold {
    /// Everything that is said, as one text: two sheets that say the same have the same. Holds ID
    /// numbers: to be hashed with a key, never kept.
    #[must_use]
    pub fn content(&self) -> String {
        let mut content = format!("{}\u{1f}{:?}", self.national_number, self.fields);
        for m in &self.members {
            content.push_str(&format!(
                "\u{1f}{}\u{1f}{}\u{1f}{}\u{1f}{:?}\u{1f}{:?}\u{1f}{}\u{1f}{}\u{1f}{}\u{1f}{}",
                m.name,
                m.id_number.expose(),
                m.relation,
                m.standing,
                m.labour,
                m.health,
                m.schooling,
                m.medically_insured,
                m.social_security,
            ));
        }
        content
    }
}

/// Puts the rows of one 户编号 together (S02, 3_11_001).
///
/// # Errors
/// There is not exactly one head, or there are too many members.
pub fn assemble(rows: Vec<Row>) -> Result<SheetHousehold, Fault> {
    let row = rows.first().map_or(0, |row| row.member.row);
    let fault = |column, code| Fault { row, column, code };
    if rows.len() > MEMBERS_MAX {
        return Err(fault(NATIONAL_NUMBER, "TOO_MANY"));
    }
    let mut heads = Vec::new();
    let mut members = Vec::with_capacity(rows.len());
    let mut national_number = String::new();
    for row in rows {
        heads.extend(row.head.map(|fields| (row.member.row, fields)));
        members.push(row.member);
        national_number = row.household;
    }
    let (Some((head_row, fields)), None) = (heads.pop(), heads.pop()) else {
        return Err(fault(RELATION, "EXACTLY_ONE_HEAD"));
    };
    Ok(SheetHousehold {
        national_number,
        head_row,
        fields,
        members,
    })
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use kernel::{Guarantee, GuaranteeStatus, Money, Origin, RiskType};
    use proptest::prelude::*;

    use super::super::{Cell, Columns, HEADERS, INCOME, REQUIRED, is_header_row, read_row, reason};
    use super::*;
    use crate::{income::IncomeGroup, member::tests::id_number};

    fn today() -> NaiveDate {
        "2026-08-31".parse().expect("a day")
    }

    fn headers() -> Vec<&'static str> {
        HEADERS
            .into_iter()
            .chain(INCOME.iter().map(|income| income.header))
            .collect()
    }

    /// A head's row with some cells changed.
    fn read(changes: &[(&str, Cell<'_>)]) -> Result<Row, Vec<Fault>> {
        let headers = headers();
        let columns = Columns::find(&headers).expect("all headers");
        let id = id_number("19800101", 1);
        let mut cells = vec![Cell::Empty; headers.len()];
        let at = |header: &str| headers.iter().position(|h| *h == header).expect("known");
        let base = [
            ("户编号", Cell::Text("H1")),
            ("行政区划代码", Cell::Number(999_999_001_001.0)),
            ("自然村", Cell::Text("3组")),
            ("是否脱贫户", Cell::Text("是")),
            ("脱贫年度", Cell::Number(2018.0)),
            ("姓名", Cell::Text("测试甲")),
            ("证件号码", Cell::Text(id.expose())),
            ("与户主关系", Cell::Text("户主")),
        ];
        for (header, cell) in base.iter().chain(changes) {
            cells[at(header)] = *cell;
        }
        read_row(&columns, 4, &cells, today())
    }

    fn fault(changes: &[(&str, Cell<'_>)]) -> (&'static str, &'static str) {
        let faults = read(changes).expect_err("a fault");
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].row, 4);
        assert_ne!(reason(faults[0].code), reason("no such code"), "{faults:?}");
        (faults[0].column, faults[0].code)
    }

    #[test]
    fn headers_are_found_and_missed() {
        let headers = headers();
        let cells: Vec<Cell<'_>> = headers.iter().map(|header| Cell::Text(header)).collect();
        assert!(is_header_row(&cells));
        assert!(!is_header_row(&[Cell::Text("监测对象信息")]));
        assert!(Columns::find(&REQUIRED).is_ok());
        assert_eq!(
            Columns::find(&REQUIRED[1..]).expect_err("missing"),
            [("HEADER_MISSING", "户编号")]
        );
        let mut double = REQUIRED.to_vec();
        double.push("姓名");
        assert_eq!(
            Columns::find(&double).expect_err("double"),
            [("HEADER_DUPLICATE", "姓名")]
        );
    }

    #[test]
    fn a_full_row_is_read() {
        let row = read(&[
            ("劳动技能", Cell::Text("弱劳动力或半劳动力")),
            ("健康状况", Cell::Text("长期慢性病")),
            ("低保", Cell::Text("农村低保")),
            ("居民医保", Cell::Text("是")),
            ("实际居住", Cell::Text("否")),
            ("致贫/返贫风险1", Cell::Text("因病")),
            ("致贫/返贫风险2", Cell::Text("因自然灾害")),
            ("因自然灾害子项", Cell::Number(201.0)),
            ("是否饮水出现安全问题", Cell::Text("是")),
            ("是否住房出现安全问题", Cell::Text("否")),
            ("填表时间", Cell::Number(202_607.0)),
            ("工资性收入-务工", Cell::Number(80_400.0)),
            ("合规自付支出", Cell::Text("50000")),
            ("转移性收入-养老金", Cell::Number(0.0)),
        ])
        .expect("a row");
        assert_eq!(row.household, "H1");
        let member = &row.member;
        assert!(member.is_head && member.social_security && member.medically_insured);
        assert!(!member.standing.resident && member.standing.registered);
        let head = row.head.expect("the head's fields");
        assert_eq!(head.division.as_str(), "999999001001");
        assert_eq!(head.origin, Origin::FormerlyRegistered);
        assert_eq!(head.risks.len(), 2);
        assert_eq!(head.risks[1].kind, RiskType::NaturalDisaster);
        assert_eq!(head.risks[1].sub_code, "0201");
        assert_eq!(
            head.guarantees,
            [
                (Guarantee::SafeHousing, GuaranteeStatus::Safe),
                (Guarantee::SafeWater, GuaranteeStatus::Unsafe)
            ]
        );
        assert_eq!(
            head.income,
            [
                (IncomeGroup::Wage, "务工", Money::from_yuan(80_400)),
                (
                    IncomeGroup::CompliantOop,
                    "合规自付支出",
                    Money::from_yuan(50_000)
                ),
            ]
        );
        assert_eq!(head.filled_on, "2026-07-01".parse().ok());
    }

    #[test]
    fn every_bad_cell_names_its_column() {
        let bad_check = {
            let id = id_number("19800101", 1);
            let last = if id.expose().ends_with('0') { '1' } else { '0' };
            format!("{}{last}", &id.expose()[..17])
        };
        let future = id_number("20270101", 5);
        let cases = [
            ("户编号", Cell::Empty, "REQUIRED"),
            ("姓名", Cell::Text(" "), "REQUIRED"),
            ("姓名", Cell::Unreadable, "UNREADABLE"),
            ("证件号码", Cell::Text(&bad_check), "ID_CHECK_DIGIT"),
            (
                "证件号码",
                Cell::Text("999999800101001"),
                "ID_FIFTEEN_DIGITS",
            ),
            ("证件号码", Cell::Text(future.expose()), "ID_BIRTH_DATE"),
            ("证件类型", Cell::Text("护照"), "UNKNOWN_CODE"),
            ("性别", Cell::Text("女"), "SEX"),
            ("行政区划代码", Cell::Text("999999001000"), "DIVISION_CODE"),
            ("行政区划代码", Cell::Text("村"), "DIVISION_CODE"),
            ("是否脱贫户", Cell::Text("对"), "YES_NO"),
            ("脱贫年度", Cell::Empty, "LIFTED_YEAR"),
            ("脱贫年度", Cell::Text("早年"), "LIFTED_YEAR"),
            ("联系电话", Cell::Text("12"), "PHONE"),
            ("劳动技能", Cell::Text("强"), "UNKNOWN_CODE"),
            ("致贫/返贫风险3", Cell::Text("懒"), "UNKNOWN_CODE"),
            ("填表时间", Cell::Text("2027-01-01"), "DATE_IN_FUTURE"),
            ("填表时间", Cell::Text("昨天"), "DATE"),
            ("工资性收入-务工", Cell::Number(-1.0), "AMOUNT"),
            ("共享收支", Cell::Text("1"), "YES_NO"),
        ];
        for (column, cell, code) in cases {
            assert_eq!(fault(&[(column, cell)]), (column, code));
        }
        assert_eq!(
            fault(&[("致贫/返贫风险1", Cell::Text("其他"))]),
            ("其他备注", "RISK_REMARK")
        );
        assert_eq!(
            fault(&[("致贫/返贫风险1", Cell::Text("因自然灾害"))]),
            ("因自然灾害子项", "DISASTER_SUB_CODE")
        );
        assert_eq!(
            fault(&[("居住在易地扶贫搬迁集中安置区", Cell::Text("是"))]),
            ("安置区地址", "REQUIRED")
        );
    }

    #[test]
    fn all_faults_of_a_row_are_told() {
        let faults = read(&[
            ("姓名", Cell::Empty),
            ("证件号码", Cell::Text("1")),
            ("劳动技能", Cell::Text("强")),
        ])
        .expect_err("faults");
        let columns: Vec<&str> = faults.iter().map(|fault| fault.column).collect();
        assert_eq!(columns, ["姓名", "证件号码", "劳动技能"]);
    }

    #[test]
    fn a_household_has_one_head() {
        let head = read(&[]).expect("a row");
        let id = id_number("19810101", 2);
        let wife = read(&[
            ("证件号码", Cell::Text(id.expose())),
            ("与户主关系", Cell::Text("配偶")),
        ])
        .expect("a row");
        let whole = assemble(vec![wife.clone(), head.clone()]).expect("a household");
        assert_eq!(
            (whole.members.len(), whole.national_number.as_str()),
            (2, "H1")
        );
        let none = assemble(vec![wife]).expect_err("no head");
        assert_eq!((none.column, none.code), ("与户主关系", "EXACTLY_ONE_HEAD"));
        assert!(assemble(vec![head.clone(), head.clone()]).is_err());
        assert!(assemble(vec![head; 51]).is_err());
    }

    proptest! {
        #[test]
        fn no_row_is_too_strange(texts in prop::collection::vec("\\PC{0,12}", 0..90)) {
            let columns = Columns::find(&headers()).expect("all headers");
            let cells: Vec<Cell<'_>> = texts.iter().map(|text| Cell::Text(text)).collect();
            if let Err(faults) = read_row(&columns, 1, &cells, today()) {
                for fault in faults {
                    prop_assert_ne!(reason(fault.code), reason("no such code"));
                }
            }
        }
    }
}
