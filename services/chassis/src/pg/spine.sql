-- What every service's schema has: the scope predicate, the feed with its head, the cursors of the
-- feeds it consumes, quarantined items, and idempotency keys. {schema} is the service's name.
-- Runs on every migration, so every statement can run twice.

-- The scope predicate in SQL, the same as kernel::Scope::sees. A transaction sets app.scope to the
-- digits that every visible division begins with. Unset reads as NULL or, after a transaction-local
-- setting has ended, as '': both must show nothing. ':' is the character after '9'.
create or replace function {schema}.visible(division_code text) returns boolean
language sql stable parallel safe
return division_code collate "C" >= nullif(current_setting('app.scope', true), '')
   and division_code collate "C" < nullif(current_setting('app.scope', true), '') || ':';

-- A department's liaison sees its own department's rows only; everybody else sees all.
create or replace function {schema}.visible_department(department text) returns boolean
language sql stable parallel safe
return coalesce(nullif(current_setting('app.department', true), '') = department,
                nullif(current_setting('app.department', true), '') is null);

-- Villages that became part of others (ORG-1), as the registry told. Rows move to the village of
-- today; what was recorded keeps its code.
create table if not exists {schema}.division_merges (
    from_code text collate "C" primary key,
    -- Of today: when that village is merged as well, this follows.
    into_code text collate "C" not null check (into_code <> from_code),
    merged_on date not null
);
create index if not exists division_merges_into on {schema}.division_merges (into_code);

-- Villages that are part of what the transaction sees. `in (select …)` asks once a statement.
create or replace function {schema}.absorbed() returns setof text
language sql stable parallel safe
begin atomic
    select from_code from {schema}.division_merges where {schema}.visible(into_code);
end;

-- What left a village for another: households as the registry told, and what belongs to them (cases, leads,
-- alerts) as it followed. Every row of a subject says where it lies today.
create table if not exists {schema}.departures (
    subject uuid not null,
    from_code text collate "C" not null,
    into_code text collate "C" not null check (into_code <> from_code),
    primary key (subject, from_code)
);

-- What has left is seen where it lies today, whatever its records say, and no more where they were made.
create or replace function {schema}.arrived() returns setof uuid
language sql stable parallel safe
begin atomic
    select subject from {schema}.departures where {schema}.visible(into_code);
end;
create or replace function {schema}.departed() returns setof uuid
language sql stable parallel safe
begin atomic
    select subject from {schema}.departures where not {schema}.visible(into_code);
end;

-- One row. Taking its lock is the last thing a transaction does before it commits, so lock order,
-- commit order and position order are the same and a rollback leaves no gap.
create table if not exists {schema}.feed_head (
    only_row boolean primary key default true check (only_row),
    -- Changes when the database is restored, so that cursors of before are noticed.
    epoch uuid not null default gen_random_uuid(),
    position bigint not null default 0 check (position >= 0),
    -- Roots of the complete subtrees of the Merkle log, largest first.
    frontier bytea[] not null default '{}'
);
insert into {schema}.feed_head default values on conflict do nothing;

create table if not exists {schema}.feed (
    position bigint primary key,
    kind text not null,
    subject uuid not null,
    division_code text collate "C" not null,
    department text,
    -- Can be erased; the keyed hash stays and the log still checks.
    payload bytea,
    payload_mac bytea not null,
    traceparent text not null default '',
    -- Root of the log after this leaf.
    root bytea not null,
    recorded_at timestamptz not null
);
create index if not exists feed_subject on {schema}.feed (subject, position);
alter table {schema}.feed enable row level security;
alter table {schema}.feed force row level security;
drop policy if exists feed_scope on {schema}.feed;
create policy feed_scope on {schema}.feed
    using ((({schema}.visible(division_code)
             or division_code in (select {schema}.absorbed()))
            and subject not in (select {schema}.departed())
            or subject in (select {schema}.arrived()))
           and {schema}.visible_department(department))
    with check ({schema}.visible(division_code));

-- The ledger's own reading, for hashes: it leaves out no row, whoever may see it.
drop policy if exists feed_ledger on {schema}.feed;
create policy feed_ledger on {schema}.feed for select
    using (current_setting('app.ledger', true) = 'on');

-- The ledger as a transparency log, where it is sealed. A tile is written in pieces, as it grows:
-- nothing that was written ever changes.
create table if not exists {schema}.log_tiles (
    level smallint not null,
    n bigint not null,
    -- Place of the piece's first hash in the tile.
    first smallint not null,
    -- 32 bytes each.
    hashes bytea not null,
    primary key (level, n, first)
);
-- What was signed: rows, root and the note.
create table if not exists {schema}.log_checkpoints (
    size bigint primary key check (size > 0),
    root bytea not null,
    note text not null,
    signed_at timestamptz not null
);
create index if not exists log_checkpoints_signed on {schema}.log_checkpoints (signed_at);
-- What witnesses have signed: their lines.
create table if not exists {schema}.log_cosignatures (
    size bigint not null references {schema}.log_checkpoints,
    witness text not null,
    line text not null,
    signed_at timestamptz not null,
    primary key (size, witness)
);

create table if not exists {schema}.cursors (
    source text primary key,
    -- As the source issued it; opaque here.
    cursor text not null,
    position bigint not null
);

create table if not exists {schema}.quarantine (
    source text not null,
    position bigint not null,
    reason text not null,
    recorded_at timestamptz not null,
    primary key (source, position)
);

create table if not exists {schema}.idempotency (
    principal text not null,
    operation text not null,
    key uuid not null,
    fingerprint bytea not null,
    response bytea,
    created_at timestamptz not null,
    primary key (principal, operation, key)
);
create index if not exists idempotency_age on {schema}.idempotency (created_at);

-- How old the schema is, for programs to read when they start. No row before the first migration ended.
create table if not exists {schema}.schema_version (
    only_row boolean primary key default true check (only_row),
    -- The newest migration that ran.
    version bigint not null,
    -- Programs that do not know this migration do not fit any more.
    floor bigint not null
);

-- Who called what, written beside the request and sealed into the feed (SEC-2). Nothing of a household
-- is in it; which ones a call was about stands in access_of.
create table if not exists {schema}.access (
    id uuid primary key,
    called_at timestamptz not null,
    account text not null,
    role text not null,
    -- Of the caller.
    division_code text collate "C" not null,
    rpc text not null,
    traceparent text not null,
    -- How many households it was about.
    households integer not null,
    -- Names the feed item that sealed it; null until then.
    seal uuid
);
create index if not exists access_sealed on {schema}.access (seal, id);
create table if not exists {schema}.access_of (
    household_id uuid not null,
    called_at timestamptz not null,
    access_id uuid not null,
    -- Of the household.
    division_code text collate "C" not null,
    primary key (household_id, called_at, access_id)
);
create index if not exists access_of_call on {schema}.access_of (access_id);
alter table {schema}.access enable row level security;
alter table {schema}.access force row level security;
drop policy if exists access_known on {schema}.access;
create policy access_known on {schema}.access
    using (nullif(current_setting('app.scope', true), '') is not null);
alter table {schema}.access_of enable row level security;
alter table {schema}.access_of force row level security;
drop policy if exists access_scope on {schema}.access_of;
create policy access_scope on {schema}.access_of
    using (({schema}.visible(division_code)
            or division_code in (select {schema}.absorbed()))
           and household_id not in (select {schema}.departed())
           or household_id in (select {schema}.arrived()))
    with check ({schema}.visible(division_code));
