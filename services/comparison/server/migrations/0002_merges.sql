-- Cases of merged villages are looked for by their village (ORG-1).
create index comparisons_by_division on comparison.comparisons (division_code);
