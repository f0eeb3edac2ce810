-- luv_host.lua: curfew in a program on luv's loop: greets who says a name, and ends when all are greeted.
--
--   apt-get install lua-luv
--   lua5.4 luv_host.lua 7777 greet.lua
local uv = require "luv"
local host = require "curfew.host"

local code
local here
here = assert(host.new {
	log = function(level, text)
		io.stderr:write(level, ": ", text, "\n")
	end,
	on_exit = function(exit_code)
		code = exit_code
		uv.stop()
	end,
})

local listener = uv.new_tcp()
assert(listener:bind("127.0.0.1", tonumber(arg[1]) or 0))

local hello = assert(here:server {
	name = "hello",
	stop = function(id)
		listener:close() -- who is in is a request, and waited for
		here:stopped(id)
	end,
})

listener:listen(64, function()
	local client = uv.new_tcp()
	listener:accept(client)
	local request = here:request_begin(hello)
	local function hang_up()
		if not client:is_closing() then
			client:close()
			here:request_end(request)
		end
	end
	client:read_start(function(_, name)
		if name then
			client:write("hello " .. name, hang_up)
		else
			hang_up()
		end
	end)
end)

-- luv catches the signals; each becomes a trigger.
for name, number in pairs { sigterm = 15, sigint = 2 } do
	uv.new_signal():start(name, function()
		here:signal(number)
	end)
end
local poll = uv.new_poll(here:fd())
poll:start("r", function()
	here:step()
end)

if arg[2] then
	assert(here:load(arg[2]))
end
assert(here:start())
print("listening on 127.0.0.1:" .. listener:getsockname().port)
io.stdout:flush()
uv.run()
poll:stop()
here:close()
os.exit(code)
