//! Who acts: role, division scope, department (ORG-2).

use std::{fmt, str::FromStr};

use crate::{DivisionCode, codes};

codes! {
    /// Role of a caller (ORG-2). Villager representatives attend and vote; they do not log in.
    Role {
        /// 农户
        Farmer = "FARMER",
        /// 网格员
        GridWorker = "GRID_WORKER",
        /// 村干部
        VillageCadre = "VILLAGE_CADRE",
        /// 第一书记、驻村工作队
        FirstSecretary = "FIRST_SECRETARY",
        /// 帮扶责任人
        ResponsiblePerson = "RESPONSIBLE_PERSON",
        /// 乡镇工作人员
        TownshipOffice = "TOWNSHIP_OFFICE",
        /// 乡镇领导
        TownshipLeader = "TOWNSHIP_LEADER",
        /// 部门联络专员: sees its own department's alerts and items only.
        DepartmentLiaison = "DEPARTMENT_LIAISON",
        /// 县级业务人员
        CountyOfficer = "COUNTY_OFFICER",
        /// 县级审定人
        CountyApprover = "COUNTY_APPROVER",
        /// 审计
        Auditor = "AUDITOR",
        /// 纪检
        DisciplineInspection = "DISCIPLINE_INSPECTION",
        /// 系统管理员
        SystemAdmin = "SYSTEM_ADMIN",
        /// One of the platform's own services; never a person.
        Service = "SERVICE",
    }
}

impl Role {
    /// Whether the role may see a person's name and ID number in full.
    #[must_use]
    pub const fn sees_personal_data(self) -> bool {
        !matches!(
            self,
            Self::DepartmentLiaison | Self::SystemAdmin | Self::Auditor
        )
    }
}

/// A department by a short stable code, e.g. `medical_insurance`. Lower-case letters, digits, `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Department(String);

impl Department {
    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Department {
    type Err = InvalidDepartment;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if text.is_empty() || text.len() > 40 || !text.bytes().all(allowed) {
            return Err(InvalidDepartment);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Department {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no department code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 40 lower-case letters, digits or underscores")]
pub struct InvalidDepartment;

/// What a caller may see: everything inside one division and, for a department's liaison, only
/// what concerns that department. The same predicate is compiled to SQL (`starts_with`) for
/// row-level security.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The division whose inside is visible.
    pub division: DivisionCode,
    /// Set for callers who see one department's rows only.
    pub department: Option<Department>,
}

impl Scope {
    /// Whether a row of `division`, and of `department` if it belongs to one, is visible.
    #[must_use]
    pub fn sees(&self, division: &DivisionCode, department: Option<&Department>) -> bool {
        self.division.contains(division)
            && self
                .department
                .as_ref()
                .is_none_or(|own| department == Some(own))
    }
}

/// A verified caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The issuer's subject: an account, never a person's name or ID number.
    pub subject: String,
    /// What the caller acts as.
    pub role: Role,
    /// What the caller may see.
    pub scope: Scope,
}
