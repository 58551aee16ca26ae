-- The plan of a case and what belongs to it. The rules live in measures-core; the constraints here
-- are the last line against two writers and against bugs.

create table measures.plans (
    case_id uuid primary key,
    household_id uuid not null,
    division_code text collate "C" not null,
    stage text not null check (stage in ('PREPARING', 'MONITORED', 'ENDED')),
    risks text[] not null,
    -- Null while nobody has said whether somebody in the household can work.
    has_labour boolean,
    enrolled_on date,
    ended_on date,
    planned_elimination_on date,
    version bigint not null check (version > 0)
);
-- The monitoring list walks a division in this order.
create index plans_by_division on measures.plans (division_code, case_id);

create table measures.responsible (
    case_id uuid not null references measures.plans,
    division_code text collate "C" not null,
    -- An account, never a name.
    account text not null,
    unit text not null,
    from_on date not null,
    to_on date check (to_on >= from_on),
    hand_over_note text not null,
    primary key (case_id, from_on)
);
create unique index responsible_is_one on measures.responsible (case_id) where to_on is null;

create table measures.measures (
    id uuid primary key,
    case_id uuid not null references measures.plans,
    division_code text collate "C" not null,
    kind text not null,
    risk text not null,
    description text not null,
    department text not null,
    planned_on date not null,
    due_on date not null check (due_on >= planned_on)
);
create index measures_by_case on measures.measures (case_id, id);

create table measures.deliveries (
    measure_id uuid not null references measures.measures,
    -- Position within the measure.
    number integer not null check (number > 0),
    division_code text collate "C" not null,
    delivered_on date not null,
    amount_fen bigint not null check (amount_fen >= 0),
    confirmed boolean not null,
    evidence_sha256 text not null,
    primary key (measure_id, number)
);

create table measures.closed_risks (
    case_id uuid not null references measures.plans,
    risk text not null,
    division_code text collate "C" not null,
    closed_on date not null,
    reason text not null,
    primary key (case_id, risk)
);

create table measures.monitoring (
    case_id uuid not null references measures.plans,
    -- First day of the month: one record for each (S47).
    month date not null check (extract(day from month) = 1),
    division_code text collate "C" not null,
    visited_on date not null check (date_trunc('month', visited_on) = month),
    manner text not null check (manner in ('VISIT', 'CALL')),
    finding text not null,
    worse boolean not null,
    recorded_by text not null,
    recorded_at timestamptz not null,
    primary key (case_id, month)
);

-- Rows out of the caller's scope neither show nor can be written, whoever owns the table.
do $$
declare
    name text;
begin
    foreach name in array
        array['plans', 'responsible', 'measures', 'deliveries', 'closed_risks', 'monitoring']
    loop
        execute format('alter table measures.%I enable row level security', name);
        execute format('alter table measures.%I force row level security', name);
        execute format(
            'create policy scope on measures.%I using (measures.visible(division_code)) '
            'with check (measures.visible(division_code))', name);
    end loop;
end $$;
