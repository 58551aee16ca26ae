//! The day's last checkpoint, to be printed (SEC-3).

use chassis::{auth::Caller, decode::Fields, error::Error, tlog::Daily};
use proto::workflow::v1::{DailySeal, GetDailySealRequest, GetDailySealResponse};

use super::{Service, get_checkpoint};

pub async fn handle(
    service: &Service,
    _: &Caller,
    request: GetDailySealRequest,
) -> Result<GetDailySealResponse, Error> {
    let mut f = Fields::new();
    let day = f.past_date("day", &request.day, service.database.clock().today());
    let day = f.finish_with(day)?;
    let daily = service.ledger.daily(day).await?;
    let seal = DailySeal {
        day: daily.day.to_string(),
        r#final: daily.is_final,
        key_name: daily.key.clone(),
        text: text(&daily),
        checkpoint: Some(get_checkpoint::encode(service, daily.served)),
    };
    Ok(GetDailySealResponse { seal: Some(seal) })
}

/// Seven lines that fit on any paper. The root is in groups, as people read it to each other.
fn text(daily: &Daily) -> String {
    let root = chassis::tlog::hex(&daily.served.checkpoint.root);
    let groups: Vec<&str> = (0..root.len())
        .step_by(8)
        .map(|at| &root[at..at + 8])
        .collect();
    let (first, second) = groups.split_at(groups.len() / 2);
    let open = if daily.is_final {
        ""
    } else {
        "(当日未结束 day not over)"
    };
    format!(
        "监测台账日封存 Daily seal of the ledger\n\
         日期 Day (UTC+8): {}{open}\n\
         记录数 Rows: {}\n\
         根 Root: {}\n          {}\n\
         密钥 Key: {}\n",
        daily.day,
        daily.served.checkpoint.size,
        first.join(" "),
        second.join(" "),
        daily.key,
    )
}
