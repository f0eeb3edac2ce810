---@meta curfew.sim
-- What `require "curfew.sim"` is in a test of a policy, for lua-language-server: nothing of this runs. curfew-test(1) says more.

---@class curfew.sim
local sim = {}

---@param name string
---@param f fun(t: curfew.sim.test)
function sim.test(name, f) end

---@param name string
---@param path string
---@param check fun(run: curfew.sim.run, t: curfew.sim.test)
---@param opts? { runs?: integer, seed?: integer, load?: fun(seed: integer): curfew.sim.load_options, triggers?: string[] }
function sim.explore(name, path, check, opts) end

---@param name string
---@param path string
---@param items table[]
function sim.schedule(name, path, items) end

---@class curfew.sim.load_options
---@field env? table<string, string>
---@field configure? curfew.settings
---@field epoch? integer
---@field exec? table|fun(args: curfew.exec_command): table?, string?, string?
---@field fetch? table|fun(url: string, options: curfew.fetch_options): table?, string?, string?
---@field fs? table<string, string>

---@class curfew.sim.test
local test = {}

---@param path string
---@param opts? curfew.sim.load_options
---@return curfew.sim.run
function test:load(path, opts) end

---@return boolean
function test:ok(v, ...) end

---@return boolean
function test:equal(got, expected, ...) end

---@return boolean
function test:is(got, expected, ...) end

---@param text string
---@param pattern string
---@return boolean
function test:like(text, pattern, ...) end

---@param limit curfew.duration
---@param seconds number
---@return boolean
function test:within(limit, seconds, ...) end

---@param ... string
---@return boolean
function test:order(...) end

---@param event string
---@return boolean
function test:never(event) end

---@param ... any
function test:fail(...) end

---@class curfew.sim.run
---@field exit_code integer
---@field ended_at number
---@field timeline string
local run = {}

---@param name string
---@return curfew.sim.server
function run:server(name) end

---@param t curfew.duration
---@param trigger curfew.trigger_name
---@param opts? table
---@return curfew.sim.run
function run:at(t, trigger, opts) end

---@param stub table|fun(args: curfew.exec_command): table?, string?, string?
---@return curfew.sim.run
function run:exec(stub) end

---@param stub table|fun(url: string, options: curfew.fetch_options): table?, string?, string?
---@return curfew.sim.run
function run:fetch(stub) end

---@param files table<string, string>
---@return curfew.sim.run
function run:fs(files) end

---@return curfew.sim.run
function run:finish() end

---@param t curfew.duration
---@return curfew.sim.run
function run:advance(t) end

---@return string
function run:log() end

---@return { at: number, name: string, server?: string, hook?: string, code?: integer }[]
function run:events() end

---@class curfew.sim.server
local server = {}

---@param t curfew.duration
---@return curfew.sim.server
function server:starts_in(t) end

---@return curfew.sim.server
function server:never_starts() end

---@param message string
---@return curfew.sim.server
function server:fails(message) end

---@param message string
---@return curfew.sim.server
function server:fails_to_start(message) end

---@param t curfew.duration
---@return curfew.sim.server
function server:stops_in(t) end

---@return curfew.sim.server
function server:never_stops() end

---@param message string
---@return curfew.sim.server
function server:fails_to_stop(message) end

---@param t curfew.duration
---@param how? integer|string|{ code: integer }
---@return curfew.sim.server
function server:dies_at(t, how) end

return sim
