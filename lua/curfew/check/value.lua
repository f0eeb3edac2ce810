-- value.lua: what an expression may be: a list of atoms without doubles. Atoms are compared by identity.
--
--   any                        nothing is known
--   nil, const value           a literal; true and false are constants
--   fn node frame              a closure: its function, and the frame it was made in
--   table fields rest meta     a table made in the file; fields and rest are cells
--   api path                   a name that the file does not define: "curfew.after", "io.open"
--   inst of                    what an api returned: "server", "task", "decision"
--   maybe node what            the nil of an operation that may return nil; err of it is the message beside it
local value = {}

local MOST = 48 -- atoms in a value; what is more is left out

value.ANY = { kind = "any" }
value.NIL = { kind = "nil" }
value.SOMETHING = { kind = "inst", of = "number or string" } -- what operators give: never false
value.any = { value.ANY }
value.none = {}
value.null = { value.NIL }

local consts, apis = {}, {}

function value.const(v)
	local atom = consts[v]
	if not atom then
		atom = { kind = "const", value = v }
		consts[v] = atom
	end
	return { atom }
end

function value.api(path)
	local atom = apis[path]
	if not atom then
		atom = { kind = "api", path = path }
		apis[path] = atom
	end
	return { atom }
end

function value.inst(of, more)
	more = more or {}
	more.kind, more.of = "inst", of
	return { more }
end

function value.has(v, atom)
	for i = 1, #v do
		if v[i] == atom then
			return true
		end
	end
	return false
end

function value.union(a, b)
	if a == b or #b == 0 then
		return a
	elseif #a == 0 then
		return b
	end
	local out
	for i = 1, #b do
		if not value.has(out or a, b[i]) then
			out = out or table.move(a, 1, #a, 1, {})
			if #out >= MOST then
				break
			end
			out[#out + 1] = b[i]
		end
	end
	return out or a
end

function value.filter(v, keep)
	local out
	for i = 1, #v do
		if not keep(v[i]) and not out then
			out = table.move(v, 1, i - 1, 1, {})
		elseif out and keep(v[i]) then
			out[#out + 1] = v[i]
		end
	end
	return out or v
end

function value.may_be_false(atom)
	local kind = atom.kind
	return kind == "any" or kind == "nil" or kind == "maybe" or kind == "err" or kind == "api"
		or (kind == "const" and atom.value == false) or (kind == "inst" and atom.of == "?")
end

function value.may_be_true(atom)
	return atom.kind ~= "nil" and atom.kind ~= "maybe" and not (atom.kind == "const" and atom.value == false)
end

-- The one constant that v is, or nil.
function value.constant(v)
	if #v == 1 and v[1].kind == "const" then
		return v[1].value
	end
	return nil
end

return value
