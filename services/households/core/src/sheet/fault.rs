//! What is wrong with a cell, in words that the sheet's author understands.

/// A fault of a cell. What was in the cell is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Row as the spreadsheet counts, from 1.
    pub row: u32,
    /// Header of the column.
    pub column: &'static str,
    /// Stable SCREAMING_SNAKE name; [`reason`] has the sentence.
    pub code: &'static str,
}

/// Every code with its Chinese sentence.
const REASONS: [(&str, &str); 33] = [
    ("REQUIRED", "此项必填"),
    ("TOO_LONG", "内容过长"),
    ("CONTROL_CHARACTER", "内容含有控制字符"),
    ("FORMULA", "内容不得以 =、+、-、@ 开头"),
    ("UNREADABLE", "单元格为错误值或文字编码无法识别"),
    (
        "SPREADSHEET_FLOAT",
        "编号被电子表格转成了数值,末位已丢失,请以文本格式填写",
    ),
    ("YES_NO", "应填“是”或“否”"),
    ("UNKNOWN_CODE", "取值不在代码表内"),
    ("DATE", "日期应形如 2026-08-31 或 202608"),
    ("DATE_IN_FUTURE", "日期不得晚于今天"),
    ("AMOUNT", "金额应为不小于 0、最多两位小数的元数"),
    ("DIVISION_CODE", "应为 12 位村级行政区划代码"),
    ("UNKNOWN_DIVISION", "行政区划代码不存在或不在管辖范围内"),
    ("UNKNOWN_GROUP", "自然村(小组)不在该村名单内"),
    ("UNKNOWN_RELOCATION_SITE", "安置区未在该村登记"),
    ("ID_FIFTEEN_DIGITS", "15 位身份证号码已停用,应为 18 位"),
    ("ID_LENGTH", "证件号码应为 18 位"),
    ("ID_CHARACTERS", "证件号码应为 17 位数字加 1 位数字或 X"),
    ("ID_BIRTH_DATE", "证件号码第 7 至 14 位不是有效的出生日期"),
    ("ID_CHECK_DIGIT", "证件号码校验位不符"),
    (
        "ID_SPREADSHEET_FLOAT",
        "证件号码被电子表格转成了数值,请以文本格式填写",
    ),
    ("DUPLICATE_IN_FILE", "证件号码在本文件中重复"),
    ("DUPLICATE_ID_NUMBER", "证件号码已在其他农户中登记"),
    ("DUPLICATE_NATIONAL_NUMBER", "户编号已被其他农户使用"),
    ("SEX", "性别与证件号码不符"),
    (
        "LIFTED_YEAR",
        "脱贫户应填 2014 至 2020 的脱贫年度,其他农户不填",
    ),
    ("PHONE", "联系电话应为 7 至 12 位数字"),
    ("EXACTLY_ONE_HEAD", "每户应有且只有一名户主"),
    ("TOO_MANY", "每户人数不得超过 50 人"),
    ("DISASTER_SUB_CODE", "因自然灾害应填子项"),
    ("RISK_REMARK", "风险为“其他”时应填备注"),
    ("DUPLICATE", "同一风险只填一次"),
    ("ROWS_APART", "同一户编号的各行应相连"),
];

/// One Chinese sentence for a code.
#[must_use]
pub fn reason(code: &str) -> &'static str {
    REASONS
        .iter()
        .find(|(known, _)| *known == code)
        .map_or("数据不符合要求", |(_, reason)| reason)
}
