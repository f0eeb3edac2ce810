local curfew = require "curfew"
local lfs = require "lfs"
curfew.spawn(function()
	for name in lfs.dir "/tmp" do --> blocking-call
		curfew.log.info(name)
	end
end)
