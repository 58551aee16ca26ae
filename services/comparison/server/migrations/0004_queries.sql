-- Questions put to departments that look up for themselves (CMP-4, CMP-5): one for a comparison, an item
-- and a person. The token that goes out with it is signed anew whenever it is needed.
create table comparison.queries (
    id uuid primary key,
    comparison_id uuid not null references comparison.comparisons on delete cascade,
    division_code text collate "C" not null,
    item text not null check (item in
        ('HOUSEHOLD_REGISTRATION', 'COMMERCIAL_HOUSING', 'BUSINESS_REGISTRATION', 'HOUSING_FUND',
         'BANK_DEPOSIT', 'INSURANCE', 'SECURITIES', 'VEHICLE', 'PUBLIC_PAYROLL')),
    person_id uuid not null,
    asked_at timestamptz not null,
    expires_at timestamptz not null check (expires_at > asked_at),
    -- The file that answered it: no other can.
    batch_id uuid,
    unique (comparison_id, item, person_id)
);

alter table comparison.queries enable row level security;
alter table comparison.queries force row level security;
create policy queries_scope on comparison.queries
    using (comparison.visible(division_code)) with check (comparison.visible(division_code));

-- Persons whom a department that looks up for itself has not answered for.
alter table comparison.received_items
    add unanswered integer not null default 0 check (unanswered >= 0);
