-- How a schedule comes in: its seats, and what the ledger has (hold.lua says on what).

-- name: hold_define
-- ARGV: 1 to append, 0 to count; seats. {new, seats of the schedule}
open_book(true)
local list, more = {}, {}
for i = 2, #ARGV do list[i - 1] = ARGV[i] end
local known, seats_count = each('HMGET', PLACES, list), book.seats
for i = 1, #list do
  if not known[i] then
    more[#more + 1] = list[i]
    more[#more + 1] = book.seats + #more / 2 - 0.5
  end
end
if ARGV[1] == '1' then
  for i = 2, #more, 2 do more[i] = format('%d', more[i]) end
  each('HSET', PLACES, more)
  book.seats = book.seats + #more / 2
  if #more > 0 then book.version = book.version + 1 end
  close_book()
end
return {#more / 2, seats_count}

-- name: hold_load
-- KEYS: the seats of holds that have them. ARGV, for each hold of the ledger:
-- `id holder key state fence granted expires ended seats...`, ended as a status.
-- {status, seats whose keys are to be tidied...}; status -9: a seat is not known.
open_book(true)
local rows, ids, places = {}, read_owners(), {}

local function read_places()
  local list = {}
  for i = 1, #rows do
    for seat in gmatch(rows[i].list, '%S+') do list[#list + 1] = seat end
  end
  local found = each('HMGET', PLACES, list)
  for i = 1, #list do places[list[i]] = found[i] or nil end
end

for i = 1, #ARGV do
  local id, holder, key, state, fence, granted_ms, expires_ms, ended, list =
    match(ARGV[i], '^(%S+) (%S+) (%S+) (%d) (%d+) (%d+) (%d+) (%d+) (.+)$')
  rows[i] = {
    id = id, holder = holder, key = key, state = tonumber(state), fence = tonumber(fence),
    granted_ms = tonumber(granted_ms), expires_ms = tonumber(expires_ms),
    ended = tonumber(ended), list = list,
  }
  ids[#ids + 1] = id
end
fetch(ids)
read_places()

-- A hold for a row that is not known here; nil when a seat is not known.
local function make(row)
  local text = {}
  for seat in gmatch(row.list, '%S+') do
    if not places[seat] then return nil end
    text[#text + 1] = places[seat] .. '/' .. seat
  end
  return {
    id = row.id, holder = row.holder, key = row.key, fence = row.fence, state = RELEASED,
    granted_ms = row.granted_ms, expires_ms = row.expires_ms, text = concat(text, ' '),
  }
end

-- This front knows more of the hold than the row. A timer of ours proves nothing to the ledger.
local function is_ahead(lease, row)
  if lease.fence ~= row.fence or is_live(lease) then
    return lease.fence > row.fence or (lease.fence == row.fence and lease.state > row.state)
  end
  return lease.state == RELEASED or (row.state == HOLD and row.expires_ms <= lease.expires_ms)
end

-- Its key has to be known here, its seats are free.
local function load_ended(lease, row)
  local state = row.ended == 10 and EXPIRED or RELEASED
  if lease then
    if is_live(lease) and lease.fence <= row.fence then
      finish(lease, state)
      if state == EXPIRED then
        for i = 1, #lease.seats do untidy[#untidy + 1] = lease.seats[i] end
      end
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

local function load_live(lease, row)
  local is_known = lease and true
  if is_known and is_ahead(lease, row) then return OK end
  if not is_known then lease = make(row) end
  if not lease then return -9 end
  local lives = is_known and is_live(lease)
  if not lives and displace(lease, row.fence) ~= OK then return OK end
  if not is_known then
    leases[row.id] = lease
    ask_by(lease)
  end
  lease.fence, lease.granted_ms, lease.expires_ms = row.fence, row.granted_ms, row.expires_ms
  if lives then update(lease, row.state) else begin(lease, row.state) end
  book.fence = max(book.fence, row.fence)
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
-- ARGV: the highest fence of the ledger; where the last call stopped; how many to look at.
-- {where to go on or '', holds that have no timer...}
local fence, list = tonumber(ARGV[1]), {''}
local members = call('ZRANGEBYLEX', HOLDERS, ARGV[2] == '' and '-' or '(' .. ARGV[2], '+', 'LIMIT',
                     0, ARGV[3])
if #members == tonumber(ARGV[3]) then list[1] = members[#members] end
for i = 1, #members do members[i] = match(members[i], '%S+$') end
fetch(members)
for i = 1, #members do
  local lease = leases[members[i]]
  if lease and lease.fence <= fence and (lease.state == PAYING or lease.state == SOLD) then
    list[#list + 1] = lease.id
  end
end
return list

-- name: hold_free
-- ARGV: the highest fence of the ledger; holds that it does not have.
-- {seats whose keys are to be tidied...}
open_book(true)
local fence = tonumber(ARGV[1])
fetch(ARGV)
for i = 2, #ARGV do
  local lease = leases[ARGV[i]]
  if lease and lease.fence <= fence and (lease.state == PAYING or lease.state == SOLD) then
    finish(lease, RELEASED)
  end
end
close_book()
return untidy

-- name: hold_known
-- ARGV: the highest fence of the ledger. From now on the schedule is known. {wait, now}
open_book(true)
book.is_known = 1
book.fence = max(book.fence, tonumber(ARGV[1]))
return close_book(true)
