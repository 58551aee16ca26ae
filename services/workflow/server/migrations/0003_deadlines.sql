-- Limits: who has to be told when, and who is going to be late. The scheduler reads only what is due.
alter table workflow.cases
    -- Next day on which somebody has to be told; null when nobody.
    add column alarm_on date,
    -- Last alarm about the limit of due_on: 0 none, 1 warning, 2 orange, 3 red.
    add column alarm smallint not null default 0 check (alarm between 0 and 3),
    add column last_chance_on date;
-- Cases of before are looked at once and told what is new.
update workflow.cases set alarm_on = due_on where open;
create index cases_alarm on workflow.cases (alarm_on, id) where open and alarm_on is not null;
create index cases_urgent on workflow.cases (alarm, id) where open and alarm > 0;
create index cases_last_chance on workflow.cases (last_chance_on, id)
    where open and last_chance_on is not null;
