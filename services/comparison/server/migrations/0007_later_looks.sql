-- Later looks at households (CMP-9): which cases are enrolled now, and on which day their households were
-- looked at last; first that is the day of enrolment.
alter table comparison.cases
    add is_enrolled boolean not null default false,
    add looked_on date;
create index cases_by_look on comparison.cases (looked_on) where is_enrolled;

-- What a comparison is for. One that ends unfinished has completed_at, too: nobody is compared any more.
alter table comparison.comparisons
    add purpose text not null default 'PROCEDURE' check (purpose in ('PROCEDURE', 'RE_CHECK')),
    add unfinished boolean not null default false;

-- What a person has to look at.
create index hits_undecided on comparison.hits (id) where outcome is null and kind <> 'INFO';

-- Corrections (CMP-11). A batch that was found wrong; persons of an item who wait for the corrected file; and
-- decided hits that count no more, because the household is compared again.
alter table comparison.batches
    add corrected_by text not null default '',
    add correction text not null default '',
    add corrected_at timestamptz;
alter table comparison.received_items
    add corrected integer not null default 0 check (corrected >= 0);
alter table comparison.hits
    add superseded boolean not null default false;
create index hits_by_batch on comparison.hits (batch_id);
create index received_items_by_batch on comparison.received_items (batch_id);
create index item_sources_by_source on comparison.item_sources (source_id);

-- Decisions to look at again, each with what was said of its batch: whoever sees the household need not see
-- what departments deliver.
create table comparison.reconsiderations (
    id uuid primary key,
    batch_id uuid not null,
    item text not null,
    comparison_id uuid not null references comparison.comparisons on delete cascade,
    division_code text collate "C" not null,
    -- Absent for the comparison as a whole.
    hit_id uuid references comparison.hits on delete cascade,
    correction text not null,
    corrected_by text not null,
    corrected_at timestamptz not null,
    outcome text check (outcome in ('STANDS', 'COMPARE_AGAIN')),
    closed_by text not null default '',
    closed_reason text not null default '',
    closed_on date,
    check ((outcome is null) = (closed_on is null))
);
create index reconsiderations_by_comparison on comparison.reconsiderations (comparison_id);
create index reconsiderations_by_hit on comparison.reconsiderations (hit_id);
create index reconsiderations_open on comparison.reconsiderations (id) where outcome is null;

alter table comparison.reconsiderations enable row level security;
alter table comparison.reconsiderations force row level security;
create policy reconsiderations_scope on comparison.reconsiderations
    using (comparison.visible(division_code)) with check (comparison.visible(division_code));
