local curfew = require "curfew"
local NAME = "SIGUSR3"
curfew.on(NAME, curfew.graceful) --> unknown-trigger
