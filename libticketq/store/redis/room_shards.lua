-- A room over k shards: k rooms like any other (room.lua), `room:0` to `room:k-1`, each
-- on a slot of its own, and a desk with the name of the room, which has the policy, the bucket,
-- the trail of orders and, for each shard,
--
--   queue:{room}:books     string   given, taken, active: BOOK; behind them `doubt`
--
-- `given` counts the admissions that the desk ever gave to the shard, `taken` those that
-- the shard has used up, when it said last how many were inside: `active`. At most
-- active + given - taken are inside there now, since nobody else lets in; so the desk, which
-- keeps the sum below the cap, keeps the room below the cap, however old and in whatever
-- order reports arrive. `given` only grows: to tell a shard twice or late does no harm, and
-- what was lost is told by the next tick.
--
-- A shard that recovers has forgotten some who are inside: until it has, its sum does not fall.
-- A desk that may have forgotten what it gave makes a new version of the settings, from which on
-- shards use up nothing that came with an older one, and gives nothing while it is in `doubt`:
-- until all shards have reported under that version, and none recovers.
--
-- A shard takes over newer settings of its desk. A tick is: fronts of the shards -> desk ->
-- shards that have something to learn.

-- name: shards
local REPORT = '<' .. rep('i8', 12)
local SETTINGS = '<' .. rep('i8', POLICY + 6)

local function report(skipped, freed, admitted)
  return pack(REPORT, room.taken, call('ZCARD', SEEN), call('ZCARD', LINE), room.next, room.settings,
              room.resets, room.epoch, frees_ms(), skipped, freed, admitted,
              room.now_ms < room.recovered_ms and 1 or 0)
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
local doubt -- the version of the settings that ends it; 0: none
books = {}

-- A new version of the settings is above all that shards have.
local function begin_doubt(newest)
  room.settings = max(room.settings, newest)
  change_settings()
  doubt = room.settings
end

local function read_book(at, text)
  local book = {given = 0, taken = 0, active = 0, under_way = 0}
  if #text >= at * 24 then
    book.given, book.taken, book.active = struct.unpack(BOOK, text, at * 24 - 23)
  end
  return book
end

local function read_report(at, book, text)
  local taken, active, waiting, next_one, settings, resets, epoch, until_free, _, _, _, recovers =
    struct.unpack(REPORT, text)
  local inside = book.active + book.given - book.taken
  book.given = max(book.given, taken)
  book.under_way = book.given - taken
  book.taken, book.active, book.until_free_ms = taken, active, until_free
  if recovers == 1 then book.active = max(active, inside - book.under_way) end
  room.resets, room.epoch = max(room.resets, resets), max(room.epoch, epoch)
  room.next = max(room.next, (next_one - 2) * room.shards + at + 1)
  return settings, recovers == 0 and settings or 0
end

local function read_books()
  local text, first = call('GET', BOOKS) or '', #ARGV - room.shards
  local newest, oldest = 0, NEVER
  for i = 1, room.shards do
    local settings, sure = 0, 0
    books[i] = read_book(i, text)
    if ARGV[first + i] ~= '' then
      settings, sure = read_report(i, books[i], ARGV[first + i])
    end
    newest, oldest = max(newest, settings), min(oldest, sure)
  end
  doubt = #text > room.shards * 24 and struct.unpack('<i8', text, room.shards * 24 + 1) or NEVER
  if may_have_forgotten() or doubt == NEVER or newest > room.settings then
    begin_doubt(newest)
  elseif oldest >= doubt then
    doubt = 0
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
  call('SET', BOOKS, table.concat(list) .. pack('<i8', doubt))
  return done
end

local function let_in(count) return give(read_books(), count) end

local function enter_desk(count) return enter_room() and #ARGV == count + 1 + room.shards end

-- name: room_desk
-- ARGV: 1: a tick; 0: only tell. Answers the settings, when to tick again, the version of the
-- settings, the next number, the doubt, and for each shard what it was given.
if not enter_desk(1) then return GONE end
local turns, answer = read_books(), {}
local active, admitted, frees = count_inside(), 0, NEVER
if ARGV[1] == '1' and doubt == 0 then admitted = count_admissible(#turns, active) end
admitted = give(turns, admitted)
room.level = room.level - admitted * room.rate_per_ms
for i = 1, #books do
  frees = min(frees, books[i].until_free_ms or NEVER)
  answer[5 + i] = books[i].given
end
local values, last = {}, POLICY
for i = 1, POLICY do values[i] = room[FIELDS[i]] end
values[last + 1], values[last + 2], values[last + 3] = room.is_paused, room.is_draining, room.epoch
values[last + 4], values[last + 5], values[last + 6] = room.resets, room.settings, room.recovered_ms
answer[1] = pack(SETTINGS, unpack(values))
answer[2] = doubt > 0 and IDLE_MS or
            next_ms(#turns - admitted, active + admitted, function() return frees end)
answer[3], answer[4], answer[5] = room.settings, room.next, doubt
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

-- An operator's word ends a recovery that had begun before, by the clocks of both.
local function recover_until(told_ms, begun_ms)
  if told_ms >= 0 then return max(room.recovered_ms, told_ms) end
  return begun_ms <= -told_ms and told_ms or room.recovered_ms
end

local function take_settings()
  local begun_ms = is_there and room.recovered_ms - room.recovery_ms or 0
  if is_there and resets > room.resets then empty_room() end
  for i = 1, POLICY do room[FIELDS[i]] = told[i] end
  room.capacity, room.shards = floor((room.capacity + shards - 1) / shards), 1
  room.is_paused, room.is_draining, room.settings = is_paused, is_draining, settings
  room.resets, room.epoch = max(room.resets, resets), max(room.epoch, epoch)
  room.recovered_ms, room.first_sequence = recover_until(recovered_ms, begun_ms),
                                           own(room.first_sequence)
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
  check_history()
  room.next = max(room.next, own(next_number))
  if settings > room.settings then take_settings() end
  if settings == room.settings then
    if given > room.taken and room.now_ms >= room.recovered_ms then
      admitted = let_in(min(given - room.taken, BATCH_MAX))
    end
    room.taken = max(room.taken, given)
  end
end
local answer = report(skipped or 0, freed or 0, admitted)
leave_room()
return {answer, ''}
