//! Draws authorisations by lot whose papers somebody should look at (CMP-10).

use chassis::{auth::Caller, decode::Fields, error::Error};
use proto::households::v1::{DrawAuthorisationsRequest, DrawAuthorisationsResponse};

use super::Service;
use crate::{convert, store};

/// Papers that somebody looks at in a day.
const DRAWN_MAX: i32 = 50;
/// Drawn where nobody says how many.
const DRAWN: i32 = 10;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: DrawAuthorisationsRequest,
) -> Result<DrawAuthorisationsResponse, Error> {
    let mut f = Fields::new();
    let division = f.parse_optional("division_code", &request.division_code);
    let count = match request.count {
        0 => DRAWN,
        count => count,
    };
    if !(1..=DRAWN_MAX).contains(&count) {
        f.violation("count", "COUNT", "1 to 50");
    }
    f.finish()?;
    let within = division.unwrap_or(caller.principal.scope.division);
    let mut tx = service.database.read(caller).await?;
    let drawn = store::authorisation::draw(&mut tx, within, count.into()).await?;
    Ok(DrawAuthorisationsResponse {
        authorisations: drawn.iter().map(convert::authorisation).collect(),
    })
}
