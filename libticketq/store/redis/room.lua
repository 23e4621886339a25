-- A room on Redis: what ticketq/driver/room.h asks of a driver, a script for each
-- slot, each one atomic step. A script is `room`, then what it needs of `history`, `seek`,
-- `inside` and `bucket`, then its own part: a server makes every function anew in every call.
--
--   queue:{room}           sorted set   who waits, by number: the line
--   queue:{room}:state     string       policy, numbers, counters, bucket, flow: FIELDS
--   queue:{room}:heard     hash         page -> when each of its numbers was heard from
--   queue:{room}:oldest    sorted set   page -> nobody in it was heard from before
--   queue:{room}:spent     hash         page -> a bit for each of its numbers
--   queue:{room}:inside    hash         visitor -> number and instant of admission
--   queue:{room}:seen      sorted set   who is inside, by the last word heard
--   queue:{room}:since     sorted set   who is inside, by admission
--   queue:{room}:trail     list         orders of operators, oldest first
--
-- A room with shards is k of these and a desk: room_shards.lua.
--
-- Who waits costs an entry of the line and six bytes of a page; a second sorted set
-- for the leases would double that. A page has an instant for each of PAGE
-- consecutive numbers; zero: that number does not wait. Leases of one kind are equally
-- long, so who in a page is silent cannot be due before its oldest instant is; hearing from
-- somebody makes that instant too early at worst. So a sweep reads the few pages
-- whose oldest instant is due, ends whose time is over, and notes the new oldest:
-- each page is read about once in the length of a lease. `wake` is when that is
-- next of any use; before it a sweep costs nothing.
--
-- Numbers are below 2^53, as is the bucket's level: doubles count them exactly. `recovered_ms`
-- is the end of a recovery; below zero: when an operator ended what there was of one.

-- name: room
#!lua
local LINE, STATE, HEARD, OLDEST, SPENT, INSIDE, SEEN, SINCE, TRAIL = unpack(KEYS)
local OK, GONE, REPEAT, CLOSED, FULL, REFUSED = 0, 3, 5, 7, 8, 9
local WAITING, ADMITTED = 1, 2
local WINDOW_MS, NEVER = 10000, 4503599627370496
local PAGE, STAMP, BITS, SLICE = 64, 'I6', 1024, 1000
local call, pack, rep, sub = redis.call, struct.pack, string.rep, string.sub
local floor, min, max = math.floor, math.min, math.max

-- The state: 64-bit numbers one behind the other. The policy, in the order of its C
-- struct, is in front. A view is the state with two more: who waits, who is inside.
local POLICY = 16
local FIELDS = {
  'open_ms', 'close_ms', 'rate', 'rate_per_ms', 'burst', 'max_active', 'capacity', 'waiting_ms',
  'active_ms', 'pass_ms', 'poll_min_ms', 'poll_max_ms', 'first_sequence', 'first_epoch',
  'recovery_ms', 'shards', 'now_ms', 'next', 'serving', 'epoch', 'admitted', 'skipped', 'is_paused',
  'is_draining',
  'level', 'filled_ms', 'flow_ms', 'admitted_now', 'admitted_before', 'gone_now', 'gone_before',
  'has_before', 'trail_last', 'wake', 'recovered_ms', 'is_rush', 'history',
  'settings', 'resets', 'taken',
}
local LAYOUT = '<' .. rep('i8', #FIELDS)
local at = call('TIME')
local room = {now_ms = at[1] * 1000 + floor(at[2] / 1000)}
local state = call('GET', STATE)
local books -- of a desk

-- A command with many arguments, in slices that fit on Lua's stack. SLICE is even.
local function each(command, key, list)
  if #list == 0 then return list end
  if #list <= SLICE then return call(command, key, unpack(list)) end
  local replies = {}
  for first = 1, #list, SLICE do
    local reply = call(command, key, unpack(list, first, min(first + SLICE - 1, #list)))
    for i = 1, type(reply) == 'table' and #reply or 0 do replies[first + i - 1] = reply[i] end
  end
  return replies
end

-- Pages: strings in a hash, read when first used and written back together.
local heard, spent = {key = HEARD, at = {}, is_new = {}}, {key = SPENT, at = {}, is_new = {}}

local function page(book, number)
  local text = book.at[number]
  if not text then
    text = call('HGET', book.key, number) or ''
    book.at[number] = text
  end
  return text
end

local function write(book, number, from, bytes)
  local text = page(book, number)
  if #text < from then text = text .. rep('\0', from - #text) end
  book.at[number] = sub(text, 1, from) .. bytes .. sub(text, from + #bytes + 1)
  book.is_new[number] = true
end

local function fetch(book, numbers)
  local texts = each('HMGET', book.key, numbers)
  for i = 1, #numbers do book.at[numbers[i]] = texts[i] or '' end
end

-- Those with the numbers first .. last, who stand in the line, are heard from.
local function hear(first, last)
  local stamp = pack(STAMP, room.now_ms)
  while first <= last do
    local number, from = floor(first / PAGE), first % PAGE
    local count = min(PAGE - from, last - first + 1)
    if page(heard, number) == '' then call('ZADD', OLDEST, room.now_ms, number) end
    write(heard, number, from * #stamp, rep(stamp, count))
    first = first + count
  end
  room.wake = min(room.wake, room.now_ms + room.waiting_ms)
end

-- The numbers first .. last do not wait, or not any more, and are spent. A page that is not
-- there stays so.
local function spend(first, last)
  local at = first
  while at <= last do
    local number, from = floor(at / PAGE), at % PAGE
    local count = min(PAGE - from, last - at + 1)
    if page(heard, number) ~= '' then write(heard, number, from * 6, rep('\0', count * 6)) end
    at = at + count
  end
  at = first
  while at <= last do
    local number, byte, low = floor(at / BITS), floor(at % BITS / 8), at % 8
    local count = min(8 - low, last - at + 1)
    if count == 8 then
      local bytes = min(floor((last - at + 1) / 8), BITS / 8 - byte)
      write(spent, number, byte, rep('\255', bytes))
      count = bytes * 8
    else
      local old = string.byte(page(spent, number), byte + 1) or 0
      write(spent, number, byte, string.char(bit.bor(old, (2 ^ count - 1) * 2 ^ low)))
    end
    at = at + count
  end
end

-- Who left the line, in this window of ten seconds and the one before.
local function note_flow(admitted, gone)
  local passed = room.now_ms - room.flow_ms
  if passed >= WINDOW_MS then
    local is_next = passed < 2 * WINDOW_MS
    room.admitted_before = is_next and room.admitted_now or 0
    room.gone_before = is_next and room.gone_now or 0
    room.admitted_now, room.gone_now = 0, 0
    room.flow_ms = is_next and room.flow_ms + WINDOW_MS or room.now_ms
    room.has_before = 1
  end
  room.admitted_now = room.admitted_now + admitted
  room.gone_now = room.gone_now + gone
end

-- When the first of a sorted set of instants is `length` old.
local function first_ms(key, length)
  local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return first[2] and first[2] + length or NEVER
end

-- Ends every lease whose time has come; returns who was skipped and who was freed.
local function sweep()
  local horizon = room.now_ms - room.waiting_ms

  -- Numbers between two silent ones that do not wait may lie in the range that is
  -- taken out of the line: they are not in it.
  local function sweep_page(number)
    local text = page(heard, number)
    local count = floor(#text / 6)
    local stamps = {struct.unpack(rep(STAMP, count), text)}
    local ended, oldest, from, to = 0, NEVER, nil, nil
    for i = 1, count + 1 do
      local stamp = stamps[i]
      if i > count or stamp > horizon then
        if from then
          call('ZREMRANGEBYSCORE', LINE, number * PAGE + from - 1, number * PAGE + to - 1)
          from = nil
        end
        if i <= count then oldest = min(oldest, stamp) end
      elseif stamp > 0 then
        ended, from, to, stamps[i] = ended + 1, from or i, i, 0
      end
    end
    if oldest == NEVER then
      call('HDEL', HEARD, number)
      call('ZREM', OLDEST, number)
      heard.at[number] = nil
    else
      call('ZADD', OLDEST, oldest, number)
      if ended > 0 then
        write(heard, number, 0, pack(rep(STAMP, count), unpack(stamps, 1, count)))
      end
    end
    return ended
  end

  local function sweep_inside(key, length)
    local due = call('ZRANGEBYSCORE', key, '-inf', room.now_ms - length)
    each('ZREM', SEEN, due)
    each('ZREM', SINCE, due)
    each('HDEL', INSIDE, due)
    return #due
  end

  local due, skipped = call('ZRANGEBYSCORE', OLDEST, '-inf', horizon), 0
  for i = 1, #due do due[i] = tonumber(due[i]) end
  fetch(heard, due)
  for i = 1, #due do skipped = skipped + sweep_page(due[i]) end
  local freed = sweep_inside(SEEN, room.active_ms) + sweep_inside(SINCE, room.pass_ms)
  room.skipped = room.skipped + skipped
  room.wake = min(first_ms(OLDEST, room.waiting_ms), first_ms(SEEN, room.active_ms),
                  first_ms(SINCE, room.pass_ms))
  return skipped, freed
end

-- Reads the room and sweeps it: true, who was skipped, who was freed. False: there is none.
local function enter_room()
  if not state then return false end
  local now_ms, values = room.now_ms, {struct.unpack(LAYOUT, state)}
  for i = 1, #FIELDS do room[FIELDS[i]] = values[i] end
  room.now_ms = max(room.now_ms, now_ms)
  local skipped, freed = 0, 0
  if room.now_ms >= room.wake then skipped, freed = sweep() end
  note_flow(0, skipped)
  return true, skipped, freed
end

-- A sharded room has its visitors elsewhere: who asks for them here does not know it yet.
local function enter_line()
  local is_there, skipped, freed = enter_room()
  return is_there and room.shards == 1, skipped, freed
end

-- Writes back what has changed, and returns the view; counts that are known need not be read.
local function leave_room(waiting, active)
  local values = {}
  for i = 1, #FIELDS do values[i] = room[FIELDS[i]] end
  state = pack(LAYOUT, unpack(values))
  call('SET', STATE, state)
  for _, book in ipairs({heard, spent}) do
    local list = {}
    for number in pairs(book.is_new) do
      list[#list + 1] = number
      list[#list + 1] = book.at[number]
    end
    each('HSET', book.key, list)
  end
  return state .. pack('<i8i8', waiting or call('ZCARD', LINE), active or call('ZCARD', SEEN))
end

-- name: history
-- A server that was promoted, or that comes back from its file, may have forgotten the last
-- of what it was told, and has a new replication id. Numbers then go on above all that can
-- have been issued, and who was forgotten has the time to come back that the policy gives.
local LOSS_GAP = 1048576
local function may_have_forgotten()
  local id = string.match(call('INFO', 'replication'), 'master_replid:(%x+)')
  local history, before = tonumber(sub(id, 1, 12), 16), room.history
  room.history = history
  return before ~= 0 and before ~= history
end

local function check_history()
  if not may_have_forgotten() then return end
  room.next = room.next + LOSS_GAP
  room.recovered_ms = max(room.recovered_ms, room.now_ms + room.recovery_ms)
end

-- name: seek
-- Who stands where, of a list of ids: numbers in line; number and instant inside.
local function look_up(ids)
  local numbers, absent, inside = each('ZMSCORE', LINE, ids), {}, {}
  local wanted, list = {}, {}
  for i = 1, #ids do
    local sequence = numbers[i]
    if sequence then
      sequence = tonumber(sequence)
      numbers[i] = sequence
      local number = floor(sequence / PAGE)
      if not wanted[number] and not heard.at[number] then
        wanted[number], list[#list + 1] = true, number
      end
    else
      absent[#absent + 1] = ids[i]
    end
  end
  fetch(heard, list)
  local texts = each('HMGET', INSIDE, absent)
  for i = 1, #absent do inside[absent[i]] = texts[i] or nil end
  return numbers, inside
end

-- Spots are answered in runs of those who wait one behind the other: kind, how many,
-- the first's number, how many are ahead of it. The kind is a visit or -1 - status;
-- inside, a run is one visitor, and instead of `ahead` there is the instant of admission.
local runs, kind_of, next_number, next_ahead = {}, nil, nil, nil
local function tell(kind, sequence, ahead)
  local last = #runs
  if kind == WAITING and kind_of == WAITING and sequence == next_number and ahead == next_ahead then
    runs[last - 2] = runs[last - 2] + 1
  else
    runs[last + 1], runs[last + 2], runs[last + 3], runs[last + 4] = kind, 1, sequence, ahead
  end
  kind_of, next_number, next_ahead = kind, sequence + 1, ahead + 1
end

local function tell_inside(id, text)
  local sequence, since = string.match(text, '^(%S+) (%S+)$')
  call('ZADD', SEEN, 'XX', room.now_ms, id)
  tell(ADMITTED, tonumber(sequence), tonumber(since))
end

-- name: inside
-- Those of a list of ids and numbers begin to be inside.
local function begin_inside(list)
  local inside, seen, now = {}, {}, string.format(' %.0f', room.now_ms)
  local first, last
  for i = 1, #list, 2 do
    local id, sequence = list[i], tonumber(list[i + 1])
    inside[i], inside[i + 1] = id, string.format('%.0f', sequence) .. now
    seen[i], seen[i + 1] = room.now_ms, id
    if last and sequence ~= last + 1 then
      spend(first, last)
      first = nil
    end
    first, last = first or sequence, sequence
    room.serving = max(room.serving, sequence)
  end
  if first then spend(first, last) end
  each('HSET', INSIDE, inside)
  each('ZADD', SEEN, seen)
  each('ZADD', SINCE, seen)
  room.wake = min(room.wake, room.now_ms + min(room.active_ms, room.pass_ms))
end

-- name: bucket
-- The bucket: `level` in units of which an admission costs `rate_per_ms`.
local function burst() return room.burst > 0 and room.burst or room.rate end
local function brim() return burst() * room.rate_per_ms end

local function begin_flow()
  room.flow_ms, room.has_before = room.now_ms, 0
  room.admitted_now, room.admitted_before, room.gone_now, room.gone_before = 0, 0, 0, 0
end

local function fill()
  local full, passed = brim(), room.now_ms - room.filled_ms
  local lacks = max(full - room.level, 0)
  if passed > floor(lacks / room.rate) then
    room.level = full
  else
    room.level = room.level + passed * room.rate
  end
  room.filled_ms = room.now_ms
end

-- a * b / c, rounded down, where a < c and a * b may not fit into 2^53.
local function scale(a, b, c)
  local high, low = floor(a / 32768), a % 32768
  local rest = high * b % c * 32768 + low * b
  return floor(high * b / c) * 32768 + floor(rest / c)
end

-- After a change of the policy, which is in `room` already; `from_per_ms` is the old one's,
-- by which the bucket was filled.
local function settle_policy(from_per_ms)
  local whole, part = floor(room.level / from_per_ms), room.level % from_per_ms
  if from_per_ms ~= room.rate_per_ms then
    room.level = whole * room.rate_per_ms + scale(part, room.rate_per_ms, from_per_ms)
  end
  room.level = min(room.level, brim())
  room.next = max(room.next, room.first_sequence)
  room.epoch = max(room.epoch, room.first_epoch)
  room.wake = 0
end

-- Lets in the first `count` of the line, or all that there are; says how many.
local function let_in(count)
  local first = count > 0 and call('ZPOPMIN', LINE, count) or {}
  local done = #first / 2
  begin_inside(first)
  room.admitted = room.admitted + done
  note_flow(done, 0)
  if call('ZCARD', LINE) == 0 then begin_flow() end
  return done
end

-- name: whole
local function begin_room()
  local now_ms = room.now_ms
  for i = POLICY + 1, #FIELDS do room[FIELDS[i]] = 0 end
  room.now_ms, room.wake, room.is_rush = now_ms, NEVER, 1
  begin_flow()
end

local function empty_room()
  call('UNLINK', LINE, HEARD, OLDEST, SPENT, INSIDE, SEEN, SINCE)
  heard.at, heard.is_new, spent.at, spent.is_new = {}, {}, {}, {}
end

-- Shards learn by it that they have to be told.
local function change_settings() room.settings = max(room.settings + 1, room.now_ms) end

-- name: room_open
-- ARGV: the policy, or nothing. Answers how many shards there are, and whether they are new.
local is_there = enter_room()
if #ARGV == 0 then
  if not is_there then return GONE end
  leave_room()
  return {room.shards, 0}
end
if is_there then fill() else begin_room() end
local per_ms, shards = room.rate_per_ms, room.shards
for i = 1, POLICY do room[FIELDS[i]] = tonumber(ARGV[i]) end
room.shards = shards or room.shards
if not is_there then
  check_history()
  room.level, room.filled_ms = brim(), room.now_ms
  room.recovered_ms = room.first_sequence > 1 and room.now_ms + room.recovery_ms or 0
end
settle_policy(per_ms or room.rate_per_ms)
change_settings()
leave_room()
return {room.shards, is_there and 0 or 1}

-- name: plain
-- ARGV: ids of arrivals without a token.
local ids, tokens, least = ARGV, {}, 0

-- name: tokens
-- ARGV: ids of arrivals; with a token `+visit number epoch id`. `^number`: newcomers
-- get at least this.
local ids, tokens, least = {}, {}, 0
for i = 1, #ARGV do
  local number = string.match(ARGV[i], '^%^(%d+)$')
  if number then
    least = max(least, tonumber(number))
  else
    local visit, sequence, epoch, id = string.match(ARGV[i], '^%+(%d+) (%-?%d+) (%-?%d+) (.+)$')
    ids[#ids + 1] = id or ARGV[i]
    tokens[#ids] = id and {visit = tonumber(visit), sequence = tonumber(sequence),
                           epoch = tonumber(epoch)}
  end
end

-- name: rush
if not enter_line() then return GONE end
check_history()
room.next = max(room.next, least)
local RUSH, begun = 5, room.next
local waiting, active = call('ZCARD', LINE), call('ZCARD', SEEN)
local is_closed = room.close_ms > 0 and room.now_ms >= room.close_ms
local takes_new = not is_closed and room.is_draining == 0

-- Before the opening nearly everybody is new. Then they are put into the line unseen, and
-- taken out again if one of them turns out to be known, or to come twice: nobody else has
-- numbers that high. It is tried with RUSH and more, when all were new the last time.
local function rush(count)
  local list, added = {}, 0
  local texts = active > 0 and each('HMGET', INSIDE, ids) or {}
  for i = 1, #texts do
    if texts[i] then return false end
  end
  for i = 1, count do
    list[i + i - 1], list[i + i] = begun + i - 1, ids[i]
  end
  for from = 1, #list, SLICE do
    added = added + call('ZADD', LINE, 'NX', unpack(list, from, min(from + SLICE - 1, #list)))
  end
  if added < count then
    call('ZREMRANGEBYSCORE', LINE, begun, '+inf')
    return false
  end
  room.next = begun + count
  hear(begun, room.next - 1)
  return true
end

if room.is_rush == 1 and #ids >= RUSH and not next(tokens) and takes_new and
   waiting + #ids <= room.capacity and rush(#ids) then
  return {leave_room(waiting + #ids, active), {WAITING, #ids, begun, waiting}}
end

-- name: room_enter
local numbers, inside = look_up(ids)
local behind, first_new, is_new = {}, room.next, {}

-- Newcomers are put into the line together, behind everybody.
local function line_up()
  if #behind > 0 then
    each('ZADD', LINE, behind)
    hear(first_new, room.next - 1)
    behind = {}
  end
  first_new = room.next
end

local function is_free(sequence)
  local place = sequence % BITS
  local byte = string.byte(page(spent, floor(sequence / BITS)), floor(place / 8) + 1) or 0
  return bit.band(byte, 2 ^ (place % 8)) == 0 and call('ZCOUNT', LINE, sequence, sequence) == 0
end

-- Brings back a number. Returns false where the token counts as none.
local function come_back(id, visit, sequence)
  line_up()
  if sequence < 1 or not is_free(sequence) or (visit == WAITING and is_closed) then return false end
  room.next = max(room.next, sequence + 1)
  first_new = room.next
  if visit == ADMITTED then
    begin_inside({id, sequence})
    inside[id] = call('HGET', INSIDE, id)
    tell_inside(id, inside[id])
  else
    call('ZADD', LINE, sequence, id)
    hear(sequence, sequence)
    waiting = waiting + 1
    is_new[id] = sequence
    tell(WAITING, sequence, call('ZRANK', LINE, id))
  end
  return true
end

local function arrive(id, token)
  if token and token.epoch < room.epoch then return tell(-1 - REFUSED, 0, 0) end
  if token and come_back(id, token.visit, token.sequence) then return end
  if not takes_new then return tell(-1 - CLOSED, 0, 0) end
  if waiting >= room.capacity then return tell(-1 - FULL, 0, 0) end
  local last, sequence = #behind, room.next
  behind[last + 1], behind[last + 2] = sequence, id
  is_new[id] = sequence
  tell(WAITING, sequence, waiting)
  waiting, room.next = waiting + 1, sequence + 1
end

for i = 1, #ids do
  local id, sequence = ids[i], numbers[i]
  if sequence then
    hear(sequence, sequence)
    tell(WAITING, sequence, call('ZRANK', LINE, id))
  elseif is_new[id] then
    line_up()
    tell(WAITING, is_new[id], call('ZRANK', LINE, id))
  elseif inside[id] then
    tell_inside(id, inside[id])
  else
    arrive(id, tokens[i])
  end
end
line_up()
if #ids >= RUSH then room.is_rush = room.next - begun == #ids and 1 or 0 end
return {leave_room(), runs}

-- name: room_place
-- ARGV: ids.
if not enter_line() then return GONE end
local numbers, inside = look_up(ARGV)
for i = 1, #ARGV do
  local id, sequence = ARGV[i], numbers[i]
  if sequence then
    hear(sequence, sequence)
    tell(WAITING, sequence, call('ZRANK', LINE, id))
  elseif inside[id] then
    tell_inside(id, inside[id])
  else
    tell(-1 - GONE, 0, 0)
  end
end
return {leave_room(), runs}

-- name: room_leave
-- ARGV: ids.
if not enter_line() then return GONE end
local numbers, inside = look_up(ARGV)
local statuses, is_gone = {}, {}
for i = 1, #ARGV do
  local id, sequence = ARGV[i], numbers[i]
  statuses[i] = OK
  if is_gone[id] then
    statuses[i] = GONE
  elseif sequence then
    call('ZREM', LINE, id)
    spend(sequence, sequence)
    note_flow(0, 1)
  elseif inside[id] then
    call('HDEL', INSIDE, id)
    call('ZREM', SEEN, id)
    call('ZREM', SINCE, id)
  else
    statuses[i] = GONE
  end
  is_gone[id] = true
end
leave_room()
return statuses

-- name: pace
-- How many may be let in now, and after how long to ask again.
local TICK_MAX_MS, IDLE_MS, BATCH_MAX = 1000, 100, 4096

local function opens_ms() return max(room.open_ms, room.recovered_ms) end

local function is_open()
  local is_closed = room.close_ms > 0 and room.now_ms >= room.close_ms
  return room.is_paused == 0 and room.now_ms >= opens_ms() and not is_closed
end

local function count_admissible(waiting, active)
  fill()
  if not is_open() or active >= room.max_active then return 0 end
  local may = floor(room.level / room.rate_per_ms)
  return min(may, room.max_active - active, waiting, BATCH_MAX)
end

-- Until the bucket holds half its burst, so that few ticks do, or who waits if that is less.
local function refill_ms(waiting)
  local want = min(floor((burst() + 1) / 2), max(waiting, 1)) * room.rate_per_ms
  if room.level >= want then return 0 end
  return floor((want - room.level + room.rate - 1) / room.rate)
end

-- Until the first lease inside ends.
local function frees_ms()
  return min(first_ms(SEEN, room.active_ms), first_ms(SINCE, room.pass_ms)) - room.now_ms
end

local function next_ms(waiting, active, until_free_ms)
  local wait = refill_ms(waiting)
  if room.now_ms < opens_ms() then
    wait = opens_ms() - room.now_ms
  elseif not is_open() then
    wait = TICK_MAX_MS
  elseif active >= room.max_active and active > 0 then
    wait = until_free_ms()
  elseif waiting == 0 and wait < IDLE_MS then
    wait = IDLE_MS
  end
  return max(1, min(wait, TICK_MAX_MS))
end

-- name: room_tick
local is_there, skipped, freed = enter_line()
if not is_there then return GONE end
check_history()
local waiting, active = call('ZCARD', LINE), call('ZCARD', SEEN)
local admitted = let_in(count_admissible(waiting, active))
room.level = room.level - admitted * room.rate_per_ms
leave_room()
return {admitted, skipped, freed, next_ms(waiting - admitted, active + admitted, frees_ms)}

-- name: room_view
if not enter_room() then return GONE end
return leave_room()

-- name: room_operate
-- ARGV: order, value, request key, the rest of the line of the trail.
local is_there = books and enter_desk(4) or not books and enter_line()
if not is_there then return GONE end
local PAUSE, RESUME, SET_RATE, SET_CAP, ADVANCE, DRAIN, RESET, SET_OPEN, SET_CLOSE =
  1, 2, 3, 4, 5, 6, 7, 8, 9
local AUDIT_MAX = 1024
local order, value, key = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]

local function is_repeated()
  local lines = key ~= '' and call('LRANGE', TRAIL, 0, -1) or {}
  for i = 1, #lines do
    if string.match(lines[i], '^[^\n]*\n([^\n]*)') == key then return true end
  end
  return false
end

local function set(name) room[name] = value end

local carry_out = {
  [PAUSE] = function() room.is_paused = 1 end,
  [RESUME] = function() room.is_paused, room.is_draining = 0, 0 end,
  [SET_RATE] = function() set('rate') end,
  [SET_CAP] = function() set('max_active') end,
  [ADVANCE] = function() let_in(value) end,
  [DRAIN] = function() room.is_draining = 1 end,
  [RESET] = function()
    empty_room()
    room.epoch, room.resets = room.epoch + 1, room.resets + 1
  end,
  [SET_OPEN] = function() set('open_ms'); room.recovered_ms = -room.now_ms end,
  [SET_CLOSE] = function() set('close_ms') end,
}

if is_repeated() then
  leave_room()
  return REPEAT
end
fill()
carry_out[order]()
settle_policy(room.rate_per_ms)
change_settings()
room.trail_last = room.trail_last + 1
local line = {string.format('%.0f %.0f %.0f %s', room.trail_last, room.now_ms, order, ARGV[2]), key,
              ARGV[4]}
call('RPUSH', TRAIL, table.concat(line, '\n'))
call('LTRIM', TRAIL, -AUDIT_MAX, -1)
leave_room()
return OK

-- name: room_audit
-- ARGV: the number behind which to begin, how many.
if not enter_room() then return GONE end
local after, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local first = room.trail_last - call('LLEN', TRAIL)
local from = max(after - first, 0)
leave_room()
return call('LRANGE', TRAIL, from, from + count - 1)
