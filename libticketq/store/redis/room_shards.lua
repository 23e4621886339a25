-- A room over k shards: k rooms like any other (room.lua), `room:0` to `room:k-1`, each
-- on a slot of its own, and a desk with the name of the room, which has the policy, the bucket,
-- the trail of orders and, for each shard,
--
--   queue:{room}:books     string   given, taken, active: BOOK
--
-- `given` counts the admissions that the desk ever gave to the shard, `taken` those that
-- the shard has used up, when it said last how many were inside: `active`. At most
-- active + given - taken are inside there now, since nobody else lets in; so the desk, which
-- keeps the sum below the cap, keeps the room below the cap, however old and in whatever
-- order reports arrive, and whatever gets lost. `given` only grows: to tell a shard twice
-- or late does no harm, and what was lost is told by the next tick.
--
-- A shard takes over the settings of its desk whenever they differ. A tick is: fronts of
-- the shards -> desk -> shards that have something to learn.

-- name: shards
local REPORT = '<' .. rep('i8', 11)
local SETTINGS = '<' .. rep('i8', POLICY + 6)

local function report(skipped, freed, admitted)
  return pack(REPORT, room.taken, call('ZCARD', SEEN), call('ZCARD', LINE), room.next, room.settings,
              room.resets, room.epoch, frees_ms(), skipped, freed, admitted)
end

-- name: room_front
-- ARGV: how many numbers at most; 0: a burst. A shard that recovers shows nobody.
local is_there, skipped, freed = enter_line()
if not is_there then return GONE end
check_history()
local count, numbers = tonumber(ARGV[1]), {}
if count == 0 then count = burst() end
if room.now_ms >= room.recovered_ms then
  local list = call('ZRANGE', LINE, 0, min(count, BATCH_MAX) - 1, 'WITHSCORES')
  for i = 2, #list, 2 do numbers[i / 2] = pack('<i8', tonumber(list[i])) end
end
local told = report(skipped, freed, 0)
leave_room()
return {told, table.concat(numbers)}

-- name: desk
-- ARGV ends with: whose turn it is, a byte for each of those in front; and for each shard
-- its report, or nothing.
local BOOKS, BOOK = KEYS[10], '<i8i8i8'
books = {}

local function read_books()
  local text, first = call('GET', BOOKS) or '', #ARGV - room.shards
  for i = 1, room.shards do
    local book = {given = 0, taken = 0, active = 0, under_way = 0}
    if #text >= i * 24 then
      book.given, book.taken, book.active = struct.unpack(BOOK, text, i * 24 - 23)
    end
    if ARGV[first + i] ~= '' then
      local taken, active, waiting, next_one, settings, resets, epoch, until_free =
        struct.unpack(REPORT, ARGV[first + i])
      book.taken, book.active, book.until_free_ms = taken, active, until_free
      book.given = max(book.given, taken)
      book.under_way = book.given - taken
      room.resets, room.epoch = max(room.resets, resets), max(room.epoch, epoch)
      room.next = max(room.next, (next_one - 2) * room.shards + i + 1)
    end
    books[i] = book
  end
  return ARGV[first]
end

local function count_inside()
  local active = 0
  for i = 1, #books do active = active + books[i].active + books[i].given - books[i].taken end
  return active
end

-- Gives an admission to the first `count` of those in front, but for those to whom one is
-- under way already; says how many got one.
local function give(turns, count)
  local done, list = 0, {}
  for i = 1, #turns do
    if done == count then break end
    local book = books[string.byte(turns, i)]
    if book.under_way > 0 then
      book.under_way = book.under_way - 1
    else
      book.given, done = book.given + 1, done + 1
    end
  end
  for i = 1, #books do list[i] = pack(BOOK, books[i].given, books[i].taken, books[i].active) end
  call('SET', BOOKS, table.concat(list))
  return done
end

local function let_in(count) return give(read_books(), count) end

local function enter_desk(count) return enter_room() and #ARGV == count + 1 + room.shards end

-- name: room_desk
-- ARGV: 1: a tick; 0: only tell. Answers the settings, when to tick again, the version of the
-- settings, the next number, and for each shard what it was given.
if not enter_desk(1) then return GONE end
local turns, answer = read_books(), {}
local active, admitted, frees = count_inside(), 0, NEVER
if ARGV[1] == '1' then admitted = count_admissible(#turns, active) end
admitted = give(turns, admitted)
room.level = room.level - admitted * room.rate_per_ms
for i = 1, #books do
  frees = min(frees, books[i].until_free_ms or NEVER)
  answer[4 + i] = books[i].given
end
local values, last = {}, POLICY
for i = 1, POLICY do values[i] = room[FIELDS[i]] end
values[last + 1], values[last + 2], values[last + 3] = room.is_paused, room.is_draining, room.epoch
values[last + 4], values[last + 5], values[last + 6] = room.resets, room.settings, room.recovered_ms
answer[1] = pack(SETTINGS, unpack(values))
answer[2] = next_ms(#turns - admitted, active + admitted, function() return frees end)
answer[3], answer[4] = room.settings, room.next
leave_room()
return answer

-- name: room_settle
-- ARGV: settings, this shard (from 0), what it was given, the next number, numbers to leave
-- out if it has to be made.
local is_there, skipped, freed = enter_line()
local index, given, next_number, gap =
  tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local told = {struct.unpack(SETTINGS, ARGV[1])}
local shards, is_paused, is_draining, epoch, resets, settings, recovered_ms =
  unpack(told, POLICY, POLICY + 6)

-- The first number of this shard that is not below one of the room.
local function own(number) return floor((number - 2 - index + shards) / shards) + 1 end

local function take_settings()
  if is_there and resets > room.resets then empty_room() end
  for i = 1, POLICY do room[FIELDS[i]] = told[i] end
  room.capacity, room.shards = floor((room.capacity + shards - 1) / shards), 1
  room.is_paused, room.is_draining, room.settings = is_paused, is_draining, settings
  room.resets, room.epoch = max(room.resets, resets), max(room.epoch, epoch)
  room.recovered_ms, room.first_sequence = recovered_ms, own(room.first_sequence)
  settle_policy(room.rate_per_ms)
end

local admitted = 0
if not is_there then
  begin_room()
  check_history()
  take_settings()
  room.next, room.taken = max(room.next, own(next_number)) + gap, given
  if gap > 0 then room.recovered_ms = room.now_ms + room.recovery_ms end
else
  if settings ~= room.settings then take_settings() end
  room.next = max(room.next, own(next_number))
  if given > room.taken and room.now_ms >= room.recovered_ms then
    admitted = let_in(min(given - room.taken, BATCH_MAX))
  end
  room.taken = max(room.taken, given)
end
local answer = report(skipped or 0, freed or 0, admitted)
leave_room()
return {answer, ''}
