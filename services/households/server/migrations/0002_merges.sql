-- Villages that became part of others (ORG-1).
alter table households.divisions
    add column merged_into text collate "C" references households.divisions
        check (merged_into <> code),
    -- The decision; empty unless merged.
    add column merge_basis text not null default '',
    -- What its group numbers grew by when its groups came behind the other's.
    add column group_offset smallint not null default 0 check (group_offset between 0 and 99);
create index divisions_merged on households.divisions (merged_into) where merged_into is not null;
