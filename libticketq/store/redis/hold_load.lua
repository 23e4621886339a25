-- How a schedule comes in: its seats, and what the ledger has (hold.lua says on what). A server
-- may forget in the middle of it, so each step says how many seats the steps before have left.

-- name: hold_define
-- ARGV: how many seats there are at least, to append, or -1, to count; seats.
-- {new, seats of the schedule}; new is -1: there are fewer.
local list, more, seats_count, least = {}, {}, book[SEATS], tonumber(ARGV[1])
if seats_count < least then return {-1, seats_count} end
if not packed then call('UNLINK', PLACES, BITS, LEASES, HOLDERS, TIMERS, ENDED) end
for i = 2, #ARGV do list[i - 1] = SEAT .. ARGV[i] end
local known = each('HMGET', PLACES, list)
for i = 1, #list do
  if not known[i] then
    more[#more + 1], more[#more + 2] = list[i], format('%d', 2 * seats_count + #more)
  end
end
if least >= 0 then
  each('HSET', PLACES, more)
  book[SEATS] = seats_count + #more / 2
  if #more > 0 then book[VERSION] = max(book[VERSION] + 1, LEAST) end
  write(NEVER)
end
return {#more / 2, seats_count}

-- name: hold_load
-- KEYS: the seats of holds that have them. ARGV: how many seats there are at least; 1: the ledger
-- went back, so what is known beyond it is no longer so; for each of its holds
-- `id holder key state fence granted expires ended seats...`, ended as a status.
-- {status, seats whose keys are to be tidied...}; -9: a seat is not known; -1: there are fewer.
if book[SEATS] < tonumber(ARGV[1]) then return {-1} end
local is_past, rows, ids, places = ARGV[2] == '1', {}, {}, {}

local function read_places()
  local list = {}
  for i = 1, #rows do
    for seat in gmatch(rows[i].text, '%S+') do list[#list + 1] = SEAT .. seat end
  end
  local found = each('HMGET', PLACES, list)
  for i = 1, #list do places[list[i]] = found[i] or nil end
end

for i = 1, #ARGV - 2 do
  local id, holder, key, state, fence, granted_ms, expires_ms, ended, list =
    match(ARGV[i + 2], '^(%S+) (%S+) (%S+) (%d) (%d+) (%d+) (%d+) (%d+) (.+)$')
  rows[i] = {
    id = id, holder = holder, key = key, state = tonumber(state), fence = tonumber(fence),
    granted_ms = tonumber(granted_ms), expires_ms = tonumber(expires_ms),
    ended = tonumber(ended), text = list,
  }
  ids[i] = id
end
fetch(owner_ids)
fetch(ids)
read_places()

-- A hold for a row that is not known here; nil when a seat is not known.
local function make(row)
  local list = words(row.text)
  for i = 1, #list do
    list[i] = places[SEAT .. list[i]]
    if not list[i] then return nil end
  end
  return {
    id = row.id, holder = row.holder, name = row.holder .. ' ' .. row.key, fence = row.fence,
    state = RELEASED, granted_ms = row.granted_ms, expires_ms = row.expires_ms, count = #list,
    places = concat(list, ' '), text = row.text,
  }
end

-- This front knows more of the hold than the row. A timer of ours proves nothing to the ledger.
local function is_ahead(lease, row)
  if lease.fence ~= row.fence or lease.state <= SOLD then
    return lease.fence > row.fence or (lease.fence == row.fence and lease.state > row.state)
  end
  return lease.state == RELEASED or (row.state == HOLD and row.expires_ms <= lease.expires_ms)
end

-- Its key has to be known here, its seats are free. One that is known ends, and under the row's
-- fence it has ended as the row says.
local function load_ended(lease, row)
  local state = row.ended == 10 and EXPIRED or RELEASED
  if lease then
    if not is_past and lease.fence > row.fence then return OK end
    if lease.state <= SOLD then
      finish(lease, state)
      if state == EXPIRED then untidy[#untidy + 1] = lease.text end
    elseif lease.fence ~= row.fence or state == RELEASED then
      lease.state = state
    end
    if lease.fence ~= row.fence or lease.state ~= lease.was then
      lease.fence = row.fence
      touch(lease)
    end
    return OK
  end
  lease = make(row)
  if not lease then return -9 end
  lease.state, lease.ended_ms = state, now_ms
  leases[row.id] = lease
  ends = ends + 1
  ask_by(lease)
  touch(lease)
  return OK
end

-- Keys may have been evicted, and taken by others since.
local function has_its_seats(lease)
  local keys = keys_of(lease)
  for i = 1, #keys do
    if (taken_by[keys[i]] or owners[keys[i]]) ~= lease.id then return false end
  end
  return true
end

local function load_live(lease, row)
  local is_known = lease and true
  if is_known and not is_past and is_ahead(lease, row) then return OK end
  if not is_known then lease = make(row) end
  if not lease then return -9 end
  local lives = is_known and lease.state <= SOLD
  local is_whole = lives and has_its_seats(lease)
  if not is_whole and displace(lease, row.fence) ~= OK then return OK end
  if not is_known then
    leases[row.id] = lease
    ask_by(lease)
  end
  lease.fence, lease.granted_ms, lease.expires_ms = row.fence, row.granted_ms, row.expires_ms
  if is_whole then
    update(lease, row.state)
  else
    if lives then book[COUNT + lease.state] = book[COUNT + lease.state] - lease.count end
    take(lease, row.state, keys_of(lease), 0, places_of(lease), 0)
  end
  book[FENCE] = max(book[FENCE], row.fence)
  return OK
end

local status = OK
for i = 1, #rows do
  local row = rows[i]
  local lease = lease_of(row.id)
  status = row.ended > 0 and load_ended(lease, row) or row.ended == 0 and load_live(lease, row)
  if status ~= OK then break end
end
close_book()
return {status, unpack(untidy, 1, min(#untidy, 4 * SLICE))}

-- name: hold_untold
-- ARGV: the highest fence of the ledger; where the last call stopped, at first 0; how many fields
-- to look at. {where to go on, at the end 0, holds that have no timer}
local fence, list = tonumber(ARGV[1]), {}
local page = call('HSCAN', LEASES, ARGV[2], 'COUNT', ARGV[3])
local fields = page[2]
for i = 1, #fields, 2 do
  if not find(fields[i], ' ', 1, true) then -- the row of a hold
    local state, _, _, its_fence = peel(ROW, fields[i + 1])
    if its_fence <= fence and (state == PAYING or state == SOLD) then
      list[#list + 1] = fields[i]
    end
  end
end
return {page[1], concat(list, ' ')}

-- name: hold_free
-- ARGV: the highest fence of the ledger; 1: it went back, and may yet show that it has them; holds
-- that it does not have. {seats whose keys are to be tidied...}
local fence, is_past = tonumber(ARGV[1]), ARGV[2] == '1'
fetch(ARGV)
for i = 3, #ARGV do
  local lease = leases[ARGV[i]]
  if lease and lease.fence <= fence and (lease.state == PAYING or lease.state == SOLD) then
    finish(lease, RELEASED)
    if is_past then forget(lease) end
  end
end
close_book()
return untidy

-- name: hold_known
-- ARGV: the highest fence of the ledger, how many seats there are at least. From now on the
-- schedule is known. {wait, now}, or GONE: there are fewer.
if book[SEATS] < tonumber(ARGV[2]) then return GONE end
book[KNOWN] = 1
book[FENCE] = max(book[FENCE], tonumber(ARGV[1]))
return {write(NEVER, true), now_ms}
