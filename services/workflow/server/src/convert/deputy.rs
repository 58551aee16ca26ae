//! Deputies, on the wire and back.

use chassis::{clock::timestamp, decode::Fields};
use kernel::Code;
use proto::workflow::v1 as wire;
use workflow_core::Appointment;

use super::day;
use crate::store::deputy::Deputy;

/// Longest account, as the issuer's tokens have it.
const ACCOUNT_CHARS_MAX: usize = 100;
/// Longest reason.
const REASON_CHARS_MAX: usize = 500;

/// An appointment.
pub fn deputy(deputy: &Deputy) -> wire::Deputy {
    let appointment = &deputy.appointment;
    wire::Deputy {
        id: deputy.id.to_string(),
        account: appointment.account.clone(),
        on_behalf_of: appointment.on_behalf_of.clone(),
        role: appointment.role.as_str().to_owned(),
        division_code: appointment.division.to_string(),
        from_on: appointment.from.to_string(),
        until_on: appointment.until.to_string(),
        reason: deputy.reason.clone(),
        appointed_by: deputy.appointed_by.clone(),
        revoked_on: day(appointment.revoked),
        create_time: Some(timestamp(deputy.appointed_at)),
    }
}

/// Reads an appointment that somebody wants to make, and its reason; `None` when `f` holds why not.
pub fn read(f: &mut Fields, sent: Option<&wire::Deputy>) -> Option<(Appointment, String)> {
    let Some(sent) = sent else {
        f.violation("deputy", "REQUIRED", "an appointment");
        return None;
    };
    f.within("deputy", |f| {
        let account = account(f, "account", &sent.account);
        let on_behalf_of = self::account(f, "on_behalf_of", &sent.on_behalf_of);
        let role = f.code("role", Code::parse(&sent.role).ok());
        let division = f.parse("division_code", &sent.division_code);
        let from = f.date("from_on", &sent.from_on);
        let until = f.date("until_on", &sent.until_on);
        let reason = reason(f, "reason", &sent.reason);
        let appointment = Appointment {
            account: account?,
            on_behalf_of: on_behalf_of?,
            role: role?,
            division: division?,
            from: from?,
            until: until?,
            revoked: None,
        };
        Some((appointment, reason?))
    })
}

/// An account that is named.
pub fn account(f: &mut Fields, field: &str, text: &str) -> Option<String> {
    f.text(field, text, ACCOUNT_CHARS_MAX)
}

/// Why something is done. Whether it says enough is the core's business.
pub fn reason(f: &mut Fields, field: &str, text: &str) -> Option<String> {
    f.text_optional(field, text, REASON_CHARS_MAX)
}
