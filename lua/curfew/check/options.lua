-- options.lua: the command line of curfew check.
local options = {}

local FORMATS = { text = true, json = true, sarif = true }

-- "app.get:2", "app.get:handler", ":on_data", ":on_data:1": a name, and which argument: a number, a key, or every function.
local function split(spec)
	local method = spec:sub(1, 1) == ":"
	local name, which = spec:match("^(:?[%w_.]+):([%w_]+)$")
	name = name or spec:match "^:?[%a_][%w_.]*$"
	if not name or (method and #name < 2) or name:find "%.%." or name:find "%.$" then
		return nil
	end
	return name, math.tointeger(tonumber(which)) or which or "fn"
end

local takes = {}

function takes.format(asked, v)
	if not FORMATS[v] then
		return ('--format: "%s" is none of text, json, sarif'):format(v)
	end
	asked.format = v
end

local function row(asked, option, kind, v)
	local name, which = split(v)
	if not name or which == 0 then
		return ('--%s: "%s" is not NAME or NAME:ARG, such as "app.get:2" or ":on_data"'):format(option, v)
	end
	local of = asked.apis[name] or {}
	of[kind] = which
	asked.apis[name] = of
end

function takes.async(asked, v)
	return row(asked, "async", "async", v)
end

function takes.handler(asked, v)
	return row(asked, "handler", "handler", v)
end

-- What is asked for, or nil and what is wrong.
function options.parse(argv)
	local asked = { format = "text", files = {}, apis = {} }
	local i = 1
	local only_files = false
	while argv[i] do
		local word = argv[i]
		i = i + 1
		local name, v = word:match "^%-%-([%a-]+)=(.*)$"
		name = name or word:match "^%-%-([%a-]+)$"
		if only_files or word == "-" or word:sub(1, 1) ~= "-" then
			asked.files[#asked.files + 1] = word
		elseif word == "--" then
			only_files = true
		elseif not takes[name] then
			return nil, ("unknown option %s"):format(word)
		else
			if not v then
				v, i = argv[i], i + 1
			end
			if not v then
				return nil, ("--%s needs a value"):format(name)
			end
			local wrong = takes[name](asked, v)
			if wrong then
				return nil, wrong
			end
		end
	end
	if #asked.files == 0 then
		return nil, "a file, please"
	end
	return asked
end

return options
