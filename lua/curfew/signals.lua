-- signals.lua: names of signals, as a schema type and for "did you mean".
local c = require "curfew.core"
local misuse = require "curfew.misuse"

local NAMES = {}
local ALL = [[HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM CHLD CONT STOP TSTP TTIN TTOU URG XCPU
	XFSZ VTALRM PROF WINCH IO PWR SYS]]
for name in string.gmatch(ALL, "%S+") do
	NAMES[#NAMES + 1] = "SIG" .. name
end

local SHORT = {}
for i, name in ipairs(NAMES) do
	SHORT[i] = string.sub(name, 4)
end

return {
	names = NAMES,
	type = function(v, what, path)
		local context = path and what .. ": " .. path or what
		if type(v) ~= "string" then
			misuse.expected(context, 'the name of a signal such as "TERM"', v)
		elseif not c.signal_number(v) then
			local names = string.find(v, "^[Ss][Ii][Gg]") and NAMES or SHORT
			misuse.raise(context, "unknown signal %s%s", misuse.show(v), misuse.suggest(v, names))
		end
		return v
	end,
}
