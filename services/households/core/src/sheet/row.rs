//! A row: a member, and in the head's row the household.

use chrono::NaiveDate;
use kernel::{
    DivisionCode, DivisionLevel, Guarantee, GuaranteeStatus, Money, Origin, RiskType, Sex,
};

use super::{
    Cell, Columns, DISASTER_LABELS, Fault, HEAD, LABOUR_LABELS, RISK_LABELS, SheetMember,
    WORD_CHARS_MAX,
    columns::Column,
    value::{self, Code},
};
use crate::{
    income::IncomeGroup,
    member::Standing,
    risk::{DISASTER_CODES, REMARK_CHARS_MAX, Risk},
};

/// A row that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// 户编号
    pub household: String,
    /// The member.
    pub member: SheetMember,
    /// In the head's row.
    pub head: Option<HeadFields>,
}

/// What the head's row says of the household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadFields {
    /// The village.
    pub division: DivisionCode,
    /// Village group, number or name; empty when not given.
    pub group: String,
    /// Where the household comes from.
    pub origin: Origin,
    /// Year lifted out of poverty.
    pub lifted_year: Option<i32>,
    /// Phone.
    pub phone: String,
    /// Address.
    pub address: String,
    /// Name of the relocation site where it lives.
    pub relocation_site: Option<String>,
    /// Risks, at most five.
    pub risks: Vec<Risk>,
    /// When the form was filled in.
    pub filled_on: Option<NaiveDate>,
    /// Whether any amount of the year is filled in, be it zero: the form is complete then.
    pub income_stated: bool,
    /// Amounts of the year that are not zero.
    pub income: Vec<(IncomeGroup, &'static str, Money)>,
    /// Findings on guarantees.
    pub guarantees: Vec<(Guarantee, GuaranteeStatus)>,
}

/// Longest name: that of a person of a minority with several parts.
const NAME_CHARS_MAX: usize = 50;
const ADDRESS_CHARS_MAX: usize = 200;

/// Reads a row, with all of its faults.
///
/// # Errors
/// What is wrong with each cell. A household with such a row does not go in.
pub fn read_row(
    columns: &Columns,
    number: u32,
    cells: &[Cell<'_>],
    today: NaiveDate,
) -> Result<Row, Vec<Fault>> {
    let mut reader = Reader {
        number,
        cells,
        faults: Vec::new(),
    };
    let household = reader.required(&columns.national_number, WORD_CHARS_MAX);
    let member = member(&mut reader, columns, today);
    let is_head = member.as_ref().is_some_and(|member| member.is_head);
    let head = is_head
        .then(|| head_fields(&mut reader, columns, today))
        .flatten();
    match (household, member) {
        (Some(household), Some(member)) if reader.faults.is_empty() => Ok(Row {
            household,
            member,
            head,
        }),
        _ => Err(reader.faults),
    }
}

struct Reader<'a> {
    number: u32,
    cells: &'a [Cell<'a>],
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    fn fault(&mut self, column: &Column, code: Code) {
        self.faults.push(Fault {
            row: self.number,
            column: column.header,
            code,
        });
    }

    fn read<T>(
        &mut self,
        column: &Column,
        value: impl FnOnce(Cell<'a>) -> Result<T, Code>,
    ) -> Option<T> {
        value(column.cell(self.cells))
            .map_err(|code| self.fault(column, code))
            .ok()
    }

    fn text(&mut self, column: &Column, most: usize) -> Option<String> {
        self.read(column, |cell| value::text(cell, most))
    }

    fn required(&mut self, column: &Column, most: usize) -> Option<String> {
        let text = self.text(column, most)?;
        if text.is_empty() {
            self.fault(column, "REQUIRED");
            return None;
        }
        Some(text)
    }

    fn yes_no(&mut self, column: &Column, absent: bool) -> Option<bool> {
        self.read(column, value::yes_no)
            .map(|answer| answer.unwrap_or(absent))
    }
}

fn member(r: &mut Reader<'_>, columns: &Columns, today: NaiveDate) -> Option<SheetMember> {
    let name = r.required(&columns.name, NAME_CHARS_MAX);
    let kinds = [("居民身份证", false), ("身份证", false), ("残疾人证", true)];
    let card = r.read(&columns.id_kind, |cell| value::code(cell, &kinds));
    let disability_card = card.flatten().unwrap_or(false);
    let id_number = r.read(&columns.id_number, |cell| {
        let number = value::id_number(cell, disability_card)?;
        if number.birth_date() > today {
            return Err("ID_BIRTH_DATE");
        }
        Ok(number)
    });
    let sex = r.read(&columns.sex, |cell| {
        value::code(cell, &[("男", Sex::Male), ("女", Sex::Female)])
    });
    if let (Some(Some(sex)), Some(id_number)) = (sex, id_number)
        && sex != id_number.sex()
    {
        r.fault(&columns.sex, "SEX");
    }
    let relation = r
        .required(&columns.relation, WORD_CHARS_MAX)
        .map(|relation| match relation.as_str() {
            "本人或户主" | "本人" => HEAD.to_owned(),
            _ => relation,
        });
    let standing = Standing {
        registered: r.yes_no(&columns.registered, true).unwrap_or_default(),
        resident: r.yes_no(&columns.resident, true).unwrap_or_default(),
        shares_income: r.yes_no(&columns.shares_income, true).unwrap_or_default(),
    };
    let labour = r.read(&columns.labour, |cell| value::code(cell, &LABOUR_LABELS));
    let health = r.text(&columns.health, WORD_CHARS_MAX);
    let schooling = r.text(&columns.schooling, WORD_CHARS_MAX);
    let insured = [&columns.resident_insurance, &columns.employee_insurance]
        .map(|column| r.yes_no(column, false).unwrap_or_default());
    let grants = [
        ("否", false),
        ("是", true),
        ("农村低保", true),
        ("城市低保", true),
    ];
    let dibao = r.read(&columns.dibao, |cell| value::code(cell, &grants));
    let tekun = r.yes_no(&columns.tekun, false);
    Some(SheetMember {
        row: r.number,
        name: name?,
        id_number: id_number?,
        is_head: relation.as_deref() == Some(HEAD),
        relation: relation?,
        standing,
        labour: labour?,
        health: health?,
        schooling: schooling?,
        medically_insured: insured.contains(&true),
        social_security: dibao?.unwrap_or(false) || tekun?,
    })
}

fn head_fields(r: &mut Reader<'_>, columns: &Columns, today: NaiveDate) -> Option<HeadFields> {
    let division = r.read(&columns.division_code, division);
    let group = r.text(&columns.village_group, WORD_CHARS_MAX);
    let formerly = r.read(&columns.formerly_registered, |cell| {
        value::yes_no(cell)?.ok_or("REQUIRED")
    });
    let origin = formerly.map(|formerly| match formerly {
        true => Origin::FormerlyRegistered,
        false => Origin::General,
    });
    let lifted_year = r.read(&columns.lifted_year, value::year);
    if let (Some(origin), Some(year)) = (origin, lifted_year)
        && let Some(flaw) = crate::household::lifted_year_flaw(origin, year)
    {
        r.fault(&columns.lifted_year, flaw.code);
    }
    let phone = r.read(&columns.phone, value::phone);
    let address = r.text(&columns.address, ADDRESS_CHARS_MAX);
    let relocated = r.yes_no(&columns.relocated, false);
    let site = r.text(&columns.relocation_site, ADDRESS_CHARS_MAX);
    if relocated == Some(true) && site.as_deref() == Some("") {
        r.fault(&columns.relocation_site, "REQUIRED");
    }
    let filled_on = r.read(&columns.filled_on, |cell| match value::date(cell)? {
        Some(day) if day > today => Err("DATE_IN_FUTURE"),
        day => Ok(day),
    });
    let risks = risks(r, columns);
    let (income_stated, income) = income(r, columns);
    let guarantees = guarantees(r, columns);
    Some(HeadFields {
        division: division?,
        group: group?,
        origin: origin?,
        lifted_year: lifted_year?,
        phone: phone?,
        address: address?,
        relocation_site: site.filter(|_| relocated == Some(true)),
        risks,
        filled_on: filled_on?,
        income_stated,
        income,
        guarantees,
    })
}

fn division(cell: Cell<'_>) -> Result<DivisionCode, Code> {
    let text = value::text(cell, WORD_CHARS_MAX)?;
    if text.is_empty() {
        return Err("REQUIRED");
    }
    let division: DivisionCode = text.parse().map_err(|_| "DIVISION_CODE")?;
    if division.level() != DivisionLevel::Village {
        return Err("DIVISION_CODE");
    }
    Ok(division)
}

fn risks(r: &mut Reader<'_>, columns: &Columns) -> Vec<Risk> {
    let sub_code = r.read(&columns.disaster_kind, |cell| {
        let text = value::text(cell, WORD_CHARS_MAX)?;
        // A code that went through a spreadsheet has lost its leading zero.
        let padded = format!("{text:0>4}");
        let by_label = DISASTER_LABELS.iter().find(|(label, _)| *label == text);
        let by_code = DISASTER_CODES.iter().find(|code| **code == padded);
        match by_label.map(|(_, code)| code).or(by_code) {
            Some(code) => Ok(Some(*code)),
            None if text.is_empty() => Ok(None),
            None => Err("UNKNOWN_CODE"),
        }
    });
    let remark = r.text(&columns.risk_remark, REMARK_CHARS_MAX);
    let mut risks: Vec<Risk> = Vec::new();
    for column in &columns.risks {
        let kind = r.read(column, |cell| value::code(cell, &RISK_LABELS));
        let Some(kind) = kind.flatten() else { continue };
        if risks.iter().any(|risk| risk.kind == kind) {
            r.fault(column, "DUPLICATE");
            continue;
        }
        let (mut risk_code, mut risk_remark) = (String::new(), String::new());
        if kind == RiskType::NaturalDisaster {
            match sub_code {
                Some(Some(code)) => risk_code = code.to_owned(),
                Some(None) => r.fault(&columns.disaster_kind, "DISASTER_SUB_CODE"),
                None => {}
            }
        }
        if kind == RiskType::Other {
            risk_remark = remark.clone().unwrap_or_default();
            if remark.as_deref() == Some("") {
                r.fault(&columns.risk_remark, "RISK_REMARK");
            }
        }
        risks.push(Risk {
            kind,
            sub_code: risk_code,
            remark: risk_remark,
        });
    }
    risks
}

/// Whether there is any amount, and those that are not zero.
fn income(
    r: &mut Reader<'_>,
    columns: &Columns,
) -> (bool, Vec<(IncomeGroup, &'static str, Money)>) {
    let (mut stated, mut amounts) = (false, Vec::new());
    for (income, column) in &columns.income {
        let Some(amount) = r.read(column, value::amount).flatten() else {
            continue;
        };
        stated = true;
        if amount != Money::ZERO {
            amounts.push((income.group, income.kind, amount));
        }
    }
    (stated, amounts)
}

fn guarantees(r: &mut Reader<'_>, columns: &Columns) -> Vec<(Guarantee, GuaranteeStatus)> {
    let questions = [
        (&columns.out_of_school, Guarantee::CompulsoryEducation),
        (&columns.uninsured, Guarantee::BasicMedicalCare),
        (&columns.housing_unsafe, Guarantee::SafeHousing),
        (&columns.water_unsafe, Guarantee::SafeWater),
    ];
    let mut findings = Vec::new();
    for (column, guarantee) in questions {
        match r.read(column, value::yes_no).flatten() {
            Some(true) => findings.push((guarantee, GuaranteeStatus::Unsafe)),
            Some(false) => findings.push((guarantee, GuaranteeStatus::Safe)),
            None => {}
        }
    }
    findings
}
