# Lives of curfew, one after the other, for MINUTES; t/soak/soak.t is one slice of it.
MINUTES ?= 10
.PHONY: soak
soak: $(BUILD)/curfew ## start, load, reload, stop, for MINUTES=60: memory, descriptors, children stay flat; SAN=address,undefined too (t/soak/README.md)
	CURFEW=$(abspath $(BUILD)/curfew) SAN=$(SAN) $(if $(SAN),CURFEW_PATIENCE=120) ASAN_OPTIONS=detect_stack_use_after_return=1 \
		UBSAN_OPTIONS=print_stacktrace=1 t/soak/run $$(($(MINUTES) * 60))
