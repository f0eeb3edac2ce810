-- source.lua: one file: its text, its tree by luacheck's parser, and the comments that silence findings in it.
local decoder = require "luacheck.decoder"
local parser = require "luacheck.parser"

local source = {}
source.__index = source

local LARGEST = 16 * 1024 * 1024

-- The text; nil and why.
local function read(path)
	local file, message = io.open(path, "rb")
	if not file then
		return nil, message
	end
	local text, why = file:read(LARGEST + 1)
	file:close()
	if not text and why then
		return nil, path .. ": " .. why
	elseif text and #text > LARGEST then
		return nil, path .. ": larger than 16 MB"
	end
	return text or ""
end

-- Lines end with CR, LF or both, in either order, as they do for Lua.
local function split(text)
	local lines, at = {}, 1
	while true do
		local ends = text:find("[\r\n]", at)
		lines[#lines + 1] = text:sub(at, (ends or 0) - 1)
		if not ends then
			return lines
		end
		local both = text:sub(ends, ends + 1)
		at = ends + ((both == "\r\n" or both == "\n\r") and 2 or 1)
	end
end

-- line -> set of rules ("*": all). A comment alone on its line speaks for the next line as well.
local function silenced(self, comments)
	local silent = {}
	local function add(line, words)
		local set = silent[line] or {}
		silent[line] = set
		local named = false
		for word in words:gmatch "[%w-]+" do
			set[word], named = true, true
		end
		set["*"] = set["*"] or not named
	end
	for _, comment in ipairs(comments) do
		local words = comment.contents:match "^%-*%s*curfew:%s*ignore%f[%W]([%w%s,-]*)"
		if words then
			add(comment.line, words)
			if self:line(comment.line):find "^%s*%-%-" then
				add(comment.line + 1, words)
			end
		end
	end
	return silent
end

-- A source, or nil and a message that begins with the file and, of an error in the syntax, the line and column.
function source.load(path)
	local text, message = read(path)
	if not text then
		return nil, message
	end
	if text:sub(1, 1) == "\27" then
		return nil, path .. ": bytecode cannot be checked"
	end
	local self = setmetatable({ path = path, text = text:gsub("^\xEF\xBB\xBF", "") }, source)
	self.lines = split(self.text)
	local lengths = {}
	self.starts = {}
	local ok, tree, comments = pcall(parser.parse, decoder.decode(self.text), self.starts, lengths)
	if not ok then
		if type(tree) == "table" and tree.msg then
			return nil, ("%s:%d:%d: %s"):format(path, tree.line, self:column(tree.line, tree.offset), tree.msg)
		end
		return nil, path .. ": cannot be parsed: " .. tostring(tree)
	end
	self.tree = tree
	self.silent = silenced(self, comments)
	return self
end

-- In characters, from 1.
function source:column(line, offset)
	return offset - (self.starts[line] or offset) + 1
end

function source:line(n)
	return self.lines[n] or ""
end

-- line, column, and those of the last character.
function source:place(node)
	local line = node.line
	local last = line
	while self.starts[last + 1] and self.starts[last + 1] <= node.end_offset do
		last = last + 1
	end
	return line, self:column(line, node.offset), last, self:column(last, node.end_offset)
end

-- Lua's own opinion: luacheck's parser also takes LuaJIT's numbers, compound assignments and labels that are not there.
function source:syntax_error()
	local chunk, message = load((self.text:gsub("^#[^\n]*", "")), "=?", "t")
	return not chunk and self.path .. message:gsub("^%?", "") or nil
end

function source:silences(line, rule)
	local set = self.silent[line]
	return set and (set[rule] or set["*"]) or false
end

return source
