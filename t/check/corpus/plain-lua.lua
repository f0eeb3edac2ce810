local function f() error "no event loop here" end
while true do f() end
