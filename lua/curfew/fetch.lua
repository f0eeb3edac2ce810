-- fetch.lua: curfew.fetch, one HTTP request as a client.
local async = require "curfew.async"
local headers = require "curfew.headers"
local schema = require "curfew.schema"

local types = require "curfew.kinds".types

local method = schema.simple('a method such as "POST"', function(v)
	return type(v) == "string" and string.find(v, "^%u+$") and v or nil
end)

local options = schema.record({
	method = method,
	headers = headers.type,
	body = schema.bytes,
	timeout = schema.period,
	unix = schema.text,
}, { expected = 'a table such as { method = "POST", body = "…", timeout = "2s" }' })

-- -> { status, headers, body }
local function fetch(url, opts, callback)
	local what = "curfew.fetch"
	if type(opts) == "function" then
		opts, callback = nil, opts
	end
	types.url(url, what)
	local args = opts ~= nil and options(opts, what) or {}
	args.url = url
	return async.service(what, "fetch", args, callback)
end

return { fetch = fetch }
