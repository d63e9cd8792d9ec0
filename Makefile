# cnnc: make, make demo, make test, make help. One Makefile; build/ mirrors the tree.
SHELL     := /bin/bash
BUILD     ?= build
CC        ?= gcc
PREFIX    ?= /usr/local
# Each warning has its reason: the first line is the common ground; -Wshadow and -Wconversion find slips in index
# arithmetic; -Wformat=2 guards printf-like functions; -Wswitch-enum is left to review, -Wswitch points at every place a
# new op must visit; -Wvla keeps the stack bounded.
WARNINGS  := -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wno-sign-conversion \
             -Wformat=2 -Wswitch -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wundef
CFLAGS    ?= -O2 -g
SANITIZE  ?=
# make V=1 shows the commands
V         ?=
Q         := $(if $(V),,@)
ifneq ($(SANITIZE),)
BUILD     := build/sanitize
CFLAGS    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
ALL_CFLAGS = -std=c11 -D_XOPEN_SOURCE=700 -DCNNC_DATA_DIR='"$(PREFIX)/share/cnnc"' -Icompiler -Iruntime -I$(BUILD)/gen $(WARNINGS) $(CFLAGS)
LIBS      := -ljansson -lprotobuf-c -lm

SOURCES   := $(wildcard compiler/*.c compiler/*/*.c)
EMBEDDED  := $(wildcard compiler/backend/embed/*.c compiler/tune/embed/*.c) runtime/cnn.h
OBJECTS   := $(SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/gen/scan.o $(BUILD)/gen/parse.o $(BUILD)/gen/embedded.o $(BUILD)/gen/onnx.pb-c.o
LIBRARY   := $(BUILD)/libcnnc.a
TESTS     := $(wildcard tests/*.c tests/*/*.c)
TEST_OBJS := $(TESTS:%.c=$(BUILD)/%.o)

.PHONY: all deps deps-build deps-test deps-pytorch deps-oracle test-onnxruntime demo test sanitize fuzz fuzz-pytorch bless bench format format-check clean install help
all: deps-build $(BUILD)/cnnc                       ## build the compiler: build/cnnc

$(BUILD)/cnnc: $(BUILD)/compiler/main.o $(LIBRARY)
	@echo '  CC   $@'
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

$(LIBRARY): $(filter-out $(BUILD)/compiler/main.o,$(OBJECTS))
	$(Q)rm -f $@ && ar rcsD $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo '  CC   $@'
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# Flex and bison: their output stays in build/, and is compiled without our extra warnings.
$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	@echo '  CC   $@'
	$(Q)$(CC) -std=c11 -D_XOPEN_SOURCE=700 -Icompiler -I$(BUILD)/gen -Wall $(CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/gen/parse.c $(BUILD)/gen/parse.h &: compiler/frontend/parse.y
	@mkdir -p $(@D)
	$(Q)bison -Wall -Werror --defines=$(BUILD)/gen/parse.h -o $(BUILD)/gen/parse.c $<
$(BUILD)/gen/scan.c $(BUILD)/gen/scan.h &: compiler/frontend/scan.l $(BUILD)/gen/parse.h
	@mkdir -p $(@D)
	$(Q)flex --header-file=$(BUILD)/gen/scan.h -o $(BUILD)/gen/scan.c $<
$(filter $(BUILD)/compiler/frontend/%,$(OBJECTS)): | $(BUILD)/gen/parse.h $(BUILD)/gen/scan.h
# ONNX's messages, from the system's description of them.
ONNX_PROTO := /usr/include/onnx/onnx.proto
$(BUILD)/gen/onnx.pb-c.c $(BUILD)/gen/onnx.pb-c.h &: | deps-build
	@mkdir -p $(@D)
	$(Q)protoc-c --proto_path=$(dir $(ONNX_PROTO)) --c_out=$(BUILD)/gen $(ONNX_PROTO)
$(filter $(BUILD)/compiler/onnx/%,$(OBJECTS)) $(BUILD)/tests/unit/onnx.o: | $(BUILD)/gen/onnx.pb-c.h
$(BUILD)/gen/embedded.c: tools/embed.sh $(EMBEDDED)
	@mkdir -p $(@D)
	$(Q)bash tools/embed.sh $(EMBEDDED) > $@.tmp && mv $@.tmp $@

# One test program: unit, golden and numeric tests. `make test T=ir` runs the suites whose names match 'ir*'.
T ?= *
$(BUILD)/tests/run_all: $(TEST_OBJS) $(LIBRARY)
	@echo '  CC   $@'
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lcriterion $(LIBS)
test: deps-test $(BUILD)/cnnc $(BUILD)/tests/run_all  ## build and run every test (T='ir*' for some)
	tests/check_tree.sh
	ASAN_OPTIONS=abort_on_error=1:detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	CNNC_BUILD=$(BUILD) $(BUILD)/tests/run_all --filter '$(T)/*' -j2
sanitize:                                            ## the same tests under ASan and UBSan
	$(MAKE) test SANITIZE=1
fuzz:                                                ## nets with random faults through the front end, under ASan and UBSan
	$(MAKE) test SANITIZE=1 T='fuzz*'
fuzz-pytorch: deps-pytorch $(BUILD)/cnnc             ## random networks against PyTorch (SEED=1 FOR=60 seconds LARGE=1 FUZZ_TARGET=x86-64-v3 FUZZ_CC='gcc -O2')
	CNNC_BUILD=$(BUILD) /usr/bin/python3 tests/fuzz/differential.py --seed $(or $(SEED),1) --seconds $(or $(FOR),60) $(if $(LARGE),--large) \
	    --target $(or $(FUZZ_TARGET),portable) --cc '$(or $(FUZZ_CC),gcc -O2 $(if $(filter x86-64-% native,$(FUZZ_TARGET)),-march=$(FUZZ_TARGET)))'
bless: $(BUILD)/tests/run_all                        ## rewrite golden files from today's output; read the diff
	CNNC_BUILD=$(BUILD) CNNC_BLESS=1 $(BUILD)/tests/run_all --filter 'golden*/*' -j1

# Every network of the zoo in ONNX Runtime and as generated C. SHARD=2/4: a quarter; NETS='vgg16 ops': only these;
# DOUBLE=1: both against float64 too; TARGET=native: this machine's kernels instead of portable.
test-onnxruntime: deps-oracle $(BUILD)/cnnc $(BUILD)/tools/oracle/reference ## the zoo against ONNX Runtime, from PyPI
	CNNC_BUILD=$(BUILD) tools/oracle/onnxruntime_sweep.py $(if $(SHARD),--shard $(SHARD)) $(if $(DOUBLE),--double) $(if $(TARGET),--target $(TARGET)) $(NETS)
$(BUILD)/tools/oracle/reference: $(BUILD)/tools/oracle/reference.o $(LIBRARY)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

# Generated code against other engines from PyPI. NETS, TARGETS, COMPILERS, ENGINES, THREADS, ROUNDS, RUNS choose, RESULTS says
# where tables go, UPDATE=1 keeps the nets that are there; QUICK=1 only checks the harness.
bench: deps-oracle $(BUILD)/cnnc                     ## times the zoo against ONNX Runtime, OpenVINO, ncnn and PyTorch
	CNNC_BUILD=$(BUILD) bench/bench.py --compilers '$(or $(COMPILERS),$(CC))' $(if $(QUICK),--quick) $(if $(TARGETS),--targets '$(TARGETS)') \
	    $(if $(ENGINES),--engines '$(ENGINES)') $(if $(THREADS),--threads '$(THREADS)') $(if $(ROUNDS),--rounds $(ROUNDS)) \
	    $(if $(RUNS),--runs $(RUNS)) $(if $(RESULTS),--results '$(RESULTS)') $(if $(UPDATE),--update) $(NETS)

demo: deps-build $(BUILD)/cnnc                       ## recognise handwritten digits with LeNet-5
	$(MAKE) -C examples/digits run CNNC=$(abspath $(BUILD)/cnnc)

deps-build:
	@tools/install_deps.sh build
deps-test:
	@tools/install_deps.sh test
deps-pytorch:
	@tools/install_deps.sh pytorch
deps-oracle:
	@tools/install_deps.sh oracle

# The compiler, the zoo, and the runtime as header, sources and library, with a pkg-config file.
DATA = $(DESTDIR)$(PREFIX)/share/cnnc
$(BUILD)/libcnn.a: $(BUILD)/runtime/cnn_arena.o $(BUILD)/runtime/cnn_threads.o $(BUILD)/runtime/cnn_weights.o
	$(Q)rm -f $@ && ar rcsD $@ $^
install: $(BUILD)/cnnc $(BUILD)/libcnn.a                ## install to PREFIX (default /usr/local)
	install -D -m 755 $(BUILD)/cnnc $(DESTDIR)$(PREFIX)/bin/cnnc
	install -D -m 644 runtime/cnn.h $(DESTDIR)$(PREFIX)/include/cnn.h
	install -D -m 644 $(BUILD)/libcnn.a $(DESTDIR)$(PREFIX)/lib/libcnn.a
	install -d $(DATA)/zoo $(DATA)/blocks $(DATA)/runtime $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 644 dsl/zoo/* $(DATA)/zoo
	install -m 644 dsl/blocks/* $(DATA)/blocks
	install -m 644 runtime/cnn.h runtime/*.c runtime/LICENSE $(DATA)/runtime
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|'"$$(sed -n 's/.*CNNC_VERSION "\(.*\)"/\1/p' compiler/version.h)"'|' \
	    runtime/cnn.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/cnn.pc
# Not compiler/backend/embed/ and generated/: text of generated code, laid out for its readers.
C_FILES = $(wildcard $(addsuffix .[ch],compiler/* compiler/*/* runtime/* tests/* tests/*/* examples/*/* bench/* tools/*/*))
format:                                              ## clang-format all C files
	@clang-format -i $(C_FILES)
format-check:                                        ## say which C files are not formatted
	@clang-format --dry-run -Werror $(C_FILES)
clean:                                               ## remove build/
	rm -rf build
help:                                                ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 20

-include $(OBJECTS:.o=.d) $(TEST_OBJS:.o=.d) $(BUILD)/tools/oracle/reference.d
