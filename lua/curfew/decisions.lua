-- decisions.lua: what a rule may answer. Each is a value as it is; graceful, abort and kill take a code: curfew.abort(130).
local c = require "curfew.core"

return {
	graceful = c.decision("graceful", 0),
	abort = c.decision("abort", 1),
	kill = c.decision("kill", 1),
	reload = c.decision "reload",
	restart = c.decision "restart",
	ignore = c.decision "ignore",
	accept = c.decision "accept",
}
