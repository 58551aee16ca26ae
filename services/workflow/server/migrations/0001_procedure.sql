-- Cases and leads as they stand, for lists and for uniqueness. The truth about a case is its events
-- in the feed; these rows are written with them, in the same transaction.

create table workflow.cases (
    id uuid primary key,
    household_id uuid not null,
    division_code text collate "C" not null,
    case_number text not null unique,
    state text not null,
    -- Whether anything can still happen to it.
    open boolean not null,
    due_on date,
    version bigint not null check (version > 0),
    -- Encoded backstop.workflow.v1.Case, without free texts.
    body bytea not null
);
-- A household has at most one open case (S02).
create unique index cases_one_open on workflow.cases (household_id) where open;
create index cases_by_household on workflow.cases (household_id, id);
create index cases_by_division on workflow.cases (division_code, id);
create index cases_due on workflow.cases (due_on, id) where open and due_on is not null;

-- The running number of a village and year; part of the case number.
create table workflow.case_numbers (
    division_code text collate "C" not null,
    year integer not null,
    last integer not null check (last > 0),
    primary key (division_code, year)
);

create table workflow.leads (
    id uuid primary key,
    household_id uuid not null,
    division_code text collate "C" not null,
    state text not null,
    risk text not null,
    channels text[] not null,
    -- Whether a new lead about the same household and risk belongs to it (DET-9).
    groups boolean not null,
    received_on date not null,
    version bigint not null check (version > 0),
    -- Encoded backstop.workflow.v1.Lead, without free texts.
    body bytea not null
);
create index leads_by_division on workflow.leads (division_code, id);
create index leads_by_household on workflow.leads (household_id, risk, received_on);

-- What people wrote. It may name somebody, so it stays out of the feed.
create table workflow.texts (
    -- Case or lead, its version after the event, and the field of the command.
    subject uuid not null,
    version bigint not null,
    field text not null,
    division_code text collate "C" not null,
    body text not null,
    primary key (subject, version, field)
);

-- Whom to reach after the risk is gone (1_11_011).
create table workflow.contacts (
    case_id uuid primary key references workflow.cases,
    division_code text collate "C" not null,
    name text not null,
    phone text not null,
    recorded_by text not null,
    recorded_at timestamptz not null
);

-- Warning lists, frozen: a later freeze of the month is a new version (S26).
create table workflow.warning_lists (
    division_code text collate "C" not null,
    -- First day of the month.
    month date not null check (extract(day from month) = 1),
    version integer not null check (version > 0),
    frozen_on date not null,
    frozen_by text not null,
    case_ids uuid[] not null,
    primary key (division_code, month, version)
);

-- Rows out of the caller's scope neither show nor can be written, whoever owns the table.
do $$
declare
    name text;
begin
    foreach name in array
        array['cases', 'case_numbers', 'leads', 'texts', 'contacts', 'warning_lists']
    loop
        execute format('alter table workflow.%I enable row level security', name);
        execute format('alter table workflow.%I force row level security', name);
        execute format(
            'create policy scope on workflow.%I using (workflow.visible(division_code)) '
            'with check (workflow.visible(division_code))', name);
    end loop;
end $$;
