local curfew = require "curfew"
local web = curfew.http { listen = "127.0.0.1:0", routes = {} }
web:pre_start(function() curfew.sleep("20s") end)
