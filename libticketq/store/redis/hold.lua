-- A schedule on Redis: what ticketq/driver/hold.h asks of a front, a script for each
-- step, each one atomic. Every script is `hold`, below, and then its own part.
--
--   seat:hold:{schedule}            string      numbers of the schedule; channel of freed seats
--   seat:hold:{schedule}:<seat>     string      the hold that has the seat
--   seat:hold:{schedule}/places     hash        seat -> its place in the seat map
--   seat:hold:{schedule}/bits       string      the seat map, as it is handed out
--   seat:hold:{schedule}/leases     hash        hold -> state fence granted expires holder key seats
--   seat:hold:{schedule}/requests   hash        "holder key" -> hold
--   seat:hold:{schedule}/holders    sorted set  "holder hold" of each live hold, by name
--   seat:hold:{schedule}/timers     sorted set  holds by their time, until a sweep has told them
--   seat:hold:{schedule}/ended      sorted set  ended holds by when they ended, to be forgotten
--
-- A script reads what its arguments are about with a few variadic commands, decides on
-- tables of Lua in the order of the arguments, and writes back what has changed with
-- a few variadic commands: a batch costs little more commands than one.
--
-- Every key is declared. Who names a hold does not name its seats, so the key of a
-- seat may outlive its hold for a moment: it speaks for a hold that is live and for none
-- else. The driver has such keys removed by `hold_tidy` behind whatever freed the seats.
--
-- Numbers are below 2^53: doubles count them exactly.

-- name: hold
#!lua
local STATE, PLACES, BITS, LEASES, REQUESTS, HOLDERS, TIMERS, ENDED = unpack(KEYS, 1, 8)
local OWN, BASE = 9, #KEYS[1] + 2
local OK, TAKEN, GONE, STALE, REPEAT, FULL, REFUSED = 0, 1, 3, 4, 5, 8, 9
local HOLD, PAYING, SOLD, RELEASED, EXPIRED = 1, 2, 3, 4, 5
local KEEP_MS, KEEP_MAX, SLICE, NEVER = 600000, 65536, 1000, 4503599627370496
local call, min, max, concat = redis.call, math.min, math.max, table.concat
local format, gmatch, match, sub = string.format, string.gmatch, string.match, string.sub

local time = call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

-- A command with many arguments, in slices that fit on Lua's stack. SLICE is a multiple of four.
local function each(command, key, list)
  local replies = {}
  for first = 1, #list, SLICE do
    local last = min(first + SLICE - 1, #list)
    local reply = key and call(command, key, unpack(list, first, last)) or
      not key and call(command, unpack(list, first, last))
    if #list <= SLICE then return reply end
    if type(reply) == 'table' then
      for i = 1, #reply do replies[first + i - 1] = reply[i] end
    end
  end
  return replies
end

-- The numbers of the schedule; `told` is when the agenda knows that a timer is due.
local FIELDS = {'is_known', 'fence', 'version', 'seats', HOLD, PAYING, SOLD, 'told'}
local LAYOUT = '<i8i8i8i8i8i8i8i8'
local book, packed = {}, call('GET', STATE)

local function open_book(is_wanted)
  local values = {0, now_ms * 1024, now_ms * 1024, 0, 0, 0, 0, NEVER}
  if packed then values = {struct.unpack(LAYOUT, packed)} end
  for i = 1, #FIELDS do book[FIELDS[i]] = values[i] end
  return is_wanted or book.is_known == 1
end

-- What is known of holds: a table, or false when there is none. `was`: the state that is stored.
local leases, touched = {}, {}

local function fetch(ids)
  local list = {}
  for i = 1, #ids do
    local id = ids[i]
    if id and leases[id] == nil then
      leases[id], list[#list + 1] = false, id
    end
  end
  local texts = each('HMGET', LEASES, list)
  for i = 1, #list do
    if texts[i] then
      local state, fence, granted_ms, expires_ms, holder, key, text =
        match(texts[i], '^(%d) (%d+) (%d+) (%d+) (%S+) (%S+) (.+)$')
      state = tonumber(state)
      leases[list[i]] = {
        id = list[i], state = state, was = state, fence = tonumber(fence), holder = holder,
        granted_ms = tonumber(granted_ms), expires_ms = tonumber(expires_ms), key = key,
        text = text,
      }
    end
  end
end

local function lease_of(id)
  if leases[id] == nil then fetch({id}) end
  return leases[id]
end

-- Its seats, in the order of the request; `places` beside them.
local function seats_of(lease)
  if not lease.seats then
    lease.seats, lease.places = {}, {}
    for place, seat in gmatch(lease.text, '(%d+)/(%S+)') do
      lease.seats[#lease.seats + 1], lease.places[#lease.places + 1] = seat, tonumber(place)
    end
  end
  return lease.seats
end

local function touch(lease)
  if not lease.is_touched then
    lease.is_touched, touched[#touched + 1] = true, lease
  end
end

-- Who has the seats whose keys are declared: `owners` as read, `taken_by` as decided since.
local seats, key_of, owners, taken_by = {}, {}, {}, {}
for i = OWN, #KEYS do
  seats[i - 8] = sub(KEYS[i], BASE)
  key_of[seats[i - 8]] = KEYS[i]
end

local function read_owners()
  local list = {}
  for i = OWN, #KEYS do list[i - 8] = KEYS[i] end
  local ids = each('MGET', nil, list)
  for i = 1, #ids do owners[seats[i]] = ids[i] end
  return ids
end

local function is_live(lease)
  return lease.state <= SOLD
end

-- The live hold that has the seat, or nil.
local function owner_of(seat)
  local id = taken_by[seat] or owners[seat]
  local lease = id and lease_of(id)
  return lease and is_live(lease) and lease or nil
end

-- Seats change in the map: `shown` by place. The hold still has its old state, or none.
local shown = {}
local function show(lease, state)
  local count, places, old = #seats_of(lease), lease.places, lease.state
  if old and old <= SOLD then book[old] = book[old] - count end
  if state > 0 then book[state] = book[state] + count end
  for i = 1, count do shown[places[i]] = state end
  book.version = book.version + 1
end

-- The holds of a holder that may be live, for who has a limit.
local held_by = {}
local function holds_of(holder)
  local list = held_by[holder]
  if not list then
    local ids = call('ZRANGEBYLEX', HOLDERS, '[' .. holder .. ' ', '(' .. holder .. '!')
    for i = 1, #ids do ids[i] = sub(ids[i], #holder + 2) end
    fetch(ids)
    list = {}
    for i = 1, #ids do
      local lease = leases[ids[i]]
      if lease and not lease.is_touched then list[#list + 1] = lease end
    end
    for i = 1, #touched do
      if touched[i].holder == holder then list[#list + 1] = touched[i] end
    end
    held_by[holder] = list
  end
  return list
end

-- Its seats go to it; they are free.
local function begin(lease, state)
  show(lease, state)
  lease.state = state
  for i = 1, #lease.seats do taken_by[lease.seats[i]] = lease.id end
  lease.timer = state == HOLD and lease.expires_ms
  lease.ended_ms = nil
  if held_by[lease.holder] and not lease.is_touched then
    table.insert(held_by[lease.holder], lease)
  end
  touch(lease)
end

local function update(lease, state)
  if lease.state ~= state then show(lease, state) end
  lease.state = state
  lease.timer = state == HOLD and lease.expires_ms
  touch(lease)
end

-- It ends, as RELEASED or EXPIRED; what expired keeps its timer until it was told.
local freed, untidy, ends = {}, {}, 0
local function finish(lease, state)
  show(lease, 0)
  lease.state, lease.ended_ms = state, now_ms
  for i = 1, #lease.seats do
    freed[#freed + 1] = lease.seats[i]
    if state ~= EXPIRED then untidy[#untidy + 1] = lease.seats[i] end
  end
  if state ~= EXPIRED then lease.timer = false end
  ends = ends + 1
  touch(lease)
end

-- A hold whose time ran out ends as soon as anybody meets it.
local function lapse(lease)
  if lease.state ~= HOLD or lease.expires_ms > now_ms then return false end
  finish(lease, EXPIRED)
  return true
end

local function seats_held(holder)
  local count, list = 0, holds_of(holder)
  for i = 1, #list do
    if is_live(list[i]) and not lapse(list[i]) then count = count + #seats_of(list[i]) end
  end
  return count
end

local requests, new_requests = {}, {}
local function ask_by(lease)
  local name = lease.holder .. ' ' .. lease.key
  requests[name] = lease.id
  new_requests[#new_requests + 1] = name
  new_requests[#new_requests + 1] = lease.id
end

local function forget(lease)
  lease.is_forgotten = true
  leases[lease.id] = false
  touch(lease)
end

-- At most two for each that ended: those that ended longest ago.
local function forget_some()
  local oldest = call('ZRANGE', ENDED, 0, 2 * ends - 1, 'WITHSCORES')
  local count, ids = call('ZCARD', ENDED) + ends, {}
  for i = 1, #oldest, 2 do
    if count <= KEEP_MAX and oldest[i + 1] + KEEP_MS > now_ms then break end
    ids[#ids + 1] = oldest[i]
    count = count - 1
  end
  fetch(ids)
  for i = 1, #ids do
    local lease = leases[ids[i]]
    if lease and not is_live(lease) then
      lease.timer = false
      forget(lease)
    end
  end
end

-- Removes the request keys of forgotten holds that are still theirs.
local function forget_requests(gone)
  local names, list = {}, {}
  for i = 1, #gone do names[i] = gone[i].holder .. ' ' .. gone[i].key end
  local ids = each('HMGET', REQUESTS, names)
  for i = 1, #gone do
    if ids[i] == gone[i].id then list[#list + 1] = names[i] end
  end
  each('HDEL', REQUESTS, list)
end

-- Sorts what is to be written of the holds into lists, a list a command.
local function write_leases()
  local rows, timers, holders, ended = {}, {}, {}, {}
  local gone, gone_ids, untimed, unheld, recalled = {}, {}, {}, {}, {}
  local first = NEVER
  for i = 1, #touched do
    local lease = touched[i]
    local id, was = lease.id, lease.was
    local lives, lived = is_live(lease) and not lease.is_forgotten, was and was <= SOLD
    if lease.is_forgotten then
      gone[#gone + 1], gone_ids[#gone_ids + 1] = lease, id
    else
      rows[#rows + 1] = id
      rows[#rows + 1] = format('%d %.0f %.0f %.0f %s %s %s', lease.state, lease.fence,
                               lease.granted_ms, lease.expires_ms, lease.holder, lease.key,
                               lease.text)
    end
    if lives and not lived then
      holders[#holders + 1] = '0'
      holders[#holders + 1] = lease.holder .. ' ' .. id
    elseif lived and not lives then
      unheld[#unheld + 1] = lease.holder .. ' ' .. id
    end
    if lease.ended_ms and not lease.is_forgotten then
      ended[#ended + 1] = lease.ended_ms
      ended[#ended + 1] = id
    elseif was and not lived and (lives or lease.is_forgotten) then
      recalled[#recalled + 1] = id
    end
    if lease.timer and not lease.is_forgotten then
      timers[#timers + 1] = format('%.0f', lease.timer)
      timers[#timers + 1] = id
      first = min(first, lease.timer)
    elseif lease.timer == false and was then
      untimed[#untimed + 1] = id
    end
  end
  each('HSET', REQUESTS, new_requests)
  forget_requests(gone)
  each('HSET', LEASES, rows)
  each('HDEL', LEASES, gone_ids)
  each('ZADD', TIMERS, timers)
  each('ZREM', TIMERS, untimed)
  each('ZADD', HOLDERS, holders)
  each('ZREM', HOLDERS, unheld)
  each('ZADD', ENDED, ended)
  each('ZREM', ENDED, recalled)
  return first
end

-- Redis writes numbers at length; texts go as they are.
local SHOWN = {[0] = '0', '1', '2', '3'}
local function write_seats()
  local pairs_of, bits = {}, {}
  for seat, id in pairs(taken_by) do
    pairs_of[#pairs_of + 1] = key_of[seat]
    pairs_of[#pairs_of + 1] = id
  end
  each('MSET', nil, pairs_of)
  for place, state in pairs(shown) do
    local at = #bits
    bits[at + 1], bits[at + 2] = 'SET', 'u2'
    bits[at + 3], bits[at + 4] = '#' .. (place + 3 - place % 4 * 2), SHOWN[state]
  end
  each('BITFIELD', BITS, bits)
end

-- When the first timer is due, as `wait, now` of an answer; -1: none.
local function first_timer()
  local first = call('ZRANGE', TIMERS, 0, 0, 'WITHSCORES')
  book.told = first[2] and tonumber(first[2]) or NEVER
  return first[2] and max(book.told - now_ms, 0) or -1
end

-- Writes back what has changed. Begins the answer: {wait, now}; a wait of -1: the agenda
-- need not be told. It is told again what it should long have come back for.
local function close_book(is_told_anew)
  local wait = -1
  if ends > 0 then forget_some() end
  if #touched > 0 then
    local first = write_leases()
    if first < book.told or (first < NEVER and book.told < now_ms - 1000) then
      book.told = min(book.told, first)
      wait = max(book.told - now_ms, 0)
    end
    write_seats()
  end
  if is_told_anew then wait = first_timer() end
  local values = {}
  for i = 1, #FIELDS do values[i] = book[FIELDS[i]] end
  local text = struct.pack(LAYOUT, unpack(values))
  if text ~= packed then call('SET', STATE, text) end
  if #freed > 0 then call('SPUBLISH', STATE, concat(freed, ' ')) end
  return {wait, now_ms}
end
