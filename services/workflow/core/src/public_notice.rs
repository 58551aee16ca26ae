//! The public notice of a village (S29, PUB-1, PUB-6) as it hangs: what may be on it, and in which
//! words. Nothing here can hold an ID number, a phone, an account or a state of health (PUB-4): names
//! mask themselves, texts hide numbers, reasons come from a list, and there is no other field.

use std::fmt;

use chrono::{Datelike, NaiveDate};
use kernel::{Category, EliminationKind, MaskedName, NoticeKind, RiskType};

use crate::{
    notice_code::NoticeCode,
    template::{Since, Template, Within},
};

/// Longest text on a notice: a name of a place or a group.
const CHARS_MAX: usize = 60;
/// A number with so many digits may be somebody's; years and house numbers have fewer.
const DIGITS_MAX: usize = 6;

/// A text that may hang on a wall: one line, not long, without long numbers however they are written.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicText(String);

impl PublicText {
    /// Takes out what may not be there.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let line = text.trim().chars().filter(|c| !c.is_control());
        let line: Vec<char> = line.take(CHARS_MAX).collect();
        let mut shown = String::new();
        let mut at = 0;
        while at < line.len() {
            // A number goes on over spaces, dashes and brackets.
            let run = line[at..].iter().take_while(|c| !c.is_alphabetic()).count();
            let piece = &line[at..at + run.max(1)];
            let digits = piece.iter().filter(|c| c.is_numeric()).count();
            let hide = |c: &char| match c {
                c if digits > DIGITS_MAX && c.is_numeric() => '*',
                c => *c,
            };
            shown.extend(piece.iter().map(hide));
            at += piece.len();
        }
        Self(shown)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublicText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PublicText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicText({})", self.0)
    }
}

kernel::codes! {
    /// Why a household is to be a subject, in words that may hang on a wall. Illness, disability and
    /// epidemic are states of health (PUB-4): they share a word with other costs and shocks, so that the
    /// word tells nobody which it is.
    PublicReason {
        /// 刚性支出较大: illness, disability, epidemic, accident, schooling.
        Expenses = "EXPENSES",
        /// 收入不稳定: a job, a business, too few hands.
        Income = "INCOME",
        /// 受自然灾害影响
        Disaster = "DISASTER",
        /// 住房或饮水安全存在隐患
        Living = "LIVING",
        /// 其他突发困难
        Other = "OTHER",
    }
}

impl PublicReason {
    /// What may be said of a risk.
    #[must_use]
    pub const fn of(risk: RiskType) -> Self {
        match risk {
            RiskType::Illness
            | RiskType::Disability
            | RiskType::Epidemic
            | RiskType::Accident
            | RiskType::Education => Self::Expenses,
            RiskType::LabourShortage | RiskType::IndustryFailure | RiskType::UnstableJob => {
                Self::Income
            }
            RiskType::NaturalDisaster => Self::Disaster,
            RiskType::Housing | RiskType::Water => Self::Living,
            RiskType::Other => Self::Other,
        }
    }

    /// The words on the notice.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Expenses => "刚性支出较大",
            Self::Income => "收入不稳定",
            Self::Disaster => "受自然灾害影响",
            Self::Living => "住房或饮水安全存在隐患",
            Self::Other => "其他突发困难",
        }
    }
}

/// What stands behind a household's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grounds {
    /// Of an identification.
    Reasons(Vec<PublicReason>),
    /// Of an elimination: how the risk went away.
    Gone(EliminationKind),
}

impl Grounds {
    /// Of risks, each word once.
    #[must_use]
    pub fn of_risks(risks: &[RiskType]) -> Self {
        let mut reasons: Vec<_> = risks.iter().map(|risk| PublicReason::of(*risk)).collect();
        reasons.sort_unstable();
        reasons.dedup();
        Self::Reasons(reasons)
    }

    fn words(&self) -> String {
        match self {
            Self::Reasons(reasons) => {
                let words: Vec<_> = reasons.iter().map(|reason| reason.words()).collect();
                words.join("、")
            }
            Self::Gone(EliminationKind::ByAssistance) => "帮扶消除".to_owned(),
            Self::Gone(EliminationKind::Natural) => "自然消除".to_owned(),
        }
    }
}

/// A household on the notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Names the entry when somebody objects.
    pub code: NoticeCode,
    /// The head's name.
    pub name: MaskedName,
    /// Village group.
    pub group: PublicText,
    /// Category in the words of the case's procedure.
    pub category: PublicText,
    /// Why.
    pub grounds: Grounds,
    /// Full days that it hangs.
    pub days: u32,
    /// Day of the posting that completed all places, and the first on which it may come down; absent
    /// until then.
    pub hangs: Option<(NaiveDate, NaiveDate)>,
}

impl Entry {
    /// Words for the grounds.
    #[must_use]
    pub fn reason(&self) -> String {
        self.grounds.words()
    }

    fn period(&self) -> String {
        match self.hangs {
            Some((from, until)) => format!("{}至{}", date(from), date(until)),
            None => format!("自张贴齐之日起{}日", self.days),
        }
    }
}

/// A notice of a village.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicNotice {
    /// What it announces.
    pub kind: NoticeKind,
    /// The village.
    pub village: PublicText,
    /// Its township.
    pub township: PublicText,
    /// Who is on it.
    pub entries: Vec<Entry>,
    /// Where it hangs (S30).
    pub places: Vec<PublicText>,
    /// Within which time an objection is answered; absent when no procedure says.
    pub answer_within: Option<Within>,
    /// Day on which it was printed.
    pub printed: NaiveDate,
}

impl PublicNotice {
    /// Its title.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        match self.kind {
            NoticeKind::Identification => "关于拟纳入防止返贫监测对象的公示",
            NoticeKind::Elimination => "关于监测对象拟消除风险的公示",
        }
    }

    /// What it announces, in a sentence.
    #[must_use]
    pub const fn introduction(&self) -> &'static str {
        match self.kind {
            NoticeKind::Identification => {
                "经农户申报或干部排查、入户核实、村级民主评议，拟将下列农户纳入防止返贫动态监测和帮扶\
                 对象，现予公示，接受群众监督。"
            }
            NoticeKind::Elimination => {
                "经入户核实、村级民主评议，下列监测对象收入稳定高于监测线，“两不愁三保障”和饮水安全\
                 均有保障，返贫致贫风险已消除，拟按程序标注“风险消除”，现予公示，接受群众监督。"
            }
        }
    }

    /// Heads of the columns.
    #[must_use]
    pub const fn columns(&self) -> [&'static str; 7] {
        let (category, grounds) = match self.kind {
            NoticeKind::Identification => ("拟定类别", "纳入原因"),
            NoticeKind::Elimination => ("对象类别", "消除方式"),
        };
        [
            "序号",
            "户主",
            "村民小组",
            category,
            grounds,
            "公示期",
            "公示编号",
        ]
    }

    /// A row for each household.
    pub fn rows(&self) -> impl Iterator<Item = [String; 7]> {
        self.entries
            .iter()
            .zip(1..)
            .map(|(entry, number): (_, usize)| {
                [
                    number.to_string(),
                    entry.name.to_string(),
                    entry.group.to_string(),
                    entry.category.to_string(),
                    entry.reason(),
                    entry.period(),
                    entry.code.to_string(),
                ]
            })
    }

    /// Where it hangs, how long, and how to object.
    #[must_use]
    pub fn paragraphs(&self) -> Vec<String> {
        let places: Vec<&str> = self.places.iter().map(PublicText::as_str).collect();
        let answered = match self.answer_within {
            Some(Within::Days(days)) => format!("{days}日内"),
            Some(Within::WorkingDays(days)) => format!("{days}个工作日内"),
            Some(Within::Months(months)) => format!("{months}个月内"),
            None => "按规定时限".to_owned(),
        };
        vec![
            format!("公示地点：{}。", places.join("、")),
            "公示期自最后一处公示地点张贴之日起算；中途撕毁、脱落的，重新张贴后重新计算。"
                .to_owned(),
            format!(
                "公示期内任何人有异议，均可当面、书面或电话向{}或{}提出（联系电话：____________），也可\
                 凭表中公示编号在线提出；可以不署名。",
                self.committee(),
                self.government()
            ),
            format!(
                "对提出的异议，由未参加过前次入户的人员重新入户核实，{answered}书面答复；异议答复之前，\
                 公示不予结束。"
            ),
        ]
    }

    /// Who signs, beside the seal, and the day.
    #[must_use]
    pub fn signature(&self) -> [String; 2] {
        [self.committee(), date(self.printed)]
    }

    fn committee(&self) -> String {
        let suffix = match self.village.as_str().ends_with("社区") {
            true => "居民委员会",
            false => "村民委员会",
        };
        format!("{}{suffix}", self.village)
    }

    fn government(&self) -> String {
        let suffix = match self.township.as_str().ends_with("街道") {
            true => "办事处",
            false => "人民政府",
        };
        format!("{}{suffix}", self.township)
    }

    /// The notice as plain text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = vec![self.title().to_owned(), String::new()];
        lines.push(self.introduction().to_owned());
        lines.push(String::new());
        lines.push(self.columns().join("  "));
        lines.extend(self.rows().map(|row| row.join("  ")));
        lines.push(String::new());
        lines.extend(self.paragraphs());
        lines.push(String::new());
        let [committee, day] = self.signature();
        lines.extend([format!("{committee}（盖章）"), day, String::new()]);
        lines.join("\n")
    }
}

/// What a category is called by a procedure (`decisions` 4).
#[must_use]
pub fn category_name(template: &Template, category: Category) -> &str {
    let national = match category {
        Category::UnstableEscaped => "脱贫不稳定户",
        Category::MarginalVulnerable => "边缘易致贫户",
        Category::SuddenHardship => "突发严重困难户",
    };
    let own = template.category_names.get(&category);
    own.map_or(national, String::as_str)
}

/// Within which time a procedure wants an objection answered.
#[must_use]
pub fn answer_within(template: &Template) -> Option<Within> {
    let limits = template.limits.iter();
    let mut answers = limits.filter(|limit| limit.since == Since::Objection);
    answers.next().map(|limit| limit.within)
}

fn date(day: NaiveDate) -> String {
    format!("{}年{}月{}日", day.year(), day.month(), day.day())
}
