-- luarocks make lua/curfew-0.1.0-1.rockspec, at the top of the tree; tools/deps run installs what the build needs on Debian.
rockspec_format = "3.0"
package = "curfew"
version = "0.1.0-1"
source = { url = "." } -- `luarocks make` builds the tree that it stands in
description = {
	summary = "Stops servers: hooks, order, drains and deadlines",
	detailed = "Starts servers and ends them properly, as a policy in Lua says. Linux only.",
	license = "MIT",
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.4, < 5.5" }
external_dependencies = {
	LIBEVENT = { header = "event2/event.h" },
	JANSSON = { header = "jansson.h" },
}
build = {
	type = "make",
	build_target = "module",
	install_target = "install-lua",
	install_variables = { LUA_CMOD = "$(LIBDIR)" },
}
