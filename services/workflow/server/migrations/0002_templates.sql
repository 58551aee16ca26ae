-- Procedure templates that an administrator loaded. Those that come with the program are in it. A
-- version never changes: cases that began on it finish on it.
create table workflow.templates (
    id text collate "C" not null,
    version integer not null check (version > 0),
    -- Where it applies.
    division_code text collate "C" not null,
    valid_from date not null,
    valid_until date,
    -- Whether a declaration that names no template begins on it; the latest that applies counts.
    is_default boolean not null,
    -- As it was loaded, in the file format.
    body text not null,
    loaded_by text not null,
    loaded_at timestamptz not null,
    primary key (id, version)
);

-- A procedure is no secret: whoever is somewhere may read it, only those above may set it.
alter table workflow.templates enable row level security;
alter table workflow.templates force row level security;
create policy scope on workflow.templates
    using (nullif(current_setting('app.scope', true), '') is not null)
    with check (workflow.visible(division_code));

-- Which steps a case has next is its template's; known without reading its events.
alter table workflow.cases
    add column template_id text not null default 'TOWNSHIP2021',
    add column template_version integer not null default 1;
