-- The cache. KEYS[1] is a page: `P` and the page, or, while somebody loads it, `L` and the
-- lease. Redis' own expiry ends both: nothing depends on it but how long a page is good. What
-- has another type or no expiry is not ours.

-- name: cache_take
-- ARGV: a lease, and its milliseconds. {page, ms left}; ms left of somebody's lease, as a
-- number; or nothing: the lease is given.
#!lua
local found = redis.pcall('GET', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if type(found) == 'string' and left >= 0 then
    if string.sub(found, 1, 1) == 'P' then
        return {string.sub(found, 2), left}
    end
    if left <= tonumber(ARGV[2]) then
        return left
    end
end
redis.call('SET', KEYS[1], 'L' .. ARGV[1], 'PX', ARGV[2])
return false

-- name: cache_put
-- ARGV: a lease; milliseconds, and the page, or neither. 1: put; 0: it is not this one's to load.
#!lua
if redis.pcall('GET', KEYS[1]) ~= 'L' .. ARGV[1] then
    return 0
end
if ARGV[2] then
    redis.call('SET', KEYS[1], 'P' .. ARGV[3], 'PX', ARGV[2])
else
    redis.call('DEL', KEYS[1])
end
return 1

-- name: cache_drop
#!lua
return redis.call('DEL', KEYS[1])
