# make all             set this machine up and reproduce everything at the default scale, with one HTML report
# make all SCALE=night the same at another scale (smoke, hour, night, paper)
# make report          the HTML report of the results that are here
# make test            set this machine up and run the tests
# make lock            resolve pyproject.toml afresh and rewrite requirements.lock and environment.yml

SCALE ?= hour
PYTHON ?= $(or $(shell command -v python3.11),$(shell command -v python3))

VENV := .venv
INSTALLED := $(VENV)/.installed
SNAKEMAKE := $(VENV)/bin/snakemake
REPORT := figures/$(SCALE)/report.html

.PHONY: all report test lock setup

all: setup
	$(SNAKEMAKE) all --config scale=$(SCALE)
	@$(MAKE) --no-print-directory report

# A make of its own, so that the prerequisites are the files that are there after the jobs have run.
report: setup
	@$(MAKE) --no-print-directory $(REPORT)

$(REPORT): $(wildcard figures/$(SCALE)/*/*)
	$(SNAKEMAKE) all --config scale=$(SCALE) --report $@

# Two processes of one thread each; a file's tests stay together, since they share what takes long to make.
test: setup
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses 2 --dist loadfile

setup: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
		echo "Python 3.11 is needed and '$(PYTHON)' is not it: name one by 'make PYTHON=/path/to/python3.11'" >&2; \
		exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --requirement requirements.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --editable .
	@touch $@

# torch brings GPU libraries on some machines and a build tag (+cpu) on others: neither belongs into the lock.
lock:
	rm -rf .venv-lock
	"$(PYTHON)" -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet '.[dev]'
	.venv-lock/bin/python -m pip freeze --exclude meta-rl-replications \
		| grep -Ev '^(nvidia|cuda|triton)' | sed 's/+cpu$$//' | LC_ALL=C sort -f > requirements.lock
	sed -i '/^      - /d' environment.yml
	sed 's/^/      - /' requirements.lock >> environment.yml
	rm -rf .venv-lock
