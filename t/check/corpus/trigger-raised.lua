local curfew = require "curfew"
curfew.after(1, function()
	curfew.trigger("abrot") --> unknown-trigger
	curfew.trigger("custom:mine", 3)
end)
