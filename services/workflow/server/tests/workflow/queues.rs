//! Queues, claims, hand-over and deputies on PostgreSQL (WF-12, ORG-3, ORG-4).

use chassis::{
    auth::Caller,
    error::Error,
    testing::{caller, caller_named as named, new_id},
};
use kernel::Role;
use proto::{
    r#type::v1::{LeadChannel, PageRequest},
    workflow::v1::{
        act_on_lead_request::{Action, OrderVisit},
        command::Command,
        workflow_service_server::WorkflowService,
        *,
    },
};
use sqlx::{Connection, PgConnection};

use crate::desk::{
    COUNTY, Desk, TOWNSHIP, VILLAGE, act, authorise, by, cadre, division, error, lead, office,
    officer, refusal, review, secretary, violations,
};

const FAR_VILLAGE: &str = "999999002001";

fn leader() -> Caller {
    caller(Role::TownshipLeader, TOWNSHIP)
}

fn first(size: i32) -> ListWorkRequest {
    ListWorkRequest {
        page: Some(PageRequest {
            page_size: size,
            ..PageRequest::default()
        }),
        with_total: true,
        ..ListWorkRequest::default()
    }
}

impl Desk {
    async fn work(&self, caller: &Caller, request: ListWorkRequest) -> ListWorkResponse {
        let listed = self.service.list_work(by(caller, request)).await;
        listed.expect("listed").into_inner()
    }

    /// Ids of everything that waits for the caller.
    async fn queue(&self, caller: &Caller, request: ListWorkRequest) -> Vec<String> {
        let work = self.work(caller, request).await.work.into_iter();
        work.map(|item| item.case_id + &item.lead_id).collect()
    }

    async fn claim(&self, caller: &Caller, case: &str, reason: &str) -> Result<Case, Error> {
        let request = ClaimWorkRequest {
            request_id: new_id().to_string(),
            case_id: case.to_owned(),
            take_over: !reason.is_empty(),
            reason: reason.to_owned(),
            ..ClaimWorkRequest::default()
        };
        let claimed = self.service.claim_work(by(caller, request)).await;
        let claimed = claimed.map_err(|status| Error::from_status(&status))?;
        Ok(claimed.into_inner().case.expect("a case"))
    }

    async fn appoint(&self, by_whom: &Caller, deputy: Deputy) -> Result<Deputy, Error> {
        let request = AppointDeputyRequest {
            request_id: new_id().to_string(),
            deputy: Some(deputy),
        };
        let appointed = self.service.appoint_deputy(by(by_whom, request)).await;
        let appointed = appointed.map_err(|status| Error::from_status(&status))?;
        Ok(appointed.into_inner().deputy.expect("a deputy"))
    }

    fn deputy(&self, account: &str) -> Deputy {
        Deputy {
            account: account.to_owned(),
            on_behalf_of: "office-1".to_owned(),
            role: "TOWNSHIP_OFFICE".to_owned(),
            division_code: TOWNSHIP.to_owned(),
            from_on: self.today().to_string(),
            until_on: (self.today() + chrono::Days::new(10)).to_string(),
            reason: "on sick leave".to_owned(),
            ..Deputy::default()
        }
    }

    /// A case for which the township's review is up.
    async fn reported(&self) -> Case {
        let case = self.declared().await;
        self.to_notice(&case.id).await;
        self.days_pass(7);
        let closed = self.close_notice();
        self.act(cadre(), &case.id, closed).await;
        let report = SubmitVillageReport {
            evidence_sha256: crate::desk::SHA256.to_owned(),
        };
        self.act(cadre(), &case.id, Command::SubmitVillageReport(report))
            .await;
        case
    }
}

#[tokio::test]
async fn wf12_a_queue_shows_whose_turn_it_is_and_what_they_may_do() {
    let desk = Desk::open().await;
    let case = desk.reported().await;
    let fresh = desk.declared().await;
    assert_eq!(desk.queue(cadre(), first(10)).await, [&fresh.id[..]]);
    let listed = desk.work(office(), first(10)).await;
    assert_eq!(listed.total_count, 1);
    let item = &listed.work[0];
    assert_eq!(item.case_id, case.id);
    assert_eq!(item.steps, ["REVIEW_BY_TOWNSHIP"]);
    assert_eq!(
        (item.role.as_str(), item.household_id.as_str()),
        ("TOWNSHIP_OFFICE", case.household_id.as_str())
    );
    assert!(!item.due_on.is_empty());
    // Who visited now works for the township: it is the role's turn and not this person's.
    let visitor = named("grid-1", Role::TownshipOffice, TOWNSHIP);
    assert!(desk.queue(&visitor, first(10)).await.is_empty());
    // The county looks at the township's desk.
    let theirs = ListWorkRequest {
        role: "TOWNSHIP_OFFICE".to_owned(),
        division_code: TOWNSHIP.to_owned(),
        ..first(10)
    };
    assert_eq!(desk.queue(officer(), theirs.clone()).await, [&case.id[..]]);
    assert!(desk.queue(officer(), first(10)).await.is_empty());
    // Another township, and a village below another one, see nothing whatever they ask for.
    let far = caller(Role::TownshipOffice, "999999002000");
    assert!(desk.queue(&far, theirs).await.is_empty());
    desk.act(office(), &case.id, review("OPINION")).await;
    assert!(desk.queue(office(), first(10)).await.is_empty());
    assert_eq!(desk.queue(officer(), first(10)).await, [case.id]);
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn wf12_leads_stand_in_the_queue_until_they_are_dealt_with() {
    let desk = Desk::open().await;
    let submitted = desk
        .service
        .submit_lead_in(
            cadre(),
            lead(new_id(), LeadChannel::Media),
            division(VILLAGE),
        )
        .await;
    let lead = submitted.expect("taken in").lead.expect("a lead");
    let item = desk.work(cadre(), first(10)).await.work.remove(0);
    assert_eq!(
        (item.lead_id, item.case_id),
        (lead.id.clone(), String::new())
    );
    assert_eq!(item.steps, ["ORDER_VISIT", "DISMISS", "FORWARD"]);
    let claim = |who: &Caller| {
        let request = ClaimWorkRequest {
            request_id: new_id().to_string(),
            lead_id: lead.id.clone(),
            ..ClaimWorkRequest::default()
        };
        desk.service.claim_work(by(who, request))
    };
    let claimed = claim(secretary()).await.expect("claimed").into_inner();
    let held = claimed.lead.expect("a lead").claim.expect("a claim");
    assert_eq!(held.account, secretary().principal.subject);
    let order = |who: &Caller| {
        let request = ActOnLeadRequest {
            request_id: new_id().to_string(),
            lead_id: lead.id.clone(),
            action: Some(Action::OrderVisit(OrderVisit {})),
            ..ActOnLeadRequest::default()
        };
        desk.service.act_on_lead(by(who, request))
    };
    let refused = error(order(cadre()).await);
    assert_eq!(refusal::<()>(Err(refused)), ["WF-12 CLAIMED_BY_ANOTHER"]);
    let ordered = order(secretary()).await.expect("ordered").into_inner();
    assert_eq!(ordered.lead.expect("a lead").claim, None);
    let item = desk.work(cadre(), first(10)).await.work.remove(0);
    assert_eq!(item.steps, ["RECORD_VISIT"]);
    assert!(!item.due_on.is_empty() && item.claim.is_none());
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn wf12_the_most_urgent_comes_first_and_pages_show_each_once() {
    let desk = Desk::open().await;
    let mut cases = Vec::new();
    for days in [0, 9, 16] {
        desk.days_pass(days);
        for _ in 0..4 {
            cases.push(desk.declared().await.id);
        }
    }
    workflow::deadlines::tell(&desk.database, division(COUNTY), desk.today())
        .await
        .expect("told");
    let mut request = first(5);
    let (mut seen, mut order) = (Vec::new(), Vec::new());
    loop {
        let page = desk.work(cadre(), request.clone()).await;
        assert_eq!(page.total_count, 12);
        assert!(page.work.len() <= 5);
        for item in page.work {
            order.push((-item.alarm, item.due_on, item.case_id.clone()));
            seen.push(item.case_id);
        }
        if page.next_page_token.is_empty() {
            break;
        }
        let page_of = request.page.as_mut().expect("a page");
        page_of.page_token = page.next_page_token;
    }
    assert!(order.is_sorted(), "{order:#?}");
    assert!(order[0].0 < order[11].0, "some are more urgent than others");
    seen.sort_unstable();
    cases.sort_unstable();
    assert_eq!(seen, cases);
    // A token is good for the queue that it was made for.
    request.role = "FIRST_SECRETARY".to_owned();
    let foreign = error(desk.service.list_work(by(cadre(), request)).await);
    assert!(matches!(foreign, Error::CursorInvalid), "{foreign:?}");
    let late = ListWorkRequest {
        overdue: true,
        ..first(20)
    };
    let late = desk.work(cadre(), late).await;
    assert!((1..12).contains(&late.total_count));
    assert_eq!(
        late.work.len(),
        usize::try_from(late.total_count).expect("some")
    );
    let today = desk.today().to_string();
    assert!(late.work.iter().all(|item| item.due_on < today));
    desk.close().await;
}

#[tokio::test]
async fn wf12_a_claim_is_seen_by_others_and_ends_with_the_task() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    let claimed = desk.claim(cadre(), &case.id, "").await.expect("claimed");
    let held = claimed.claim.expect("a claim");
    assert_eq!(held.since_on, desk.today().to_string());
    let shown = desk.work(secretary(), first(10)).await.work.remove(0).claim;
    assert_eq!(shown.as_ref(), Some(&held));
    let filtered = |claim: ClaimFilter| ListWorkRequest {
        claim: claim.into(),
        ..first(10)
    };
    let (mine, free) = (ClaimFilter::Mine, ClaimFilter::Unclaimed);
    let count = async |who: &Caller, claim| desk.queue(who, filtered(claim)).await.len();
    assert_eq!(count(cadre(), mine).await, 1);
    assert_eq!(count(secretary(), mine).await, 0);
    assert_eq!(count(secretary(), free).await, 0);

    let second = desk.claim(secretary(), &case.id, "").await;
    let Err(Error::Refused(told)) = second else {
        panic!("must be refused")
    };
    let found = format!("{} {}", cadre().principal.subject, held.since_on);
    assert_eq!(told.unmet[0].found, found, "who has it, and since when");
    let acted = desk
        .act_with(secretary(), &case.id, authorise(), desk.in_need())
        .await;
    assert_eq!(refusal(acted), ["WF-12 CLAIMED_BY_ANOTHER"]);
    let short = desk.claim(secretary(), &case.id, "ill").await;
    assert_eq!(refusal(short), ["WF-12 CLAIM_REASON"]);
    let taken = desk.claim(secretary(), &case.id, "he is ill at home").await;
    let taken = taken.expect("taken over").claim.expect("a claim");
    assert_eq!(taken.account, secretary().principal.subject);
    desk.act(secretary(), &case.id, authorise()).await;
    assert_eq!(count(secretary(), mine).await, 0);
    assert_eq!(count(secretary(), free).await, 1);

    let events = desk.events(&case.id).await;
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["DECLARED", "CLAIMED", "TAKEN_OVER", "AUTHORISED"]);
    let taken = &events[2];
    assert_eq!(taken.claimed_from, cadre().principal.subject);
    assert_eq!(taken.reason, "he is ill at home");
    // The reason may name somebody: it is no part of the feed.
    for item in desk.feed().await {
        let payload = item.payload.unwrap_or_default();
        let text = String::from_utf8_lossy(&payload).into_owned();
        assert!(!text.contains("ill at home"), "{}", item.kind);
    }
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn wf12_a_claim_expires_by_the_clock_and_can_be_given_back() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    desk.claim(cadre(), &case.id, "").await.expect("claimed");
    desk.days_pass(7);
    let shown = desk.work(secretary(), first(10)).await.work.remove(0).claim;
    assert!(shown.is_some(), "the last day");
    desk.days_pass(1);
    let shown = desk.work(secretary(), first(10)).await.work.remove(0).claim;
    assert_eq!(shown, None);
    let request = BatchGetCasesRequest {
        ids: vec![case.id.clone()],
    };
    let read = desk.service.batch_get_cases(by(cadre(), request)).await;
    assert_eq!(read.expect("read").into_inner().cases[0].claim, None);
    let free = ListWorkRequest {
        claim: ClaimFilter::Unclaimed.into(),
        ..first(10)
    };
    assert_eq!(desk.queue(secretary(), free).await.len(), 1);
    // Nothing to give back, and nothing to take over.
    let release = |who: &Caller| {
        let request = ReleaseWorkRequest {
            request_id: new_id().to_string(),
            case_id: case.id.clone(),
            lead_id: String::new(),
        };
        desk.service.release_work(by(who, request))
    };
    let late = error(release(cadre()).await);
    assert_eq!(refusal::<()>(Err(late)), ["WF-12 OWN_CLAIM"]);
    desk.claim(secretary(), &case.id, "")
        .await
        .expect("claimed");
    let released = release(secretary()).await.expect("released").into_inner();
    assert_eq!(released.case.expect("a case").claim, None);
    desk.act(cadre(), &case.id, authorise()).await;
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn wf12_of_two_who_claim_at_once_one_has_it_and_the_other_is_told() {
    let desk = Desk::open().await;
    for _ in 0..8 {
        let case = desk.declared().await;
        let (one, other) = tokio::join!(
            desk.claim(cadre(), &case.id, ""),
            desk.claim(secretary(), &case.id, "")
        );
        let (won, told) = match (one, other) {
            (Ok(won), Err(told)) | (Err(told), Ok(won)) => (won, told),
            both => panic!("one has it: {both:?}"),
        };
        assert!(won.claim.is_some());
        assert_eq!(refusal::<()>(Err(told)), ["WF-12 CLAIMED_BY_ANOTHER"]);
        assert_eq!(desk.events(&case.id).await.len(), 2);
    }
    desk.close().await;
}

#[tokio::test]
async fn wf12_the_same_claim_twice_is_one_event_and_what_is_elsewhere_is_not_found() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    let request = ClaimWorkRequest {
        request_id: new_id().to_string(),
        case_id: case.id.clone(),
        ..ClaimWorkRequest::default()
    };
    let claim = |request: ClaimWorkRequest| desk.service.claim_work(by(cadre(), request));
    let once = claim(request.clone()).await.expect("claimed").into_inner();
    let again = claim(request.clone()).await.expect("claimed").into_inner();
    assert_eq!(once, again);
    assert_eq!(desk.events(&case.id).await.len(), 2);

    let far = caller(Role::VillageCadre, FAR_VILLAGE);
    let fresh = |request: &ClaimWorkRequest| ClaimWorkRequest {
        request_id: new_id().to_string(),
        ..request.clone()
    };
    let answer = desk.service.claim_work(by(&far, fresh(&request))).await;
    assert!(matches!(error(answer), Error::NotFound { what: "case" }));
    let release = ReleaseWorkRequest {
        request_id: new_id().to_string(),
        case_id: case.id.clone(),
        lead_id: String::new(),
    };
    let answer = desk.service.release_work(by(&far, release)).await;
    assert!(matches!(error(answer), Error::NotFound { what: "case" }));
    let neither = ClaimWorkRequest {
        case_id: String::new(),
        ..fresh(&request)
    };
    let answer = error(desk.service.claim_work(by(cadre(), neither)).await);
    assert_eq!(violations::<()>(Err(answer)), ["case_id ONE_OF"]);
    let both = ClaimWorkRequest {
        lead_id: case.id.clone(),
        ..fresh(&request)
    };
    let answer = error(desk.service.claim_work(by(cadre(), both)).await);
    assert_eq!(violations::<()>(Err(answer)), ["case_id ONE_OF"]);
    let county = caller(Role::CountyOfficer, COUNTY);
    let refused = desk.claim(&county, &case.id, "").await;
    assert_eq!(
        refusal(refused),
        ["ORG-2 ROLE", "WF-12 CLAIMED_BY_ANOTHER"],
        "nor is it their turn"
    );
    desk.close().await;
}

#[tokio::test]
async fn org4_what_somebody_holds_is_listed_and_handed_over_as_one() {
    let desk = Desk::open().await;
    let reviewed = desk.reported().await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(desk.declared().await.id);
    }
    let (a, b) = ("cadre-a", "cadre-b");
    for case in &held {
        let claimed = desk
            .claim(&named(a, Role::VillageCadre, VILLAGE), case, "")
            .await;
        claimed.expect("claimed");
    }
    let holdings = async |who: &Caller, account: &str| {
        let request = ListHoldingsRequest {
            account: account.to_owned(),
        };
        let listed = desk.service.list_holdings(by(who, request)).await;
        listed.map(|listed| listed.into_inner().holdings.expect("holdings"))
    };
    let listed = holdings(&leader(), a).await.expect("listed");
    assert_eq!(listed.work.len(), 3);
    let own = holdings(&named(a, Role::VillageCadre, VILLAGE), "").await;
    assert_eq!(own.expect("listed").work, listed.work);
    let nosy = holdings(secretary(), a).await.expect_err("denied");
    assert_eq!(nosy.code(), tonic::Code::PermissionDenied);
    let far = caller(Role::TownshipLeader, "999999002000");
    assert!(holdings(&far, a).await.expect("listed").work.is_empty());

    let hand_over = |who: &Caller, to: &str, division: &str, reason: &str| {
        let request = HandOverWorkRequest {
            request_id: new_id().to_string(),
            from_account: a.to_owned(),
            to_account: to.to_owned(),
            to_division_code: division.to_owned(),
            reason: reason.to_owned(),
        };
        desk.service.hand_over_work(by(who, request))
    };
    let why = "moved to another village";
    let short = error(hand_over(&leader(), a, VILLAGE, "x").await);
    assert_eq!(
        violations::<()>(Err(short)),
        ["to_account ANOTHER_ACCOUNT", "reason TOO_SHORT"]
    );
    let narrow = error(hand_over(&leader(), b, "999999001002", why).await);
    assert_eq!(refusal::<()>(Err(narrow)), ["ORG-4 DIVISION_COVERS"]);
    let elsewhere = error(hand_over(&leader(), b, FAR_VILLAGE, why).await);
    assert!(matches!(elsewhere, Error::NotFound { what: "division" }));
    let low = error(hand_over(cadre(), b, VILLAGE, why).await);
    assert!(matches!(low, Error::PermissionDenied));
    assert_eq!(holdings(&leader(), a).await.expect("listed").work.len(), 3);

    let done = hand_over(&leader(), b, VILLAGE, why)
        .await
        .expect("handed over");
    let mut handed = done.into_inner().case_ids;
    handed.sort_unstable();
    held.sort_unstable();
    assert_eq!(handed, held);
    assert!(
        holdings(&leader(), a)
            .await
            .expect("listed")
            .work
            .is_empty()
    );
    for case in &held {
        let events = desk.events(case).await;
        let last = events.last().expect("an event");
        assert_eq!(last.name, "HANDED_OVER");
        assert_eq!(last.claim.as_ref().expect("a claim").account, b);
        assert_eq!((last.claimed_from.as_str(), last.reason.as_str()), (a, why));
        assert_eq!(last.actor_role, "TOWNSHIP_LEADER");
    }
    // The review goes to somebody who visited: then it is free again (ORG-3).
    let clerk = named(a, Role::TownshipOffice, TOWNSHIP);
    desk.claim(&clerk, &reviewed.id, "").await.expect("claimed");
    let done = hand_over(&leader(), "grid-1", TOWNSHIP, why).await;
    let done = done.expect("handed over").into_inner();
    assert_eq!(done.released_case_ids, [&reviewed.id[..]]);
    assert!(done.case_ids.is_empty());
    assert_eq!(desk.queue(office(), first(10)).await, [reviewed.id]);
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn org4_a_deputy_acts_in_the_lent_role_and_the_record_says_for_whom() {
    let desk = Desk::open().await;
    let case = desk.reported().await;
    let x = named("leader-x", Role::TownshipLeader, TOWNSHIP);
    let as_deputy = |deputy: &Deputy| ActOnCaseRequest {
        acting_as: deputy.id.clone(),
        ..act(&case.id, review("OPINION"))
    };
    let attempt = async |who: &Caller, request: ActOnCaseRequest| {
        let acted = desk.service.act_on_case_with(who, request, desk.in_need());
        acted.await.map(|acted| acted.case.expect("a case"))
    };
    let own = attempt(&x, act(&case.id, review("OPINION"))).await;
    assert_eq!(refusal(own), ["ORG-2 ROLE"]);
    let deputy = desk.appoint(&leader(), desk.deputy("leader-x")).await;
    let deputy = deputy.expect("appointed");
    // The appointment is one person's.
    let stranger = named("leader-y", Role::TownshipLeader, TOWNSHIP);
    let foreign = attempt(&stranger, as_deputy(&deputy)).await;
    assert!(matches!(foreign, Err(Error::NotFound { what: "deputy" })));
    // The queue of the lent role is the deputy's meanwhile.
    let lent = ListWorkRequest {
        acting_as: deputy.id.clone(),
        ..first(10)
    };
    assert!(desk.queue(&x, first(10)).await.is_empty());
    assert_eq!(desk.queue(&x, lent.clone()).await, [&case.id[..]]);
    let done = attempt(&x, as_deputy(&deputy)).await.expect("reviewed");
    assert_eq!(done.state(), CaseState::TownshipReviewed);
    let event = desk.events(&case.id).await.pop().expect("an event");
    assert_eq!(event.actor, "leader-x");
    assert_eq!(event.actor_role, "TOWNSHIP_OFFICE");
    assert_eq!(event.on_behalf_of, "office-1");
    assert_eq!(event.deputy_id, deputy.id);
    // Neither of the two decides for the county (ORG-3).
    let confirm = || Command::ConfirmComparison(ConfirmComparison {});
    for person in ["leader-x", "office-1"] {
        let county = named(person, Role::CountyOfficer, COUNTY);
        let decided = desk
            .act_with(&county, &case.id, confirm(), desk.in_need())
            .await;
        assert_eq!(refusal(decided), ["ORG-3 COUNTY_IS_A_THIRD_PERSON"]);
        assert!(desk.queue(&county, first(10)).await.is_empty());
    }
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn org4_a_deputy_declares_and_freezes_a_list_in_the_place_of_somebody() {
    let desk = Desk::open().await;
    let x = named("secretary-x", Role::FirstSecretary, VILLAGE);
    let lent = Deputy {
        on_behalf_of: "cadre-2".to_owned(),
        role: "VILLAGE_CADRE".to_owned(),
        division_code: VILLAGE.to_owned(),
        ..desk.deputy("secretary-x")
    };
    let deputy = desk.appoint(&leader(), lent).await.expect("appointed");
    let in_place = |event: &CaseEvent| {
        assert_eq!(event.actor, "secretary-x");
        assert_eq!(event.actor_role, "VILLAGE_CADRE");
        assert_eq!(event.on_behalf_of, "cadre-2");
        assert_eq!(event.deputy_id, deputy.id);
    };
    let declaration = DeclareCaseRequest {
        acting_as: deputy.id.clone(),
        ..crate::desk::declaration(new_id())
    };
    let village = division(VILLAGE);
    let declared = desk
        .service
        .declare_case_in(&x, declaration.clone(), village);
    let case = declared.await.expect("declared").case.expect("a case");
    in_place(&desk.events(&case.id).await[0]);
    // The appointment is one person's.
    let stranger = named("secretary-y", Role::FirstSecretary, VILLAGE);
    let foreign = DeclareCaseRequest {
        request_id: new_id().to_string(),
        household_id: new_id().to_string(),
        ..declaration
    };
    let foreign = desk.service.declare_case_in(&stranger, foreign, village);
    let foreign = foreign.await;
    assert!(matches!(foreign, Err(Error::NotFound { what: "deputy" })));

    desk.act(cadre(), &case.id, authorise()).await;
    desk.act(cadre(), &case.id, crate::desk::verify(desk.today()))
        .await;
    let request = FreezeWarningListRequest {
        request_id: new_id().to_string(),
        division_code: VILLAGE.to_owned(),
        month: kernel::Month::of(desk.today()).to_string(),
        acting_as: deputy.id.clone(),
    };
    let frozen = desk.service.freeze_warning_list(by(&x, request)).await;
    let list = frozen.expect("frozen").into_inner().list.expect("a list");
    assert_eq!(list.case_ids, [&case.id[..]]);
    in_place(desk.events(&case.id).await.last().expect("an event"));
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn org3_neither_deputy_nor_deputised_reviews_what_they_visited() {
    let desk = Desk::open().await;
    let case = desk.reported().await;
    let request = |deputy: &Deputy| ActOnCaseRequest {
        acting_as: deputy.id.clone(),
        ..act(&case.id, review("OPINION"))
    };
    // The visits of this desk are made by cadre-1 and grid-1.
    let visitor = named("grid-1", Role::TownshipLeader, TOWNSHIP);
    let of_visitor = Deputy {
        on_behalf_of: "cadre-1".to_owned(),
        ..desk.deputy("leader-x")
    };
    let (one, other) = (desk.deputy("grid-1"), of_visitor);
    let x = named("leader-x", Role::TownshipLeader, TOWNSHIP);
    for (who, deputy) in [(&visitor, one), (&x, other)] {
        let deputy = desk.appoint(&leader(), deputy).await.expect("appointed");
        let acted = desk
            .service
            .act_on_case_with(who, request(&deputy), desk.in_need())
            .await;
        assert_eq!(refusal(acted), ["ORG-3 REVIEWER_DID_NOT_VISIT"]);
    }
    desk.close().await;
}

#[tokio::test]
async fn org4_an_appointment_that_is_over_or_taken_back_or_out_of_reach_gives_nothing() {
    let desk = Desk::open().await;
    let case = desk.reported().await;
    let x = named("leader-x", Role::TownshipLeader, TOWNSHIP);
    let attempt = async |who: &Caller, deputy: &Deputy| {
        let request = ActOnCaseRequest {
            acting_as: deputy.id.clone(),
            ..act(&case.id, review("OPINION"))
        };
        let acted = desk.service.act_on_case_with(who, request, desk.in_need());
        acted.await.map(|_| ())
    };
    let deputy = desk.appoint(&leader(), desk.deputy("leader-x")).await;
    let deputy = deputy.expect("appointed");
    let revoke = |who: &Caller| {
        let request = RevokeDeputyRequest {
            request_id: new_id().to_string(),
            deputy_id: deputy.id.clone(),
        };
        desk.service.revoke_deputy(by(who, request))
    };
    let far = caller(Role::TownshipLeader, "999999002000");
    let hidden = error(revoke(&far).await);
    assert!(matches!(hidden, Error::NotFound { what: "deputy" }));
    revoke(&leader()).await.expect("taken back");
    let over = attempt(&x, &deputy).await;
    assert_eq!(refusal(over), ["ORG-4 DEPUTY_IN_FORCE"]);
    let twice = error(revoke(&leader()).await);
    assert_eq!(refusal::<()>(Err(twice)), ["ORG-4 DEPUTY_OPEN"]);

    let deputy = desk.appoint(&leader(), desk.deputy("leader-x")).await;
    let deputy = deputy.expect("appointed");
    // No more is seen than the own token shows.
    let narrow = named("leader-x", Role::TownshipLeader, "999999001002");
    let blind = attempt(&narrow, &deputy).await;
    assert!(matches!(blind, Err(Error::NotFound { what: "case" })));
    desk.days_pass(11);
    let late = attempt(&x, &deputy).await;
    assert_eq!(refusal(late), ["ORG-4 DEPUTY_IN_FORCE"]);

    let listed = |who: &Caller| {
        let request = ListDeputiesRequest::default();
        desk.service.list_deputies(by(who, request))
    };
    let seen = async |who: &Caller| {
        let listed = listed(who).await.expect("listed");
        listed.into_inner().deputies.len()
    };
    assert_eq!(seen(&leader()).await, 2);
    assert_eq!(seen(&narrow).await, 2, "the own ones");
    assert_eq!(seen(cadre()).await, 0);
    assert_eq!(seen(&far).await, 0);

    // Appointments that nobody may make.
    let elsewhere = Deputy {
        division_code: "999999002000".to_owned(),
        ..desk.deputy("z")
    };
    let answer = desk.appoint(&leader(), elsewhere).await;
    assert!(matches!(answer, Err(Error::NotFound { what: "division" })));
    let above = Deputy {
        role: "COUNTY_APPROVER".to_owned(),
        ..desk.deputy("z")
    };
    assert_eq!(
        refusal(desk.appoint(&leader(), above).await),
        ["ORG-2 ROLE"]
    );
    let empty = desk.appoint(&leader(), Deputy::default()).await;
    assert_eq!(
        violations(empty),
        [
            "deputy.account REQUIRED",
            "deputy.on_behalf_of REQUIRED",
            "deputy.role UNKNOWN_CODE",
            "deputy.division_code REQUIRED",
            "deputy.from_on REQUIRED",
            "deputy.until_on REQUIRED",
        ]
    );
    desk.close().await;
}

/// Rows of the queues that a transaction has read so far, from heap and indexes.
async fn rows_read(connection: &mut PgConnection) -> i64 {
    let counts: (i64, i64) = sqlx::query_as(
        "select coalesce(seq_tup_read, 0), coalesce(idx_tup_fetch, 0)
         from pg_stat_xact_user_tables where relid = 'workflow.work'::regclass",
    )
    .fetch_one(connection)
    .await
    .expect("counted");
    counts.0 + counts.1
}

/// As many cases as a big county has: the rows are those that a declared case has.
async fn crowd(desk: &Desk) {
    let mut owner = desk.test.owner().await;
    sqlx::query(
        "insert into workflow.work (subject, role, is_lead, household_id, division_code, rank,
                                    due_on, steps, barred)
         select gen_random_uuid(), role, false, gen_random_uuid(),
                '999999' || lpad((1 + n % 20)::text, 3, '0')
                         || lpad((1 + n / 20 % 15)::text, 3, '0'),
                n % 4, date '2026-01-01' + n % 700, '{AUTHORISE}', '{}'
         from generate_series(1, 20000) as n,
              unnest('{VILLAGE_CADRE, FIRST_SECRETARY, COUNTY_OFFICER}'::text[]) as role",
    )
    .execute(&mut owner)
    .await
    .expect("a crowd");
    sqlx::query("analyze workflow.work")
        .execute(&mut owner)
        .await
        .expect("analysed");
    owner.close().await.expect("closed");
}

#[tokio::test]
async fn wf12_a_queue_reads_what_it_shows_however_many_cases_there_are() {
    const PAGE: i32 = 20;
    let desk = Desk::open().await;
    crowd(&desk).await;
    let county = caller(Role::CountyOfficer, COUNTY);
    let township = caller(Role::TownshipLeader, TOWNSHIP);
    let cadres = ListWorkRequest {
        role: "VILLAGE_CADRE".to_owned(),
        with_total: false,
        ..first(PAGE)
    };
    let own = ListWorkRequest {
        role: String::new(),
        ..cadres.clone()
    };
    let late = ListWorkRequest {
        overdue: true,
        ..own.clone()
    };
    let free = ListWorkRequest {
        claim: ClaimFilter::Unclaimed.into(),
        ..own.clone()
    };
    let mine = ListWorkRequest {
        claim: ClaimFilter::Mine.into(),
        ..own.clone()
    };
    for (name, who, request, shown) in [
        ("county", &county, own.clone(), 20),
        ("late", &county, late, 20),
        ("free", &county, free, 20),
        ("mine", &county, mine, 0),
        ("township", &township, cadres.clone(), 20),
        ("village", cadre(), cadres, 20),
    ] {
        let mut request = request;
        for page in 0..3 {
            let mut tx = desk.database.read(who).await.expect("begun");
            let before = rows_read(&mut tx).await;
            let listed = desk.service.list_work_in(&mut tx, who, &request).await;
            let listed = listed.expect("listed");
            let read = rows_read(&mut tx).await - before;
            assert_eq!(listed.work.len(), shown, "{name}");
            // One more than the page of each of four ranks.
            assert!(
                read <= 4 * i64::from(PAGE + 1),
                "{name} {page}: {read} rows"
            );
            let token = &mut request.page.as_mut().expect("a page").page_token;
            *token = listed.next_page_token;
            if token.is_empty() {
                break;
            }
        }
    }
    desk.close().await;
}
