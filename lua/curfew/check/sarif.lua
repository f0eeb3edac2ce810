-- sarif.lua: findings as SARIF 2.1.0. The result stands at the raise; relatedLocations lead from it to the handler, the code
-- flow runs the other way, as the program does.
local findings = require "curfew.check.findings"
local json = require "curfew.check.json"

local object, array = json.object, json.array

local function uri(path)
	return (path:gsub("[^%w%-._~/]", function(c)
		return ("%%%02X"):format(c:byte())
	end))
end

local function message(text)
	return object { "text", text }
end

local function location(p, id)
	local region = object {
		"startLine", p.line, "startColumn", p.column, "endLine", p.last_line, "endColumn", p.last_column + 1,
	}
	local physical = object { "artifactLocation", object { "uri", uri(p.file) }, "region", region }
	return object { "id", id, "physicalLocation", physical, "message", p.text and message(p.text) or nil, n = 6 }
end

local function rules()
	local out = {}
	for _, rule in ipairs(findings.rules) do
		out[#out + 1] = object {
			"id", rule.id,
			"shortDescription", message(rule.short .. "."),
			"help", message(rule.help),
			"defaultConfiguration", object { "level", rule.level },
		}
	end
	return array(out)
end

local function result(f)
	local rule = findings.rule(f.rule)
	local related, flow = {}, {}
	for i, step in ipairs(f.path) do
		related[i] = location(step, i - 1)
		flow[#f.path - i + 1] = object { "location", location(step) }
	end
	local flows = #flow > 1 and array { object { "threadFlows", array { object { "locations", array(flow) } } } } or nil
	return object {
		"ruleId", f.rule,
		"ruleIndex", rule.index,
		"level", rule.level,
		"message", message(f.message:gsub("^%l", string.upper) .. "."),
		"locations", array { location(f) },
		"relatedLocations", #related > 1 and array(related) or nil,
		"codeFlows", flows,
		n = 14,
	}
end

return function(reports, version)
	local results, artifacts = {}, {}
	for _, report in ipairs(reports) do
		artifacts[#artifacts + 1] = object { "location", object { "uri", uri(report.source.path) }, "sourceLanguage", "lua" }
		for _, f in ipairs(report.findings) do
			results[#results + 1] = result(f)
		end
	end
	local driver = object { "name", "curfew check", "version", version, "rules", rules() }
	local run = object {
		"tool", object { "driver", driver },
		"columnKind", "unicodeCodePoints",
		"artifacts", array(artifacts),
		"results", array(results),
	}
	return json.encode(object {
		"$schema", "https://json.schemastore.org/sarif-2.1.0.json", "version", "2.1.0", "runs", array { run },
	})
end
