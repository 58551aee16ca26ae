-- The registry. The rules live in households-core; the constraints here are the last line against
-- two writers and against bugs. Everything that says something of a household carries its division
-- and is shown within the caller's scope only.

create table households.divisions (
    code text collate "C" primary key check (code ~ '^[0-9]{12}$'),
    name text not null,
    valid_from date not null,
    valid_to date check (valid_to >= valid_from),
    -- [{number, name}], in the order of the numbers.
    groups jsonb not null default '[]'
);

create table households.monitoring_lines (
    division_code text collate "C" not null,
    -- The digits that every division inside begins with.
    division_prefix text collate "C" not null generated always as (
        case when right(division_code, 6) = '000000' then left(division_code, 6)
             when right(division_code, 3) = '000' then left(division_code, 9)
             else division_code end) stored,
    effective_from date not null,
    amount_fen bigint not null check (amount_fen > 0),
    legal_basis text not null,
    primary key (division_code, effective_from)
);

create table households.notice_places (
    id uuid primary key,
    division_code text collate "C" not null references households.divisions,
    kind text not null check (kind in ('COMMITTEE', 'CONCENTRATION', 'RELOCATION_SITE')),
    name text not null,
    household_count integer not null check (household_count >= 0),
    valid_from date not null,
    valid_to date check (valid_to >= valid_from)
);
create index notice_places_by_division on households.notice_places (division_code, kind, id);
-- One committee in every village.
create unique index notice_places_committee on households.notice_places (division_code)
    where kind = 'COMMITTEE' and valid_to is null;

create table households.households (
    id uuid primary key,
    division_code text collate "C" not null references households.divisions,
    -- 户编号; '' when the national system has none.
    national_number text collate "C" not null,
    group_number smallint not null check (group_number between 0 and 99),
    origin text not null check (origin in ('FORMERLY_REGISTERED', 'GENERAL')),
    lifted_year smallint,
    -- Sealed; null when there is none.
    phone_sealed bytea,
    address text not null,
    relocation_site_id uuid references households.notice_places,
    -- [{kind, sub_code, remark}]
    risks jsonb not null,
    -- Of the members, so that a list needs no second statement.
    head_name text not null,
    member_count integer not null check (member_count >= 0),
    -- Follow the cases.
    subject_class text not null
        check (subject_class in ('ENROLLED', 'FORMER', 'LOW_INCOME', 'GENERAL')),
    category text
        check (category in ('UNSTABLE_ESCAPED', 'MARGINAL_VULNERABLE', 'SUDDEN_HARDSHIP')),
    -- First days of the months whose income form is complete.
    income_months date[] not null,
    -- Keyed hash of what a sheet said last; null when no sheet has.
    sheet_digest bytea,
    version bigint not null check (version > 0),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    check ((lifted_year is not null) = (origin = 'FORMERLY_REGISTERED'))
);
-- Lists walk a division in this order.
create index households_in_order on households.households (division_code, national_number, id);
create unique index households_national_number on households.households (national_number)
    where national_number <> '';

create table households.members (
    -- One membership: a person who leaves and comes back has two.
    id uuid primary key,
    person_id uuid not null,
    household_id uuid not null references households.households on delete cascade,
    division_code text collate "C" not null,
    position integer not null,
    name text not null,
    id_sealed bytea not null,
    -- Keyed hash of the ID number.
    id_lookup bytea not null check (octet_length(id_lookup) = 32),
    relation text not null,
    is_head boolean not null,
    registered boolean not null,
    resident boolean not null,
    shares_income boolean not null,
    labour text check (labour in ('ORDINARY', 'SKILLED', 'WEAK', 'LOST', 'NONE')),
    birth_date date not null,
    health text not null,
    schooling text not null,
    medically_insured boolean not null,
    social_security boolean not null,
    guardian_person_id uuid,
    joined_on date not null,
    removed_on date check (removed_on >= joined_on),
    removal_reason text not null default ''
);
create index members_by_household on households.members (household_id) where removed_on is null;
-- Nobody belongs to two households.
create unique index members_live_id_number on households.members (id_lookup)
    where removed_on is null;
create index members_former on households.members (id_lookup) where removed_on is not null;

create table households.income (
    household_id uuid not null references households.households on delete cascade,
    division_code text collate "C" not null,
    from_month date not null check (extract(day from from_month) = 1),
    -- An amount known for a year spans twelve.
    months smallint not null check (months > 0),
    income_group text not null check (income_group in
        ('WAGE', 'BUSINESS_INCOME', 'BUSINESS_EXPENDITURE', 'PROPERTY', 'TRANSFER',
         'INSURANCE_PAYOUT', 'COMPLIANT_OOP')),
    kind text not null,
    source text not null check (source in ('DECLARED', 'VISITED', 'DEPARTMENT', 'BANK')),
    amount_fen bigint not null check (amount_fen >= 0),
    primary key (household_id, from_month, months, income_group, kind, source)
);

create table households.guarantee_findings (
    household_id uuid not null references households.households on delete cascade,
    division_code text collate "C" not null,
    guarantee text not null check (guarantee in
        ('FOOD', 'CLOTHING', 'COMPULSORY_EDUCATION', 'BASIC_MEDICAL_CARE', 'SAFE_HOUSING',
         'SAFE_WATER')),
    checked_on date not null,
    status text not null check (status in ('SAFE', 'UNSAFE')),
    remark text not null,
    primary key (household_id, guarantee, checked_on)
);

create table households.authorisations (
    id uuid primary key,
    household_id uuid not null references households.households on delete cascade,
    division_code text collate "C" not null,
    person_id uuid not null,
    signed_by_person_id uuid not null,
    items text[] not null check (items <> '{}'),
    purpose text not null,
    text_version text not null,
    signed_on date not null,
    expires_on date not null check (expires_on >= signed_on),
    withdrawn_on date,
    withdrawal_reason text not null default '',
    evidence_sha256 text not null,
    by_fingerprint boolean not null
);
create index authorisations_by_household on households.authorisations (household_id, id desc);

-- Who changed what (S57). ID numbers are masked before they come here.
create table households.changes (
    id bigint generated always as identity primary key,
    household_id uuid not null references households.households on delete cascade,
    division_code text collate "C" not null,
    at timestamptz not null,
    actor text not null,
    role text not null,
    entity text not null,
    field text not null,
    old_value text not null,
    new_value text not null
);
create index changes_by_household on households.changes (household_id, id desc);

create table households.imports (
    batch_id uuid primary key,
    -- The importer's own division: the report may name rows of all of it.
    division_code text collate "C" not null,
    sha256 text not null,
    rows_refused bigint not null,
    -- The encoded ImportReport.
    report bytea not null,
    finished_at timestamptz not null
);
create index imports_by_file on households.imports (sha256, division_code, finished_at desc);

alter table households.divisions enable row level security;
alter table households.divisions force row level security;
create policy divisions_scope on households.divisions
    using (households.visible(code)) with check (households.visible(code));

-- A village goes by its township's and county's lines, so these are seen from inside as well.
alter table households.monitoring_lines enable row level security;
alter table households.monitoring_lines force row level security;
create policy monitoring_lines_scope on households.monitoring_lines
    using (households.visible(division_code)
           or starts_with(nullif(current_setting('app.scope', true), ''), division_prefix))
    with check (households.visible(division_code));

alter table households.notice_places enable row level security;
alter table households.notice_places force row level security;
create policy notice_places_scope on households.notice_places
    using (households.visible(division_code)) with check (households.visible(division_code));

alter table households.households enable row level security;
alter table households.households force row level security;
create policy households_scope on households.households
    using (households.visible(division_code)) with check (households.visible(division_code));

alter table households.members enable row level security;
alter table households.members force row level security;
create policy members_scope on households.members
    using (households.visible(division_code)) with check (households.visible(division_code));

alter table households.income enable row level security;
alter table households.income force row level security;
create policy income_scope on households.income
    using (households.visible(division_code)) with check (households.visible(division_code));

alter table households.guarantee_findings enable row level security;
alter table households.guarantee_findings force row level security;
create policy guarantee_findings_scope on households.guarantee_findings
    using (households.visible(division_code)) with check (households.visible(division_code));

alter table households.authorisations enable row level security;
alter table households.authorisations force row level security;
create policy authorisations_scope on households.authorisations
    using (households.visible(division_code)) with check (households.visible(division_code));

alter table households.changes enable row level security;
alter table households.changes force row level security;
create policy changes_scope on households.changes
    using (households.visible(division_code)) with check (households.visible(division_code));

alter table households.imports enable row level security;
alter table households.imports force row level security;
create policy imports_scope on households.imports
    using (households.visible(division_code)) with check (households.visible(division_code));
