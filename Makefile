# curfew: make help lists the targets.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
SAN ?=
V := $(shell sed -n 's/^\#define CURFEW_VERSION "\(.*\)"/\1/p' src/version.h)

CC ?= cc
PKGS := libevent_core libevent_extra lua5.4 jansson
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wvla -Wformat=2 -Wundef \
        -Wcast-qual -fno-common -fvisibility=hidden $(if $(CI),-Werror)
CPPFLAGS_ALL := -Isrc $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CPPFLAGS)
CFLAGS_ALL := -std=c11 -O2 -g $(WARN) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer) $(CFLAGS)
LDFLAGS_ALL := $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
LDLIBS_ALL := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread $(LDLIBS)

# A room is a folder of src/; each becomes an archive, so that a test of a room links that room and what lies below it only.
ROOMS := base core adapters host policy shell
objs = $(patsubst src/%.c,$(BUILD)/%.o,$(wildcard src/$(1)/*.c))
LUA_SRC := $(sort $(wildcard lua/curfew/*.lua))
below_base := base
below_core := core base
below_adapters := adapters base
below_host := host adapters base
below_policy := policy core base
below_shell := shell adapters core base
below_run := curfew shell policy host adapters core base

.DEFAULT_GOAL := $(BUILD)/curfew
all: $(BUILD)/curfew ## build the one binary, build/curfew

$(BUILD)/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

define room
$(BUILD)/$(1).a: $(call objs,$(1)) $(if $(filter policy,$(1)),$(BUILD)/embedded.o)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room,$(r))))
$(BUILD)/curfew.a: $(BUILD)/curfew.o
	@rm -f $@
	ar rcs $@ $^

# Everything under lua/ is embedded, as bytecode with its debug information.
$(BUILD)/embedded.c: tools/embed.lua $(LUA_SRC)
	@mkdir -p $(@D)
	lua5.4 tools/embed.lua $(LUA_SRC) > $@.tmp && mv $@.tmp $@
$(BUILD)/embedded.o: $(BUILD)/embedded.c
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c -o $@ $<

$(BUILD)/curfew: $(call objs,bin) $(below_run:%=$(BUILD)/%.a)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

# t/ROOM/name.c becomes build/t/ROOM/name.
T_C := $(patsubst %.c,$(BUILD)/%,$(filter-out t/lib/%,$(wildcard t/*/*.c)))
define room_tests
$(BUILD)/t/$(1)/%: t/$(1)/%.c t/lib/tap.c t/lib/tap.h $$(below_$(1):%=$(BUILD)/%.a)
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS_ALL) -It/lib $$(CFLAGS_ALL) -MMD -MP $$(LDFLAGS_ALL) -o $$@ $$< t/lib/tap.c $$(below_$(1):%=$(BUILD)/%.a) $$(LDLIBS_ALL)
endef
$(foreach r,$(ROOMS) run,$(eval $(call room_tests,$(r))))

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
