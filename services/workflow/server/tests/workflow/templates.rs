//! Procedures as data: what is loaded is checked, and a case finishes on what it began with (WF-1).

use std::sync::LazyLock;

use chassis::{
    auth::Caller,
    error::Error,
    testing::{caller, new_id},
};
use kernel::Role;
use proto::workflow::v1::{command::Command, workflow_service_server::WorkflowService, *};
use workflow_core::SHIPPED;

use crate::desk::{
    COUNTY, Desk, VILLAGE, authorise, by, cadre, declaration, division, error, officer, refusal,
    verify, violations,
};

fn admin() -> &'static Caller {
    static CALLER: LazyLock<Caller> = LazyLock::new(|| caller(Role::SystemAdmin, COUNTY));
    &CALLER
}

/// The shipped procedure with another number and longer notices.
fn longer_notices(version: i32) -> String {
    let mut template = workflow_core::Template::clone(&SHIPPED[0]);
    template.version = version;
    template.parameters.notice_days = 10;
    template.to_json()
}

fn load(json: String, make_default: bool) -> LoadTemplateRequest {
    LoadTemplateRequest {
        request_id: new_id().to_string(),
        json,
        make_default,
    }
}

impl Desk {
    async fn load(&self, request: LoadTemplateRequest) -> Result<Template, Error> {
        match self.service.load_template(by(admin(), request)).await {
            Ok(loaded) => Ok(loaded.into_inner().template.expect("a template")),
            Err(status) => Err(Error::from_status(&status)),
        }
    }

    async fn declare_on(&self, template: &str) -> Case {
        let request = DeclareCaseRequest {
            template_id: template.to_owned(),
            ..declaration(new_id())
        };
        let declared = self
            .service
            .declare_case_in(cadre(), request, division(VILLAGE));
        declared.await.expect("declared").case.expect("a case")
    }
}

#[tokio::test]
async fn a_case_follows_the_order_of_its_template() {
    let desk = Desk::open().await;
    let case = desk.declare_on("COMPARE_FIRST").await;
    assert_eq!(
        (case.template_id.as_str(), case.template_version),
        ("COMPARE_FIRST", 1)
    );
    desk.act(cadre(), &case.id, authorise()).await;
    desk.act(cadre(), &case.id, verify(desk.today())).await;
    let compare = Command::ConfirmComparison(ConfirmComparison {});
    assert_eq!(
        desk.act(officer(), &case.id, compare.clone()).await,
        CaseState::Compared
    );

    // The work plan of 2021 compares after the township's review, and lists before the meeting.
    let other = desk.declared().await;
    desk.act(cadre(), &other.id, authorise()).await;
    desk.act(cadre(), &other.id, verify(desk.today())).await;
    let early = desk
        .act_with(officer(), &other.id, compare, desk.in_need())
        .await;
    assert_eq!(refusal(early), ["T9 STATE"]);
    assert_eq!(desk.freeze().await.case_ids, [other.id]);
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn a_case_finishes_on_the_version_that_it_began_with() {
    let desk = Desk::open().await;
    let before = desk.declared().await;
    let loaded = desk
        .load(load(longer_notices(2), true))
        .await
        .expect("loaded");
    assert_eq!((loaded.version, loaded.division_code.as_str()), (2, COUNTY));
    let after = desk.declared().await;
    assert_eq!((before.template_version, after.template_version), (1, 2));

    let mut closable = Vec::new();
    for case in [&before, &after] {
        desk.act(cadre(), &case.id, authorise()).await;
        desk.act(cadre(), &case.id, verify(desk.today())).await;
    }
    desk.freeze().await;
    for case in [&before, &after] {
        desk.appraise(&case.id, 15).await;
        for place in desk.places {
            desk.act(cadre(), &case.id, desk.post(place)).await;
        }
        let request = BatchGetCasesRequest {
            ids: vec![case.id.clone()],
        };
        let found = desk.service.batch_get_cases(by(cadre(), request)).await;
        let notice = found.expect("found").into_inner().cases[0].notice.clone();
        closable.push(notice.expect("a notice").closable_on);
    }
    let day = |days| (desk.today() + chrono::Days::new(days)).to_string();
    assert_eq!(closable, [day(7), day(10)]);
    assert_eq!(
        desk.difference().await,
        None,
        "a case replays on its own version"
    );

    let listed = desk
        .service
        .list_templates(by(cadre(), ListTemplatesRequest::default()))
        .await;
    let listed = listed.expect("listed").into_inner().templates;
    let listed: Vec<_> = listed
        .iter()
        .map(|t| (t.template_id.as_str(), t.version, t.shipped))
        .collect();
    assert_eq!(
        listed,
        [
            ("TOWNSHIP2021", 2, false),
            ("TOWNSHIP2021", 1, true),
            ("GUIDE2022", 1, true),
            ("COMPARE_FIRST", 1, true),
            ("NINE_STEP", 1, true),
        ]
    );
    desk.close().await;
}

#[tokio::test]
async fn a_template_that_skips_a_step_is_refused_when_it_is_loaded() {
    let desk = Desk::open().await;
    let mut skips = workflow_core::Template::clone(&SHIPPED[0]);
    skips.version = 2;
    for step in &mut skips.steps {
        if step.step == workflow_core::Move::Enrol {
            step.from.push(workflow_core::CaseState::TownshipReviewed);
        }
    }
    let refused = desk.load(load(skips.to_json(), true)).await;
    assert_eq!(violations(refused), ["json.steps SKIPS_COMPARISON"]);
    let malformed = desk.load(load("{ \"id\": 7 }".to_owned(), true)).await;
    assert_eq!(violations(malformed), ["json.id MALFORMED"]);
    let shipped = desk.load(load(SHIPPED[0].to_json(), true)).await;
    assert_eq!(violations(shipped), ["json.version VERSION_TAKEN"]);
    assert_eq!(
        desk.declared().await.template_version,
        1,
        "nothing was stored"
    );
    desk.close().await;
}

#[tokio::test]
async fn a_version_is_loaded_once_by_an_administrator_and_is_on_the_record() {
    let desk = Desk::open().await;
    let request = load(longer_notices(3), false);
    let first = desk.load(request.clone()).await.expect("loaded");
    let again = desk.load(request).await.expect("the same answer");
    assert_eq!(first, again);
    let other = desk.load(load(longer_notices(3), false)).await;
    assert_eq!(violations(other), ["json.version VERSION_TAKEN"]);
    let kinds: Vec<_> = desk
        .feed()
        .await
        .into_iter()
        .map(|item| item.kind)
        .collect();
    assert_eq!(kinds, ["evidence.stored", "template.loaded"]);

    let request = load(longer_notices(4), true);
    let refused = desk.service.load_template(by(officer(), request)).await;
    assert!(matches!(error(refused), Error::PermissionDenied));
    desk.close().await;
}
