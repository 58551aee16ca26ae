//! Notices: what is on them, and what cannot be (PUB-4).

use kernel::{MaskedName, NoticeKind};
use proptest::{prelude::*, sample::select};

use super::*;

fn entry(name: &str, risks: &[RiskType]) -> Entry {
    let template = township2021();
    Entry {
        code: NoticeCode::of_bits(7),
        name: MaskedName::of(name),
        group: PublicText::of("1组"),
        category: PublicText::of(category_name(&template, Category::SuddenHardship)),
        grounds: Grounds::of_risks(risks),
        days: 7,
        hangs: None,
    }
}

fn notice(kind: NoticeKind, entries: Vec<Entry>) -> PublicNotice {
    PublicNotice {
        kind,
        village: PublicText::of("上河村"),
        township: PublicText::of("青石乡"),
        entries,
        places: vec![PublicText::of("村委会公示栏"), PublicText::of("上河小区")],
        answer_within: answer_within(&township2021()),
        printed: day("2026-03-02"),
    }
}

#[test]
fn pub6_the_text_says_who_why_where_how_long_and_how_to_object() {
    let hanging = Entry {
        hangs: Some((day("2026-03-02"), day("2026-03-09"))),
        ..entry("买买提·艾力", &[RiskType::Housing, RiskType::Water])
    };
    let entries = vec![entry("张大山", &[RiskType::Illness]), hanging];
    let text = notice(NoticeKind::Identification, entries).text();
    for expected in [
        "关于拟纳入防止返贫监测对象的公示",
        "1  张*山  1组  生活严重困难户  刚性支出较大  自张贴齐之日起7日  00000-00007",
        "2  买**·**  1组  生活严重困难户  住房或饮水安全存在隐患  2026年3月2日至2026年3月9日",
        "公示地点：村委会公示栏、上河小区。",
        "向上河村村民委员会或青石乡人民政府提出",
        "5日内书面答复",
        "上河村村民委员会（盖章）\n2026年3月2日",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let gone = Entry {
        grounds: Grounds::Gone(EliminationKind::ByAssistance),
        ..entry("李四", &[])
    };
    let text = notice(NoticeKind::Elimination, vec![gone]).text();
    assert!(text.contains("拟消除风险"), "{text}");
    assert!(
        text.contains("李*  1组  生活严重困难户  帮扶消除"),
        "{text}"
    );
}

#[test]
fn pub4_the_word_for_a_state_of_health_is_a_word_for_other_things_too() {
    let health = [RiskType::Illness, RiskType::Disability, RiskType::Epidemic];
    for risk in health {
        let word = PublicReason::of(risk).words();
        for told in ["病", "残", "疫", "医", "健康", "伤", "药"] {
            assert!(!word.contains(told), "{word}");
        }
        let same = RiskType::ALL
            .iter()
            .filter(|other| !health.contains(other) && PublicReason::of(**other).words() == word);
        assert!(same.count() >= 2, "{risk:?} is the only one that is {word}");
    }
    assert_eq!(
        Grounds::of_risks(&[RiskType::Illness, RiskType::Disability, RiskType::Education]),
        Grounds::Reasons(vec![PublicReason::Expenses]),
        "two reasons would tell more than one"
    );
}

#[test]
fn pub4_numbers_are_hidden_however_they_are_written() {
    for (text, shown) in [
        ("村委会 13800000000", "村委会 ***********"),
        ("电话(138)0000-0000", "电话(***)****-****"),
        ("13800000000", "***********"),
        ("99999919800601001X", "*****************X"),
        ("上河小区3号楼2单元", "上河小区3号楼2单元"),
        ("2026年3月", "2026年3月"),
        ("换\n行", "换行"),
    ] {
        assert_eq!(PublicText::of(text).as_str(), shown, "{text}");
    }
}

/// Names, phones, ID numbers and accounts, in one text as somebody may have typed them.
fn dirty() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        "1[3-9][0-9]{9}",
        "999999(19|20)[0-9]{9}[0-9X]",
        "6[0-9]{15,18}",
        "[0-9]{3}[- ][0-9]{4}[- ][0-9]{4}",
    ];
    (
        "[\u{4e00}-\u{9fa5}]{0,6}",
        number,
        "[\u{4e00}-\u{9fa5}()]{0,6}",
    )
        .prop_map(|(before, number, after)| format!("{before}{number}{after}"))
}

/// Most digits in a row, spaces and dashes between them or not.
fn longest_number(text: &str) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = match c {
            c if c.is_numeric() => run + 1,
            ' ' | '-' | '(' | ')' => run,
            _ => 0,
        };
        longest = longest.max(run);
    }
    longest
}

proptest! {
    #[test]
    fn pub4_no_notice_holds_a_name_or_a_number(
        names in prop::collection::vec("[\u{4e00}-\u{9fa5}]{2,5}", 1..5),
        texts in prop::collection::vec(dirty(), 5),
        risks in prop::collection::vec(select(RiskType::ALL), 0..5),
        kind in select(NoticeKind::ALL),
        bits in any::<u64>(),
        hangs in any::<bool>(),
    ) {
        let entries = names.iter().map(|name| Entry {
            code: NoticeCode::of_bits(bits),
            name: MaskedName::of(&format!("{name}{}", texts[0])),
            group: PublicText::of(&texts[0]),
            category: PublicText::of(&texts[1]),
            hangs: hangs.then(|| (day("2026-12-31"), day("2027-01-07"))),
            ..entry(name, &risks)
        });
        let notice = PublicNotice {
            village: PublicText::of(&texts[2]),
            township: PublicText::of(&texts[3]),
            places: vec![PublicText::of(&texts[4])],
            ..notice(kind, entries.collect())
        };
        // Each cell by itself: the columns' numbers are no number together. The code is nobody's number.
        let cells = notice.rows().flat_map(|row| row[..6].to_vec());
        let cells = cells.chain(notice.paragraphs()).chain(notice.signature());
        for cell in cells {
            prop_assert!(longest_number(&cell) <= 6, "{}", cell);
            for text in &texts {
                let number: String = text.chars().filter(|c| c.is_ascii_digit()).collect();
                prop_assert!(!cell.contains(&number), "{}", cell);
            }
        }
        for (name, row) in names.iter().zip(notice.rows()) {
            prop_assert!(!row[1].contains(name.as_str()), "{} in {}", name, row[1]);
        }
    }
}
