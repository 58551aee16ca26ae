//! Loads the demonstration's county once, through the services' front doors.

use std::{net::SocketAddr, path::Path};

use anyhow::Context;
use chassis::client::Channel;
use demo::County;
use indicatif::ProgressBar;
use kernel::{Code, DivisionCode, Role};
use proto::{
    comparison::v1::{
        BatchHeader, SubmitAlertBatchRequest, comparison_service_client::ComparisonServiceClient,
        submit_alert_batch_request,
    },
    households::v1::{
        self as registry, ImportHeader, ImportSheetRequest, MonitoringLine, NoticePlace,
        PutDivisionRequest, PutMonitoringLineRequest, PutNoticePlaceRequest, VillageGroup,
        households_service_client::HouseholdsServiceClient, import_sheet_request,
    },
    r#type::v1::NoticePlaceKind,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use uuid::Uuid;

use crate::{
    folder::DataFolder,
    issuer::{Account, Issuer},
    platform::Platform,
    screen,
};

/// A part of a file on its way; the contracts allow 64 KiB.
const CHUNK: usize = 48 * 1024;
/// First of the request ids, which are the same in every try: a load that was interrupted goes on.
const REQUEST_IDS: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0000;

/// Loads the county unless the folder remembers that it was loaded.
///
/// # Errors
/// A service refuses something or does not answer.
pub(crate) async fn load_once(
    folder: &DataFolder,
    platform: &Platform,
    issuer: &Issuer,
    today: chrono::NaiveDate,
) -> anyhow::Result<()> {
    if folder.demo()?.is_some_and(|state| state.loaded) {
        return Ok(());
    }
    let county = County::demo(today);
    // The files stay in the folder: somebody may want to send one by hand.
    let files = tokio::task::block_in_place(|| demo::write(&county, &folder.path().join("demo")))?;
    let loader = Loader::new(platform, issuer, county.monitoring_line().division)?;
    let mut steps = county.divisions().len() + county.notice_places().len() + 1;
    for path in files
        .sheets
        .iter()
        .chain(files.alerts.iter().map(|file| &file.path))
    {
        steps += usize::try_from(std::fs::metadata(path)?.len())?.div_ceil(CHUNK);
    }
    let bar = screen::bar(steps as u64, "loading the county");
    loader.divisions(&county, &bar).await.context("divisions")?;
    for (sheet, index) in files.sheets.iter().zip(0..) {
        loader
            .sheet(sheet, index, &bar)
            .await
            .context("household sheet")?;
    }
    for (file, index) in files.alerts.iter().zip(0..) {
        loader
            .alerts(file, index, &bar)
            .await
            .context("department file")?;
    }
    bar.finish_and_clear();
    folder.change_demo(|state| state.loaded = true).map(|_| ())
}

/// Acts as an officer of the county.
struct Loader {
    households: HouseholdsServiceClient<Channel>,
    comparison: ComparisonServiceClient<Channel>,
    token: String,
}

impl Loader {
    fn new(platform: &Platform, issuer: &Issuer, county: DivisionCode) -> anyhow::Result<Self> {
        let channel = |service| {
            let address: SocketAddr = platform.grpc(service).context("no such service")?;
            chassis::client::channel(&format!("http://{address}"))
        };
        Ok(Self {
            households: HouseholdsServiceClient::new(channel("households")?),
            comparison: ComparisonServiceClient::new(channel("comparison")?),
            token: issuer.mint(&Account::new(Role::CountyOfficer, county))?,
        })
    }

    fn request<T>(&self, message: T) -> anyhow::Result<Request<T>> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {}", self.token).parse()?);
        Ok(request)
    }

    async fn divisions(&self, county: &County, bar: &ProgressBar) -> anyhow::Result<()> {
        let mut households = self.households.clone();
        let line = county.monitoring_line();
        let valid_from = line.effective_from.to_string();
        for division in county.divisions() {
            let groups = division.groups.into_iter().zip(1..);
            let division = registry::Division {
                code: division.code.to_string(),
                name: division.name,
                parent_code: division
                    .code
                    .parent()
                    .map(|p| p.to_string())
                    .unwrap_or_default(),
                valid_from: valid_from.clone(),
                groups: groups
                    .map(|(name, number)| VillageGroup { number, name })
                    .collect(),
                ..registry::Division::default()
            };
            let request = PutDivisionRequest {
                division: Some(division),
            };
            households.put_division(self.request(request)?).await?;
            bar.inc(1);
        }
        let line = MonitoringLine {
            division_code: line.division.to_string(),
            effective_from: valid_from.clone(),
            amount_fen: line.amount.fen(),
            legal_basis: line.legal_basis.to_owned(),
        };
        let request = PutMonitoringLineRequest { line: Some(line) };
        households
            .put_monitoring_line(self.request(request)?)
            .await?;
        bar.inc(1);
        for (place, index) in county.notice_places().into_iter().zip(0..) {
            let place = NoticePlace {
                division_code: place.division.to_string(),
                kind: kind(place.kind).into(),
                name: place.name,
                household_count: i32::try_from(place.household_count)?,
                valid_from: valid_from.clone(),
                ..NoticePlace::default()
            };
            let request = PutNoticePlaceRequest {
                request_id: request_id(index),
                place: Some(place),
            };
            households.put_notice_place(self.request(request)?).await?;
            bar.inc(1);
        }
        Ok(())
    }

    async fn sheet(&self, path: &Path, index: u128, bar: &ProgressBar) -> anyhow::Result<()> {
        let header = ImportHeader {
            request_id: request_id((1 << 32) + index),
            file_name: file_name(path),
        };
        let first = ImportSheetRequest {
            part: Some(import_sheet_request::Part::Header(header)),
        };
        let parts = stream(path, first, bar, |chunk| ImportSheetRequest {
            part: Some(import_sheet_request::Part::Chunk(chunk)),
        });
        let (parts, reading) = parts.await?;
        let mut households = self.households.clone();
        let (read, answer) = tokio::join!(reading, households.import_sheet(self.request(parts)?));
        let report = answer?.into_inner().report.unwrap_or_default();
        read?;
        anyhow::ensure!(
            report.rows_refused == 0,
            "{} rows were refused",
            report.rows_refused
        );
        Ok(())
    }

    async fn alerts(
        &self,
        file: &demo::AlertFile,
        index: u128,
        bar: &ProgressBar,
    ) -> anyhow::Result<()> {
        let header = BatchHeader {
            request_id: request_id((1 << 33) + index),
            department: file.department.to_owned(),
            data_date: file.data_date.to_string(),
            file_name: file_name(&file.path),
            row_kind: file.row_kind.to_owned(),
            ..BatchHeader::default()
        };
        let first = SubmitAlertBatchRequest {
            part: Some(submit_alert_batch_request::Part::Header(header)),
        };
        let parts = stream(&file.path, first, bar, |chunk| SubmitAlertBatchRequest {
            part: Some(submit_alert_batch_request::Part::Chunk(chunk)),
        });
        let (parts, reading) = parts.await?;
        let mut comparison = self.comparison.clone();
        let (read, answer) =
            tokio::join!(reading, comparison.submit_alert_batch(self.request(parts)?));
        answer?;
        read
    }
}

/// A stream of a first message and the chunks of a file, and what has to run to fill it.
async fn stream<T: Send + 'static>(
    path: &Path,
    first: T,
    bar: &ProgressBar,
    part: impl Fn(Vec<u8>) -> T,
) -> anyhow::Result<(ReceiverStream<T>, impl Future<Output = anyhow::Result<()>>)> {
    // The county's files are small; two parts in the queue are enough to keep both sides busy.
    let content = tokio::fs::read(path).await?;
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    let bar = bar.clone();
    let filling = async move {
        // A receiver that is gone says why in its own answer.
        if sender.send(first).await.is_ok() {
            for chunk in content.chunks(CHUNK) {
                if sender.send(part(chunk.to_vec())).await.is_err() {
                    break;
                }
                bar.inc(1);
            }
        }
        Ok(())
    };
    Ok((ReceiverStream::new(receiver), filling))
}

fn request_id(index: u128) -> String {
    Uuid::from_u128(REQUEST_IDS + index).to_string()
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn kind(kind: kernel::NoticePlaceKind) -> NoticePlaceKind {
    let name = format!("NOTICE_PLACE_KIND_{}", kind.as_str());
    NoticePlaceKind::from_str_name(&name).unwrap_or_default()
}
