-- Claims, and what happens to holds (hold.lua says on what).

-- name: hold_grant
-- KEYS: the seats of all claims. ARGV, for each claim: id, "holder key", CLAIM, seats: how
-- many milliseconds, how many seats, how long the holder's name is, the holder's limit, which is
-- left out where there is none.
-- {wait, now, fence of the first, the next has the next}: all are granted; or {wait, now,
-- answers...}; an answer is OK, fence or
-- status, seats in the way, fence, granted, expires, id of the hold or ''.
--
-- Here are claims that nothing is in the way of, all that have come together: most, before
-- the last seats. Then everything is told beforehand, so they need no functions and no table each;
-- else nothing has been changed yet, and `hold_claim` looks at them one by one.
if book[KNOWN] ~= 1 then return GONE end
local CLAIM, UNLIMITED = '<I4BB', 6
local places, owners = each('HMGET', PLACES, KEYS, OWN), each('MGET', nil, KEYS, OWN)
local names, seen, is_plain = {}, {}, true
for i = 1, #ARGV / 4 do names[i] = ARGV[4 * i - 2] end
local known = each('HMGET', LEASES, names)
for i = 1, #names do
  local name = names[i]
  if known[i] or seen[name] or #ARGV[4 * i - 1] > UNLIMITED then is_plain = false end
  seen[name] = true
end
for i = 1, #places do
  local key = KEYS[OWN - 1 + i]
  if owners[i] or seen[key] or not places[i] then is_plain = false end
  seen[key] = true
end

if is_plain then
  local from, fence, is_indexed = 0, max(book[FENCE], LEAST - 1), book[INDEXED] == 1
  local first_ms, timer_ms, timer = NEVER, 0, nil
  for i = 1, #names do
    local id, name, at = ARGV[4 * i - 3], names[i], 4 * i
    local ttl_ms, count, length = peel(CLAIM, ARGV[at - 1])
    local expires_ms, to = now_ms + ttl_ms, from + count
    if expires_ms ~= timer_ms then
      first_ms, timer_ms, timer = min(first_ms, expires_ms), expires_ms, format('%.0f', expires_ms)
    end
    fence = fence + 1
    local mine = paint(places, from + 1, to, HOLD) and places[from + 1] or
      concat(places, ' ', from + 1, to)
    rows[at - 3], rows[at - 2], rows[at - 1], rows[at] = id,
      pack(ROW, HOLD, length, count, fence, now_ms, expires_ms, name, mine, ARGV[at]), name, id
    if is_indexed then holders[2 * i - 1], holders[2 * i] = '0', sub(name, 1, length + 1) .. id end
    timers[2 * i - 1], timers[2 * i] = timer, id
    for n = from + 1, to do taken[2 * n - 1], taken[2 * n] = KEYS[OWN - 1 + n], id end
    from = to
  end
  book[FENCE] = fence
  return {write(first_ms), now_ms, fence - #names + 1}
end

-- name: hold_claim
-- Claims, one after the other.
local answers = {0, 0}
fetch(owners)
fetch(known)

local function answer(...)
  local at = #answers
  answers[at + 1], answers[at + 2], answers[at + 3], answers[at + 4], answers[at + 5],
    answers[at + 6] = ...
end

local STATUS = {REPEAT, REPEAT, 11, 12, 10}
local function answer_again(lease, seats)
  if lease.text ~= seats then return answer(REFUSED, 0, 0, 0, 0, '') end
  lapse(lease)
  answer(STATUS[lease.state], 0, lease.fence, lease.granted_ms,
         lease.state == HOLD and lease.expires_ms or 0, lease.id)
end

-- The seats behind `from` that are in the way, a bit each, and when the last is free again.
local function find_seats(from, count)
  local unknown, taken, expires_ms, at = 0, 0, 0, OWN - 1 + from
  for i = 1, count do
    if not places[from + i] then unknown = unknown + 2 ^ (i - 1) end
  end
  if unknown > 0 then return GONE, unknown, 0 end
  for i = 1, count do
    local id = taken_by[KEYS[at + i]] or owners[from + i]
    local owner = id and lease_of(id)
    if owner and owner.state <= SOLD and not lapse(owner) then
      taken = taken + 2 ^ (i - 1)
      if owner.state == HOLD then expires_ms = max(expires_ms, owner.expires_ms) end
    end
  end
  return taken > 0 and TAKEN or OK, taken, expires_ms
end

-- Returns how many seats were wanted: those behind `from`.
local function claim(i, from)
  local id, name, seats = ARGV[4 * i - 3], names[i], ARGV[4 * i]
  local numbers = ARGV[4 * i - 1]
  local ttl_ms, count, length = peel(CLAIM, numbers)
  local limit = #numbers > UNLIMITED and peel('<I4', numbers, UNLIMITED + 1) or 0
  local earlier = requests[name] or known[i]
  earlier = earlier and lease_of(earlier)
  if earlier then
    answer_again(earlier, seats)
    return count
  end
  local status, taken, expires_ms = find_seats(from, count)
  local holder = sub(name, 1, length)
  if status ~= OK then
    answer(status, taken, 0, now_ms, expires_ms, '')
  elseif limit > 0 and seats_held(holder) + count > limit then
    answer(FULL, 0, 0, now_ms, 0, '')
  else
    local fence, at = max(book[FENCE] + 1, LEAST), #answers
    local lease = {
      id = id, holder = holder, name = name, fence = fence, granted_ms = now_ms,
      expires_ms = now_ms + ttl_ms, count = count, text = seats,
      places = concat(places, ' ', from + 1, from + count),
      state = false, timer = false, is_touched = false,
    }
    book[FENCE], leases[id] = fence, lease
    ask_by(lease)
    take(lease, HOLD, KEYS, OWN - 1 + from, places, from)
    answers[at + 1], answers[at + 2] = OK, fence
  end
  return count
end

local from = 0
for i = 1, #names do from = from + claim(i, from) end
local reply = close_book()
answers[1], answers[2] = reply[1], reply[2]
return answers

-- name: displace
-- Frees the seats of `lease`, which has not all of them, of holders that must yield to `fence`.
local function displace(lease, fence)
  local mine = keys_of(lease)
  for i = 1, #mine do
    local owner = owner_of(mine[i])
    if owner and owner ~= lease and owner.state ~= HOLD and owner.fence >= fence then
      return TAKEN
    end
  end
  for i = 1, #mine do
    local owner = owner_of(mine[i])
    if owner and owner ~= lease and not lapse(owner) then
      local is_claim = owner.state == HOLD
      finish(owner, RELEASED)
      if is_claim then forget(owner) end
    end
  end
  return OK
end

-- name: retake
-- Who ended gets its seats again, if they are free or yield.
fetch(owner_ids)
local function may_retake(lease, order, fence)
  local mine = keys_of(lease)
  for i = 1, #mine do
    if owners[mine[i]] == nil then return GONE end
  end
  if order.is_told then return displace(lease, fence), fence end
  for i = 1, #mine do
    local owner = owner_of(mine[i])
    if owner and not lapse(owner) then return TAKEN end
  end
  if order.limit > 0 and seats_held(lease.holder) + #mine > order.limit then return FULL end
  book[FENCE] = max(book[FENCE] + 1, LEAST)
  return OK, book[FENCE]
end

local function retake(lease, order, fence, state)
  local status, new_fence = may_retake(lease, order, fence)
  if status ~= OK then return status end
  lease.fence, lease.granted_ms, lease.expires_ms = new_fence, now_ms, 0
  take(lease, state, keys_of(lease), 0, places_of(lease), 0)
  return OK
end

-- name: no_retake
-- Nothing but a retake looks at seats.
local retake

-- name: hold_change
-- KEYS: the seats of holds that are to be retaken. ARGV, for each change: id, holder, CHANGE:
-- fence, verb, whether it is told, extend_ms, life_max_ms, the holder's limit.
-- {wait, now, (status, fence, expires, seats whose keys are to be tidied)...}
local CHANGE = '<I8BBI4I4I4'
local PIN, SETTLE, RELEASE, EXTEND, EXPIRE, RETAKE, GIVE_BACK, WITHDRAW = 1, 2, 3, 4, 5, 6, 7, 8

-- The table of store/lease.c: the next state, or the status that refuses, negated.
local CELLS = {
  [HOLD] = {PAYING, SOLD, RELEASED, HOLD, EXPIRED, PAYING, -4, RELEASED},
  [PAYING] = {-5, SOLD, RELEASED, -5, -4, -5, -4, -4},
  [SOLD] = {-11, -5, -11, -11, -11, -11, RELEASED, -11},
  [RELEASED] = {-12, -12, -5, -12, -12, PAYING, -5, -12},
  [EXPIRED] = {-10, -10, -10, -10, -5, PAYING, -10, -10},
}

local function fits(lease, order)
  if order.fence > lease.fence then return order.is_told end
  return order.fence == lease.fence or (order.verb == RETAKE and order.fence > 0)
end

local function extend(lease, order)
  local most, wanted = lease.granted_ms + order.life_max_ms, now_ms + order.extend_ms
  if lease.expires_ms >= most then return FULL end
  if wanted <= lease.expires_ms then return REPEAT end
  lease.expires_ms = min(wanted, most)
  update(lease, HOLD)
  return OK
end

local function change(lease, order)
  if lease.holder ~= order.holder or not fits(lease, order) then return STALE end
  local cell, fence = CELLS[lease.state][order.verb], max(lease.fence, order.fence)
  if order.is_told and lease.state > SOLD then
    if order.verb == RELEASE or order.verb == GIVE_BACK then
      lease.state, lease.fence = RELEASED, fence
      touch(lease)
      return -cell
    end
    if order.verb == RETAKE and lease.state == RELEASED and order.fence <= lease.fence then
      return 12
    end
  end
  if cell < 0 then return -cell end
  if order.verb == EXTEND then
    local status = extend(lease, order)
    if status == OK then lease.fence = fence end
    return status
  end
  if lease.state > SOLD then return retake(lease, order, fence, cell) end
  lease.fence = fence
  if cell <= SOLD then
    lease.expires_ms = 0
    update(lease, cell)
    return OK
  end
  finish(lease, cell)
  if order.verb == WITHDRAW then forget(lease) end
  return OK
end

local function change_one(id, holder, numbers)
  local lease = lease_of(id)
  local fence, verb, told, extend_ms, life_max_ms, limit = peel(CHANGE, numbers)
  local order = {
    holder = holder, fence = fence, verb = verb, is_told = told == 1,
    extend_ms = extend_ms, life_max_ms = life_max_ms, limit = limit,
  }
  if not lease then return GONE, 0, 0 end
  if not order.is_told then lapse(lease) end
  local status = change(lease, order)
  if order.is_told then book[FENCE] = max(book[FENCE], order.fence) end
  if status == STALE or order.verb == WITHDRAW then return status, 0, 0 end
  return status, lease.fence, lease.state == HOLD and lease.expires_ms or 0
end

if book[KNOWN] ~= 1 then return GONE end
local wanted, answers = {}, {}
for i = 1, #ARGV, 3 do wanted[#wanted + 1] = ARGV[i] end
fetch(wanted)
for i = 1, #ARGV, 3 do
  local at = #answers
  answers[at + 1], answers[at + 2], answers[at + 3] = change_one(ARGV[i], ARGV[i + 1], ARGV[i + 2])
  answers[at + 4] = concat(untidy, ' ')
  untidy = {}
end
local reply = close_book()
for i = 1, #answers do reply[i + 2] = answers[i] end
return reply
