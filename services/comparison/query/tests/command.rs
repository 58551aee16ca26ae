//! `backstop-department` as an office would use it: from a request file to a result file, offline.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use chrono::{DateTime, Days, Utc};
use comparison_core::answer::Layout;
use comparison_query::{
    request::{Question, Writer},
    token::{Keys, Query, Signer},
};
use kernel::{IdNumber, ItemKind};
use tempfile::TempDir;
use uuid::Uuid;

const AT: &str = "2026-08-01T04:00:00Z";

fn number(serial: u32) -> IdNumber {
    let digits = format!("99999919800101{serial:03}");
    let check = IdNumber::check_character(&digits.as_bytes().try_into().expect("17"));
    format!("{digits}{check}").parse().expect("a number")
}

struct Office {
    folder: TempDir,
    signer: Signer,
}

impl Office {
    fn open() -> Self {
        let signer = Signer::new("county.example/999999", &[7; 32]).expect("a key");
        let office = Self {
            folder: tempfile::tempdir().expect("a folder"),
            signer,
        };
        let keys = Keys::of(&office.signer, &[])
            .expect("keys")
            .to_json()
            .expect("json");
        fs::write(office.path("keys.json"), keys).expect("written");
        office
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn question(&self, serial: u32, name: &str, department: &str, days: u64) -> Question {
        let (id_number, case) = (number(serial), Uuid::from_u128(serial.into()));
        let asked_at: DateTime<Utc> = "2026-07-31T04:00:00Z".parse().expect("an instant");
        let query = Query::about(
            &id_number,
            Uuid::from_u128(u128::from(serial) << 64),
            department.parse().expect("a department"),
            ItemKind::BankDeposit,
            case,
            asked_at,
            asked_at + Days::new(days),
        );
        Question {
            token: self.signer.sign(&query).expect("signed"),
            case,
            id_number,
            name: name.to_owned(),
        }
    }

    fn request(&self, questions: &[Question]) {
        let file = fs::File::create(self.path("request.csv")).expect("created");
        let mut writer = Writer::new(file).expect("headers");
        for question in questions {
            writer.write(question).expect("written");
        }
        writer.finish().expect("flushed");
    }

    fn run(&self, command: &str, more: &[&str]) -> (i32, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(env!("CARGO_BIN_EXE_backstop-department"))
            .current_dir(self.folder.path())
            .args([
                command,
                "request.csv",
                "--keys",
                "keys.json",
                "--department",
                "banking",
            ])
            .args(["--item", "BANK_DEPOSIT", "--at", AT])
            .args(more)
            .output()
            .expect("runs");
        let said = [stdout, stderr].concat();
        (
            status.code().expect("a code"),
            String::from_utf8(said).expect("text"),
        )
    }
}

#[test]
fn a_request_is_checked_and_answered_with_bands_and_without_a_word_on_others() {
    let office = Office::open();
    let good = [
        office.question(1, "赵甲", "banking", 15),
        office.question(2, "钱乙", "banking", 15),
        office.question(3, "孙丙", "banking", 15),
    ];
    let mut for_another_case = office.question(4, "李丁", "banking", 15);
    for_another_case.case = Uuid::from_u128(99);
    let mut for_another_person = office.question(5, "周戊", "banking", 15);
    for_another_person.id_number = number(6);
    let bad = [
        office.question(7, "吴己", "housing", 15),
        office.question(8, "郑庚", "banking", 1),
        for_another_case,
        for_another_person,
    ];
    office.request(&[&good[..], &bad[..]].concat());
    let (code, said) = office.run("check", &[]);
    assert_eq!(code, 2, "{said}");
    for (row, why) in [
        (5, "TOKEN_OTHER_DEPARTMENT"),
        (6, "TOKEN_EXPIRED"),
        (7, "TOKEN_OTHER_CASE"),
        (8, "TOKEN_OTHER_PERSON"),
    ] {
        assert!(
            said.contains(&format!("request row {row} token: {why}")),
            "{said}"
        );
    }
    assert!(
        said.contains("3 questions may be answered, 4 may not"),
        "{said}"
    );

    let outsider = number(9);
    let register = format!(
        "id_number,name,balance\n{},赵甲,30000.50\n{},路人,1\n{},赵 甲,25000\n{},外人,77777\n",
        number(1).expose(),
        number(3).expose(),
        number(1).expose(),
        outsider.expose(),
    );
    fs::write(office.path("register.csv"), register).expect("written");
    let answer = ["--register", "register.csv", "--result", "result.csv"];
    let (code, said) = office.run("answer", &answer);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("register row 3 name: NAME_MISMATCH"),
        "{said}"
    );
    assert!(
        said.contains("answered from 4 rows: something 1, nothing 1, left open 1"),
        "{said}"
    );
    let result = fs::read_to_string(office.path("result.csv")).expect("a result");
    for secret in [
        "30000.50",
        "55000",
        "77777",
        outsider.expose(),
        number(3).expose(),
    ] {
        assert!(!result.contains(secret), "{result}");
        assert!(!said.contains(secret), "{said}");
    }
    let mut rows = result.lines();
    let headers: Vec<&str> = rows.next().expect("headers").split(',').collect();
    let layout = Layout::find(ItemKind::BankDeposit, &headers).expect("the item's columns");
    let answers: Vec<_> = rows
        .map(|row| {
            let cells: Vec<Option<&str>> = row.split(',').map(Some).collect();
            layout.read(&cells).expect("an answer")
        })
        .collect();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0].token, good[0].token);
    let told = answers[0].told.as_ref().expect("something");
    assert_eq!(
        told.evidence,
        ["balance_band=50000-100000"],
        "the sum of both accounts"
    );
    assert_eq!((answers[1].id_number, &answers[1].told), (number(2), &None));

    // What is there is not written over.
    let (code, said) = office.run("answer", &answer);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("result.csv"), "{said}");
}

#[test]
fn what_is_no_request_or_no_key_is_said_in_a_line() {
    let office = Office::open();
    office.request(&[office.question(1, "赵甲", "banking", 15)]);
    let (code, said) = office.run("check", &[]);
    assert_eq!(
        (code, said.contains("1 questions may be answered")),
        (0, true),
        "{said}"
    );
    fs::write(office.path("register.csv"), "id_number,name\n").expect("written");
    let answer = ["--register", "register.csv", "--result", "result.csv"];
    let (code, said) = office.run("answer", &answer);
    assert!(code == 1 && said.contains("balance"), "{said}");
    fs::write(office.path("request.csv"), "id_number,name\n").expect("written");
    let (code, said) = office.run("check", &[]);
    assert!(code == 1 && said.contains("has no column token"), "{said}");
    fs::write(office.path("keys.json"), "{}").expect("written");
    let (code, said) = office.run("check", &[]);
    assert!(
        code == 1 && said.contains("not a county's query keys"),
        "{said}"
    );
}
