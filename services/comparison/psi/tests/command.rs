//! The command from end to end, on files.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const COUNTY: &str = "999999197001010017\n999999197001010025\n";
const REGISTER: &str = "999999197001010025\n99999919700101005X\n";

fn psi(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backstop-psi"));
    let ended = command.args(arguments).current_dir(folder).output();
    ended.expect("runs")
}

fn well(folder: &Path, arguments: &[&str]) {
    let output = psi(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = psi(folder, arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const ASK: [&str; 6] = ["ask", "county", "--question", "q", "--secret", "s"];
const ANSWER: [&str; 6] = ["answer", "q", "--held", "register", "--answer", "a"];
const OPEN: [&str; 6] = ["open", "a", "--secret", "s", "--found", "found"];

#[test]
fn a_question_is_answered_and_opened_and_no_number_travels() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("county"), COUNTY).expect("written");
    fs::write(folder.join("register"), REGISTER).expect("written");
    well(folder, &ASK);
    well(folder, &ANSWER);
    well(folder, &OPEN);
    let found = fs::read_to_string(folder.join("found")).expect("found");
    assert_eq!(found, "999999197001010025\n");
    for file in ["q", "a"] {
        let sent = fs::read(folder.join(file)).expect("sent");
        assert!(!sent.windows(6).any(|bytes| bytes == b"999999"), "{file}");
    }
    assert!(
        refused(folder, &OPEN).contains("exists"),
        "nothing is overwritten"
    );
}

#[test]
fn bad_files_are_refused_without_a_word_of_their_content() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("register"), REGISTER).expect("written");
    for bad in ["999999197001010018\n", "999999700101001\n", "张三\n", "\n"] {
        fs::write(folder.join("county"), format!("{COUNTY}{bad}")).expect("written");
        let said = refused(folder, &ASK);
        assert!(said.contains("line 3") && !said.contains("99999"), "{said}");
    }
    fs::write(folder.join("county"), COUNTY).expect("written");
    well(folder, &ASK);
    let question = fs::read(folder.join("q")).expect("sent");
    let mut changed = question.clone();
    *changed.last_mut().expect("a byte") = 0xff;
    for (bad, said) in [
        (&question[..question.len() - 1], "cut off"),
        (&[&question[..], b"x"].concat(), "behind the points"),
        (&b"backstop-psi/1 answer"[..], "no question"),
        (&b"backstop-psi/1 question 7 x"[..], "run"),
        (&changed[..], "no point at place 1"),
    ] {
        fs::write(folder.join("q"), bad).expect("written");
        let refusal = refused(folder, &ANSWER);
        assert!(refusal.contains(said), "{refusal}");
    }
    fs::write(folder.join("q"), &question).expect("written");
    well(folder, &ANSWER);
    fs::remove_file(folder.join("s")).expect("removed");
    fs::remove_file(folder.join("q")).expect("removed");
    well(folder, &ASK);
    assert!(refused(folder, &OPEN).contains("another question"));
}
