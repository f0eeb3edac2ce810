std = "lua54"
max_line_length = 128
unused_args = false
-- Policies and embedded code replace these on purpose (S5.1).
files["lua/curfew"] = { globals = { "os", "io", "coroutine", "debug", "pcall", "xpcall" } }
