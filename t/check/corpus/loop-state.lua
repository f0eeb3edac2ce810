local curfew = require "curfew"
curfew.pre_stop(function()
	while curfew.state ~= "stopped" do end --> busy-loop
end)
