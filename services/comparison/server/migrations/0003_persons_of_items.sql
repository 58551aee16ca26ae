-- An item is compared for persons, one by one (CMP-4): whom it was compared for, and how many not and why.
-- What was received before counts as whole.
alter table comparison.received_items
    add compared uuid[] not null default '{}',
    add not_authorised integer not null default 0 check (not_authorised >= 0),
    add expired integer not null default 0 check (expired >= 0),
    add withdrawn integer not null default 0 check (withdrawn >= 0);
