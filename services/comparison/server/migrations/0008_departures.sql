-- The table is the spine's; with this number programs that need it wait until it is there (REG-12).
comment on table comparison.departures is 'What left a village for another, and where it lies today';
