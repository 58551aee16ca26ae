-- Minutes, papers and frozen lists keep the village that they were made in; the one that it became
-- part of sees them (ORG-1).
do $$
declare
    name text;
begin
    foreach name in array array['meetings', 'meeting_attendees', 'evidence', 'warning_lists']
    loop
        execute format('drop policy scope on workflow.%I', name);
        execute format(
            'create policy scope on workflow.%I using (workflow.visible(division_code) '
            'or division_code in (select workflow.absorbed())) '
            'with check (workflow.visible(division_code))', name);
    end loop;
end $$;
