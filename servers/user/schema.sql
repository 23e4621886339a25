-- Tables of the user service. Refresh tokens with rotation, and the identity of a
-- person (CI/DI), get tables of their own in later versions; nothing here stands in
-- their way: an account is only named by user_id.

-- name: v1
CREATE TABLE users (
    user_id TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password TEXT NOT NULL,
    role TEXT NOT NULL DEFAULT '' CHECK (role IN ('', 'admin')),
    created_ms BIGINT NOT NULL
);
