-- json.lua: values as JSON. Objects are lists of pairs { key, value } made by json.object, to keep their order.
local json = {}

local Object, Array = {}, {}

-- json.object { "key", value, "key", value, n = how many }: a nil value leaves its key out.
function json.object(pairs_list)
	return setmetatable({ list = pairs_list, n = pairs_list.n or #pairs_list }, Object)
end

function json.array(list)
	return setmetatable({ list = list }, Array)
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(c)
	return ESCAPES[c] or ("\\u%04x"):format(c:byte())
end

-- Bytes that are no UTF-8 become U+FFFD.
local function clean(s)
	if utf8.len(s) then
		return s
	end
	local out, at = {}, 1
	while at <= #s do
		local _, bad = utf8.len(s, at)
		out[#out + 1] = s:sub(at, (bad or #s + 1) - 1)
		if bad then
			out[#out + 1] = "\u{FFFD}"
		end
		at = (bad or #s) + 1
	end
	return table.concat(out)
end

function json.string(s)
	return '"' .. clean(s):gsub('[%c"\\\127]', escape) .. '"'
end

local write

local function write_list(out, open, close, items, indent, each)
	if #items == 0 then
		out[#out + 1] = open .. close
		return
	end
	local inner = indent .. "  "
	for i, item in ipairs(items) do
		out[#out + 1] = (i == 1 and open or ",") .. "\n" .. inner
		each(item, inner)
	end
	out[#out + 1] = "\n" .. indent .. close
end

function write(out, v, indent)
	local meta = getmetatable(v)
	if type(v) == "string" then
		out[#out + 1] = json.string(v)
	elseif meta == Array then
		write_list(out, "[", "]", v.list, indent, function(item, inner)
			write(out, item, inner)
		end)
	elseif meta == Object then
		local items = {}
		for i = 1, v.n, 2 do
			if v.list[i + 1] ~= nil then
				items[#items + 1] = { v.list[i], v.list[i + 1] }
			end
		end
		write_list(out, "{", "}", items, indent, function(item, inner)
			out[#out + 1] = json.string(item[1]) .. ": "
			write(out, item[2], inner)
		end)
	else
		out[#out + 1] = tostring(v)
	end
end

function json.encode(v)
	local out = {}
	write(out, v, "")
	return table.concat(out) .. "\n"
end

return json
