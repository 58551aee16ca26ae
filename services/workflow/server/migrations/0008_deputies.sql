-- Who acts in whose place (ORG-4). Never deleted: events name the appointment.
create table workflow.deputies (
    id uuid primary key,
    division_code text collate "C" not null,
    account text not null,
    on_behalf_of text not null,
    role text not null,
    from_on date not null,
    until_on date not null check (until_on >= from_on),
    reason text not null,
    appointed_by text not null,
    appointed_at timestamptz not null,
    revoked_on date
);
create index deputies_of_division on workflow.deputies (division_code, until_on);
create index deputies_of_account on workflow.deputies (account, until_on);

-- Nothing of a household is in it. A deputy's own scope may be narrower than the appointment's, and
-- still has to find it; only those above may make or end one.
alter table workflow.deputies enable row level security;
alter table workflow.deputies force row level security;
create policy known on workflow.deputies for select
    using (nullif(current_setting('app.scope', true), '') is not null);
create policy made on workflow.deputies for insert
    with check (workflow.visible(division_code));
create policy ended on workflow.deputies for update
    using (workflow.visible(division_code)) with check (workflow.visible(division_code));
