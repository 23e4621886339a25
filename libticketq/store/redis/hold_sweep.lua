-- What runs out, what is cleaned up, and what is read (hold.lua says on what).

-- name: hold_sweep
-- ARGV: how many at most.
-- {wait, now, (id, holder, fence, granted, expires, seats)...}; wait -1: there is no timer.
if book[KNOWN] ~= 1 then return GONE end
local due = call('ZRANGEBYSCORE', TIMERS, '-inf', now_ms, 'LIMIT', 0, ARGV[1])
local rows, stray = {}, {}
fetch(due)
for i = 1, #due do
  local lease = leases[due[i]]
  if lease then
    lapse(lease)
    lease.timer = false
    touch(lease)
    if lease.state == EXPIRED then rows[#rows + 1] = lease end
  else
    stray[#stray + 1] = due[i]
  end
end
each('ZREM', TIMERS, stray)
local reply = close_book(true)
for i = 1, #rows do
  local lease, at = rows[i], #reply
  reply[at + 1], reply[at + 2], reply[at + 3] = lease.id, lease.holder, lease.fence
  reply[at + 4], reply[at + 5] = lease.granted_ms, lease.expires_ms
  reply[at + 6] = lease.text
end
return reply

-- name: hold_return
-- ARGV: time, hold, ... of those that a visitor did not want to be told yet.
timers = ARGV
return {write(NEVER, true), now_ms}

-- name: hold_tidy
-- KEYS: behind those of the schedule, seats that were freed. Removes the keys that speak for no
-- live hold. Who was woken tries for the seats at the same time, so this is short and stands
-- alone: a row begins with its state.
#!lua
local call, SOLD = redis.call, 3
local ids, list = call('MGET', unpack(KEYS, 8)), {}
for i = 1, #ids do list[i] = ids[i] or '' end
local rows = call('HMGET', KEYS[4], unpack(list))
list = {}
for i = 1, #ids do
  if ids[i] and not (rows[i] and string.byte(rows[i]) <= SOLD) then list[#list + 1] = KEYS[7 + i] end
end
if #list > 0 then call('DEL', unpack(list)) end
return 0

-- name: hold_seats
-- ARGV: holds. (seats or '')...
local list = {}
fetch(ARGV)
for i = 1, #ARGV do
  local lease = leases[ARGV[i]]
  list[i] = lease and lease.text or ''
end
return list

-- name: hold_map
-- ARGV: 1 for the bits, else 0. {version, seats, held, paying, sold, bits}
if book[KNOWN] ~= 1 then return GONE end
return {book[VERSION], book[SEATS], book[COUNT + HOLD], book[COUNT + PAYING], book[COUNT + SOLD],
        ARGV[1] == '1' and call('GET', BITS) or ''}

-- name: agenda
-- When schedules have something due, in one place for all: told by the scripts above,
-- asked by sweeps. What two processes tell at the same time may come in the wrong
-- order; the later instant of the schedule's clock wins, unless that clock went back.
-- Times are by the clock of this server: what is told is how long to wait.
--
--   seat:agenda:{agenda}       sorted set  schedule -> when its first timer is due
--   seat:agenda:{agenda}/told  hash        schedule -> as of when, by its own clock
--
-- ARGV: (schedule, as of when or -1: now matter what was told, wait or -1: nothing is due)...
-- {now} or {now, when, schedule} of the first.
#!lua
local AGENDA, TOLD = KEYS[1], KEYS[2]
local call = redis.call
local time = call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 1, #ARGV, 3 do
  local schedule, at, wait = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local told = tonumber(call('HGET', TOLD, schedule) or -1)
  if at < 0 or at >= told or at < told - 60000 then
    if wait < 0 then
      call('ZREM', AGENDA, schedule)
      call('HDEL', TOLD, schedule)
    else
      call('ZADD', AGENDA, now_ms + wait, schedule)
      if at >= 0 then call('HSET', TOLD, schedule, ARGV[i + 1]) end
    end
  end
end
local first = call('ZRANGE', AGENDA, 0, 0, 'WITHSCORES')
return {now_ms, first[2] and tonumber(first[2]) or nil, first[1]}
