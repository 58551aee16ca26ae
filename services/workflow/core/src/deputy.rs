//! Deputies (ORG-4): somebody acts in another role for a while, in the place of a named person.
//!
//! An appointment lends a role and no view: a deputy sees what the own token shows, and of that what
//! lies in the division of the appointment.

use chrono::{Days, NaiveDate};
use kernel::{DivisionCode, Principal, Refusal, Role, Scope};

use crate::{claim::REASON_CHARS_MIN, guard::Checks};

/// Longest appointment: who is away for more than a quarter is replaced.
pub const DEPUTY_DAYS_MAX: u64 = 92;

/// An appointment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appointment {
    /// Who acts.
    pub account: String,
    /// In whose place.
    pub on_behalf_of: String,
    /// As what.
    pub role: Role,
    /// Where.
    pub division: DivisionCode,
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub until: NaiveDate,
    /// Day on which it was taken back.
    pub revoked: Option<NaiveDate>,
}

const VILLAGE: [Role; 4] = [
    Role::GridWorker,
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::ResponsiblePerson,
];
const TOWNSHIP: [Role; 2] = [Role::TownshipOffice, Role::TownshipLeader];
const COUNTY: [Role; 2] = [Role::CountyOfficer, Role::CountyApprover];

/// Roles for which a leader may appoint deputies: those below and the own. Nobody looks after things
/// in another's place: there are no deputies of auditors.
#[must_use]
pub fn appointable(leader: Role) -> Vec<Role> {
    match leader {
        Role::TownshipLeader => [&VILLAGE[..], &TOWNSHIP].concat(),
        Role::CountyApprover => [&VILLAGE[..], &TOWNSHIP, &COUNTY].concat(),
        _ => Vec::new(),
    }
}

impl Appointment {
    /// Checks an appointment before it is made.
    ///
    /// # Errors
    /// Every unmet requirement at once.
    pub fn appoint(&self, by: &Principal, reason: &str, today: NaiveDate) -> Result<(), Refusal> {
        let mut checks = Checks::default();
        checks.role(&appointable(by.role), self.role);
        // Who makes himself a deputy takes a second post.
        let is_another = self.account != by.subject && self.account != self.on_behalf_of;
        checks.yes(is_another, "ORG-4", "DEPUTY_IS_ANOTHER");
        let last = self.from.checked_add_days(Days::new(DEPUTY_DAYS_MAX));
        let last = last.unwrap_or(self.from);
        let first = self.from.max(today);
        let is_short = first <= self.until && self.until <= last;
        let needed = format_args!("{first}..{last}");
        checks.need(is_short, "ORG-4", "DEPUTY_DAYS", needed, self.until);
        let (needed, found) = (REASON_CHARS_MIN, reason.trim().chars().count());
        checks.need(found >= needed, "ORG-4", "DEPUTY_REASON", needed, found);
        checks.verdict().map(|_| ())
    }

    /// Whether it can still be acted on, that day or later.
    #[must_use]
    pub fn is_open(&self, today: NaiveDate) -> bool {
        self.revoked.is_none() && today <= self.until
    }

    /// The deputy in the lent role: what `caller` sees of the appointment's division. `None` when the
    /// appointment is somebody else's or lies elsewhere.
    ///
    /// # Errors
    /// It has not begun, has ended or was taken back.
    pub fn lend(&self, caller: &Principal, today: NaiveDate) -> Result<Option<Principal>, Refusal> {
        let own = caller.scope.division;
        let division = match () {
            () if own.contains(&self.division) => self.division,
            () if self.division.contains(&own) => own,
            () => return Ok(None),
        };
        if self.account != caller.subject || caller.scope.department.is_some() {
            return Ok(None);
        }
        let mut checks = Checks::default();
        let lasts = self.is_open(today) && self.from <= today;
        let needed = format_args!("{}..{}", self.from, self.until);
        let found = self.revoked.unwrap_or(today);
        checks.need(lasts, "ORG-4", "DEPUTY_IN_FORCE", needed, found);
        checks.verdict()?;
        Ok(Some(Principal {
            subject: caller.subject.clone(),
            role: self.role,
            scope: Scope {
                division,
                department: None,
            },
        }))
    }
}
