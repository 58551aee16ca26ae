-- Alerts of departments and comparisons of households. No names and no ID numbers: rows of files
-- that concern nobody in the registry leave no trace but their number.

-- The alerts themselves are the feed's items; this finds the newest of a division.
create index feed_alerts on comparison.feed (position desc) where kind = 'alert.raised';

-- When somebody was last alerted on by a rule (DET-9).
create table comparison.raised (
    rule_id text not null,
    person_id uuid not null,
    division_code text collate "C" not null,
    raised_on date not null,
    data_date date not null,
    primary key (rule_id, person_id)
);

-- Versions that somebody has put; those that the program ships are in its rules folder.
create table comparison.alert_rules (
    rule_id text not null,
    version integer not null check (version > 0),
    valid_from date not null,
    valid_to date check (valid_to >= valid_from),
    department text not null,
    row_kind text not null,
    subject_classes text[] not null,
    expression text not null,
    threshold bigint not null,
    unit text not null,
    severity text not null check (severity in ('RED', 'YELLOW', 'GREEN')),
    risk text not null,
    suppress_days integer not null check (suppress_days between 0 and 366),
    legal_basis text not null,
    primary key (rule_id, version)
);

create table comparison.batches (
    batch_id uuid primary key,
    -- The sender's own division.
    division_code text collate "C" not null,
    department text not null,
    -- Kind of alert rows, or the item.
    content text not null,
    sha256 text not null,
    -- The encoded BatchReport.
    report bytea not null,
    finished_at timestamptz not null
);
create index batches_by_file on comparison.batches (sha256, department, content, finished_at desc);

create table comparison.comparisons (
    id uuid primary key,
    case_id uuid not null,
    household_id uuid not null,
    division_code text collate "C" not null,
    persons_compared integer not null default 0,
    opened_at timestamptz not null,
    completed_at timestamptz
);
create index comparisons_by_case on comparison.comparisons (case_id, id desc);
-- A case has one comparison under way.
create unique index comparisons_open on comparison.comparisons (case_id) where completed_at is null;

create table comparison.received_items (
    comparison_id uuid not null references comparison.comparisons on delete cascade,
    division_code text collate "C" not null,
    item text not null check (item in
        ('HOUSEHOLD_REGISTRATION', 'COMMERCIAL_HOUSING', 'BUSINESS_REGISTRATION', 'HOUSING_FUND',
         'BANK_DEPOSIT', 'INSURANCE', 'SECURITIES', 'VEHICLE', 'PUBLIC_PAYROLL')),
    data_date date not null,
    batch_id uuid not null,
    primary key (comparison_id, item)
);

create table comparison.hits (
    id uuid primary key,
    comparison_id uuid not null references comparison.comparisons on delete cascade,
    division_code text collate "C" not null,
    item text not null,
    rule_id text not null,
    rule_version integer not null,
    kind text not null check (kind in ('HARD_FLAW', 'REVIEW', 'INFO')),
    person_id uuid not null,
    evidence text[] not null,
    data_date date not null,
    batch_id uuid not null,
    row_number bigint not null,
    explanation text not null default '',
    explanation_sha256 text not null default '',
    outcome text check (outcome in ('CONFIRMED', 'CLEARED')),
    decided_by text not null default '',
    decided_reason text not null default '',
    decided_on date,
    check ((outcome is null) = (decided_on is null))
);
create index hits_by_comparison on comparison.hits (comparison_id, id);

alter table comparison.raised enable row level security;
alter table comparison.raised force row level security;
create policy raised_scope on comparison.raised
    using (comparison.visible(division_code)) with check (comparison.visible(division_code));

alter table comparison.batches enable row level security;
alter table comparison.batches force row level security;
create policy batches_scope on comparison.batches
    using (comparison.visible(division_code) and comparison.visible_department(department))
    with check (comparison.visible(division_code));

alter table comparison.comparisons enable row level security;
alter table comparison.comparisons force row level security;
create policy comparisons_scope on comparison.comparisons
    using (comparison.visible(division_code)) with check (comparison.visible(division_code));

alter table comparison.received_items enable row level security;
alter table comparison.received_items force row level security;
create policy received_items_scope on comparison.received_items
    using (comparison.visible(division_code)) with check (comparison.visible(division_code));

alter table comparison.hits enable row level security;
alter table comparison.hits force row level security;
create policy hits_scope on comparison.hits
    using (comparison.visible(division_code)) with check (comparison.visible(division_code));
