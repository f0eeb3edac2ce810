# What a user would pick instead, on the same work in the same run. exiting and hapi are from npm; where there is none, or no
# registry, their figures are missing and the tables say so.
COMPARE := $(BUILD)/bench/node_modules/exiting/package.json
$(COMPARE):
	@mkdir -p $(BUILD)/bench
	-$(if $(shell command -v npm),npm install --silent --no-audit --no-fund --prefix $(BUILD)/bench exiting @hapi/hapi)

.PHONY: compare field
compare: $(BUILD)/curfew $(BUILD)/libcurfew.so $(BENCH) $(COMPARE) ## beside what a user would pick instead: bench/RESULTS.md, bench/compare.svg, bench/FIELD.md
	@rc=0; BUILD=$(BUILD) bench/run --rivals $(COMPARE_ARGS) --data bench/compare.tsv || rc=1; \
	bench/compare table bench/compare.tsv bench/causes bench/RESULTS.md && bench/compare svg bench/compare.tsv bench/compare.svg || rc=1; \
	BUILD=$(BUILD) bench/field/run --record bench/FIELD.md || rc=1; exit $$rc
field: $(BUILD)/curfew $(BUILD)/libcurfew.so $(COMPARE) ## which program has which pain of bench/FIELD.md, without recording it
	BUILD=$(BUILD) bench/field/run $(FIELD_ARGS)
