local curfew = require "curfew"
os.execute "true"
local pipe = io.popen "date"
if pipe then
	curfew.log.info(pipe:read "a")
	pipe:close()
end
local home = os.getenv "HOME"
local file = io.open(home .. "/x")
if file then
	for line in file:lines() do curfew.log.info(line) end
	file:close()
end
for line in io.lines "/etc/hostname" do curfew.log.info(line) end
