//! The national system's household sheet: headers, labels, and reading rows.
//!
//! A sheet row is a member; rows with the same 户编号 follow each other and are a household. The
//! row of the head (与户主关系 = 户主) carries what is said of the whole household: from
//! [`ADDRESS`] to the guarantees. Headers stand in row 3, below a title; files whose headers stand
//! in one of the first five rows are read as well. Columns that are not listed here are passed
//! over.
//!
//! Amounts are yuan of one year: of the twelve full months before the month of 填表时间, or before
//! the month of the import when that is empty. They enter the ledger as entries that span these
//! twelve months.

mod cell;
mod columns;
mod fault;
mod household;
mod label;
mod row;
mod value;

pub use cell::Cell;
pub use columns::{Columns, is_header_row};
pub use fault::{Fault, reason};
pub use household::{SheetHousehold, SheetMember, assemble};
pub use label::{
    DISASTER_LABELS, LABOUR_LABELS, RISK_LABELS, disaster_label, labour_label, risk_label,
};
pub use row::{HeadFields, Row, read_row};

use crate::income::IncomeGroup;

/// Name of the sheet as the national system exports it.
pub const SHEET_NAME: &str = "监测对象信息";
/// The row, from 1, that headers stand in.
pub const HEADER_ROW: u32 = 3;
/// Headers are looked for up to this row.
pub const HEADER_ROW_MAX: u32 = 5;
/// A county of 60 000 households in one file; more comes in several files.
pub const ROWS_MAX: u32 = 200_000;
/// Longest number, relation or other short text of a cell.
pub(crate) const WORD_CHARS_MAX: usize = 40;
/// Columns beyond are not ours: the national sheets have some 150.
pub const COLUMNS_MAX: usize = 256;

/// National household number; required in every row.
pub const NATIONAL_NUMBER: &str = "户编号";
/// 12-digit code of the village; required in the head's row.
pub const DIVISION_CODE: &str = "行政区划代码";
/// Village group: its number, or its name as in the division.
pub const VILLAGE_GROUP: &str = "自然村";
/// 是 or 否; required in the head's row.
pub const FORMERLY_REGISTERED: &str = "是否脱贫户";
/// Year, required when formerly registered.
pub const LIFTED_YEAR: &str = "脱贫年度";
/// Phone.
pub const PHONE: &str = "联系电话";
/// Address.
pub const ADDRESS: &str = "家庭住址";
/// 是 or 否.
pub const RELOCATED: &str = "居住在易地扶贫搬迁集中安置区";
/// Name of the relocation site, as in the register of notice places.
pub const RELOCATION_SITE: &str = "安置区地址";
/// Risks, see [`RISK_LABELS`].
pub const RISKS: [&str; 5] = [
    "致贫/返贫风险1",
    "致贫/返贫风险2",
    "致贫/返贫风险3",
    "致贫/返贫风险4",
    "致贫/返贫风险5",
];
/// Kind of natural disaster: a label of [`DISASTER_LABELS`] or its code.
pub const DISASTER_KIND: &str = "因自然灾害子项";
/// Remark on the risk 其他.
pub const RISK_REMARK: &str = "其他备注";
/// Day on which the form was filled in: `2026-08-31`, `202608` or a date cell.
pub const FILLED_ON: &str = "填表时间";

/// 是 when housing is not safe.
pub const HOUSING_UNSAFE: &str = "是否住房出现安全问题";
/// 是 when a child of school age is out of school.
pub const OUT_OF_SCHOOL: &str = "是否义务教育阶段适龄儿童少年失学辍学";
/// 是 when water is not safe.
pub const WATER_UNSAFE: &str = "是否饮水出现安全问题";
/// 是 when a member has no basic medical insurance.
pub const UNINSURED: &str = "是否有成员未参加基本医保";

/// Name; required.
pub const NAME: &str = "姓名";
/// 男 or 女; has to agree with the ID number.
pub const SEX: &str = "性别";
/// 居民身份证 (also when empty) or 残疾人证.
pub const ID_KIND: &str = "证件类型";
/// ID number; of a disability card the first 18 characters are. Required.
pub const ID_NUMBER: &str = "证件号码";
/// Relation to the head; required. 户主 for the head.
pub const RELATION: &str = "与户主关系";
/// Whether at school, and where.
pub const SCHOOLING: &str = "在校生状况";
/// Health.
pub const HEALTH: &str = "健康状况";
/// Labour capacity, see [`LABOUR_LABELS`].
pub const LABOUR: &str = "劳动技能";
/// 是 or 否.
pub const RESIDENT_INSURANCE: &str = "居民医保";
/// 是 or 否.
pub const EMPLOYEE_INSURANCE: &str = "职工医保";
/// 否, 是, 农村低保 or 城市低保.
pub const DIBAO: &str = "低保";
/// 是 or 否.
pub const TEKUN: &str = "特困供养";
/// 是 or 否; 是 when the column or the cell is not there.
pub const REGISTERED: &str = "户籍在册";
/// 是 or 否; 是 when the column or the cell is not there.
pub const RESIDENT: &str = "实际居住";
/// 是 or 否; 是 when the column or the cell is not there.
pub const SHARES_INCOME: &str = "共享收支";

/// What [`RELATION`] says of the head.
pub const HEAD: &str = "户主";
/// What [`RELATION`] says of the head's spouse.
pub const SPOUSE: &str = "配偶";

/// Columns without which nothing can be read.
pub const REQUIRED: [&str; 6] = [
    NATIONAL_NUMBER,
    DIVISION_CODE,
    FORMERLY_REGISTERED,
    NAME,
    ID_NUMBER,
    RELATION,
];

/// All columns but those of [`INCOME`], in the order of the national sheet.
pub const HEADERS: [&str; 36] = [
    NATIONAL_NUMBER,
    DIVISION_CODE,
    VILLAGE_GROUP,
    NAME,
    SEX,
    ID_KIND,
    ID_NUMBER,
    RELATION,
    REGISTERED,
    RESIDENT,
    SHARES_INCOME,
    SCHOOLING,
    HEALTH,
    LABOUR,
    RESIDENT_INSURANCE,
    EMPLOYEE_INSURANCE,
    DIBAO,
    TEKUN,
    FORMERLY_REGISTERED,
    LIFTED_YEAR,
    PHONE,
    ADDRESS,
    RELOCATED,
    RELOCATION_SITE,
    RISKS[0],
    RISKS[1],
    RISKS[2],
    RISKS[3],
    RISKS[4],
    DISASTER_KIND,
    RISK_REMARK,
    HOUSING_UNSAFE,
    OUT_OF_SCHOOL,
    WATER_UNSAFE,
    UNINSURED,
    FILLED_ON,
];

/// A yearly amount of the sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncomeColumn {
    /// Header: group and kind.
    pub header: &'static str,
    /// What it adds to.
    pub group: IncomeGroup,
    /// The kind within the group, as the ledger keeps it.
    pub kind: &'static str,
}

const fn income(header: &'static str, group: IncomeGroup, kind: &'static str) -> IncomeColumn {
    IncomeColumn {
        header,
        group,
        kind,
    }
}

/// The yearly amounts, in the order of the national form.
pub const INCOME: [IncomeColumn; 41] = {
    use IncomeGroup::{
        BusinessExpenditure as Expenditure, BusinessIncome as Business, CompliantOop,
        InsurancePayout, Property, Transfer, Wage,
    };
    [
        income("工资性收入-务工", Wage, "务工"),
        income("工资性收入-行业公益岗", Wage, "行业公益岗"),
        income("工资性收入-乡镇公益岗", Wage, "乡镇公益岗"),
        income("工资性收入-村级公益岗", Wage, "村级公益岗"),
        income("工资性收入-自主采摘", Wage, "自主采摘"),
        income("生产经营性收入-种植", Business, "种植"),
        income("生产经营性收入-养殖", Business, "养殖"),
        income("生产经营性收入-林果", Business, "林果"),
        income("生产经营性收入-其他", Business, "其他"),
        income("财产性收入-资产收益分红", Property, "资产收益分红"),
        income("财产性收入-土地流转", Property, "土地流转"),
        income("财产性收入-金融贷款项目", Property, "金融贷款项目"),
        income("财产性收入-代种代养", Property, "代种代养"),
        income("财产性收入-其他", Property, "其他"),
        income("转移性收入-计生金", Transfer, "计生金"),
        income("转移性收入-低保金", Transfer, "低保金"),
        income("转移性收入-特困金", Transfer, "特困金"),
        income("转移性收入-养老金", Transfer, "养老金"),
        income("转移性收入-退耕补偿", Transfer, "退耕补偿"),
        income("转移性收入-公益林补偿", Transfer, "公益林补偿"),
        income("转移性收入-草原补偿", Transfer, "草原补偿"),
        income("转移性收入-移民补偿", Transfer, "移民补偿"),
        income("转移性收入-其他生态补偿", Transfer, "其他生态补偿"),
        income("转移性收入-高龄补贴", Transfer, "高龄补贴"),
        income("转移性收入-优抚金", Transfer, "优抚金"),
        income("转移性收入-残疾补贴", Transfer, "残疾补贴"),
        income("转移性收入-教育补助", Transfer, "教育补助"),
        income("转移性收入-救灾补助", Transfer, "救灾补助"),
        income("转移性收入-失能老人补贴", Transfer, "失能老人补贴"),
        income("转移性收入-赡养费", Transfer, "赡养费"),
        income("转移性收入-取暖补贴", Transfer, "取暖补贴"),
        income("转移性收入-物价补贴", Transfer, "物价补贴"),
        income("转移性收入-防贫保险", Transfer, "防贫保险"),
        income("转移性收入-捐赠赔偿", Transfer, "捐赠赔偿"),
        income("转移性收入-其他", Transfer, "其他"),
        income("生产经营性支出-种植", Expenditure, "种植"),
        income("生产经营性支出-养殖", Expenditure, "养殖"),
        income("生产经营性支出-林果", Expenditure, "林果"),
        income("生产经营性支出-其他", Expenditure, "其他"),
        income("理赔收入", InsurancePayout, "理赔收入"),
        income("合规自付支出", CompliantOop, "合规自付支出"),
    ]
};
