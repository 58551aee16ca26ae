//! What a public notice says, gathered: cases and codes from here, masked names and places from the
//! registry. What the registry tells is on its way to a wall and stored nowhere.

use std::collections::HashMap;

use anyhow::Context;
use chassis::{
    auth::Caller,
    client,
    decode::{Fields, codes},
    error::Error,
};
use chrono::NaiveDate;
use kernel::{CaseId, DivisionCode, DivisionLevel, MaskedName, NoticeKind};
use proto::{
    households::v1::{
        BatchGetNoticeSubjectsRequest, Division, ListDivisionsRequest, ListNoticePlacesRequest,
        NoticePlace, households_service_client::HouseholdsServiceClient,
    },
    workflow::v1 as wire,
};
use workflow_core::{
    CaseState, Entry, Grounds, NoticeCode, PublicNotice, PublicText, Template, answer_within,
    category_name,
};

use crate::{
    convert,
    facts::Neighbours,
    rpc::Service,
    store::{self, case::Wanted},
};

/// Households of a notice: a page of the registry. A village that has more at once holds a second
/// meeting, and puts up a second notice when the first has come down.
const ENTRIES_MAX: usize = 100;

/// What the registry knows of a village and its households, as it may hang on a wall.
#[derive(Debug, Clone, Default)]
pub struct Announced {
    /// Names of the village and of its township.
    pub village: String,
    pub township: String,
    /// Names of places where notices have to hang.
    pub places: Vec<String>,
    /// Masked name of the head and village group, by household.
    pub subjects: HashMap<String, (String, String)>,
}

/// A village and what its notice announces.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub village: DivisionCode,
    pub kind: NoticeKind,
}

impl Asked {
    /// Reads which notice is meant.
    pub fn read(f: &mut Fields, division_code: &str, kind: i32) -> Option<Self> {
        let village: Option<DivisionCode> = f.parse("division_code", division_code);
        if village.is_some_and(|division| division.level() != DivisionLevel::Village) {
            f.violation("division_code", "VILLAGE", "the code of a village");
        }
        let kind = f.code("kind", codes::notice_kind(kind));
        Some(Self {
            village: village?,
            kind: kind?,
        })
    }

    /// States of cases that are on it: those whose notice hangs or can be put up.
    fn states(self) -> Vec<CaseState> {
        match self.kind {
            NoticeKind::Identification => vec![CaseState::Appraised, CaseState::OnNotice],
            NoticeKind::Elimination => vec![CaseState::ElimAppraised, CaseState::ElimOnNotice],
        }
    }
}

impl Service {
    /// The notice of a village, on what the registry tells.
    ///
    /// # Errors
    /// Not found when nothing is announced there, or it is out of scope.
    pub async fn notice(&self, caller: &Caller, asked: Asked) -> Result<PublicNotice, Error> {
        let (cases, today) = self.announced_cases(caller, asked).await?;
        let households: Vec<String> = cases.iter().map(|case| case.household_id.clone()).collect();
        let known = self.neighbours.announced(&asked.village, households, today);
        let known = known.await?;
        self.notice_with(caller, asked, known).await
    }

    /// The same on what is given.
    ///
    /// # Errors
    /// See [`Service::notice`].
    pub async fn notice_with(
        &self,
        caller: &Caller,
        asked: Asked,
        known: Announced,
    ) -> Result<PublicNotice, Error> {
        let (cases, today) = self.announced_cases(caller, asked).await?;
        let mut tx = self.database.begin(caller).await?;
        let ids = cases.iter().map(|case| case.id.parse());
        let ids: Vec<CaseId> = ids
            .collect::<Result<_, _>>()
            .context("cases.body")
            .map_err(Error::Internal)?;
        let issued = store::notice_code::issue(&mut tx, &asked.village, asked.kind, &ids).await?;
        let (mut entries, mut within) = (Vec::new(), None);
        for (case, id) in cases.iter().zip(&ids) {
            let (template, version) = (&case.template_id, case.template_version);
            let template = store::template::find(&mut tx, template, version).await?;
            within = within.or_else(|| answer_within(&template));
            let code = issued.get(id).context("a code for every entry");
            let code = *code.map_err(Error::Internal)?;
            let read = entry(asked.kind, case, code, &template, &known);
            entries.push(read.map_err(Error::Internal)?);
        }
        tx.commit().await?;
        Ok(PublicNotice {
            kind: asked.kind,
            village: PublicText::of(&known.village),
            township: PublicText::of(&known.township),
            entries,
            places: known
                .places
                .iter()
                .map(|place| PublicText::of(place))
                .collect(),
            answer_within: within,
            printed: today,
        })
    }

    async fn announced_cases(
        &self,
        caller: &Caller,
        asked: Asked,
    ) -> Result<(Vec<wire::Case>, NaiveDate), Error> {
        if !caller.principal.scope.sees(&asked.village, None) {
            return Err(Error::NotFound { what: "division" });
        }
        let wanted = Wanted {
            division: Some(asked.village),
            states: asked.states(),
            household: None,
            due_until: None,
            alarm: None,
            last_chance_until: None,
            overridden: false,
        };
        let mut tx = self.database.read(caller).await?;
        let most = i64::try_from(ENTRIES_MAX + 1).unwrap_or(i64::MAX);
        let mut cases = store::case::list(&mut tx, &wanted, None, most).await?;
        let today = tx.today();
        drop(tx);
        if cases.is_empty() {
            return Err(Error::NotFound { what: "notice" });
        }
        if cases.len() > ENTRIES_MAX {
            let limit = format!("{ENTRIES_MAX} households on a notice");
            return Err(Error::TooLarge { limit });
        }
        // In the order in which they were declared, whoever prints it when.
        cases.reverse();
        Ok((cases, today))
    }
}

fn entry(
    kind: NoticeKind,
    case: &wire::Case,
    code: NoticeCode,
    template: &Template,
    known: &Announced,
) -> anyhow::Result<Entry> {
    let subject = known.subjects.get(&case.household_id);
    let (name, group) = subject.map_or(("", ""), |(name, group)| (name, group));
    let category = codes::category(case.category);
    let grounds = match kind {
        NoticeKind::Identification => {
            let risks = case
                .risks
                .iter()
                .filter_map(|risk| codes::risk_type(risk.r#type));
            Grounds::of_risks(&risks.collect::<Vec<_>>())
        }
        NoticeKind::Elimination => {
            let gone = codes::elimination_kind(case.elimination_kind);
            Grounds::Gone(gone.context("an elimination without its kind")?)
        }
    };
    let notice = case.notice.clone().unwrap_or_default();
    let started = convert::read_day(&notice.clock_started_on)?;
    Ok(Entry {
        code,
        // Masked already; masking again changes nothing.
        name: MaskedName::of(name),
        group: PublicText::of(group),
        category: PublicText::of(category.map_or("", |c| category_name(template, c))),
        grounds,
        days: template.parameters.notice_days,
        hangs: started.zip(convert::read_day(&notice.closable_on)?),
    })
}

impl Neighbours {
    /// What the registry says of a village and of households in it.
    async fn announced(
        &self,
        village: &DivisionCode,
        households: Vec<String>,
        today: NaiveDate,
    ) -> Result<Announced, Error> {
        let caller = self.identity.caller().await?;
        let mut registry = HouseholdsServiceClient::new(self.households.clone());
        let request = BatchGetNoticeSubjectsRequest {
            household_ids: households,
        };
        let mut own = registry.clone();
        let subjects = async {
            let answer = own.batch_get_notice_subjects(client::authorise(&caller, request));
            Ok::<_, Error>(answer.await?.into_inner().subjects)
        };
        let request = ListNoticePlacesRequest {
            division_code: village.to_string(),
        };
        let places = async {
            let answer = registry.list_notice_places(client::authorise(&caller, request));
            Ok::<_, Error>(answer.await?.into_inner().places)
        };
        let township = village.parent().unwrap_or(*village);
        let (subjects, places, village, township) = tokio::try_join!(
            subjects,
            places,
            self.division_itself(&caller, village),
            self.division_itself(&caller, &township)
        )?;
        let group = |number: i32| {
            let found = village.groups.iter().find(|group| group.number == number);
            found.map(|group| group.name.clone()).unwrap_or_default()
        };
        let subjects = subjects.into_iter().map(|subject| {
            let group = group(subject.group_number);
            (subject.household_id, (subject.masked_name, group))
        });
        let required = places.iter().filter(|place| is_required(place, today));
        Ok(Announced {
            subjects: subjects.collect(),
            places: required.map(|place| place.name.clone()).collect(),
            village: village.name,
            township: township.name,
        })
    }

    /// A division with its name and groups.
    async fn division_itself(
        &self,
        caller: &Caller,
        code: &DivisionCode,
    ) -> Result<Division, Error> {
        let request = ListDivisionsRequest {
            division_code: code.to_string(),
            // What lies inside comes after it.
            page: Some(proto::r#type::v1::PageRequest {
                page_size: 1,
                ..Default::default()
            }),
            ..ListDivisionsRequest::default()
        };
        let mut registry = HouseholdsServiceClient::new(self.households.clone());
        let answer = registry.list_divisions(client::authorise(caller, request));
        let divisions = answer.await?.into_inner().divisions;
        let mut own = divisions.into_iter().filter(|d| d.code == code.as_str());
        own.next().ok_or(Error::NotFound { what: "division" })
    }
}

/// Whether notices have to hang at a place today (S30).
fn is_required(place: &NoticePlace, today: NaiveDate) -> bool {
    let day = |text: &str| text.parse::<NaiveDate>().ok();
    let is_valid = day(&place.valid_from).is_none_or(|from| from <= today)
        && day(&place.valid_to).is_none_or(|to| today <= to);
    place.required && is_valid
}
