-- nginx.lua: a real nginx as a child, stopped the way that loses nothing: QUIT, after the balancer has had its time.
--
--   curfew run examples/nginx.lua          (needs Debian's nginx)
--
-- LISTEN: an address as nginx writes it ("127.0.0.1:8080", "unix:/tmp/x.sock"). DIR: for its files; temporary when not set.
local curfew = require "curfew"

curfew.configure { exit_timeout = "20s" }

local function sh(script, ...)
	local result = assert(curfew.exec { "sh", "-ec", script, "sh", ... })
	assert(result.code == 0, result.stderr)
	return (result.stdout:gsub("%s+$", ""))
end

local dir = os.getenv "DIR" or sh "mktemp -d"
local listen = os.getenv "LISTEN" or "127.0.0.1:8080"

local conf = [[
daemon off;
worker_processes 2;
pid DIR/nginx.pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	server {
		listen LISTEN;
		location / { return 200 "hello\n"; }
		location /slow { limit_rate 16k; root DIR; }
	}
}
]]
conf = conf:gsub("DIR", dir):gsub("LISTEN", listen)
assert(curfew.fs.write(dir .. "/nginx.conf", conf))

local nginx = curfew.process {
	name = "nginx",
	command = { "nginx", "-c", dir .. "/nginx.conf", "-p", dir },
	ready = listen:find "^unix:" and { exec = { "test", "-S", (listen:gsub("^unix:", "")) } } or { tcp = listen },
	-- QUIT: nginx closes its listeners and finishes the requests under way. TERM would cut them.
	stop = { { signal = "QUIT", wait = "15s" }, { signal = "TERM", wait = "2s" }, { signal = "KILL" } },
}

nginx:pre_stop(function()
	curfew.sleep(os.getenv "HOLD" or "500ms") -- still serving, while the balancer notices
end, { name = "let the balancer notice" })

-- `nginx -s reload` and what else nginx understands stay its own: HUP is passed on instead of ending us.
curfew.on("SIGHUP", function()
	curfew.spawn(function()
		curfew.exec { "nginx", "-c", dir .. "/nginx.conf", "-p", dir, "-s", "reload" }
	end)
	return curfew.ignore
end)
