-- A schedule on Redis: what ticketq/driver/hold.h asks of a front, a script for each
-- step, each one atomic. Every script is `hold`, below, what it needs of `lease`, `owners` and
-- `limit`, and then its own part: a server makes every function anew in every call, and what
-- a function finds outside of itself costs as much again.
--
--   seat:hold:{schedule}            string      numbers of the schedule; channel of freed seats
--   seat:hold:{schedule}:<seat>     string      the hold that has the seat
--   seat:hold:{schedule}/places     hash        key of a seat -> where its two bits are
--   seat:hold:{schedule}/bits       string      the seat map, first seat in the highest bits
--   seat:hold:{schedule}/leases     hash        hold -> ROW; "holder key" of a request -> hold
--   seat:hold:{schedule}/holders    sorted set  "holder hold" of each live hold, by name; kept
--                                               from the first limit of a holder on
--   seat:hold:{schedule}/timers     sorted set  holds by their time, until a sweep has told them
--   seat:hold:{schedule}/ended      sorted set  ended holds by when they ended, to be forgotten
--
-- A script reads what its arguments are about with a few variadic commands, decides on
-- tables of Lua in the order of the arguments, and writes back what has changed with
-- a few variadic commands: a batch costs little more commands than one. What then counts is
-- steps of Lua, so hot paths go by position and leave texts unparsed.
--
-- Every key is declared. Who names a hold does not name its seats, so the key of a
-- seat may outlive its hold for a moment: it speaks for a hold that is live and for none
-- else. The driver has such keys removed by `hold_tidy` behind whatever freed the seats.
--
-- Numbers are below 2^53: doubles count them exactly.

-- name: hold
#!lua
local KEYS, ARGV = KEYS, ARGV
local STATE, PLACES, BITS, LEASES, HOLDERS, TIMERS, ENDED = unpack(KEYS, 1, 7)
local OWN, SEAT, SLICE = 8, KEYS[1] .. ':', 1000
local OK, TAKEN, GONE, STALE, REPEAT, FULL, REFUSED = 0, 1, 3, 4, 5, 8, 9
local HOLD, PAYING, SOLD, RELEASED, EXPIRED = 1, 2, 3, 4, 5
local KEEP_MS, KEEP_MAX, NEVER = 600000, 65536, 4503599627370496
local call, min, max, concat = redis.call, math.min, math.max, table.concat
local format, gmatch, match = string.format, string.gmatch, string.match
local find, sub = string.find, string.sub
local pack, peel = struct.pack, struct.unpack

local time = call('TIME')
local now_ms = time[1] * 1000 + (time[2] - time[2] % 1000) / 1000

-- A command with many arguments, in slices that fit on Lua's stack. SLICE is a multiple of four.
local function each(command, key, list, from)
  local count = #list
  from = from or 1
  if count < from then return {} end
  if count - from < SLICE then
    if key then return call(command, key, unpack(list, from, count)) end
    return call(command, unpack(list, from, count))
  end
  local replies = {}
  for first = from, count, SLICE do
    local reply = each(command, key, {unpack(list, first, min(first + SLICE - 1, count))})
    for i = 1, type(reply) == 'table' and #reply or 0 do replies[first - from + i] = reply[i] end
  end
  return replies
end

-- The next fence or version is no less: above what was given and then lost with a server.
local LEAST = now_ms * 1024

-- The numbers of the schedule: how many of its seats are in a state is at COUNT + state;
-- at TOLD, when the agenda knows that a timer is due; at INDEXED, 1 when `holders` is kept.
-- What older processes have written ends before INDEXED.
local KNOWN, FENCE, VERSION, SEATS, COUNT, TOLD, INDEXED = 1, 2, 3, 4, 4, 8, 9
local LAYOUT = '<i8i8i8i8i8i8i8i8i8'
local packed = call('GET', STATE)
local book = packed and {peel(LAYOUT, #packed < 72 and packed .. pack('<i8', 0) or packed)} or
  {0, LEAST, LEAST, 0, 0, 0, 0, NEVER, 0}

-- What is to be written, a list a command.
local rows, timers, holders, taken, bits = {}, {}, {}, {}, {}

-- Seats change in the map: those at places[from .. to], a command for each run of neighbours
-- that one byte can hold. Returns whether all are neighbours.
local WIDTH = {'u2', 'u4', 'u6', 'u8'}
local SHOWN = {[0] = {'0', '0', '0', '0'}, {'1', '5', '21', '85'}, {'2', '10', '42', '170'},
               {'3', '15', '63', '255'}}
local function paint(places, from, to, state)
  local first, shown, at, last, is_run = from, SHOWN[state], #bits, places[from] + 0, true
  for i = from + 1, to + 1 do
    local place = i <= to and places[i] + 0
    local is_next = place == last + 2
    if not is_next or i - first == 4 then
      bits[at + 1], bits[at + 2] = 'SET', WIDTH[i - first]
      bits[at + 3], bits[at + 4] = places[first], shown[i - first]
      first, at, is_run = i, at + 4, is_run and (is_next or i > to)
    end
    last = place
  end
  book[COUNT + state] = book[COUNT + state] + (state > 0 and to - from + 1 or 0)
  book[VERSION] = max(book[VERSION] + 1, LEAST)
  return is_run
end

-- Writes what has changed. Returns how long it is until the first timer, for the agenda; -1: it
-- need not be told, or with `is_told_anew` that there is none. `first_ms` is the first of the new
-- timers. The agenda is told again what it should long have come back for.
local function write(first_ms, is_told_anew)
  local wait = -1
  each('HSET', LEASES, rows)
  each('ZADD', TIMERS, timers)
  each('ZADD', HOLDERS, holders)
  each('MSET', nil, taken)
  each('BITFIELD', BITS, bits)
  if is_told_anew then
    local first = call('ZRANGE', TIMERS, 0, 0, 'WITHSCORES')
    book[TOLD] = first[2] and tonumber(first[2]) or NEVER
    wait = first[2] and max(book[TOLD] - now_ms, 0) or -1
  elseif first_ms < book[TOLD] or (first_ms < NEVER and book[TOLD] < now_ms - 1000) then
    book[TOLD] = min(book[TOLD], first_ms)
    wait = max(book[TOLD] - now_ms, 0)
  end
  local text = pack(LAYOUT, unpack(book, 1, 9))
  if text ~= packed then call('SET', STATE, text) end
  return wait
end

-- The row of a hold. It says how long the holder's name is and how many seats there are; `name` is
-- "holder key"; `places` and `text`: of its seats, in the order of the request. Where places are
-- fewer than seats the others are neighbours of the last.
local ROW = '<BBBi8i8i8sss'

-- name: lease
-- What is known of holds: a table, or false when there is none. `was`: the state that is stored.
local leases, touched = {}, {}

local function fetch(ids)
  local list, count = {}, 0
  for i = 1, #ids do
    local id = ids[i]
    if id and leases[id] == nil then
      count = count + 1
      leases[id], list[count] = false, id
    end
  end
  local rows = each('HMGET', LEASES, list)
  for i = 1, count do
    if rows[i] then
      local state, length, seats, fence, granted_ms, expires_ms, name, places, text =
        peel(ROW, rows[i])
      leases[list[i]] = {
        id = list[i], state = state, was = state, fence = fence, granted_ms = granted_ms,
        expires_ms = expires_ms, holder = sub(name, 1, length), name = name, count = seats,
        places = places, text = text,
      }
    end
  end
end

local function lease_of(id)
  if leases[id] == nil then fetch({id}) end
  return leases[id]
end

local function words(text)
  local list, count = {}, 0
  for word in gmatch(text, '%S+') do
    count = count + 1
    list[count] = word
  end
  return list
end

local function places_of(lease)
  local places = words(lease.places)
  for i = #places + 1, lease.count do places[i] = format('%d', places[i - 1] + 2) end
  return places
end

-- The map follows a hold that has seats into another state, 0 when it has them no longer.
local function repaint(lease, state)
  book[COUNT + lease.state] = book[COUNT + lease.state] - lease.count
  paint(places_of(lease), 1, lease.count, state)
end

local function touch(lease)
  if not lease.is_touched then
    lease.is_touched, touched[#touched + 1] = true, lease
  end
end

-- Seats that are free go to a hold: those with keys[i + 1 ..], at places[j + 1 ..].
local taken_by, held_by = {}, nil
local function take(lease, state, keys, i, places, j)
  local id, count, at = lease.id, lease.count, #taken
  for n = i + 1, i + count do
    local key = keys[n]
    taken_by[key], taken[at + 1], taken[at + 2] = id, key, id
    at = at + 2
  end
  paint(places, j + 1, j + count, state)
  lease.state, lease.timer, lease.ended_ms = state, state == HOLD and lease.expires_ms, nil
  local mine = held_by and held_by[lease.holder]
  if mine and not lease.is_touched then mine[#mine + 1] = lease end
  touch(lease)
end

local function update(lease, state)
  if lease.state ~= state then repaint(lease, state) end
  lease.state, lease.timer = state, state == HOLD and lease.expires_ms
  touch(lease)
end

-- A hold ends, as RELEASED or EXPIRED; what expired keeps its timer until it was told.
local freed, untidy, ends = {}, {}, 0
local function finish(lease, state)
  repaint(lease, 0)
  lease.state, lease.ended_ms, ends = state, now_ms, ends + 1
  freed[#freed + 1] = lease.text
  if state ~= EXPIRED then untidy[#untidy + 1], lease.timer = lease.text, false end
  touch(lease)
end

-- A hold whose time ran out ends as soon as anybody meets it.
local function lapse(lease)
  if lease.state ~= HOLD or lease.expires_ms > now_ms then return false end
  finish(lease, EXPIRED)
  return true
end

local requests = {}
local function ask_by(lease)
  local name, id, at = lease.name, lease.id, #rows
  requests[name], rows[at + 1], rows[at + 2] = id, name, id
end

local function forget(lease)
  lease.is_forgotten = true
  leases[lease.id] = false
  touch(lease)
end

-- Sorts what is to be written of the holds into the lists, and writes them. Of what ended, at
-- most two for each that ended now are forgotten: those that ended longest ago.
local function write_leases(is_told_anew)
  local first, timer_ms, timer, is_indexed = NEVER, nil, nil, book[INDEXED] == 1
  local gone, untimed, unheld, ended, recalled = {}, {}, {}, {}, {}
  if ends > 0 then
    local oldest = call('ZRANGE', ENDED, '0', format('%d', 2 * ends - 1), 'WITHSCORES')
    local count, ids = call('ZCARD', ENDED) + ends, {}
    for i = 1, #oldest, 2 do
      if count <= KEEP_MAX and oldest[i + 1] + KEEP_MS > now_ms then break end
      ids[#ids + 1] = oldest[i]
      count = count - 1
    end
    fetch(ids)
    for i = 1, #ids do
      local lease = leases[ids[i]]
      if lease and lease.state > SOLD then
        lease.timer = false
        forget(lease)
      end
    end
  end
  for i = 1, #touched do
    local lease = touched[i]
    local id, was, at = lease.id, lease.was, #rows
    local lives, lived = lease.state <= SOLD and not lease.is_forgotten, was and was <= SOLD
    if lease.is_forgotten then
      gone[#gone + 1] = lease
    else
      rows[at + 1], rows[at + 2] = id, pack(ROW, lease.state, #lease.holder, lease.count,
                                            lease.fence, lease.granted_ms, lease.expires_ms,
                                            lease.name, lease.places, lease.text)
    end
    if is_indexed and lives and not lived then
      at = #holders
      holders[at + 1], holders[at + 2] = '0', lease.holder .. ' ' .. id
    elseif is_indexed and lived and not lives then
      unheld[#unheld + 1] = lease.holder .. ' ' .. id
    end
    if lease.ended_ms and not lease.is_forgotten then
      ended[#ended + 1], ended[#ended + 2] = format('%.0f', lease.ended_ms), id
    elseif was and not lived and (lives or lease.is_forgotten) then
      recalled[#recalled + 1] = id
    end
    if lease.timer and not lease.is_forgotten then
      if lease.timer ~= timer_ms then timer_ms, timer = lease.timer, format('%.0f', lease.timer) end
      at = #timers
      timers[at + 1], timers[at + 2] = timer, id
      if timer_ms < first then first = timer_ms end
    elseif lease.timer == false and was then
      untimed[#untimed + 1] = id
    end
  end
  each('ZREM', TIMERS, untimed)
  each('ZREM', HOLDERS, unheld)
  local wait = write(first, is_told_anew)
  each('ZADD', ENDED, ended)
  each('ZREM', ENDED, recalled)
  if gone[1] then -- with the request keys that are still theirs
    local names, list = {}, {}
    for i = 1, #gone do names[i], list[i] = gone[i].name, gone[i].id end
    local ids = each('HMGET', LEASES, names)
    for i = 1, #gone do
      if ids[i] == gone[i].id then list[#list + 1] = names[i] end
    end
    each('HDEL', LEASES, list)
  end
  return wait
end

-- Writes back what has changed, and tells of freed seats. Begins the answer: {wait, now}.
local function close_book(is_told_anew)
  local wait = write_leases(is_told_anew)
  if #freed > 0 then call('SPUBLISH', STATE, concat(freed, ' ')) end
  return {wait, now_ms}
end

-- name: owners
-- Who has the seats whose keys are declared, as read; false: nobody.
local owners = {}
local owner_ids = each('MGET', nil, KEYS, OWN)
for i = 1, #owner_ids do owners[KEYS[OWN - 1 + i]] = owner_ids[i] end

-- The live hold that has the seat, or nil.
local function owner_of(key)
  local id = taken_by[key] or owners[key]
  local lease = id and lease_of(id)
  return lease and lease.state <= SOLD and lease or nil
end

local function keys_of(lease)
  local keys = words(lease.text)
  for i = 1, #keys do keys[i] = SEAT .. keys[i] end
  return keys
end

-- name: limit
-- How many seats a holder has, for who has a limit. Where nobody has, an index of holders would be
-- kept for nothing, so the first who has one makes it, of the holds as they are stored.
held_by = {}
local function index_holders()
  local cursor = '0'
  call('UNLINK', HOLDERS)
  repeat
    local page, members = call('HSCAN', LEASES, cursor, 'COUNT', SLICE), {}
    local fields, count = page[2], 0
    for i = 1, #fields, 2 do
      if not find(fields[i], ' ', 1, true) then -- the row of a hold
        local state, length, _, _, _, _, name = peel(ROW, fields[i + 1])
        if state <= SOLD then
          members[count + 1], members[count + 2] = '0', sub(name, 1, length + 1) .. fields[i]
          count = count + 2
        end
      end
    end
    each('ZADD', HOLDERS, members)
    cursor = page[1]
  until cursor == '0'
  book[INDEXED] = 1
end

local function seats_held(holder)
  local mine, count = held_by[holder], 0
  if book[INDEXED] ~= 1 then index_holders() end
  if not mine then
    local ids = call('ZRANGEBYLEX', HOLDERS, '[' .. holder .. ' ', '(' .. holder .. '!')
    for i = 1, #ids do ids[i] = sub(ids[i], #holder + 2) end
    fetch(ids)
    mine = {}
    for i = 1, #ids do
      local lease = leases[ids[i]]
      if lease and not lease.is_touched then mine[#mine + 1] = lease end
    end
    for i = 1, #touched do
      if touched[i].holder == holder then mine[#mine + 1] = touched[i] end
    end
    held_by[holder] = mine
  end
  for i = 1, #mine do
    local lease = mine[i]
    if lease.state <= SOLD and not lapse(lease) then count = count + lease.count end
  end
  return count
end
