-- Whose turn it is: a row for every role that has something to do in an open case or lead, written
-- with the row of the case or lead. The queue of a role reads this and nothing else.
create table workflow.work (
    -- Case or lead.
    subject uuid not null,
    role text not null,
    is_lead boolean not null,
    household_id uuid not null,
    division_code text collate "C" not null,
    -- The same one and two levels up: a queue of any level is one range of an index.
    township_code text collate "C" not null generated always as (left(division_code, 9)) stored,
    county_code text collate "C" not null generated always as (left(division_code, 6)) stored,
    -- 0 red, 1 orange, 2 warned, 3 nobody was told: sorts with the days.
    rank smallint not null check (rank between 0 and 3),
    -- 9999-12-31 without a limit.
    due_on date not null,
    -- What the role may do.
    steps text[] not null,
    -- Accounts that may do none of it (ORG-3).
    barred text[] not null,
    claimed_by text,
    claimed_role text,
    claimed_since date,
    claimed_until date,
    primary key (subject, role),
    check ((claimed_by is null) = (claimed_until is null))
);
create index work_village on workflow.work (role, division_code, rank, due_on, subject);
create index work_township on workflow.work (role, township_code, rank, due_on, subject);
create index work_county on workflow.work (role, county_code, rank, due_on, subject);
create index work_claimed on workflow.work (claimed_by, rank, due_on, subject)
    where claimed_by is not null;
alter table workflow.work enable row level security;
alter table workflow.work force row level security;
create policy scope on workflow.work using (workflow.visible(division_code))
    with check (workflow.visible(division_code));

-- Cases of before are looked at once by whoever tells of limits, and get their rows by that. Leads get
-- theirs with their next event.
update workflow.cases set alarm_on = date '2000-01-01' where open;
