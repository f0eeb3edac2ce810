-- @POLICY@: nginx, stopped the way that loses no request:  curfew run @POLICY@
--
--   NGINX_CONF   its configuration file
--   LISTEN       where it listens, as that file says: when it answers there, it is ready
local curfew = require "curfew"

local conf = os.getenv "NGINX_CONF" or "/etc/nginx/nginx.conf"
local listen = os.getenv "LISTEN" or "127.0.0.1:80"

curfew.configure { exit_timeout = "30s" }

local nginx = curfew.process {
	name = "nginx",
	command = { "nginx", "-c", conf, "-g", "daemon off;" },
	ready = { tcp = listen, timeout = "10s" },
	-- QUIT: nginx closes its listeners and finishes the requests under way. TERM would cut them.
	stop = { { signal = "QUIT", wait = "20s" }, { signal = "TERM", wait = "2s" }, { signal = "KILL" } },
	restart = { on = "failure", backoff = "500ms", max = 5 },
}

-- Still serving, while whoever balances the load notices that nothing more should come.
nginx:pre_stop(function(ctx)
	if ctx.mode == "graceful" then
		curfew.sleep "2s"
	end
end, { name = "let the balancer notice" })

-- HUP is nginx's own: it reads its configuration again, if that is right.
curfew.on("SIGHUP", function()
	curfew.spawn(function()
		local result = curfew.exec { "nginx", "-c", conf, "-s", "reload" }
		if not result or result.code ~= 0 then
			curfew.log.error("nginx: not reloaded:", result and result.stderr or "?")
		end
	end)
	return curfew.ignore
end)
