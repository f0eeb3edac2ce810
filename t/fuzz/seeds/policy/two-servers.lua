-- two-servers.lua: a public server and an admin server beside it.
--
--   curfew run examples/two-servers.lua
--   curl http://127.0.0.1:8080/              the public one
--   curl http://127.0.0.1:8081/status        what it is doing
--   curl -X POST http://127.0.0.1:8081/stop  a stop asked for by HTTP
--
-- The admin server stops last, so that one can watch the stop until its end. PUBLIC_LISTEN and ADMIN_LISTEN listen elsewhere.
local curfew = require "curfew"

curfew.configure {
	exit_timeout = "10s", -- the whole stop, hooks included; then the process ends with 255
}

local visits = 0

local public = curfew.http {
	name = "public",
	listen = os.getenv "PUBLIC_LISTEN" or "127.0.0.1:8080",
	drain = "5s", -- at most so long for requests under way
	routes = {
		["GET /"] = function(req, res)
			visits = visits + 1
			return ("visit %d\n"):format(visits)
		end,
		["GET /report"] = function(req, res)
			-- A reply in pieces: each one is sent at once.
			for i = 1, 5 do
				res:write(("line %d\n"):format(i))
				curfew.sleep("200ms")
			end
			res:finish()
		end,
	},
}

local admin = curfew.http {
	name = "admin",
	listen = os.getenv "ADMIN_LISTEN" or "127.0.0.1:8081",
	routes = {
		["GET /status"] = function(req, res)
			local lines = { "curfew: " .. curfew.state }
			for _, server in ipairs { public, curfew.find "admin" } do
				lines[#lines + 1] = ("%s: %s at %s"):format(server.name, server.state, server.address or "nowhere")
			end
			lines[#lines + 1] = "visits: " .. visits
			return table.concat(lines, "\n") .. "\n"
		end,
		["POST /stop"] = function(req, res)
			-- With a callback curfew.stop returns at once; this reply is a request under way, and is finished first.
			curfew.stop(function() end)
			return 202, "stopping\n"
		end,
	},
}

-- public starts after admin, and stops before it.
public:after(admin)

-- ---- what runs when, in this order

for _, server in ipairs { admin, public } do
	server:pre_start(function(ctx)
		curfew.log.info(ctx.server.name .. ": pre_start: nothing listens yet, the place to prepare files")
	end)
	server:post_start(function(ctx)
		curfew.log.info(ctx.server.name .. ": post_start: ready at", ctx.server.address)
	end)
end

curfew.pre_stop(function(ctx)
	curfew.log.info(("pre_stop: %s, %.1f seconds left for all"):format(ctx.trigger.name, ctx:remaining()))
end)

public:pre_stop(function(ctx)
	-- Still serving; every reply says "Connection: close" by now.
	curfew.log.info("public: pre_stop: the balancer notices")
	curfew.sleep("250ms")
end, { name = "let the balancer notice", timeout = "1s" })

public:post_stop(function(ctx)
	-- No request is left: a number that can be trusted.
	curfew.log.info(("public: post_stop: %s after %.1f seconds and %d visits"):format(ctx.result, ctx.elapsed, visits))
end)

admin:pre_stop(function(ctx)
	curfew.log.info("admin: pre_stop: public is", public.state)
end)

admin:post_stop(function(ctx)
	curfew.log.info("admin: post_stop:", ctx.result)
end)

curfew.post_stop(function(ctx)
	curfew.log.info("post_stop: all servers are gone")
end)
