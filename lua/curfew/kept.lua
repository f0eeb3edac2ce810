-- kept.lua: curfew.kept, a table of plain values that a reload hands from the old policy to the new one.
local c = require "curfew.core"

return { kept = c.kept() or {} }
