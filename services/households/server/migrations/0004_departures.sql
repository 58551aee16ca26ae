-- The table is the spine's; with this number programs that need it wait until it is there (REG-12).
comment on table households.departures is 'What left a village for another, and where it lies today';

-- Households that moved before anybody was told of it are found in the history.
create index changes_of_division on households.changes (household_id)
    where entity = 'household' and field = 'division_code';
