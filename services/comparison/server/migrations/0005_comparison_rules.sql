-- Comparison rules are data, as alert rules are: versions that somebody has put; those that the program
-- ships are in its rules folder.
create table comparison.comparison_rules (
    rule_id text not null,
    version integer not null check (version > 0),
    valid_from date not null,
    valid_to date check (valid_to >= valid_from),
    item text not null,
    kind text not null check (kind in ('HARD_FLAW', 'REVIEW', 'INFO')),
    expression text not null,
    exemption text not null,
    threshold bigint not null,
    unit text not null,
    legal_basis text not null,
    primary key (rule_id, version)
);

-- A hit tells by which threshold it was judged (CMP-3). Those recorded before, and those of rules without
-- one, have no unit.
alter table comparison.hits
    add threshold bigint not null default 0,
    add unit text not null default '';
