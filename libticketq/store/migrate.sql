-- Which steps of which schema this database has.

-- name: create
CREATE TABLE IF NOT EXISTS tq_migrations (
    scope TEXT NOT NULL,
    version INTEGER NOT NULL,
    applied_ms BIGINT NOT NULL,
    PRIMARY KEY (scope, version)
);

-- name: version
SELECT COALESCE(MAX(version), 0) FROM tq_migrations WHERE scope = $1

-- name: applied
INSERT INTO tq_migrations (scope, version, applied_ms) VALUES ($1, $2, $3)
