-- greet.lua: a policy for the hosts beside it: the balancer has a moment to notice, and somebody is told afterwards.
local curfew = require "curfew"

local hello = curfew.find "hello"

hello:pre_stop(function(ctx)
  curfew.log.info("still serving, for", ctx:remaining(), "seconds at most")
  curfew.sleep "200ms"
end, { name = "let the balancer notice" })

hello:post_stop(function()
  curfew.log.info "all are greeted"
end)

curfew.on("SIGINT", curfew.abort(130)) -- on a terminal, at once
