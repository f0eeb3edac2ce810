-- rules.lua: curfew.on, what a trigger means to this script.
local c = require "curfew.core"
local misuse = require "curfew.misuse"

local rules = {}

local NEVER_SEEN = { SIGKILL = true, SIGSTOP = true } -- by no process

local OURS = { crash = true, closed = true, rejection = true, stall = true } -- S10.1: raised by curfew alone

-- What says more than its name.
local OWN_WAY = {
	extend = "curfew.extend",
	skip = "curfew.skip",
	start_server = "server:start",
	stop_server = "server:stop",
	restart_server = "server:restart",
}

-- The trigger's name as the core writes it.
local function trigger_name(what, name)
	if string.find(name, "^custom:.") then
		if string.find(name, "%c") then
			misuse.raise(what, "the name of a trigger has no control characters, got %s", misuse.show(name))
		end
		return name
	end
	local known = c.trigger_names()
	for _, other in ipairs(known) do
		if name == other then
			return name
		end
	end
	if not c.signal_number(name) then
		local names = table.move(known, 1, #known, 1, {})
		local signals = require "curfew.signals".names
		table.move(signals, 1, #signals, #names + 1, names)
		local near = misuse.suggest(name, names)
		if near == "" and not string.find(name, "^[Ss][Ii][Gg]") and string.find(name, "^[%w_.-]+$") then
			near = string.format('; one of your own is written "custom:%s"', name)
		end
		misuse.raise(what, "unknown trigger %s%s", misuse.show(name), near)
	end
	local full = string.gsub(string.upper(name), "^SIG", "")
	full = "SIG" .. full
	if NEVER_SEEN[full] then
		misuse.raise(what, "no process can catch %s", full)
	end
	return full
end

-- name: a trigger, "custom:NAME" for one of the script's own, "*" for whatever has no rule of its own, or a list of
-- them. rule: a decision, or a function that takes the trigger
-- and returns one, or nil where it has nothing to say. The newest rule is asked first.
function rules.on(name, rule)
	local names = type(name) == "table" and name or { name }
	if #names == 0 then
		misuse.expected("curfew.on", 'a trigger such as "SIGTERM" or "closed", or a list of them', name)
	end
	local full = {}
	for i = 1, #names do
		if type(names[i]) ~= "string" then
			misuse.expected("curfew.on", 'a trigger such as "SIGTERM" or "closed", or a list of them', names[i])
		end
		full[i] = names[i] == "*" and "*" or trigger_name("curfew.on", names[i])
	end
	if type(rule) ~= "function" and not c.decision_of(rule) then
		misuse.expected("curfew.on", "a function or a decision such as curfew.graceful(0)", rule)
	end
	for _, one in ipairs(full) do
		local ok, message = c.rule(one, rule, "script")
		if not ok then
			misuse.raise("curfew.on", "%s", message)
		end
	end
end

-- Raise a trigger by its name, "custom:NAME" for one of the script's own.
function rules.trigger(name, code)
	if type(name) ~= "string" or name == "" or name == "*" then
		misuse.expected("curfew.trigger", "the name of a trigger", name)
	elseif code ~= nil then
		require "curfew.schema".integer(0, 255)(code, "curfew.trigger")
	end
	local full = trigger_name("curfew.trigger", name)
	if OURS[full] then
		misuse.raise("curfew.trigger", 'only curfew itself raises "%s"', full)
	elseif OWN_WAY[full] then
		misuse.raise("curfew.trigger", '"%s" is raised by %s', full, OWN_WAY[full])
	end
	return misuse.result("curfew.trigger", c.trigger(full, code))
end

return rules
