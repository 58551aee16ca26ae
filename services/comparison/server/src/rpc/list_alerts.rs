//! A page of the alert feed of a division and, optionally, a department (DET-10).

use chassis::{
    auth::Caller,
    decode::{self, Fields},
    error::Error,
    pg::Tx,
};
use kernel::{Department, DivisionCode};
use proto::comparison::v1::{Alert, ListAlertsRequest, ListAlertsResponse};

use super::Service;
use crate::{
    store::alert::{self, Wanted},
    window::{WINDOW_ALERTS, Window},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListAlertsRequest,
) -> Result<ListAlertsResponse, Error> {
    let wanted = wanted(caller, &request.division_code, &request.department)?;
    let size = decode::page_size(request.page_size)?;
    let place = Place::decode(service, &request)?;
    let mut tx = service.database.read(caller).await?;
    let head = alert::head(&mut tx).await?;
    // Whoever waits for a window that somebody else reads holds no connection.
    drop(tx);
    let load = async { load(&mut service.database.read(caller).await?, &wanted).await };
    let epoch = service.database.epoch();
    let window = service.windows.get(&wanted, epoch, head, load).await?;
    let found = match place.cut(&window, size) {
        Some(found) => found,
        None => {
            let mut tx = service.database.read(caller).await?;
            place.read(&mut tx, &wanted, size).await?
        }
    };
    Ok(page(service, caller, found, size))
}

/// The feed that a caller asks for: a division inside the own one, the own department's alerts for
/// its liaison.
pub fn wanted(caller: &Caller, division: &str, department: &str) -> Result<Wanted, Error> {
    let mut f = Fields::new();
    let division: Option<DivisionCode> = f.parse_optional("division_code", division);
    let department: Option<Department> = f.parse_optional("department", department);
    f.finish()?;
    let scope = &caller.principal.scope;
    let division = division.unwrap_or(scope.division);
    if !scope.division.contains(&division) {
        return Err(Error::NotFound { what: "division" });
    }
    let department = match (&scope.department, department) {
        (Some(own), Some(other)) if *own != other => {
            return Err(Error::NotFound { what: "department" });
        }
        (Some(own), _) => Some(own.clone()),
        (None, department) => department,
    };
    Ok(Wanted {
        within: division.prefix().to_owned(),
        department: department.map(|department| department.to_string()),
    })
}

async fn load(tx: &mut Tx, wanted: &Wanted) -> Result<Window, Error> {
    // The head first: what is committed after it was read can only make the window newer.
    let position = alert::head(tx).await?;
    let mut alerts = alert::newest(tx, wanted, i64::MAX, WINDOW_ALERTS + 1).await?;
    let has_older = alerts.len() > usize::try_from(WINDOW_ALERTS).unwrap_or(usize::MAX);
    alerts.truncate(usize::try_from(WINDOW_ALERTS).unwrap_or(usize::MAX));
    Ok(Window {
        position,
        alerts,
        has_older,
    })
}

/// Where a page begins, and which way it goes.
enum Place {
    /// Newest first, before a position.
    Before(i64),
    /// Oldest first, after a position.
    After(i64),
}

impl Place {
    fn decode(service: &Service, request: &ListAlertsRequest) -> Result<Self, Error> {
        let (cursors, epoch) = (service.database.cursors(), service.database.epoch());
        match (&request.after_cursor, &request.before_cursor) {
            (after, before) if !after.is_empty() && !before.is_empty() => Err(Error::invalid(
                "before_cursor",
                "ONE_CURSOR",
                "one of after_cursor and before_cursor",
            )),
            (after, _) if !after.is_empty() => cursors.read_feed(epoch, after).map(Self::After),
            (_, before) if !before.is_empty() => cursors.read_feed(epoch, before).map(Self::Before),
            _ => Ok(Self::Before(i64::MAX)),
        }
    }

    /// The page and one more, if the window has all of it.
    fn cut(&self, window: &Window, size: i64) -> Option<Vec<Alert>> {
        let most = usize::try_from(size + 1).unwrap_or_default();
        let alerts = window.alerts.iter();
        let oldest = window
            .alerts
            .last()
            .map_or(i64::MAX, |alert| alert.position);
        match self {
            Self::Before(before) => {
                let found = alerts.filter(|alert| alert.position < *before).take(most);
                let found: Vec<Alert> = found.cloned().collect();
                (found.len() == most || !window.has_older).then_some(found)
            }
            Self::After(after) => {
                let whole = !window.has_older || oldest <= *after;
                let newer = alerts.rev().filter(|alert| alert.position > *after);
                whole.then(|| newer.take(most).cloned().collect())
            }
        }
    }

    async fn read(&self, tx: &mut Tx, wanted: &Wanted, size: i64) -> Result<Vec<Alert>, Error> {
        match self {
            Self::Before(before) => alert::newest(tx, wanted, *before, size + 1).await,
            Self::After(after) => alert::after(tx, wanted, *after, size + 1).await,
        }
    }
}

/// What the caller may see of a page, whatever the cache said.
fn page(
    service: &Service,
    caller: &Caller,
    mut alerts: Vec<Alert>,
    size: i64,
) -> ListAlertsResponse {
    let size = usize::try_from(size).unwrap_or_default();
    let has_more = alerts.len() > size;
    alerts.truncate(size);
    alerts.retain(|alert| sees(caller, alert));
    for alert in &mut alerts {
        let (cursors, epoch) = (service.database.cursors(), service.database.epoch());
        alert.cursor = cursors.feed(epoch, alert.position);
    }
    ListAlertsResponse { alerts, has_more }
}

/// Whether an alert lies in the caller's scope.
pub fn sees(caller: &Caller, alert: &Alert) -> bool {
    let division = alert.division_code.parse();
    let department = alert.department.parse().ok();
    division.is_ok_and(|division| caller.principal.scope.sees(&division, department.as_ref()))
}
