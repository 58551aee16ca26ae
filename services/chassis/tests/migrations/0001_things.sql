-- What the spine's tests change and consume.
create table spine.things (
    id uuid primary key,
    division_code text collate "C" not null,
    seen bigint not null default 0
);
alter table spine.things enable row level security;
alter table spine.things force row level security;
create policy things_scope on spine.things
    using (spine.visible(division_code)) with check (spine.visible(division_code));
