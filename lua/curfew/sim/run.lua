-- run.lua: one simulated run of a policy, as a test drives it.
local c = require "curfew.core"
local misuse = require "curfew.misuse"
local schema = require "curfew.schema"
local stubs = require "curfew.sim.stubs"

local DAY = 86400 * 1000000000 -- so long after the last trigger a run is given up

local Run = { __name = "curfew.sim.run" }
local Server = { __name = "curfew.sim.server" }

local function members(class)
	local names = {}
	for name in pairs(class) do
		names[#names + 1] = not name:find "^__" and name or nil
	end
	return names
end

local function checked_index(class, what, more)
	class.__index = function(_, key)
		local value = rawget(class, key)
		if value ~= nil or (more and more[key]) then
			return value
		end
		return misuse.raise(what, "unknown name %s%s", misuse.show(key), misuse.suggest(key, members(class)))
	end
end

-- What C hears in the next step: see sim.h.
local function tell(self, list, item)
	local all = self.tells[list] or {}
	all[#all + 1] = item
	self.tells[list] = all
end

-- ---- servers

local function say(self, item)
	item.name, item.where = self.name, c.where(1)
	tell(self.run, "servers", item)
	return self
end

function Server:starts_in(t)
	return say(self, { starts = schema.duration(t, "server:starts_in") })
end

function Server:never_starts()
	return say(self, { starts = false })
end

local function message(what, text, default)
	if text ~= nil and type(text) ~= "string" then
		misuse.expected(what, "a message", text)
	end
	return text or default
end

-- Its start fails.
function Server:fails(text)
	return say(self, { start_error = message("server:fails", text, "it could not start") })
end
Server.fails_to_start = Server.fails

-- Its stop fails: it ends in a way that nobody asked for.
function Server:fails_to_stop(text)
	return say(self, { stop_error = message("server:fails_to_stop", text, "it died while it was stopping") })
end

function Server:stops_in(t)
	return say(self, { stops = schema.duration(t, "server:stops_in") })
end

function Server:never_stops()
	return say(self, { stops = false })
end

local function signal_of(how)
	if math.type(how) == "integer" and how > 0 and how < 65 then
		return how
	end
	local number = type(how) == "string" and c.signal_number(how)
	return number or misuse.expected("server:dies_at", 'a signal such as 9 or "KILL", or { code = 3 }', how)
end

-- server:dies_at("3s", 9), by a signal; server:dies_at("3s", { code = 3 }), with an exit code; code 1 when nothing is said.
function Server:dies_at(t, how)
	local item = { dies = schema.duration(t, "server:dies_at"), code = 1 }
	if type(how) == "table" then
		item.code = schema.record({ code = schema.required(schema.integer(0, 255)) }, { expected = "{ code = 3 }" })(
			how, "server:dies_at").code
	elseif how ~= nil then
		item.signal, item.code = signal_of(how), 0
	end
	return say(self, item)
end

checked_index(Server, "server")

-- How a server of the policy behaves. Of curfew.server the Lua functions are not run then.
function Run:server(name)
	if type(name) ~= "string" or name == "" then
		misuse.expected("run:server", "the name of a server", name)
	end
	return setmetatable({ run = self, name = name }, Server)
end

-- ---- triggers

local REFUSED = {
	closed = 'use run:server(name):dies_at(t)',
	crash = "the end of curfew itself is not simulated",
	stall = "a loop that does not turn is not simulated",
	rejection = "let a task of the policy fail",
	SIGKILL = "the end of curfew itself is not simulated",
	SIGSTOP = "no process sees it",
}

local at_options = schema.record({
	code = schema.integer(0, 255),
	times = schema.integer(1, 8),
	server = schema.name,
	by = schema.period,
}, { expected = "a table such as { code = 1 }" })

-- What a trigger does not say by its name.
local NEEDS = { extend = "by", skip = "server", start_server = "server", stop_server = "server", restart_server = "server" }
local SUCH_AS = { by = '{ by = "30s" }', server = '{ server = "web" }' }

local function check_needs(name, o)
	local need = NEEDS[name]
	if need and o[need] == nil then
		misuse.raise("run:at", "%s needs %s", name, SUCH_AS[need])
	end
	for key in pairs(SUCH_AS) do
		if o[key] ~= nil and key ~= need then
			misuse.raise("run:at", "%s takes no %s", name, key)
		end
	end
end

local function trigger_name(name)
	if type(name) ~= "string" then
		misuse.expected("run:at", 'a trigger such as "SIGTERM"', name)
	elseif name:find "^custom:." then
		return name
	end
	local names = table.move(c.trigger_names(), 1, 100, 1, {})
	for _, known in ipairs(names) do
		if known == name then
			return name
		end
	end
	if not c.signal_number(name) then
		for _, signal in ipairs(require "curfew.signals".names) do
			names[#names + 1] = signal
		end
		misuse.raise("run:at", "unknown trigger %s%s", misuse.show(name), misuse.suggest(name, names))
	end
	return "SIG" .. name:upper():gsub("^SIG", "")
end

-- run:at("1s", "SIGTERM"); run:at(2, "exit", { code = 3 }); run:at("3s", "skip", { server = "db" }). Time counts from the
-- beginning of the run.
function Run:at(t, trigger, opts)
	local ns = schema.duration(t, "run:at")
	local name = trigger_name(trigger)
	if REFUSED[name] then
		misuse.raise("run:at", "%s cannot be raised: %s", name, REFUSED[name])
	end
	local o = opts ~= nil and at_options(opts, "run:at") or {}
	check_needs(name, o)
	tell(self, "at", {
		ns = ns,
		trigger = name,
		code = o.code or 0,
		times = o.times or 1,
		server = o.server,
		by = o.by,
		where = c.where(1),
	})
	self.last_ns = math.max(self.last_ns, ns)
	return self
end

-- ---- what the policy asks of the system

function Run:exec(stub)
	self.stubs.exec = stubs.check("run:exec", stub)
	return self
end

function Run:fetch(stub)
	self.stubs.fetch = stubs.check("run:fetch", stub)
	return self
end

-- Files by their paths, as strings. What the policy writes is in that table afterwards.
function Run:fs(files)
	self.stubs.fs = stubs.check_files("run:fs", files)
	return self
end

-- ---- time

local function append(list, more)
	table.move(more, 1, #more, #list + 1, list)
end

local function check_names(self, report)
	if report.unknown and report.life ~= "new" then
		local where = report.unknown_where
		self.gone = true
		error(("%srun:server: there is no server %s%s"):format(where and where .. ": " or "", misuse.show(report.unknown),
			misuse.suggest(report.unknown, report.server_names)), 0)
	end
end

local function take(self, report)
	append(self.seen, report.events)
	append(self.logged, report.log)
	self.now, self.names = report.now, report.server_names
	check_names(self, report)
	if report.ended and not self.ended then
		self.ended, self.exit_code, self.ended_at = true, report.code, report.ended_at
		self.killed, self.timeline = report.killed, report.timeline
		for _, text in ipairs(report.broken) do
			self.on_failure("a rule of curfew's own was broken: " .. text)
		end
	end
end

local function step(self, ns)
	local state
	repeat
		local tells = self.tells
		self.tells = {}
		local report, text = c.service("sim.run", { run = self.id, tell = tells, till = ns })
		if not report then
			misuse.raise("run", "%s", text)
		end
		state = report.state
		take(self, report)
		for _, question in ipairs(report.asks) do
			tell(self, "answers", stubs.answer(self, question))
		end
	until state ~= "asks"
	if state == "stuck" then
		misuse.raise("run", "at %.9gs the policy goes round and round without waiting for anything", self.now)
	end
end

-- Where the process ends without a word from the core, its policy did not load.
local function check_loaded(self, what)
	for _, event in ipairs(self.seen) do
		if event.name == "exit" then
			return
		end
	end
	local lines = {}
	for _, record in ipairs(self.logged) do
		lines[#lines + 1] = record.level == "error" and record.text or nil
	end
	misuse.raise(what, "the policy does not load:\n%s", table.concat(lines, "\n"))
end

-- Let t pass, or the process end.
function Run:advance(t)
	local ns = schema.duration(t, "run:advance")
	if not self.ended then
		step(self, math.floor(self.now * 1e9 + 0.5) + ns)
		if self.ended then
			check_loaded(self, "run:advance")
		end
	end
	return self
end

-- Let time pass until the process has ended.
function Run:finish()
	if self.ended then
		return self
	end
	step(self, self.last_ns + DAY)
	if not self.ended then
		misuse.raise("run:finish", "the process has not ended a day after the last trigger, at %.9gs: a trigger is missing, "
			.. 'such as run:at("1s", "SIGTERM")', self.now)
	end
	check_loaded(self, "run:finish")
	return self
end

-- ---- what happened

-- { at =, name =, server =, hook =, code = }, in order.
function Run:events()
	return table.move(self.seen, 1, #self.seen, 1, {})
end

-- All log lines, one a line.
function Run:log()
	local lines = {}
	for i, record in ipairs(self.logged) do
		lines[i] = record.text
	end
	return table.concat(lines, "\n")
end

local OWN = { at = true, level = true, text = true, traceback = true }

local function fields_of(record)
	local words = {}
	for key, value in pairs(record) do
		words[#words + 1] = not OWN[key] and (", %s: %s"):format(key, value) or nil
	end
	table.sort(words)
	return table.concat(words)
end

-- For a failed test: the timeline, or, where there was no end, the events.
function Run:describe()
	local lines = {}
	for _, record in ipairs(self.logged) do
		if record.level == "warn" or record.level == "error" then
			lines[#lines + 1] = ("%9.3fs %s: %s%s"):format(record.at, record.level, record.text, fields_of(record))
			lines[#lines + 1] = record.traceback
		end
	end
	if (self.timeline or "") ~= "" then
		lines[#lines + 1] = (self.timeline:gsub("\n$", ""))
	end
	local first = math.max(1, #self.seen - 39)
	for i = first, #self.seen do
		local event = self.seen[i]
		lines[#lines + 1] = ("%9.3fs %s%s%s"):format(event.at, event.name, event.hook and (' "%s"'):format(event.hook) or "",
			event.code and (" (%d)"):format(event.code) or "")
	end
	return table.concat(lines, "\n")
end

function Run:close()
	c.service("sim.close", { run = self.id })
end

local FIELDS = { exit_code = true, ended_at = true, ended = true, killed = true, timeline = true, gone = true,
	names = true }
checked_index(Run, "run", FIELDS)

local open_options = {
	env = schema.map(schema.name, function(v, what, path)
		return v == false and v or schema.word(v, what, path)
	end, 'a table such as { HOME = "/root" }'),
	configure = function(v)
		return require "curfew.settings"(v, "t:load: configure")
	end,
	epoch = schema.integer(0, 1 << 52),
	exec = function(v) return v end,
	fetch = function(v) return v end,
	fs = function(v) return v end,
}
open_options = schema.record(open_options, { expected = 'a table such as { env = { PORT = "80" } }' })

-- on_failure(text): something of which the test is to hear.
local function open(path, opts, on_failure)
	if type(path) ~= "string" or path == "" then
		misuse.expected("t:load", "the path of a policy", path)
	end
	local o = opts ~= nil and open_options(opts, "t:load") or {}
	local opened, text = c.service("sim.open", { path = path, opts = { env = o.env, configure = o.configure, epoch = o.epoch } })
	if not opened then
		misuse.raise("t:load", "%s", text)
	end
	local self = setmetatable({
		id = opened.run,
		path = opened.path,
		tells = {},
		stubs = {},
		seen = {},
		logged = {},
		now = 0,
		last_ns = 0,
		on_failure = on_failure,
	}, Run)
	for _, name in ipairs { "exec", "fetch", "fs" } do
		if o[name] ~= nil then
			self[name](self, o[name])
		end
	end
	return self
end

return { open = open }
