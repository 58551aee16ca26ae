//! What codes are called in the sheet. Of several labels of a code the first is written, all are
//! read.

use kernel::{LabourCapacity, RiskType};

/// Labels of labour capacities (劳动技能).
pub const LABOUR_LABELS: [(&str, LabourCapacity); 7] = [
    ("普通劳动力", LabourCapacity::Ordinary),
    ("技能劳动力", LabourCapacity::Skilled),
    ("弱劳动力或半劳动力", LabourCapacity::Weak),
    ("弱劳动力", LabourCapacity::Weak),
    ("半劳动力", LabourCapacity::Weak),
    ("丧失劳动力", LabourCapacity::Lost),
    ("无劳动力", LabourCapacity::None),
];

/// Labels of risks (致贫/返贫风险).
pub const RISK_LABELS: [(&str, RiskType); 12] = [
    ("因病", RiskType::Illness),
    ("因自然灾害", RiskType::NaturalDisaster),
    ("因残", RiskType::Disability),
    ("缺劳动力", RiskType::LabourShortage),
    ("因意外事故", RiskType::Accident),
    ("因产业项目失败", RiskType::IndustryFailure),
    ("因务工就业不稳", RiskType::UnstableJob),
    ("因学", RiskType::Education),
    ("因安全住房", RiskType::Housing),
    ("因安全饮水", RiskType::Water),
    ("因疫", RiskType::Epidemic),
    ("其他", RiskType::Other),
];

/// Labels of natural disasters' sub-codes (因自然灾害子项).
pub const DISASTER_LABELS: [(&str, &str); 7] = [
    ("洪涝", "0201"),
    ("地质灾害", "0202"),
    ("旱灾", "0203"),
    ("生物灾害", "0204"),
    ("气象灾害", "0205"),
    ("地震", "0206"),
    ("其他", "0299"),
];

/// How a labour capacity is written.
#[must_use]
pub fn labour_label(labour: LabourCapacity) -> &'static str {
    written(&LABOUR_LABELS, labour)
}

/// How a risk is written.
#[must_use]
pub fn risk_label(risk: RiskType) -> &'static str {
    written(&RISK_LABELS, risk)
}

/// How a natural disaster's sub-code is written.
#[must_use]
pub fn disaster_label(sub_code: &str) -> &'static str {
    let found = DISASTER_LABELS.iter().find(|(_, code)| *code == sub_code);
    found.map_or("", |(label, _)| label)
}

fn written<T: PartialEq>(labels: &[(&'static str, T)], code: T) -> &'static str {
    let found = labels.iter().find(|(_, known)| *known == code);
    found.map_or("", |(label, _)| label)
}
