-- names.lua: what curfew.on knows: triggers and signals. (The core's own list is in C; a test compares the two.)
local names = {}

names.triggers = {
	"exit", "error", "rejection", "closed", "idle", "stop", "abort", "reload", "crash", "start_failed", "stall",
	"hurry", "extend", "skip", "cancel", "start_server", "stop_server", "restart_server",
}

names.signals = {}
for name in ([[HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ
	VTALRM PROF WINCH IO PWR SYS]]):gmatch "%S+" do
	names.signals[#names.signals + 1] = "SIG" .. name
end

local known = {}
for _, list in ipairs { names.triggers, names.signals } do
	for _, name in ipairs(list) do
		known[name] = true
	end
end

-- SIGRTMIN, SIGRTMIN+1 and so on: how many there are is the system's.
local function is_realtime(signal)
	local n = signal:match "^SIGRTMIN%+(%d+)$"
	return signal == "SIGRTMIN" or signal == "SIGRTMAX" or (n and tonumber(n) <= 30) or false
end

-- Signals may be written in lower case and without SIG.
function names.is_trigger(name)
	local upper = name:upper()
	local signal = upper:find "^SIG" and upper or "SIG" .. upper
	return known[name] or known[signal] or is_realtime(signal) or name:find "^custom:." ~= nil
end

function names.all()
	local all = table.move(names.triggers, 1, #names.triggers, 1, {})
	return table.move(names.signals, 1, #names.signals, #all + 1, all)
end

return names
