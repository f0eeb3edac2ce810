# curfew: make help lists the targets.
SAN ?=
BUILD ?= build$(if $(SAN),-san)
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
DESTDIR ?=
V := $(shell sed -n 's/^\#define CURFEW_VERSION "\(.*\)"/\1/p' src/version.h)

# These goals install what is missing (make deps) before anything below is read from pkg-config. Not under make -n.
NEEDS := $(filter run test verify fuzz coverage compare lint,$(MAKECMDGOALS)) \
         $(if $(filter valgrind bench soak faults explore mutate,$(MAKECMDGOALS)),test)
ifneq ($(if $(findstring n,$(firstword -$(MAKEFLAGS))),,$(strip $(NEEDS))),)
ifneq ($(shell tools/deps $(NEEDS) >&2; echo $$?),0)
$(error tools/deps failed)
endif
endif

CC ?= cc
PKGS := libevent_core libevent_extra lua5.4 jansson
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wvla -Wformat=2 -Wundef \
        -Wcast-qual -fno-common -fvisibility=hidden -fPIC $(if $(CI),-Werror)
CPPFLAGS_ALL = -Isrc $(or $(PKG_CFLAGS),$(error pkg-config does not find all of $(PKGS): make deps installs them)) $(CPPFLAGS)
CFLAGS_ALL := -std=c11 -O2 -g $(WARN) $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer) $(CFLAGS)
LDFLAGS_ALL := -Wl,--as-needed $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
LDLIBS_ALL := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread $(LDLIBS)

# One line for each file that is built; VERBOSE=1 shows the commands.
say = $(if $(VERBOSE),,@printf '  %-5s %s\n' $(1) $@ &&)

# A room is a folder of src/; each becomes an archive, so that a test of a room links that room and what lies below it only.
ROOMS := base core view adapters host policy shell sim
objs = $(patsubst src/%.c,$(BUILD)/%.o,$(wildcard src/$(1)/*.c))
LUA_SRC := $(filter-out lua/curfew/meta/%,$(sort $(wildcard lua/curfew/*.lua lua/curfew/*/*.lua)))
# `check` stands on luacheck's parser, which the binary carries: Debian's lua-check has it.
LUACHECK_DIR ?= $(firstword $(wildcard /usr/share/lua/5.*/luacheck /usr/local/share/lua/5.*/luacheck))
LUACHECK := parser lexer decoder utils unicode unicode_printability_boundaries
below_base := base
below_core := core base
below_view := view core base
below_adapters := adapters base
below_host := host adapters base
below_policy := policy core base
below_shell := shell view adapters core base
below_sim := sim curfew view policy host adapters core base
below_run := shell sim curfew view policy host adapters core base

.DEFAULT_GOAL := $(BUILD)/curfew
all: $(BUILD)/curfew ## build the one binary, build/curfew

$(BUILD)/%.o: src/%.c
	@mkdir -p $(@D)
	$(call say,cc) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

define room
$(BUILD)/$(1).a: $(call objs,$(1)) $(if $(filter policy,$(1)),$(BUILD)/embedded.o)
	@rm -f $$@
	$$(call say,ar) ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room,$(r))))
$(BUILD)/curfew.a: $(patsubst src/%.c,$(BUILD)/%.o,$(wildcard src/*.c))
	@rm -f $@
	$(call say,ar) ar rcs $@ $^

# The library: the house without its shell. Of the adapters the one that needs a library of its own is a header of the host's.
SOVERSION := 0
# Of the views it has the lines of the log and what curfew_status says.
LIB_VIEW := log log_stop words status waits waiting json
LIB_OBJS := $(call objs,base) $(call objs,core) $(LIB_VIEW:%=$(BUILD)/view/%.o) $(call objs,host) $(call objs,policy) $(BUILD)/embedded.o \
            $(patsubst src/%.c,$(BUILD)/%.o,$(wildcard src/*.c)) $(filter-out %/libevent.o %/virtual.o,$(call objs,adapters))
LIB_LIBS := $(shell pkg-config --libs lua5.4 jansson 2>/dev/null) -lpthread
# One object, in which all that the header does not name is local.
$(BUILD)/libcurfew.a: $(LIB_OBJS)
	@rm -f $@ $(@:.a=.o)
	$(call say,ar) $(CC) -r -nostdlib -o $(@:.a=.o) $^ && objcopy --localize-hidden $(@:.a=.o) && ar rcs $@ $(@:.a=.o) && rm $(@:.a=.o)
# It stays where dlclose(3) lets go of it: the C library may call its handlers of exit(3).
$(BUILD)/libcurfew.so.$(SOVERSION): $(LIB_OBJS) src/libcurfew.map
	$(call say,ld) $(CC) -shared $(LDFLAGS_ALL) -Wl,-soname,libcurfew.so.$(SOVERSION) -Wl,--version-script=src/libcurfew.map -Wl,--no-undefined \
		-Wl,-z,nodelete -o $@ $(filter %.o,$^) $(LIB_LIBS)
$(BUILD)/libcurfew.so: $(BUILD)/libcurfew.so.$(SOVERSION)
	$(call say,ln) ln -sf $(<F) $@

# The module of Lua's own interpreter, which has the symbols of Lua itself.
$(BUILD)/lua/curfew.so: $(BUILD)/module/curfew.o $(below_run:%=$(BUILD)/%.a)
	@mkdir -p $(@D)
	$(call say,ld) $(CC) -shared $(LDFLAGS_ALL) -Wl,--exclude-libs,ALL -o $@ $^ $(LDLIBS_ALL)

# And the library for a program in Lua that has a loop of its own.
$(BUILD)/lua/curfew/host.so: $(BUILD)/module/host.o $(LIB_OBJS)
	@mkdir -p $(@D)
	$(call say,ld) $(CC) -shared $(LDFLAGS_ALL) -Wl,--version-script=src/module/host.map -o $@ $(filter %.o,$^) $(LIB_LIBS)
module: $(BUILD)/lua/curfew.so $(BUILD)/lua/curfew/host.so ## the modules for lua5.4: build/lua

# The dynamic module for nginx: what its configure (Debian: nginx-dev) makes of src/hosts/nginx/config, with flags of its own. One
# file for each version of nginx.
NGINX_SRC ?= /usr/share/nginx/src
NGINX_MODULES ?= /usr/lib/nginx/modules
NGINX_LIBRARY ?= libcurfew.so.$(SOVERSION)
NGINX_MODULE := $(BUILD)/nginx/ngx_curfew_module.so
NGINX_PARTS := $(wildcard src/hosts/nginx/*) src/include/curfew.h
$(NGINX_MODULE): $(NGINX_PARTS)
	$(if $(wildcard $(NGINX_SRC)/configure),,$(error nginx's build is not there ($(NGINX_SRC)): make deps installs nginx-dev))
	@rm -rf $(BUILD)/nginx && mkdir -p $(BUILD)/nginx
	$(call say,nginx) tools/nginx-module $(NGINX_SRC) $(abspath src/hosts/nginx) $(abspath $(BUILD)/nginx) '$(NGINX_LIBRARY)' \
		$(if $(VERBOSE),,>$(BUILD)/nginx/log 2>&1 || { cat $(BUILD)/nginx/log; exit 1; })
nginx-module: $(NGINX_MODULE) $(BUILD)/libcurfew.so ## the dynamic module for the nginx that is installed (needs nginx-dev)
install-nginx: $(NGINX_MODULE) ## the same, in nginx's folder of modules (NGINX_MODULES)
	install -D -m 644 -t $(DESTDIR)$(NGINX_MODULES) $(NGINX_MODULE)

# Everything under lua/ is embedded, as bytecode with its debug information.
$(BUILD)/embedded.c: tools/embed.lua $(LUA_SRC)
	@mkdir -p $(@D)
	$(if $(LUACHECK_DIR),,$(error luacheck is not installed: make deps does it, or LUACHECK_DIR says where it is))
	$(call say,lua) lua5.4 tools/embed.lua $(LUA_SRC) $(foreach m,$(LUACHECK),luacheck.$m=$(LUACHECK_DIR)/$m.lua) > $@.tmp && mv $@.tmp $@
$(BUILD)/embedded.o: $(BUILD)/embedded.c
	$(call say,cc) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c -o $@ $<

# What `curfew init` writes.
TEMPLATES := $(sort $(wildcard lua/init/*.lua))
$(BUILD)/templates.c: tools/templates.lua $(TEMPLATES)
	@mkdir -p $(@D)
	$(call say,lua) lua5.4 tools/templates.lua $(TEMPLATES) > $@.tmp && mv $@.tmp $@
$(BUILD)/templates.o: $(BUILD)/templates.c
	$(call say,cc) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c -o $@ $<

$(BUILD)/curfew: $(call objs,bin) $(BUILD)/templates.o $(below_run:%=$(BUILD)/%.a)
	$(call say,ld) $(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

# t/ROOM/name.c becomes build/t/ROOM/name.
T_C := $(patsubst %.c,$(BUILD)/%,$(filter-out t/lib/%,$(wildcard t/*/*.c)))
# t/embed: programs of others, which have the installed headers and the shared library, and nothing else of this house.
loop_libevent := $(shell pkg-config --cflags --libs libevent_core 2>/dev/null)
loop_uv := $(shell pkg-config --cflags --libs libuv 2>/dev/null)
loop_ev := -lev
loop_glib := $(shell pkg-config --cflags --libs glib-2.0 2>/dev/null)
$(BUILD)/t/embed/%: t/embed/%.c $(wildcard t/embed/*.h) t/lib/tap.c t/lib/tap.h $(wildcard src/include/*.h) $(BUILD)/libcurfew.so
	@mkdir -p $(@D)
	$(call say,cc) $(CC) -Isrc/include -It/lib $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< t/lib/tap.c \
		-L$(BUILD) -Wl,-rpath,$(abspath $(BUILD)) -lcurfew -lpthread $(loop_$*)
define room_tests
$(BUILD)/t/$(1)/%: t/$(1)/%.c t/lib/tap.c t/lib/tap.h $(wildcard t/$(1)/*.h) $$(below_$(1):%=$(BUILD)/%.a)
	@mkdir -p $$(@D)
	$$(call say,cc) $$(CC) $$(CPPFLAGS_ALL) -It/lib $$(CFLAGS_ALL) -MMD -MP $$(LDFLAGS_ALL) -o $$@ $$< t/lib/tap.c $$(below_$(1):%=$(BUILD)/%.a) $$(LDLIBS_ALL)
endef
$(foreach r,$(ROOMS) run,$(eval $(call room_tests,$(r))))

# The programs of the benchmark: a file each, but for the probe.
BENCH := $(patsubst %.c,$(BUILD)/%,$(filter-out bench/probe_%,$(wildcard bench/*.c)))
# What the library itself costs: a program of its users.
$(BUILD)/bench/costs: bench/costs.c $(BUILD)/libcurfew.so
	@mkdir -p $(@D)
	$(call say,cc) $(CC) -Isrc/include $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< -L$(BUILD) -Wl,-rpath,$(abspath $(BUILD)) -lcurfew
$(BUILD)/bench/probe: $(wildcard bench/probe_*.c bench/probe.h)
$(BUILD)/bench/%: bench/%.c bench/marks.h $(BUILD)/core.a $(BUILD)/base.a
	@mkdir -p $(@D)
	$(call say,cc) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(filter %.c,$^) $(BUILD)/core.a $(BUILD)/base.a $(LDLIBS_ALL)

.PHONY: all help deps module install-lua run test bench valgrind lint lint-format lint-cppcheck lint-lua lint-tidy check-layers check-install install install-bin install-lib uninstall nginx-module install-nginx clean
help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(filter Makefile %.mk,$(MAKEFILE_LIST)) | expand -t 16

deps: ## install with apt what is missing to build, run and test
	tools/deps run test

run: $(BUILD)/curfew ## install what is missing, build, and run the demo: servers under load, a SIGTERM, the timeline
	$(BUILD)/curfew run --timeline always examples/demo.lua

# Each file passes or fails by itself, bounded in time, and leaves no process behind. Tests find the binary in $CURFEW, the build
# in $BUILD.
T ?= $(T_C) $(sort $(wildcard t/*/*.t))
TEST_TIMEOUT ?= 300
PROVE := BUILD=$(BUILD) CURFEW=$(abspath $(BUILD)/curfew) SAN=$(SAN) $(if $(SAN),CURFEW_PATIENCE=120) ASAN_OPTIONS=detect_stack_use_after_return=1 \
	UBSAN_OPTIONS=print_stacktrace=1 prove --failures --timer
$(BUILD)/t/bound: t/lib/bound.c
	@mkdir -p $(@D)
	$(call say,cc) $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $<
# What holds a process to fractions of a second has the machine for itself; what only computes takes what the others leave.
ALONE := t/run/forced.t
BESIDE := $(wildcard t/fuzz/*.t)
AMONG = $(filter-out $(ALONE) $(BESIDE),$(T))
BESIDE_LOG := $(BUILD)/t/beside
test: $(BUILD)/curfew $(BUILD)/libcurfew.so $(BUILD)/libcurfew.a module $(if $(wildcard $(NGINX_SRC)/configure),nginx-module) $(T_C) $(BUILD)/t/bound ## install what is missing, build, and run every test; SAN=address,undefined, T=FILE…
	@trap 'kill $$beside 2>/dev/null; exit 130' INT TERM; rc=0; beside=; \
	$(if $(filter $(BESIDE),$(T)),{ exec nice -n 19 env $(PROVE) --exec '$(BUILD)/t/bound 900' $(filter $(BESIDE),$(T)) >$(BESIDE_LOG) 2>&1; } & beside=$$!;) \
	$(if $(AMONG),$(PROVE) -j2 --exec '$(BUILD)/t/bound $(TEST_TIMEOUT)' $(AMONG) || rc=1;) \
	$(if $(filter $(BESIDE),$(T)),wait $$beside || rc=1; cat $(BESIDE_LOG);) \
	exit $$rc
	$(if $(filter $(ALONE),$(T)),$(PROVE) --exec '$(BUILD)/t/bound $(TEST_TIMEOUT)' $(filter $(ALONE),$(T)))

bench: $(BUILD)/curfew $(BENCH) $(if $(wildcard $(NGINX_SRC)/configure),nginx-module) ## figures beside a minimal program each; RIVALS=1 beside others too (bench/README.md)
	BUILD=$(BUILD) bench/run $(if $(RIVALS),--rivals) $(BENCH_ARGS)
	$(if $(BENCH_ARGS),,BUILD=$(BUILD) bench/nginx)
	$(if $(BENCH_ARGS),,$(BUILD)/bench/costs)

VALGRIND := valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect
valgrind: $(BUILD)/curfew $(T_C) $(BUILD)/t/bound ## the C tests and one whole run under valgrind
	$(PROVE) --exec '$(BUILD)/t/bound 900 $(VALGRIND) --child-silent-after-fork=yes' $(T_C)
	$(PROVE) t/meta/valgrind.t

C_ALL := $(wildcard src/*.[ch] src/*/*.[ch] t/*/*.[ch] bench/*.[ch] examples/embed/*.c)
LUA_ALL := $(wildcard lua/init/*.lua lua/curfew/*.lua lua/curfew/*/*.lua examples/*.lua t/*/*.lua tools/*.lua bench/*.lua)
lint: check-layers lint-format lint-cppcheck lint-lua lint-tidy ## clang-format, cppcheck, luacheck and clang-tidy: all clean
lint-format:
	@clang-format --dry-run -Werror $(C_ALL) $(wildcard src/hosts/*/*.[ch])
# Not its opinion on what is initialized or null: it does not see through sys/queue.h and lists; clang-tidy does.
lint-cppcheck:
	@cppcheck -q -j2 --std=c11 --error-exitcode=1 --enable=performance,portability --inline-suppr -Isrc -It/lib $(CPPCHECK_NOT:%=--suppress=%) \
		$(filter %.c,$(C_ALL))
	@cppcheck -q -j2 --std=c11 --error-exitcode=1 --enable=performance,portability --inline-suppr -Isrc/include $(CPPCHECK_NOT:%=--suppress=%) \
		$(wildcard src/hosts/*/*.c)
CPPCHECK_NOT := missingIncludeSystem varFuncNullUB uninitvar legacyUninitvar returnDanglingLifetime
lint-lua:
	@luacheck -q $(LUA_ALL)
# One file at a time: clang-tidy 14 carries its notion of va_list from one file to the next.
lint-tidy: private CPPFLAGS_ALL += -Isrc/include $(shell pkg-config --cflags libuv glib-2.0 2>/dev/null)
lint-tidy:
	@printf '%s\n' $(filter %.c,$(C_ALL)) | xargs -P2 -n1 sh -c 'clang-tidy --quiet "$$@" -- $(CPPFLAGS_ALL) -It/lib \
		-std=$$(case $$1 in examples/*) echo gnu11;; *) echo c11;; esac) 2>$(BUILD)/tidy.err' tidy
	$(if $(wildcard $(NGINX_SRC)/src),@$(MAKE) -s $(NGINX_MODULE) && clang-tidy --quiet $(wildcard src/hosts/nginx/*.c) -- $(CPPFLAGS_NGINX) 2>$(BUILD)/tidy.err)
# The headers of nginx are nobody's fault here.
CPPFLAGS_NGINX = -D_GNU_SOURCE -DNGX_CURFEW_LIBRARY='"x"' -Isrc/include -isystem $(BUILD)/nginx \
	$(addprefix -isystem $(NGINX_SRC)/src/,core event event/modules os/unix http http/modules http/v2)

check-layers: $(ROOMS:%=$(BUILD)/%.a) $(BUILD)/curfew.a ## no include and no symbol points up
	lua5.4 tools/check-layers.lua src $(BUILD)

MAN := $(wildcard man/*.[1-9])
EXAMPLES := $(wildcard examples/*.lua examples/*.service examples/*.yaml examples/*.cfg)
install: install-bin install-lib install-lua ## all of it, under DESTDIR and PREFIX (/usr/local); install-bin, install-lib, install-lua: the command, the library, the module
install-bin: $(BUILD)/curfew
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/curfew/examples $(DESTDIR)$(PREFIX)/share/doc/curfew
	install -m 755 $(BUILD)/curfew $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(EXAMPLES) $(DESTDIR)$(PREFIX)/share/curfew/examples
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/curfew/meta $(wildcard lua/curfew/meta/*)
	install -m 644 LICENSE README.md $(DESTDIR)$(PREFIX)/share/doc/curfew
	install -D -m 644 completions/curfew.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/curfew
	install -D -m 644 completions/_curfew $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_curfew
	install -D -m 644 completions/curfew.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/curfew.fish
	$(foreach m,$(filter-out %.3,$(MAN)),install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $m)) $m &&) true
install-lib: $(BUILD)/libcurfew.so.$(SOVERSION) $(BUILD)/libcurfew.a
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include $(wildcard src/include/*.h)
	install -D -m 644 -t $(DESTDIR)$(LIBDIR) $(BUILD)/libcurfew.so.$(SOVERSION) $(BUILD)/libcurfew.a
	ln -sf libcurfew.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libcurfew.so
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig
	sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|; s|@VERSION@|$(V)|; s|@PRIVATE@|$(strip $(LIB_LIBS)) -lm -ldl|' src/curfew.pc.in \
		> $(DESTDIR)$(LIBDIR)/pkgconfig/curfew.pc
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/curfew/examples/embed $(wildcard examples/embed/*)
	$(foreach m,$(filter %.3,$(MAN)),install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man3 $m &&) true
	$(if $(DESTDIR),,-ldconfig 2>/dev/null)

LUA_CMOD ?= $(PREFIX)/lib/lua/5.4
install-lua: module
	install -D -m 644 -t $(DESTDIR)$(LUA_CMOD) $(BUILD)/lua/curfew.so
	install -D -m 644 -t $(DESTDIR)$(LUA_CMOD)/curfew $(BUILD)/lua/curfew/host.so

uninstall: ## what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/curfew $(foreach m,$(MAN),$(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $m))/$(notdir $m))
	rm -rf $(DESTDIR)$(PREFIX)/share/curfew $(DESTDIR)$(PREFIX)/share/doc/curfew
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/share/,bash-completion/completions/curfew zsh/site-functions/_curfew fish/vendor_completions.d/curfew.fish)
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/include/,$(notdir $(wildcard src/include/*.h)))
	rm -f $(DESTDIR)$(LUA_CMOD)/curfew.so $(DESTDIR)$(LUA_CMOD)/curfew/host.so
	-rmdir $(DESTDIR)$(LUA_CMOD)/curfew 2>/dev/null
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,libcurfew.so.$(SOVERSION) libcurfew.so libcurfew.a pkgconfig/curfew.pc)

check-install: $(BUILD)/libcurfew.so $(BUILD)/libcurfew.a $(BUILD)/curfew $(BUILD)/t/bound ## build every C example against an installed curfew, with nothing but pkg-config
	$(PROVE) --exec '$(BUILD)/t/bound $(TEST_TIMEOUT)' t/embed/installed.t

clean: ## what was built
	rm -rf $(BUILD)

# What proves more than tests do has its rules beside it.
include $(wildcard t/*/rules.mk bench/rules.mk)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
