# sweep: the main job; test: the tests. Each works on a fresh machine with Python 3.11+, git and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: sweep test test-long test-slurm test-browser test-gpu chaos setup check planted bench bench-slurm ui clean

sweep: setup          ## 50 trials of an MLP on digits, then the best of them
	$(BIN)/python train.py -m

test-slurm: setup     ## the tests of the SLURM launcher, on a throwaway cluster (root, Debian)
	$(BIN)/python tests/slurm/cluster.py install
	$(BIN)/python -m pytest -n 4 --maxschedchunk 1 -m slurm tests/slurm  # most of them wait

test: setup           ## the tests that need nothing but Python
	$(BIN)/python -m pytest -n 2 -m "not long and not slurm and not browser and not gpu and not bench"

test-long: setup      ## those that take longer: kills at random moments, everything again with trials spawned
	$(BIN)/python -m pytest -n 2 -m "long and not slurm and not browser and not gpu and not bench"

test-browser: setup   ## MLflow's pages of a sweep, in chromium (Debian: chromium, chromium-driver)
	$(BIN)/python -m pytest -m browser tests/browser

test-gpu: setup       ## training and sweeping on a CUDA device
	$(BIN)/python -m pytest -m gpu tests

chaos: setup          ## storms of faults over 10,000 trials that do nothing, 300 trainings, 300 jobs (CHAOS="--seed 5")
	$(BIN)/python -m tests.chaos --trials 10000 --faults 100 $(CHAOS)
	$(BIN)/python -m tests.chaos --app digits --trials 300 --faults 100 $(CHAOS)
	$(BIN)/python -m tests.chaos --launcher slurm --app slower --trials 300 --faults 100 $(CHAOS)

setup: .venv/ready    ## the environment, from the pinned files

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $$(grep '^torch==' constraints.txt)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev]'
	$(BIN)/python -m compileall -q sweeper  # as pip does: 0.07 s of each process where Python may not
	touch $@

check: setup          ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports --no-cache

planted: setup        ## planted bugs and healthy programs, beside peers (into .venv-peers): writes docs/planted.md
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .venv-peers/planted \
	    -r tests/planted/requirements-peers.txt
	$(BIN)/python tests/planted/matrix.py

bench: setup          ## ratios against peers on this machine (installs them into .venv-peers)
	$(BIN)/python -m bench

bench-slurm: setup    ## the SLURM launcher beside hydra-submitit-launcher, on a throwaway cluster (root, Debian)
	$(BIN)/python tests/slurm/cluster.py install
	$(BIN)/python -m bench slurm

ui: setup             ## MLflow's pages on this project's store
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow ui --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}"

clean:                ## the environments; recorded runs stay
	rm -rf .venv .venv-peers
