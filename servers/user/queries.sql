-- Statements of the user service.

-- name: add
INSERT INTO users (user_id, email, name, password, created_ms) VALUES ($1, $2, $3, $4, $5);

-- name: by_email
SELECT user_id, email, name, password, role, created_ms FROM users WHERE email = $1;

-- name: by_id
SELECT user_id, email, name, password, role, created_ms FROM users WHERE user_id = $1;

-- name: raise_cost
UPDATE users SET password = $1 WHERE user_id = $2 AND password = $3;
