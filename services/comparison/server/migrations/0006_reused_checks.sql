-- Checks of civil affairs that stand for departments' files (CMP-7).
create table comparison.reused_checks (
    id uuid primary key,
    comparison_id uuid not null references comparison.comparisons on delete cascade,
    division_code text collate "C" not null,
    checked_on date not null,
    reference text not null,
    evidence_sha256 text not null,
    recorded_by text not null,
    recorded_at timestamptz not null
);
create index reused_checks_by_comparison on comparison.reused_checks (comparison_id);

-- What an item was compared with, a row for each batch or reused check, and for whom: which data a result
-- rests on (CMP-11). Items that were received before have no rows here; all of theirs is in received_items,
-- whose batch_id names the newest source of either kind.
create table comparison.item_sources (
    comparison_id uuid not null references comparison.comparisons on delete cascade,
    division_code text collate "C" not null,
    item text not null,
    source_id uuid not null,
    data_date date not null,
    compared uuid[] not null,
    primary key (comparison_id, item, source_id)
);

-- Cases as the workflow service tells of them.
create table comparison.cases (
    case_id uuid primary key,
    household_id uuid not null,
    division_code text collate "C" not null,
    -- Oldest data that the case's procedure lets its comparison rest on (T9).
    data_age_days_max integer check (data_age_days_max > 0)
);
create index cases_by_division on comparison.cases (division_code);

alter table comparison.reused_checks enable row level security;
alter table comparison.reused_checks force row level security;
create policy reused_checks_scope on comparison.reused_checks
    using (comparison.visible(division_code)) with check (comparison.visible(division_code));

alter table comparison.item_sources enable row level security;
alter table comparison.item_sources force row level security;
create policy item_sources_scope on comparison.item_sources
    using (comparison.visible(division_code)) with check (comparison.visible(division_code));

alter table comparison.cases enable row level security;
alter table comparison.cases force row level security;
create policy cases_scope on comparison.cases
    using (comparison.visible(division_code)) with check (comparison.visible(division_code));
