-- Papers and photos: what they are and whose. The content is in the evidence store, under its hash.
create table workflow.evidence (
    sha256 text collate "C" not null check (sha256 ~ '^[0-9a-f]{64}$'),
    division_code text collate "C" not null,
    content_type text not null,
    bytes bigint not null check (bytes > 0),
    stored_by text not null,
    stored_at timestamptz not null,
    -- Two villages may hold the same paper; each has its own right to it.
    primary key (sha256, division_code)
);
alter table workflow.evidence enable row level security;
alter table workflow.evidence force row level security;
create policy scope on workflow.evidence using (workflow.visible(division_code))
    with check (workflow.visible(division_code));
