/**
 * The Lua script that HAProxy runs for each request (Lua 5.3, as Debian builds it in): which arm a request takes, by the same
 * rules as the built-in gateway, and what maps and variables of HAProxy cannot say. It keeps what changes without a
 * reload, the arms, and refuses to change them for an older stamp.
 *
 * @param armsFile lines of src/core/emit/haproxy/arms.ts, read when a process of HAProxy starts
 * @param keyFile the key that signs sticky cookies, base64
 * @param streamsFile where a line is appended when a stream begins
 * @param plainFile an empty file; the map of services that need no choice has its name
 */
export const emitLua = (armsFile: string, keyFile: string, streamsFile: string, plainFile: string): string =>
  `-- Written by Veza Deploy: changes are undone. What is in here is explained in docs/haproxy.md.
local arms_file = ${luaText(armsFile)}
local key_file = ${luaText(keyFile)}
local streams_file = ${luaText(streamsFile)}
local plain_file = ${luaText(plainFile)}
${body}`;

/** A string of Lua: printable ASCII as it is, all else by its bytes. */
const luaText = (text: string): string =>
  `"${Array.from(new TextEncoder().encode(text), (byte) => {
    const character = String.fromCharCode(byte);
    return /[ !#-[\]-~]/.test(character) ? character : `\\${String(byte).padStart(3, '0')}`;
  }).join('')}"`;

const body = String.raw`
local arms = {}    -- by service
local choices = {} -- by service: whose turn it is
local paid = {}    -- by rate limit and client: when all is paid back
local paid_count = 0
local unfit = {}   -- by service: the line of arms under which an answer was not fit to be compared

-- While two releases are compared, lines say which path was asked for: only as long as somebody reads and erases them.
local read_within = 10 -- seconds
local read_at = core.now().sec

math.randomseed(os.time() + math.floor(os.clock() * 1000000))

local key
do
  local file = assert(io.open(key_file, "r"))
  key = file:read("l")
  file:close()
end

-- Services whose requests all take the stable slot: the configuration looks here first, and does without this script.
local plain = Map.new(plain_file, Map._str)
local function plain_of(e)
  local candidate = e.stable == "blue" and "green" or "blue"
  local choice = e[candidate] > 0 and (e.weight > 0 or e.header ~= "-" or e.mirrored)
  if choice or e[e.stable] == 0 then return nil end
  return e.stable .. "|" .. e.releases[e.stable] .. "|" .. e.releases[candidate]
end

-- A line: service epoch version stable weight blue green release-blue release-green sticky header value(base64) mirrored
local function read_arms(words)
  local service = words[1]
  if service == nil or #words < 13 then return "invalid" end
  local entry = {
    epoch = tonumber(words[2]), version = tonumber(words[3]), stable = words[4], weight = tonumber(words[5]),
    blue = tonumber(words[6]), green = tonumber(words[7]),
    releases = { blue = words[8], green = words[9] },
    sticky = words[10] == "1", header = words[11], value = words[12], share = tonumber(words[13]), line = table.concat(words, " "),
  }
  if not (entry.epoch and entry.version and entry.weight and entry.blue and entry.green and entry.share) then return "invalid" end
  local present = arms[service]
  if present ~= nil and (entry.epoch < present.epoch or (entry.epoch == present.epoch and entry.version < present.version)) then
    return "stale " .. present.epoch .. " " .. present.version
  end
  entry.mirrored = entry.share > 0
  arms[service] = entry
  entry.plain = plain_of(entry)
  if entry.plain ~= nil then core.set_map(plain_file, service, entry.plain)
  elseif plain:lookup(service) ~= nil then core.del_map(plain_file, service) end
  return "ok"
end

local function words_of(line)
  local words = {}
  for word in line:gmatch("%S+") do words[#words + 1] = word end
  return words
end

do
  local file = io.open(arms_file, "r")
  if file ~= nil then
    for line in file:lines() do
      if line:sub(1, 1) ~= "#" then read_arms(words_of(line)) end
    end
    file:close()
  end
end

core.register_cli({ "veza", "arms" }, "veza arms LINE: put the arms of a service in force", function(applet, _, _, ...)
  read_at = core.now().sec
  applet:send(read_arms({ ... }) .. "\n")
end)

core.register_cli({ "veza", "reading" }, "veza reading: somebody reads the lines of requests", function(applet)
  read_at = core.now().sec
  applet:send("\n")
end)

core.register_cli({ "veza", "show" }, "veza show: the arms in force", function(applet)
  local lines = {}
  for service, entry in pairs(arms) do
    -- What somebody else wrote into the map makes another line of it, and is put right like one.
    local found = plain:lookup(service)
    lines[#lines + 1] = entry.line .. (found == entry.plain and "" or " plain=" .. (found or "none"))
  end
  table.sort(lines)
  applet:send(table.concat(lines, "\n") .. "\n")
end)

-- Exact shares: each stretch of 100 / weight requests holds one for the rarer arm, at a random place in it.
local function candidate_is_next(service, weight)
  if weight <= 0 then return false end
  if weight >= 100 then return true end
  local c = choices[service]
  if c == nil or c.weight ~= weight then
    c = { weight = weight, request = 0, stretch = 0, due = 0, place = nil }
    choices[service] = c
  end
  local rarer = weight <= 50
  local length = 100 / (rarer and weight or (100 - weight))
  if c.place == nil then c.place = math.random() * length end
  while c.place < c.request + 1 do
    c.due = c.due + 1
    c.stretch = c.stretch + 1
    c.place = (c.stretch + math.random()) * length
  end
  c.request = c.request + 1
  if c.request >= 1000000 and c.due == 0 then choices[service] = nil end
  if c.due == 0 then return not rarer end
  c.due = c.due - 1
  return rarer
end

local function cookie_name(service) return "veza_" .. service:gsub("[^A-Za-z0-9_-]", "_") end

local function signature(txn, service, payload)
  return txn.c:ub64enc(txn.c:hmac(service .. "\0" .. payload, "sha256", key):sub(1, 16))
end

-- The value of the service's cookie, which no instance gets to see.
local function take_cookie(txn, name)
  local all = txn.http:req_get_headers()["cookie"]
  if all == nil then return nil end
  local value, rest = nil, {}
  for i = 0, #all do
    for pair in (all[i] or ""):gmatch("[^;]+") do
      local text = pair:match("^%s*(.-)%s*$")
      local n, v = text:match("^([^=]-)%s*=%s*(.*)$")
      if n == name then value = value or v elseif text ~= "" then rest[#rest + 1] = text end
    end
  end
  if value ~= nil then
    if #rest == 0 then txn.http:req_del_header("cookie") else txn.http:req_set_header("cookie", table.concat(rest, "; ")) end
  end
  return value
end

-- The user's number in [0, 100) when the cookie is of this canary and ours; else nil.
local function place_in(txn, service, value, slot, release)
  if value == nil or #value > 512 then return nil end
  local payload, given = value:match("^(.*)%.([%w_-]+)$")
  if payload == nil then return nil end
  -- Compared as digests under the key, so that time says nothing about how much of it was right.
  if txn.c:hmac(signature(txn, service, payload), "sha256", key) ~= txn.c:hmac(given, "sha256", key) then return nil end
  local s, r, number = payload:match("^1%.(%l+)%.([%w_-]*)%.(%d%d?%.%d%d%d%d)$")
  if s ~= slot or r ~= txn.c:ub64enc(release) then return nil end
  return tonumber(number)
end

-- Names and a parameter that make another method of a request, as programs take them.
local override = { ["x-method"] = true, ["x-http-method"] = true, ["x-method-override"] = true, ["x-http-method-override"] = true }
local function overrides_method(txn, headers)
  for name in pairs(headers) do
    if override[name:gsub("_", "-"):lower()] then return true end
  end
  local query = txn.f:query() or ""
  query = query:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end):lower()
  return ("&" .. query):find("[?&;]_method=") ~= nil
end

-- A question that the built-in gateway takes just as HAProxy does, and may copy. All others go on directly.
local not_copied = {
  ["content-length"] = true, ["transfer-encoding"] = true, ["expect"] = true, ["range"] = true, ["upgrade"] = true,
  ["x-veza-preview"] = true, ["x-veza-mirror"] = true,
}
local function can_be_copied(txn)
  local method, target = txn.f:method(), txn.f:pathq()
  if method ~= "GET" and method ~= "HEAD" then return false end
  if target == nil or #target > 4096 or not target:find("^/[!-~]*$") or target:find("#", 1, true) then return false end
  local headers = txn.http:req_get_headers()
  local fields, bytes = 0, #target
  for name, values in pairs(headers) do
    if not_copied[name] or name:find("_", 1, true) then return false end
    for i = 0, #values do
      local value = values[i] or ""
      if value:find("[%c\127]") then return false end
      fields, bytes = fields + 1, bytes + #name + #value + 4
    end
  end
  local host = headers["host"]
  if host == nil or host[0] == nil or #host ~= 0 then return false end
  local name, port = host[0]:match("^([%w.-]+)$"), "80"
  if name == nil then name, port = host[0]:match("^([%w.-]+):(%d+)$") end
  if name == nil or #port > 5 or tonumber(port) > 65535 then return false end
  return fields <= 80 and bytes <= 11000 and not overrides_method(txn, headers)
end

-- Sets txn.unsafe when a request behind a copy is more than a question.
core.register_action("veza_behind_copy", { "http-req" }, function(txn)
  local method, headers = txn.f:method(), txn.http:req_get_headers()
  local safe = method == "GET" or method == "HEAD" or method == "OPTIONS"
  if not safe or headers["upgrade"] ~= nil or overrides_method(txn, headers) then txn:set_var("txn.unsafe", true) end
end)

-- An answer that HAProxy takes and the gateway does not: these arms are mirrored no more.
core.register_action("veza_unfit", { "http-res" }, function(txn)
  local service = txn:get_var("txn.service")
  local e = service ~= nil and arms[service] or nil
  if e ~= nil then unfit[service] = e.line end
end)

local ending = "; Path=/; HttpOnly; SameSite=Lax"

-- Sets txn.arm, txn.slot, txn.travels, txn.release, txn.other, txn.set_cookie; txn.none when no instance may be asked.
core.register_action("veza_pick", { "http-req" }, function(txn, side)
  local service = txn:get_var("txn.service")
  local e = arms[service]
  if e == nil then
    txn:set_var("txn.none", true)
    return
  end
  local stable, candidate = e.stable, e.stable == "blue" and "green" or "blue"
  local stable_has, candidate_has = e[stable] > 0, e[candidate] > 0
  local canary = candidate_has and e.weight > 0
  local wish = side == "internal" and txn:get_var("txn.wish") or nil
  if wish ~= "stable" and wish ~= "candidate" then wish = nil end
  local wanted, set_cookie = nil, nil
  local sticky = e.sticky and side == "public"
  local name = cookie_name(service)
  local cookie = sticky and take_cookie(txn, name) or nil
  if wish ~= nil then
    wanted = wish
  elseif side == "public" and e.header ~= "-" and candidate_has and txn.f:req_fhdr(e.header) == txn.c:b64dec(e.value) then
    wanted = "candidate"
  elseif not canary then
    wanted = "stable"
    if cookie ~= nil then set_cookie = name .. "=" .. ending .. "; Max-Age=0" end
  elseif e.weight >= 100 then
    wanted = "candidate"
  elseif not sticky then
    wanted = candidate_is_next(service, e.weight) and "candidate" or "stable"
  else
    local release = e.releases[candidate] == "-" and "" or e.releases[candidate]
    local place = place_in(txn, service, cookie, candidate, release)
    if place ~= nil then
      wanted = place < e.weight and "candidate" or "stable"
    else
      -- A new user: the weights choose, exactly, and the number is drawn from the part of [0, 100) that chooses the same.
      local is_candidate = candidate_is_next(service, e.weight)
      local drawn = is_candidate and math.random() * e.weight or e.weight + math.random() * (100 - e.weight)
      local number = math.min(math.floor(drawn * 10000) / 10000, 99.9999)
      if not is_candidate then number = math.max(number, e.weight) end
      wanted = is_candidate and "candidate" or "stable"
      local payload = string.format("1.%s.%s.%.4f", candidate, txn.c:ub64enc(release), number)
      set_cookie = name .. "=" .. payload .. "." .. signature(txn, service, payload) .. ending
    end
  end
  local arm
  if wanted == "candidate" then arm = candidate_has and "candidate" or "stable"
  else arm = (not stable_has and canary) and "candidate" or "stable" end
  local slot = arm == "candidate" and candidate or stable
  local other = slot == "blue" and "green" or "blue"
  txn:set_var("txn.arm", arm)
  txn:set_var("txn.slot", slot)
  local travels = wish or ((canary or arm == "candidate") and arm or nil)
  if travels ~= nil then txn:set_var("txn.travels", travels) end
  if e.releases[slot] ~= "-" then txn:set_var("txn.release", e.releases[slot]) end
  if e.releases[other] ~= "-" then txn:set_var("txn.other", e.releases[other]) end
  if set_cookie ~= nil then txn:set_var("txn.set_cookie", set_cookie) end
  if e[slot] == 0 then txn:set_var("txn.none", true) end
  if candidate_has and (e.weight > 0 or e.mirrored) and core.now().sec - read_at <= read_within then
    txn:set_var("txn.compared", true)
  end
  if e.mirrored and candidate_has and arm == "stable" and slot == stable and stable_has and unfit[service] ~= e.line
    and can_be_copied(txn) and candidate_is_next(service .. "/copied", e.share) then
    txn:set_var("txn.copied", true)
  end
end, 1)

-- Headers that a Connection header says are for this connection only. What frames or addresses a message stays.
local framing = { ["content-length"] = true, ["host"] = true, ["keep-alive"] = true, ["close"] = true, ["upgrade"] = true }
local function drop_nominated(all, drop)
  if all == nil then return end
  for i = 0, #all do
    for token in (all[i] or ""):lower():gmatch("[^,%s]+") do
      if not framing[token] then drop(token) end
    end
  end
end
core.register_action("veza_hop", { "http-req" }, function(txn)
  drop_nominated(txn.http:req_get_headers()["connection"], function(name) txn.http:req_del_header(name) end)
end)
core.register_action("veza_hop", { "http-res" }, function(txn)
  drop_nominated(txn.http:res_get_headers()["connection"], function(name) txn.http:res_del_header(name) end)
end)

-- The paths that servers may take a path for: what is kept from users must not be reached by another spelling.
local function resolved(path)
  local out = {}
  for segment in path:gmatch("[^/]+") do
    if segment == ".." then out[#out] = nil
    elseif segment ~= "." then out[#out + 1] = segment end
  end
  return "/" .. table.concat(out, "/")
end
local function plain(path)
  local text, before = path, nil
  for _ = 1, 8 do
    before = text
    text = text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
    if text == before then break end
  end
  text = text:lower():gsub("\\", "/"):gsub("[%z?#].*$", "")
  local out = {}
  for segment in text:gmatch("[^/]+") do
    local bare = segment:gsub(";.*$", "")
    if bare ~= "." and bare ~= ".." then bare = bare:gsub("[%s%c.]+$", "") end
    out[#out + 1] = bare
  end
  local whole = "/" .. table.concat(out, "/")
  local found = { whole, resolved(whole) }
  if text:sub(1, 2) == "//" then
    table.remove(out, 1)
    local rest = "/" .. table.concat(out, "/")
    found[#found + 1] = rest
    found[#found + 1] = resolved(rest)
  end
  return found
end
core.register_converters("veza_below", function(path, prefix)
  local wanted = prefix:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end):gsub("/+$", ""):lower()
  if wanted == "" then return "1" end
  for _, reading in ipairs(plain(path)) do
    if reading == wanted or reading:sub(1, #wanted + 1) == wanted .. "/" then return "1" end
  end
  return "0"
end)

-- The generic cell rate algorithm: sets txn.wait to the seconds after which the request would be let through.
core.register_action("veza_limit", { "http-req" }, function(txn, id, rate, burst, per)
  local now = core.now()
  local ms = now.sec * 1000 + now.usec / 1000
  local client = "*"
  if per == "client" then
    client = txn.f:src() or ""
    if client:find(":", 1, true) then
      local groups = {}
      for group in txn.c:ipmask(client, 32, 64):gmatch("[^:]+") do groups[#groups + 1] = group end
      client = table.concat(groups, ":", 1, math.min(4, #groups))
    end
  end
  local interval = 1000 / tonumber(rate)
  local name = id .. " " .. client
  local at = math.max(paid[name] or 0, ms)
  local wait = at - ms - (tonumber(burst) - 1) * interval
  if wait > 0.000001 then
    txn:set_var("txn.wait", math.max(1, math.ceil(wait / 1000)))
    return
  end
  if paid[name] == nil then
    paid_count = paid_count + 1
    if paid_count > 65536 then
      -- Whoever has paid everything back is as good as new.
      paid_count = 0
      for other, until_ms in pairs(paid) do
        if until_ms <= ms then paid[other] = nil else paid_count = paid_count + 1 end
      end
      if paid_count > 65536 then paid, paid_count = {}, 0 end
    end
  end
  paid[name] = at + interval
end, 4)

-- A stream counts when it begins, long before HAProxy writes its line.
local streams
core.register_action("veza_begin", { "http-res" }, function(txn)
  local now = core.now()
  if streams == nil then
    -- Opened by the process that writes: what was open before it was forked is not its own.
    streams = assert(io.open(streams_file, "a"))
    streams:setvbuf("full")
  end
  streams:write(string.format("V1S %d %s %s %s %d %s %s %s %s %s\n",
    now.sec * 1000000 + now.usec, txn:get_var("txn.t0") or "-", txn:get_var("txn.service") or "-",
    txn:get_var("txn.arm") or "-", txn.f:status() or 0, txn:get_var("txn.preview") and "1" or "-",
    txn:get_var("txn.method") or "-", txn:get_var("txn.path") or "-", txn:get_var("txn.trace") or "-",
    txn:get_var("txn.asked_as") or "-"))
  streams:flush()
  txn:set_var("txn.begun", true)
end)
`;
