-- Roles and schemas of ticketqd's services in the current database, each with only the rights it
-- needs: a service may make and use tables in its own schema and sees no other; the auditor reads all.
--
--     psql -X -v prefix=tq_ -f roles.sql 'postgres://owner@host/tickets'
--     ticketqd --ledger 'postgres://tq_{service}@host/tickets'
--     ticketqd audit --ledger 'postgres://tq_audit@host/tickets'
--
-- Run it as the database's owner who may make roles; again does no harm. Nobody has a password
-- afterwards: give each its own (\password tq_event) and write them into ticketqd's password file
-- (PGPASSFILE). What PUBLIC may do in this database is taken away. Without a prefix it is tq_.
\set ON_ERROR_STOP on
\if :{?prefix} \else \set prefix tq_ \endif
BEGIN;

CREATE TEMPORARY VIEW services AS
SELECT name AS schema, :'prefix' || name AS role
FROM unnest(ARRAY['user', 'event', 'queue', 'reservation', 'payment']) AS name;

SELECT format('CREATE ROLE %I LOGIN', role)
FROM (SELECT role FROM services UNION ALL SELECT :'prefix' || 'audit') AS wanted
WHERE role NOT IN (SELECT rolname FROM pg_roles) \gexec

SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'prefix' || 'audit') \gexec

SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role) FROM services \gexec
SELECT format('CREATE SCHEMA IF NOT EXISTS %I', schema) FROM services \gexec
SELECT format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', schema, role) FROM services \gexec

SELECT format('GRANT USAGE ON SCHEMA %I TO %I', schema, :'prefix' || 'audit') FROM services \gexec
SELECT format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', schema, :'prefix' || 'audit')
FROM services \gexec
-- What a service makes later. For that the owner is one of its role for a moment.
SELECT format('GRANT %I TO CURRENT_USER', role) FROM services \gexec
SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT SELECT ON TABLES TO %I', role,
              schema, :'prefix' || 'audit')
FROM services \gexec
SELECT format('REVOKE %I FROM CURRENT_USER', role) FROM services \gexec

COMMIT;
