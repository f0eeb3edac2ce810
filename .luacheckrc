std = "lua54"
max_line_length = 128
-- A handler or a hook names what it is given, whether it uses it or not.
unused_args = false
-- These are replaced on purpose: ours do not block the loop, and can be waited in.
files["lua/curfew/init.lua"] = { globals = { _G = { fields = { "require", os = { fields = { "execute" } }, io = { fields = { "popen" } } } } } }
-- A policy in a simulation has the time and the environment of the test.
files["lua/curfew/sim/inside.lua"] = { globals = { os = { other_fields = true, read_only = false }, io = { other_fields = true, read_only = false } } }
-- Messages and policies stand there as a reader sees them; what a script prints is caught.
files["t/lua/*.t"] = { max_line_length = false, globals = { io = { fields = { "stdout", "stderr" }, other_fields = true } } }
-- Annotations: nothing of them runs, and nothing is used.
files["lua/curfew/meta/*.lua"] = { ignore = { "211", "212", "241", "431", "631" } }
