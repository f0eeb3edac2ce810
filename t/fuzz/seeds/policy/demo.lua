-- demo.lua: what `make run` shows. A web server and a real child, under load; after two seconds a real SIGTERM; then the
-- timeline of the stop: the load balancer's grace, the drain, the child that needs a moment to end.
--
--   curfew run --timeline always examples/demo.lua
local curfew = require "curfew"

curfew.configure { exit_timeout = "5s" }

-- A child with work to finish: it hears TERM, "flushes" for a while, and ends.
local store = curfew.process {
	name = "store",
	command = { "sh", "-c", [[
		trap 'echo "TERM: flushing"; sleep 0.4; echo "flushed"; exit 0' TERM
		echo "up"
		while :; do sleep 0.05; done
	]] },
	stdout = "log",
	stop_to = "main", -- the shell alone: what it runs at that moment is not to be ended
	stop = { { signal = "TERM", wait = "2s" }, { signal = "KILL" } },
}

-- A server whose requests take 20 ms. It starts after the store and stops before it.
local web = curfew.http {
	name = "web",
	listen = "127.0.0.1:0", -- the kernel picks a port: see web.address
	routes = {
		["GET /"] = function()
			curfew.sleep("20ms")
			return "Hello\n"
		end,
	},
}
web:after(store)

web:pre_stop(function()
	curfew.sleep("300ms") -- still serving, while the balancer notices
end, { name = "let the balancer notice" })

-- Sixteen clients, one request after the other, until the server is gone.
local done, failed = 0, 0
web:post_start(function()
	local url = "http://" .. web.address .. "/"
	for _ = 1, 16 do
		curfew.spawn(function()
			while true do
				local reply, _, code = curfew.fetch(url, { timeout = "2s" })
				if code == "ECONNREFUSED" then
					return -- the listener is closed: the end
				elseif reply and reply.status == 200 then
					done = done + 1
				else
					failed = failed + 1
				end
			end
		end)
	end
	curfew.after("2s", function()
		curfew.log.info("now a real SIGTERM, as a container runtime sends it")
		curfew.exec { "sh", "-c", "kill -TERM $PPID" }
	end)
end)

web:post_stop(function()
	curfew.log.info(("%d requests served, %d failed"):format(done, failed))
end)
