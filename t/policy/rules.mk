# What runs out of memory in these tests is the code of this house, not Lua and not the C library.
SHORT := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=strdup
$(BUILD)/t/policy/short: private LDFLAGS_ALL += $(SHORT)
$(BUILD)/t/policy/short: t/lib/short.h
