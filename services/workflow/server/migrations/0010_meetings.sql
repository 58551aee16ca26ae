-- Appraisal meetings: what was decided, without names; names and reasons are beside it.
create table workflow.meetings (
    id uuid primary key,
    -- A village.
    division_code text collate "C" not null,
    held_on date not null,
    -- Encoded backstop.workflow.v1.Meeting, without names and reasons.
    body bytea not null
);
create index meetings_by_division on workflow.meetings (division_code, id);

-- The sign-in sheet.
create table workflow.meeting_attendees (
    meeting_id uuid not null references workflow.meetings,
    -- Place in the list, from 0.
    place integer not null check (place >= 0),
    division_code text collate "C" not null,
    name text not null,
    primary key (meeting_id, place)
);

-- Whether something was let pass by a second person; for the audit report.
alter table workflow.cases add column overridden boolean not null default false;
create index cases_overridden on workflow.cases (id) where overridden;

do $$
declare
    name text;
begin
    foreach name in array array['meetings', 'meeting_attendees']
    loop
        execute format('alter table workflow.%I enable row level security', name);
        execute format('alter table workflow.%I force row level security', name);
        execute format(
            'create policy scope on workflow.%I using (workflow.visible(division_code)) '
            'with check (workflow.visible(division_code))', name);
    end loop;
end $$;
