-- Claims, and what happens to holds (hold.lua says on what).

-- name: hold_claim
-- KEYS: the seats of all claims. ARGV: `id holder key ttl limit count` for each claim.
-- {wait, now, (status, taken, fence, granted, expires, id of the hold or '')...}
if not open_book() then return GONE end
local claims, places = {}, each('HMGET', PLACES, seats)
local ids, names = read_owners(), {}
for i = 1, #ARGV do
  local id, holder, key, ttl, limit, count =
    match(ARGV[i], '^(%S+) (%S+) (%S+) (%d+) (%d+) (%d+)$')
  names[i] = holder .. ' ' .. key
  claims[i] = {id, holder, key, tonumber(ttl), tonumber(limit), tonumber(count)}
end
local known = each('HMGET', REQUESTS, names)
for i = 1, #names do
  if known[i] then
    requests[names[i]] = known[i]
    ids[#ids + 1] = known[i]
  end
end
fetch(ids)

local STATUS = {REPEAT, REPEAT, 11, 12, 10}

local function answer_again(lease, from, count)
  local mine = seats_of(lease)
  local is_same = #mine == count
  for i = 1, count do is_same = is_same and mine[i] == seats[from + i] end
  if not is_same then return REFUSED, 0, 0, 0, 0, '' end
  lapse(lease)
  return STATUS[lease.state], 0, lease.fence, lease.granted_ms,
    lease.state == HOLD and lease.expires_ms or 0, lease.id
end

-- A bit for each seat that is in the way, and when the last of them is free again.
local function find_seats(from, count)
  local unknown, taken, expires_ms = 0, 0, 0
  for i = 1, count do
    if not places[from + i] then unknown = unknown + 2 ^ (i - 1) end
  end
  if unknown > 0 then return GONE, unknown, 0 end
  for i = 1, count do
    local owner = owner_of(seats[from + i])
    if owner and not lapse(owner) then
      taken = taken + 2 ^ (i - 1)
      if owner.state == HOLD then expires_ms = max(expires_ms, owner.expires_ms) end
    end
  end
  return taken > 0 and TAKEN or OK, taken, expires_ms
end

local function grant(claim, from)
  local mine, at, text = {}, {}, {}
  for i = 1, claim[6] do
    mine[i], at[i] = seats[from + i], tonumber(places[from + i])
    text[i] = places[from + i] .. '/' .. mine[i]
  end
  book.fence = book.fence + 1
  local lease = {
    id = claim[1], holder = claim[2], key = claim[3], fence = book.fence, granted_ms = now_ms,
    expires_ms = now_ms + claim[4], seats = mine, places = at, text = concat(text, ' '),
  }
  leases[lease.id] = lease
  ask_by(lease)
  begin(lease, HOLD)
  return OK, 0, lease.fence, now_ms, lease.expires_ms, ''
end

local function claim_one(claim, name, from)
  local earlier = requests[name] and lease_of(requests[name])
  if earlier then return answer_again(earlier, from, claim[6]) end
  local status, taken, expires_ms = find_seats(from, claim[6])
  if status ~= OK then return status, taken, 0, now_ms, expires_ms, '' end
  if claim[5] > 0 and seats_held(claim[2]) + claim[6] > claim[5] then
    return FULL, 0, 0, now_ms, 0, ''
  end
  return grant(claim, from)
end

local answers, from = {}, 0
for i = 1, #claims do
  local at = #answers
  answers[at + 1], answers[at + 2], answers[at + 3], answers[at + 4], answers[at + 5],
    answers[at + 6] = claim_one(claims[i], names[i], from)
  from = from + claims[i][6]
end
local reply = close_book()
for i = 1, #answers do reply[i + 2] = answers[i] end
return reply

-- name: displace
-- Frees the seats of `lease`, which has none, of holders that must yield to `fence`.
local function displace(lease, fence)
  local mine = seats_of(lease)
  for i = 1, #mine do
    local owner = owner_of(mine[i])
    if owner and owner.state ~= HOLD and owner.fence >= fence then return TAKEN end
  end
  for i = 1, #mine do
    local owner = owner_of(mine[i])
    if owner and not lapse(owner) then
      finish(owner, RELEASED)
      if owner.was == HOLD then forget(owner) end
    end
  end
  return OK
end

-- name: hold_change
-- KEYS: the seats of holds that are to be retaken. ARGV, for each change:
-- `id holder fence verb is_told extend_ms life_max_ms limit`.
-- {wait, now, (status, fence, expires, seats whose keys are to be tidied)...}
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

local function may_retake(lease, order, fence)
  local mine = seats_of(lease)
  for i = 1, #mine do
    if not key_of[mine[i]] then return GONE end
  end
  if order.is_told then return displace(lease, fence), fence end
  for i = 1, #mine do
    local owner = owner_of(mine[i])
    if owner and not lapse(owner) then return TAKEN end
  end
  if order.limit > 0 and seats_held(lease.holder) + #mine > order.limit then return FULL end
  book.fence = book.fence + 1
  return OK, book.fence
end

local function change(lease, order)
  if lease.holder ~= order.holder or not fits(lease, order) then return STALE end
  local cell, fence = CELLS[lease.state][order.verb], max(lease.fence, order.fence)
  if cell < 0 then return -cell end
  if order.verb == EXTEND then
    local status = extend(lease, order)
    if status == OK then lease.fence = fence end
    return status
  end
  if not is_live(lease) then
    local status, new_fence = may_retake(lease, order, fence)
    if status ~= OK then return status end
    lease.fence, lease.granted_ms, lease.expires_ms = new_fence, now_ms, 0
    begin(lease, cell)
    return OK
  end
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

local function change_one(text)
  local id, holder, fence, verb, is_told, extend_ms, life_max_ms, limit =
    match(text, '^(%S+) (%S+) (%d+) (%d) (%d) (%d+) (%d+) (%d+)$')
  local lease = lease_of(id)
  local order = {
    holder = holder, fence = tonumber(fence), verb = tonumber(verb), is_told = is_told == '1',
    extend_ms = tonumber(extend_ms), life_max_ms = tonumber(life_max_ms), limit = tonumber(limit),
  }
  if not lease then return GONE, 0, 0 end
  if not order.is_told then lapse(lease) end
  local status = change(lease, order)
  if order.is_told then book.fence = max(book.fence, order.fence) end
  if status == STALE or order.verb == WITHDRAW then return status, 0, 0 end
  return status, lease.fence, lease.state == HOLD and lease.expires_ms or 0
end

if not open_book() then return GONE end
local wanted, answers = read_owners(), {}
for i = 1, #ARGV do wanted[#wanted + 1] = match(ARGV[i], '^%S+') end
fetch(wanted)
for i = 1, #ARGV do
  local at = #answers
  answers[at + 1], answers[at + 2], answers[at + 3] = change_one(ARGV[i])
  answers[at + 4] = concat(untidy, ' ')
  untidy = {}
end
local reply = close_book()
for i = 1, #answers do reply[i + 2] = answers[i] end
return reply
