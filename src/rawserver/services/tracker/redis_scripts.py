"""How swarms lie in Redis or Valkey, and the scripts that work there.

Every key of a swarm begins with `rs:{<info-hash in hex>}:`; the braces keep them together where
keys are spread (a cluster's hash tag). After it comes

    p         a hash: a peer's name -> its record; and "w" -> when the swarm was last swept
    s4 s6     sorted sets: seeds to hand out, by family; when each was last seen -> its member
    u4 u6     the same of partial seeds, which only upload (BEP 21)
    l4 l6     the same of all others, the leechers
    S U L     those of each kind that count and are not handed out: nobody listens (port 0), or
              nobody has verified yet that somebody does
    d         how often it was completed

A name is peer id and "4" or "6": a peer is one in each family (BEP 7). A member is its address as
trackers pack it (ip and port) and its peer id. A record is the letter of its set, a digit (1: it
has completed, 2: it was reached at this address, 4: it was not; added up), its address, and a
checksum of its key, 0 for none. Times are in milliseconds since 1970, of the store's clock.

An announce is one script: one round trip, and nothing of another tracker comes between. Peers are
drawn as a few runs of those who announced one after the other: who is next to whom changes all the
time, and in a large swarm Redis' own ZRANDMEMBER takes three times as long and prefers some. A draw
takes time in proportion to the peers drawn, the rest the logarithm of the swarm.

Who is silent for too long is taken out when somebody announces or scrapes and the swarm was not
swept just before, so many at a time; a swarm in which nobody says anything any more expires as a
whole, by Redis' own expiry. Nobody ever goes through all of them. All keys of a script have one
hash tag, but each is made of the first: a cluster's proxy that wants to see them all will not do,
nor will a policy that evicts single keys (`maxmemory-policy`: noeviction).
"""

from __future__ import annotations

# One sweep in so many of a lifetime: a peer is kept that much longer at most.
SWEEPS_PER_LIFETIME = 180
# What one sweep takes out: a bounded pause for everybody else (some 1 ms); what is left is taken
# out by the next.
MAX_SWEPT = 500
# A draw of many is made of so many runs, of RUN at least.
MAX_RUNS = 5
RUN = 10

_SWARM = f"""
local call, root, p = redis.call, KEYS[1], KEYS[1] .. 'p'
local now, life, keeps = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local sets = {{'s4', 's6', 'u4', 'u6', 'l4', 'l6', 'S', 'U', 'L'}}

local function lasts(key)
  call('PEXPIRE', root .. key, life + 2 * math.ceil(life / {SWEEPS_PER_LIFETIME}))
end

local function set_of(letter, family)
  if letter == letter:lower() then return letter .. family end
  return letter
end

-- Returns whether anybody was taken out.
local function sweep(swept)
  if swept and now - tonumber(swept) < life / {SWEEPS_PER_LIFETIME} then return false end
  local most, left = {MAX_SWEPT}, false
  for _, set in ipairs(sets) do
    local silent = {{}}
    if most > 0 then
      silent = call('ZRANGEBYSCORE', root .. set, '-inf', '(' .. (now - life), 'LIMIT', 0, most)
    end
    if #silent > 0 then
      most = most - #silent
      call('ZREM', root .. set, unpack(silent))
      for place, member in ipairs(silent) do
        silent[place] = member:sub(-20) .. (#member == 26 and '4' or '6')
      end
      call('HDEL', p, unpack(silent))
    end
    lasts(set)
  end
  if most > 0 then call('HSET', p, 'w', ARGV[1]) end
  lasts('p')
  if not keeps then lasts('d') end
  return most < {MAX_SWEPT}
end

local function count()
  local n = {{}}
  for _, set in ipairs(sets) do n[set] = call('ZCARD', root .. set) end
  local leechers = n.l4 + n.l6 + n.L
  return n, n.s4 + n.s6 + n.S, n.u4 + n.u6 + n.U + leechers, leechers
end

local function forget_if_empty(complete, incomplete)
  if complete + incomplete > 0 then return end
  call('DEL', p)
  if not keeps then call('DEL', root .. 'd') end
end
"""

# KEYS: what the swarm's keys begin with. ARGV: now, lifetime, "1" to keep torrents without peers;
# name; name in the other family; address; checksum of the key; "s", "u" or "l"; event: "n" for
# none, "c" completed, "x" stopped; how many peers; how long ago it was (milliseconds); chance (in
# 2^30); what is known of the peer from elsewhere, as in a record; letters of "h" (hide who is not
# verified), "f" (hand out its family alone). Returns complete, incomplete, downloaded, the members
# of each family in one string, and 1 if it is hidden and to be verified; or -1 alone to who may not
# change the record.
ANNOUNCE = (
    _SWARM
    + f"""
local MAX_RUNS, RUN = {MAX_RUNS}, {RUN}
"""
    + """
local name, twin_name, address, key, kind, event = unpack(ARGV, 4, 9)
local wanted, age, chance = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12]) / 2 ^ 30
local known, options = tonumber(ARGV[13]), ARGV[14]
local family, peer_id, seen = name:sub(21), name:sub(1, 20), now - age
local stale = age >= life
local found = call('HMGET', p, name, twin_name, 'w')
if event ~= 'x' and not stale then
  if not found[3] and keeps then call('SETNX', root .. 'd', 0) end
  if sweep(found[3]) then found = call('HMGET', p, name, twin_name) end
end
local record, twin = found[1], found[2]
local set, member, old_set, old_member
local flags, port, hidden = 0, address:sub(-2), 0

if record then
  local length = #address
  local old_address = record:sub(3, 2 + length)
  local old_key = record:sub(3 + length)
  if old_address:sub(1, -3) ~= address:sub(1, -3) and (key == '0' or key ~= old_key) then
    return {-1}
  end
  flags = tonumber(record:sub(2, 2))
  if old_address ~= address then flags = flags % 2 end
  if key == '0' then key = old_key end
  old_set, old_member = set_of(record:sub(1, 1), family), old_address .. peer_id
  if age > 0 then
    stale = stale or tonumber(call('ZSCORE', root .. old_set, old_member) or 0) > seen
  end
end

if event ~= 'x' and not stale then
  if flags % 2 == 0 and known % 2 == 1 then flags = flags + 1 end
  if flags < 2 then flags = flags + known - known % 2 end
  if event == 'c' and kind == 's' and flags % 2 == 0 then
    flags = flags + 1
    call('INCR', root .. 'd')
    if not keeps then lasts('d') end
  end
  local letter, hides = kind, options:find('h', 1, true)
  if port == '\\0\\0' or (hides and math.floor(flags / 2) % 2 == 0) then letter = kind:upper() end
  if hides and flags < 2 and port ~= '\\0\\0' then hidden = 1 end
  set, member = set_of(letter, family), address .. peer_id
  if old_set and (old_set ~= set or old_member ~= member) then
    call('ZREM', root .. old_set, old_member)
  end
  call('ZADD', root .. set, seen, member)
  local now_record = letter .. flags .. address .. key
  if now_record ~= record then call('HSET', p, name, now_record) end
elseif old_set and not stale then
  call('ZREM', root .. old_set, old_member)
  call('HDEL', p, name)
elseif old_set then
  set, member = old_set, old_member
end

local n, complete, incomplete = count()
local downloaded = tonumber(call('GET', root .. 'd') or 0)
if event == 'x' then forget_if_empty(complete, incomplete) end
if not set then return {complete, incomplete, downloaded, '', '', hidden} end
if n[set] == 1 then lasts(set) end
if wanted <= 0 then return {complete, incomplete, downloaded, '', '', hidden} end

local twin_set, twin_member
if twin then
  twin_set = set_of(twin:sub(1, 1), twin_name:sub(21))
  twin_member = twin:sub(3, family == '4' and 20 or 8) .. peer_id
end
-- One draw is not to go by the chance of another.
local CHANCE = {s = 3, u = 5, l = 7}
local drawn, taken = {['4'] = {}, ['6'] = {}}, {['4'] = 0, ['6'] = 0}

-- How many there are beside the one who asks, and whether he is among them, by both families.
local function others(of)
  local own = (of == set and 1 or 0) + (of == twin_set and 1 or 0)
  return n[of] - own, own
end

-- Ranks beyond the last go on with the first.
local function add_run(found, of, first, size)
  first = first % n[of]
  local run = call('ZRANGE', root .. of, first, first + size - 1)
  found[#found + 1] = table.concat(run)
  if #run < size then add_run(found, of, 0, size - #run) end
end

local function without(members, one)
  local at = members:find(one, 1, true)
  while at and at % #one ~= 1 do at = members:find(one, at + 1, true) end
  if not at then return members end
  return members:sub(1, at - 1) .. members:sub(at + #one)
end

local function draw(of, most)
  local there, own = others(of)
  most = math.min(most, there)
  if most <= 0 then return end
  local size, found, runs = most + own, {}, 1
  if size * 2 <= n[of] then runs = math.max(1, math.min(MAX_RUNS, math.floor(size / RUN))) end
  local start = size == n[of] and 0 or math.floor((chance * CHANCE[of:sub(1, 1)]) % 1 * n[of])
  for run = 0, runs - 1 do
    local first = start + math.floor(run * n[of] / runs)
    add_run(found, of, first, math.floor((run + 1) * size / runs) - math.floor(run * size / runs))
  end
  local members, of_family = table.concat(found), of:sub(2)
  if of == set then members = without(members, member) end
  if of == twin_set then members = without(members, twin_member) end
  local to = drawn[of_family]
  to[#to + 1] = members:sub(1, most * (of_family == '4' and 26 or 38))
  taken[of_family] = taken[of_family] + most
end

-- How many of one kind: by their numbers, but one at least, and more where others are too few.
local function share(of, these, rest)
  if of <= 0 or these == 0 then return 0 end
  local part = math.max(1, math.floor(of * these / (these + rest) + chance))
  return math.min(these, of, math.max(part, of - rest))
end

local function draw_of(of_family, most)
  if kind == 'l' then
    local s, u, l = others('s' .. of_family), others('u' .. of_family), others('l' .. of_family)
    local seeds = share(most, s, u + l)
    draw('s' .. of_family, seeds)
    local uploaders = share(most - seeds, u, l)
    draw('u' .. of_family, uploaders)
    most = most - seeds - uploaders
  end
  draw('l' .. of_family, most)
end

-- One's own family first; but one seed at least, even if it is of the other.
local twin_family = twin_name:sub(21)
if options:find('f', 1, true) then
  draw_of(family, wanted)
else
  local kept = 0
  if kind == 'l' and others('s' .. family) == 0 and others('s' .. twin_family) > 0 then kept = 1 end
  draw_of(family, wanted - kept)
  draw_of(twin_family, wanted - taken[family])
end
local peers4, peers6 = table.concat(drawn['4']), table.concat(drawn['6'])
return {complete, incomplete, downloaded, peers4, peers6, hidden}
"""
)

# ARGV: now, lifetime, "1" to keep torrents without peers. Returns complete, incomplete, downloaded
# and leechers; nothing for a torrent that is not known.
SCRAPE = (
    _SWARM
    + """
local swept = call('HGET', p, 'w')
if swept then sweep(swept) end
local _, complete, incomplete, leechers = count()
local downloaded = call('GET', root .. 'd')
if swept then forget_if_empty(complete, incomplete) end
if complete + incomplete == 0 and not (keeps and downloaded) then return false end
return {complete, incomplete, tonumber(downloaded or 0), leechers}
"""
)

# ARGV: now, lifetime, "1" to keep torrents without peers; name; address; "1" if somebody listens
# there, "0" if nobody does. Returns whether that peer was known, at that address.
VERDICT = (
    _SWARM
    + """
local name, address, listens = ARGV[4], ARGV[5], ARGV[6] == '1'
local record = call('HGET', p, name)
if not record or record:sub(3, 2 + #address) ~= address then return 0 end
local letter, flags, family = record:sub(1, 1), tonumber(record:sub(2, 2)), name:sub(21)
local member, new_letter = address .. name:sub(1, 20), letter:upper()
if listens and address:sub(-2) ~= '\\0\\0' then new_letter = letter:lower() end
flags = flags % 2 + (listens and 2 or 4)
local seen = call('ZSCORE', root .. set_of(letter, family), member)
if new_letter ~= letter and seen then
  local new_set = set_of(new_letter, family)
  call('ZREM', root .. set_of(letter, family), member)
  call('ZADD', root .. new_set, seen, member)
  if call('ZCARD', root .. new_set) == 1 then lasts(new_set) end
end
call('HSET', p, name, new_letter .. flags .. record:sub(3))
return 1
"""
)

# ARGV: now, lifetime, "1" to keep torrents without peers; how often the torrent was completed, as
# a tracker knows. Returns how often it is said to have been from now on.
COMPLETIONS = (
    _SWARM
    + """
local known = math.max(tonumber(ARGV[4]), tonumber(call('GET', root .. 'd') or 0))
if not keeps and call('EXISTS', p) == 0 then return 0 end
call('SET', root .. 'd', known)
if not keeps then lasts('d') end
return known
"""
)
