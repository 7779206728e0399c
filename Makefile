# make help            what there is
# make demo            live captions of samples/call.wav, no key needed
# make demo AUDIO=my.mp3 SERVER=openai OUTPUT=my.srt SPEED=2 TEXT=my.txt
# make demo AUDIO=my.mp3 LANGUAGE=es MODEL_DIR=~/base-es KEYWORDS='TEN, Agora'

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
SOURCES := .

# Stamps: what was installed into .venv from which list. The second run
# installs nothing.
DEMO_READY := $(VENV)/.demo-ready
DEV_READY := $(VENV)/.dev-ready
BENCH_READY := $(VENV)/.bench-ready
LOWEST := build/lowest
LOWEST_READY := $(LOWEST)/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# One installation at a time, also under make -j.
.NOTPARALLEL:

.PHONY: help
help:
	@echo 'make demo     live captions of an audio file; options: AUDIO=FILE'
	@echo '              SERVER=local|openai|URL OUTPUT=FILE.srt|.vtt|.json'
	@echo '              REPORT=FILE.html (the call as a page to look at)'
	@echo '              TEXT=FILE SPEED=X MODEL=NAME PORT=N NO_COLOR=1'
	@echo '              LANGUAGE=CODE MODEL_DIR=DIR KEYWORDS=WORDS'
	@echo '              TURN_DETECTION=local|server_vad|semantic_vad|none'
	@echo '              FALLBACK=local|openai|URL (a second server: kill the'
	@echo '              first one)'
	@echo '              RUNTIME=ten|standin (default: TEN where it is'
	@echo '              importable)'
	@echo 'make server   a transcription server on this machine that speaks'
	@echo '              OpenAI'"'"'s protocols, until Ctrl-C; options: PORT=8090'
	@echo '              ENGINE=speech|script KEY=sk-… DIALECT=ga|beta|both'
	@echo '              LANGUAGE=CODE MODEL_DIR=DIR'
	@echo '              ARGS="--fault failed=p:0.1 …" (python -m devkit.server'
	@echo '              --help tells all)'
	@echo 'make doctor   why does it not hear me? key, model, options, network;'
	@echo '              options: CONFIG=property.json or an app'"'"'s directory'
	@echo '              ARGS="--audio --offline --json"'
	@echo 'make captions a page that captions what your microphone hears;'
	@echo '              options: PORT=N SERVER= FALLBACK= MODEL= LANGUAGE='
	@echo '              MODEL_DIR= KEYWORDS= AUDIO=FILE (the sample) KEEP=DIR'
	@echo '              RUNTIME= ARGS=--no-browser'
	@echo 'make report   a page of a dumped call: LOG=call.jsonl OUT=FILE.html'
	@echo '              ARGS="--redact --no-audio" (docs/report.md)'
	@echo 'make test     all tests'
	@echo 'make test-newer  those of the extension on the newer ten_ai_base'
	@echo 'make test-lowest  those where packages matter, with the lowest version'
	@echo '              of each that is allowed (Python 3.10 to 3.12)'
	@echo 'make check    lint, types and tests'
	@echo 'make lint     ruff: rules and format'
	@echo 'make format   ruff: rewrite the files'
	@echo 'make types    mypy'
	@echo 'make matrix   every combination of settings; writes'
	@echo '              docs/compatibility.md'
	@echo 'make proof    a million words through the core, with faults'
	@echo 'make soak     20000 words over real sockets, with faults'
	@echo 'make extension-soak  calls of the extension in random order'
	@echo '              options: RUNS=300 of them, drawn by SEED=1'
	@echo 'make mutate   are small breaks of realtime/ noticed by tests/core?'
	@echo '              options: COUNT=100 of them, drawn by SEED=1'
	@echo 'make bench    what many calls in one process cost, on the stand-in and,'
	@echo '              where it is importable, on TEN; options: CALLS="1 20"'
	@echo '              DURATION=20 seconds a run, ROUNDS=2, SPEECH=DIR with'
	@echo '              other recordings, WRITE=1 writes docs/performance.md'
	@echo 'make bench-peers  the same for clients of others, in environments of'
	@echo '              their own under build/; the same options'
	@echo 'make bench-faults  words that survive faults, with this extension and'
	@echo '              with clients of others; options: ROUNDS=2 WRITE=1 writes'
	@echo '              docs/faults_peers.md, ARGS="--clients … --scenarios …"'
	@echo 'make day      a simulated day of calls, with outages; options:'
	@echo '              CALLS=10000 of them, drawn by SEED=1'
	@echo 'make sample   speak samples/call.txt again (needs flite and sox)'
	@echo 'make clean    remove .venv and caches'

# The values reach the shell through the environment, so that spaces and
# quotes in file names need no care. Nor do dollar signs: each value is taken
# as it was given, before make can expand it.
OPTIONS := AUDIO SERVER FALLBACK OUTPUT REPORT TEXT SPEED MODEL PORT NO_COLOR \
	RUNTIME LANGUAGE MODEL_DIR KEYWORDS TURN_DETECTION KEEP CONFIG LOG OUT \
	COUNT RUNS SEED DURATION ROUNDS SPEECH CALLS WRITE ENGINE KEY DIALECT ARGS
$(foreach name,$(OPTIONS),$(eval override $(name) := $$(value $(name))))
export $(OPTIONS)
option = $(if $($(1)),--$(2) "$$$(1)")

.PHONY: demo
demo: $(DEMO_READY)
	@$(PY) -m devkit.demo \
		$(call option,AUDIO,audio) \
		$(call option,SERVER,server) \
		$(call option,FALLBACK,fallback) \
		$(call option,OUTPUT,output) \
		$(call option,REPORT,report) \
		$(call option,TURN_DETECTION,turn-detection) \
		$(call option,TEXT,text) \
		$(call option,SPEED,speed) \
		$(call option,MODEL,model) \
		$(call option,LANGUAGE,language) \
		$(call option,MODEL_DIR,model-dir) \
		$(call option,KEYWORDS,keywords) \
		$(call option,PORT,port) \
		$(call option,RUNTIME,runtime) \
		$(if $(NO_COLOR),--no-color)

# It ends at Ctrl-C with status 0; ARGS is a list. The shell makes place for
# the server, so that there is nobody else to be told.
.PHONY: server
server: $(DEMO_READY)
	@exec $(PY) -m devkit.server --port "$${PORT:-8090}" \
		$(call option,ENGINE,engine) \
		$(call option,LANGUAGE,language) \
		$(call option,MODEL_DIR,model-dir) \
		$(call option,KEY,key) \
		$(call option,DIALECT,dialect) \
		$$ARGS

# As `server`; PORT is the page's.
.PHONY: captions
captions: $(DEMO_READY)
	@exec $(PY) -m devkit.captions \
		$(call option,PORT,port) \
		$(call option,AUDIO,audio) \
		$(call option,SERVER,server) \
		$(call option,FALLBACK,fallback) \
		$(call option,MODEL,model) \
		$(call option,LANGUAGE,language) \
		$(call option,MODEL_DIR,model-dir) \
		$(call option,KEYWORDS,keywords) \
		$(call option,KEEP,keep) \
		$(call option,RUNTIME,runtime) \
		$$ARGS

# make ends with 2 where the status is not 0. ARGS is a list.
.PHONY: doctor
doctor: $(DEMO_READY)
	@$(PY) -m devkit.doctor $(if $(CONFIG),"$$CONFIG") $$ARGS

.PHONY: report
report: $(DEMO_READY)
	@$(PY) -m devkit.report $(if $(LOG),"$$LOG") \
		$(call option,OUT,output) \
		$$ARGS

# Three at a time, for many wait on sockets and clocks; the tests of a file stay
# together, and the files in the order of tests/conftest.py.
.PHONY: test
test: $(DEV_READY)
	$(PY) -m pytest -n 3 --dist=loadfile \
		--no-loadscope-reorder tests/

# `make test` runs a quick part of these.
.PHONY: test-newer
test-newer: $(DEV_READY)
	TEN_AI_BASE_GENERATION=newer $(PY) -m pytest tests/extension tests/contract

.PHONY: test-lowest
test-lowest: $(LOWEST_READY)
	$(LOWEST)/bin/python -m pytest $(addprefix tests/,audio config dump \
		demo/test_demo_command.py extension/test_dear_handshakes.py \
		extension/test_addresses.py extension/test_http_faults.py \
		extension/test_proxies.py \
		extension/test_transcription.py extension/test_update_configs.py \
		soak/test_client_stop.py soak/test_hostile_wire.py)

.PHONY: lint
lint: $(DEV_READY)
	$(PY) -m ruff check $(SOURCES)
	$(PY) -m ruff format --check $(SOURCES)

.PHONY: format
format: $(DEV_READY)
	$(PY) -m ruff check --fix $(SOURCES)
	$(PY) -m ruff format $(SOURCES)

.PHONY: types
types: $(DEV_READY)
	.ci/types

.PHONY: check
check: lint types test

.PHONY: matrix
matrix: $(DEV_READY)
	$(PY) -m devkit.matrix

.PHONY: proof
proof: $(DEV_READY)
	$(PY) -m bench.soak.core

.PHONY: soak
soak: $(DEV_READY)
	$(PY) -m bench.soak.sockets

.PHONY: extension-soak
extension-soak: $(DEV_READY)
	@$(PY) tests/extension/extension_machine.py \
		$(call option,RUNS,runs) \
		$(call option,SEED,seed)

.PHONY: mutate
mutate: $(DEV_READY)
	@$(PY) -m bench.mutation \
		$(call option,COUNT,count) \
		$(call option,SEED,seed)

# CALLS is a list.
load = $(PY) -m bench.load \
	$(if $(CALLS),--calls $$CALLS) \
	$(call option,DURATION,seconds) \
	$(call option,ROUNDS,rounds) \
	$(call option,SPEECH,speech) \
	$(if $(WRITE),--write)

.PHONY: bench
bench: $(BENCH_READY)
	@$(load)

.PHONY: bench-peers
bench-peers: $(BENCH_READY)
	@$(load) --peers

# ARGS is a list.
.PHONY: bench-faults
bench-faults: $(BENCH_READY)
	@$(PY) -m bench.faults \
		$(call option,ROUNDS,rounds) \
		$(if $(WRITE),--write) \
		$$ARGS

.PHONY: day
day: $(DEV_READY)
	@$(PY) -m bench.day \
		$(call option,CALLS,calls) \
		$(call option,SEED,seed)

.PHONY: sample
sample:
	samples/make_sample.sh

.PHONY: clean
clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo 'make: $(PYTHON) is not installed; Python 3.10 or newer' \
			'is needed (or: make PYTHON=/path/to/python)' >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo 'make: Python 3.10 or newer is needed, $(PYTHON) is' \
			"$$($(PYTHON) -V) (or: make PYTHON=/path/to/python)" >&2; \
		exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo 'make: this Python cannot make virtual environments' \
			'(Debian, Ubuntu: apt install python3-venv)' >&2; exit 2; }
	@rm -rf $(VENV)
	@echo 'creating $(VENV)'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 2; }

# The interpreter is an order-only prerequisite: its date is that of the
# system's Python.
$(DEMO_READY): requirements.txt requirements-demo.txt requirements-speech.txt \
		| $(PY)
	@echo 'installing what the demo needs'
	@$(PIP) -r requirements-demo.txt
	@$(install_speech)
	@touch $@

$(DEV_READY): requirements.txt requirements-demo.txt requirements-speech.txt \
		requirements-dev.txt | $(PY)
	@echo 'installing what the tests need'
	@$(PIP) -r requirements-dev.txt
	@$(install_speech)
	@touch $@ $(DEMO_READY)

# The recogniser has no wheel for some machines; the rest works without it.
define install_speech
said=$$($(PIP) --only-binary :all: -r requirements-speech.txt 2>&1) || \
	case $$said in \
	*'No matching distribution found for moonshine-voice'*) \
		echo 'make: moonshine-voice has no wheel for this machine (musl,' \
			'glibc before 2.34): without a key there is --engine script,' \
			'the demo needs SERVER=openai' >&2 ;; \
	*) echo "$$said" >&2; exit 1 ;; \
	esac
endef

$(BENCH_READY): requirements.txt bench/requirements.txt | $(PY)
	@echo 'installing what the measurements need'
	@$(PIP) -r bench/requirements.txt
	@touch $@

# Each requirement is written as NAME>=LOWEST,<NEXT.
$(LOWEST_READY): requirements.txt requirements-demo.txt requirements-dev.txt \
		requirements-speech.txt | $(PY)
	@$(PY) -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || { \
		echo 'make: for the lowest versions of numpy and pydantic there' \
			'is no Python newer than 3.12' >&2; exit 2; }
	@echo 'installing the lowest versions into $(LOWEST)'
	@rm -rf $(LOWEST)
	@$(PY) -m venv $(LOWEST)
	@sed -n 's/^\([a-z0-9_-]*\)\(\[[a-z]*\]\)\{0,1\}>=\([^,]*\),[^;]*/\1==\3/p' \
		$^ > $(LOWEST)/constraints.txt
	@$(LOWEST)/bin/python -m pip install --quiet \
		--disable-pip-version-check -r requirements-dev.txt \
		-r requirements-speech.txt -c $(LOWEST)/constraints.txt
	@touch $@
