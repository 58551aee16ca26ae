//! Sheets of the national format: good households go in, bad ones never do.

use chassis::{
    auth::Caller,
    error::Error,
    feed::{self, Filter},
    testing::{caller, new_id},
};
use households::whereabouts::tell_of_earlier;
use households_core::sheet;
use kernel::Role;
use prost::Message;
use proto::{
    feed::v1::HouseholdMove,
    households::v1::{
        GetImportRequest, ImportHeader, ImportReport, ImportSheetRequest, ListHouseholdsRequest,
        households_service_server::HouseholdsService, import_sheet_request::Part,
    },
};
use rust_xlsxwriter::Workbook;

use crate::desk::{COUNTY, Desk, OTHER_VILLAGE, VILLAGE, admin, by, cadre, id_number};

/// A row: cells by header.
type Row = Vec<(&'static str, String)>;

fn row(number: &str, relation: &str, serial: u32) -> Row {
    let birth = if relation == sheet::HEAD {
        "19800101"
    } else {
        "19820202"
    };
    let given = [
        (sheet::NATIONAL_NUMBER, number),
        (sheet::DIVISION_CODE, VILLAGE),
        (sheet::FORMERLY_REGISTERED, "否"),
        (
            sheet::NAME,
            if relation == sheet::HEAD {
                "赵甲"
            } else {
                "钱乙"
            },
        ),
        (sheet::RELATION, relation),
        (sheet::REGISTERED, "是"),
        (sheet::RESIDENT, "是"),
        (sheet::SHARES_INCOME, "是"),
        (sheet::HEALTH, "健康"),
    ];
    let mut row: Row = given
        .map(|(header, value)| (header, value.to_owned()))
        .into();
    row.push((sheet::ID_NUMBER, id_number(birth, serial)));
    if relation == sheet::HEAD {
        row.push((sheet::INCOME[0].header, "40200.50".to_owned()));
    }
    row
}

fn couple(number: &str, serial: u32) -> [Row; 2] {
    [
        row(number, sheet::HEAD, serial),
        row(number, sheet::SPOUSE, serial + 1),
    ]
}

fn set(row: &mut Row, header: &'static str, value: &str) {
    row.retain(|(known, _)| *known != header);
    row.push((header, value.to_owned()));
}

fn table(rows: &[Row]) -> Vec<Vec<String>> {
    let income = sheet::INCOME.iter().map(|column| column.header);
    let headers: Vec<&str> = sheet::HEADERS.into_iter().chain(income).collect();
    let mut table = vec![
        vec!["监测对象信息采集表".to_owned()],
        vec!["填表说明".to_owned()],
        headers.iter().map(|header| (*header).to_owned()).collect(),
    ];
    for row in rows {
        let cell = |header: &&str| row.iter().find(|(known, _)| known == header);
        let cells = headers
            .iter()
            .map(|header| cell(header).map(|(_, value)| value.clone()));
        table.push(cells.map(Option::unwrap_or_default).collect());
    }
    table
}

fn csv(rows: &[Row]) -> String {
    let quoted = |cell: &String| format!("\"{cell}\"");
    let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",");
    table(rows)
        .iter()
        .map(line)
        .collect::<Vec<_>>()
        .join("\r\n")
}

fn xlsx(rows: &[Row]) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let worksheet = workbook.add_worksheet();
    worksheet.set_name(sheet::SHEET_NAME).expect("a name");
    for (at, cells) in table(rows).iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            let (at, column) = (
                at.try_into().expect("a row"),
                column.try_into().expect("one"),
            );
            if !cell.is_empty() {
                worksheet.write_string(at, column, cell).expect("a cell");
            }
        }
    }
    workbook.save_to_buffer().expect("a workbook")
}

async fn import(
    desk: &Desk,
    caller: &Caller,
    file_name: &str,
    content: &[u8],
) -> Result<ImportReport, Error> {
    let header = ImportHeader {
        request_id: new_id().to_string(),
        file_name: file_name.to_owned(),
    };
    let chunks = content
        .chunks(1000)
        .map(|chunk| Part::Chunk(chunk.to_vec()));
    let parts = std::iter::once(Part::Header(header)).chain(chunks);
    let messages: Vec<_> = parts
        .map(|part| Ok(ImportSheetRequest { part: Some(part) }))
        .collect();
    desk.service
        .import_sheet_from(caller, tokio_stream::iter(messages))
        .await
}

/// "row column code" of every error.
fn errors(report: &ImportReport) -> Vec<String> {
    let errors = report.errors.iter();
    errors
        .map(|e| format!("{} {} {}", e.row, e.column, e.code))
        .collect()
}

async fn total(desk: &Desk) -> i64 {
    let list = ListHouseholdsRequest {
        with_total: true,
        ..ListHouseholdsRequest::default()
    };
    let list = desk.service.list_households(by(&admin(), list)).await;
    list.expect("listed").into_inner().total_count
}

#[tokio::test]
async fn the_same_households_come_from_every_format_and_twice_changes_nothing() {
    let desk = Desk::open().await;
    let rows: Vec<Row> = (0..30)
        .flat_map(|n| couple(&format!("H{n:03}"), n * 4))
        .collect();
    let text = csv(&rows);
    let (gbk, _, _) = encoding_rs::GBK.encode(&text);
    let files: [(&str, Vec<u8>); 4] = [
        ("户.xlsx", xlsx(&rows)),
        ("户.csv", text.clone().into_bytes()),
        ("BOM.CSV", [b"\xef\xbb\xbf", text.as_bytes()].concat()),
        ("gbk.csv", gbk.into_owned()),
    ];
    for (at, (name, content)) in files.iter().enumerate() {
        let report = import(&desk, &cadre(), name, content)
            .await
            .expect("imported");
        assert_eq!(errors(&report), Vec::<String>::new(), "{name}");
        assert_eq!((report.rows_read, report.rows_refused), (60, 0), "{name}");
        let created = if at == 0 { 30 } else { 0 };
        assert_eq!(report.households_created, created, "{name}");
        assert_eq!(report.households_unchanged, 30 - created, "{name}");
        let request = GetImportRequest {
            batch_id: report.batch_id.clone(),
        };
        let kept = desk.service.get_import(by(&cadre(), request)).await;
        assert_eq!(
            kept.expect("kept").into_inner().report.as_ref(),
            Some(&report)
        );
    }
    let again = import(&desk, &cadre(), files[0].0, &files[0].1)
        .await
        .expect("imported");
    assert_eq!(
        again.households_created, 30,
        "the same file: the first report"
    );
    assert_eq!(total(&desk).await, 30);
    desk.close().await;
}

#[tokio::test]
async fn a_changed_sheet_changes_its_households_and_keeps_the_history() {
    let desk = Desk::open().await;
    let mut rows: Vec<Row> = couple("H1", 1).into_iter().chain(couple("H2", 5)).collect();
    import(&desk, &cadre(), "一.csv", csv(&rows).as_bytes())
        .await
        .expect("imported");
    set(&mut rows[0], sheet::PHONE, "13800000001");
    set(&mut rows[0], sheet::INCOME[0].header, "1");
    rows.remove(1);
    let report = import(&desk, &cadre(), "二.csv", csv(&rows).as_bytes())
        .await
        .expect("imported");
    assert_eq!(errors(&report), Vec::<String>::new());
    assert_eq!(
        (report.households_updated, report.households_unchanged),
        (1, 1)
    );
    let list = desk
        .service
        .list_households(by(&cadre(), ListHouseholdsRequest::default()))
        .await;
    let household = list.expect("listed").into_inner().households.swap_remove(0);
    assert_eq!((household.member_count, household.version), (1, 2));
    assert_eq!(household.phone, "13800000001");
    let history = desk.history(&cadre(), &household.id).await;
    assert!(
        history.iter().any(|line| line.contains(".member 钱乙→")),
        "{history:#?}"
    );
    assert!(
        history.iter().any(|line| line.starts_with("income ")),
        "{history:#?}"
    );
    desk.close().await;
}

#[tokio::test]
async fn reg12_a_household_that_moves_takes_everything_along_and_is_told_of_once() {
    let desk = Desk::open().await;
    let rows = couple("H1", 1);
    import(&desk, &cadre(), "一.csv", csv(&rows).as_bytes())
        .await
        .expect("imported");
    let list = desk
        .service
        .list_households(by(&cadre(), ListHouseholdsRequest::default()))
        .await;
    let id = list.expect("listed").into_inner().households[0].id.clone();
    let mut elsewhere = rows.clone();
    elsewhere
        .iter_mut()
        .for_each(|row| set(row, sheet::DIVISION_CODE, OTHER_VILLAGE));
    // Twice the same, and once another phone: it moves once.
    for name in ["二.csv", "三.csv"] {
        import(&desk, &admin(), name, csv(&elsewhere).as_bytes())
            .await
            .expect("imported");
    }
    set(&mut elsewhere[0], sheet::PHONE, "13800000001");
    import(&desk, &admin(), "四.csv", csv(&elsewhere).as_bytes())
        .await
        .expect("imported");
    assert!(desk.household(&cadre(), &id).await.is_none());
    assert!(desk.members(&cadre(), &id).await.is_empty());
    let there = caller(Role::VillageCadre, OTHER_VILLAGE);
    assert_eq!(desk.members(&there, &id).await.len(), 2);
    let history = desk.history(&there, &id).await;
    let moved = format!("household division_code {VILLAGE}→{OTHER_VILLAGE}");
    assert!(history.contains(&moved), "{history:#?}");

    let told = async |who: &Caller| {
        let mut tx = desk.database.read(who).await.expect("begun");
        let page = feed::page(&mut tx, 0, &Filter::default(), 100).await;
        let items = page.expect("a page").items.into_iter();
        items
            .filter(|item| item.subject.to_string() == id)
            .collect::<Vec<_>>()
    };
    // Its whole past is told where it lives, and no more where it lived.
    let items = told(&there).await;
    let kinds: Vec<&str> = items.iter().map(|item| item.kind.as_str()).collect();
    let expected = [
        "household.created",
        "household.changed",
        "household.moved",
        "household.changed",
    ];
    assert_eq!(kinds, expected);
    let payload = items[2].payload.clone().unwrap_or_default();
    let told_of = HouseholdMove::decode(&payload[..]).expect("a move");
    assert_eq!(
        told_of,
        HouseholdMove {
            household_id: id.clone(),
            from_code: VILLAGE.to_owned(),
            into_code: OTHER_VILLAGE.to_owned(),
            moved_on: desk.today().to_string(),
        }
    );
    assert!(told(&cadre()).await.is_empty());

    // An earlier program had moved it and told nobody.
    let county = COUNTY.parse().expect("a county");
    let tell = async || tell_of_earlier(&desk.database, county).await.expect("told");
    tell().await;
    assert_eq!(told(&there).await.len(), 4, "there is nothing to tell");
    let forgotten = "delete from households.departures";
    let mut owner = desk.test.owner().await;
    sqlx::query(forgotten)
        .execute(&mut owner)
        .await
        .expect("forgotten");
    tell().await;
    tell().await;
    let items = told(&there).await;
    assert_eq!(items.len(), 5, "told once");
    let again = items[4].payload.clone().unwrap_or_default();
    assert_eq!(HouseholdMove::decode(&again[..]).expect("a move"), told_of);
    desk.close().await;
}

#[tokio::test]
async fn every_bad_row_is_named_and_its_household_stays_out() {
    let desk = Desk::open().await;
    let mut elsewhere = couple("H0", 900);
    elsewhere
        .iter_mut()
        .for_each(|row| set(row, sheet::DIVISION_CODE, OTHER_VILLAGE));
    import(&desk, &admin(), "〇.csv", csv(&elsewhere).as_bytes())
        .await
        .expect("imported");

    let mut rows: Vec<Row> = Vec::new();
    let mut bad = |number: &str, serial, header, value: &str| {
        let [mut head, spouse] = couple(number, serial);
        set(&mut head, header, value);
        rows.extend([head, spouse]);
    };
    let wrong_check = {
        let right = id_number("19800101", 10);
        let last = if right.ends_with('1') { '2' } else { '1' };
        format!("{}{last}", &right[..17])
    };
    bad("A01", 10, sheet::ID_NUMBER, &wrong_check); // row 4
    bad("A02", 14, sheet::ID_NUMBER, "999999800101001"); // 6
    bad("A03", 18, sheet::ID_NUMBER, "9.99999198001011E+17"); // 8
    bad("A04", 22, sheet::DIVISION_CODE, "999999009009"); // 10
    bad("A05", 26, sheet::DIVISION_CODE, OTHER_VILLAGE); // 12: exists, out of scope
    bad("A06", 30, sheet::INCOME[0].header, "-1"); // 14
    bad("A07", 34, sheet::FILLED_ON, "2099-01-01"); // 16
    bad("A08", 38, sheet::RELATION, "配偶"); // 18: no head
    bad("A09", 42, sheet::NAME, "=1+1"); // 20
    bad("A10", 46, sheet::ID_NUMBER, &id_number("19800101", 900)); // 22: lives out of scope
    bad("H0", 50, sheet::PHONE, ""); // 24: number of a household out of scope
    rows.extend(couple("B1", 100));
    let report = import(&desk, &cadre(), "坏.csv", csv(&rows).as_bytes())
        .await
        .expect("imported");
    let expected = [
        "4 证件号码 ID_CHECK_DIGIT",
        "6 证件号码 ID_FIFTEEN_DIGITS",
        "8 证件号码 ID_SPREADSHEET_FLOAT",
        "10 行政区划代码 UNKNOWN_DIVISION",
        "12 行政区划代码 UNKNOWN_DIVISION",
    ];
    let found = errors(&report);
    assert_eq!(found[..5], expected);
    for (at, row, code) in [
        (5, "14 ", "AMOUNT"),
        (6, "16 ", "DATE_IN_FUTURE"),
        (7, "18 ", "EXACTLY_ONE_HEAD"),
        (8, "20 ", "FORMULA"),
        (9, "22 ", "DUPLICATE_ID_NUMBER"),
        (10, "24 ", "DUPLICATE_NATIONAL_NUMBER"),
    ] {
        assert!(
            found[at].starts_with(row) && found[at].ends_with(code),
            "{}",
            found[at]
        );
    }
    assert_eq!(found.len(), 11);
    assert_eq!((report.households_created, report.rows_refused), (1, 22));
    assert!(report.errors.iter().all(|error| !error.reason.is_empty()));
    assert_eq!(total(&desk).await, 2);
    desk.close().await;
}

#[tokio::test]
async fn a_file_that_is_no_sheet_brings_nothing() {
    let desk = Desk::open().await;
    let good = xlsx(&couple("H1", 1));
    for (name, content, code) in [
        ("a.xlsx", &b"not a workbook"[..], "MALFORMED_FILE"),
        ("b.xlsx", &good[..good.len() / 2], "MALFORMED_FILE"),
        ("c.csv", b"a,b\n1,2\n", "HEADER_MISSING"),
        ("d.csv", b"", "HEADER_MISSING"),
        ("e.exe", b"MZ", "FILE_KIND"),
    ] {
        match import(&desk, &cadre(), name, content).await {
            Err(Error::Invalid(violations)) => assert_eq!(violations[0].code, code, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    let half: Vec<Result<ImportSheetRequest, tonic::Status>> = vec![
        Ok(ImportSheetRequest {
            part: Some(Part::Header(ImportHeader {
                request_id: new_id().to_string(),
                file_name: "f.csv".to_owned(),
            })),
        }),
        Err(tonic::Status::cancelled("gone")),
    ];
    let broken = desk
        .service
        .import_sheet_from(&cadre(), tokio_stream::iter(half))
        .await;
    assert!(matches!(broken, Err(Error::Invalid(_))), "{broken:?}");
    assert_eq!(total(&desk).await, 0);
    let liaison = caller(Role::DepartmentLiaison, VILLAGE);
    let request = GetImportRequest {
        batch_id: new_id().to_string(),
    };
    let answer = desk.service.get_import(by(&liaison, request)).await;
    assert!(answer.is_err());
    desk.close().await;
}
