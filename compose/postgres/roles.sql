-- Run by the image in an empty data folder: a role for each service, which will own nothing, and one that
-- migrates and owns the schemas. None is a superuser, and none reaches another's schema.
\set migration `cat /run/secrets/migration-database-password`
\set households `cat /run/secrets/households-database-password`
\set workflow `cat /run/secrets/workflow-database-password`
\set comparison `cat /run/secrets/comparison-database-password`
\set measures `cat /run/secrets/measures-database-password`

create role backstop_migration login noinherit password :'migration';
create role backstop_households login connection limit 10 password :'households';
create role backstop_workflow login connection limit 10 password :'workflow';
create role backstop_comparison login connection limit 10 password :'comparison';
create role backstop_measures login connection limit 10 password :'measures';

-- Whoever hands out rights on a schema to a role finds that it is a member of it.
grant backstop_households, backstop_workflow, backstop_comparison, backstop_measures
    to backstop_migration;

revoke all on database backstop from public;
revoke all on schema public from public;
grant connect, create on database backstop to backstop_migration;
grant connect on database backstop
    to backstop_households, backstop_workflow, backstop_comparison, backstop_measures;
