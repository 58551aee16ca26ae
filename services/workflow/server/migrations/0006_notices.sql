-- Codes that name entries of public notices, so that somebody without an account can object (WF-8). A
-- code says nothing of whom it names; it is issued when the notice is first printed.
create table workflow.notice_codes (
    code text collate "C" primary key check (code ~ '^[0-9A-HJKMNP-TV-Z]{10}$'),
    case_id uuid not null references workflow.cases,
    -- IDENTIFICATION or ELIMINATION.
    kind text not null,
    division_code text collate "C" not null,
    issued_at timestamptz not null,
    unique (case_id, kind)
);
alter table workflow.notice_codes enable row level security;
alter table workflow.notice_codes force row level security;
create policy scope on workflow.notice_codes using (workflow.visible(division_code))
    with check (workflow.visible(division_code));
