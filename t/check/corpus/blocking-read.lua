local curfew = require "curfew"
local answer = io.read() --> blocking-call
curfew.log.info(answer)
