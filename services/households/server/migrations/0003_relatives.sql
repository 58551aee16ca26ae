-- Persons who are no members of a household and belong to its comparison (CMP-2).
create table households.relatives (
    -- Somebody may be a relative of several households, each time as another person.
    person_id uuid primary key,
    household_id uuid not null references households.households on delete cascade,
    division_code text collate "C" not null,
    name text not null,
    id_sealed bytea not null,
    tie text not null check (tie in ('CHILD', 'CHILDS_SPOUSE', 'SUPPORTER')),
    -- Why nobody asks for their authorisation; empty otherwise.
    excused_reason text not null default '',
    removed_on date,
    removal_reason text not null default ''
);
create index relatives_by_household on households.relatives (household_id) where removed_on is null;

alter table households.relatives enable row level security;
alter table households.relatives force row level security;
create policy relatives_scope on households.relatives
    using (households.visible(division_code)) with check (households.visible(division_code));

-- Spot checks of the papers (CMP-10): all null until somebody has looked.
alter table households.authorisations
    add checked_on date,
    add checked_by text,
    add check_outcome text check (check_outcome in ('IN_ORDER', 'DEFECTIVE')),
    add check_note text,
    add constraint authorisations_checked check (
        (checked_on is null) = (check_outcome is null)
        and (checked_on is null) = (checked_by is null)
        and (checked_on is null) = (check_note is null));
