-- The tables of a schema of PostgreSQL, each with its columns as SQLite is to have them.

-- name: tables
SELECT CAST(table_name AS TEXT),
    string_agg('"' || column_name || '"', ', ' ORDER BY ordinal_position)
FROM information_schema.columns WHERE table_schema = $1
GROUP BY table_name ORDER BY table_name
