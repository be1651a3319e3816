# make demo   install, write a phantom, train a small model, test it, measure the phases of its volume, report on it
#             (DATA=folder: your own slices, without the phases)
# make demo-align  install, write what two instruments leave of a phantom, align it, train, test, report
# make demo-untrained  install, translate a phantom's TXM with the model that comes along, and repair its charged SEM
# make test   install the test tools too; lint, types, tests
# make quick  lint, types, and the tests that train nothing and are quick; a minute
# make check  lint and types only
# make docs   install, and build the site of docs/ into site/: site/index.html, to be read without a network
# make bench  speed of training, translation and whole volumes, beside the plain way; an hour on a quiet machine
# make visdom install what `--display_id` needs
# make napari install napari, with the panels, readers and sample data of this program; its tests run then, too
# make models SHALE=folder  train the model that comes along anew, from the slices that its card names
# make dist   a wheel and an archive of the sources, in dist/: what a release is
# make clean  remove what the demo has written

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
DATA ?= demo/images
OWN = $(filter-out demo/images,$(DATA))

.PHONY: demo demo-phases demo-align demo-untrained test quick check docs bench visdom napari models dist clean

# torch comes first and alone, so that no other package chooses a build of it.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) --constraint constraints.txt torch
	$(INSTALL) --constraint constraints.txt --editable .
	touch $@

# pip takes the versions to build with from the first variable, since version 25.3 from the second.
.venv/installed-visdom: .venv/installed build-constraints.txt
	PIP_CONSTRAINT=build-constraints.txt PIP_BUILD_CONSTRAINT=build-constraints.txt \
	  $(INSTALL) --no-deps $(shell grep '^visdom==' constraints.txt)
	$(INSTALL) --constraint constraints.txt --editable '.[visdom]'
	touch $@

visdom: .venv/installed-visdom

napari: .venv/installed
	$(INSTALL) --constraint constraints.txt --editable '.[napari]'

.venv/installed-docs: .venv/installed
	$(INSTALL) --constraint constraints.txt --editable '.[docs]'
	touch $@

# The variable leaves out what the theme says of another one.
docs: .venv/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo site/index.html

.venv/installed-dev: .venv/installed .venv/installed-visdom
	$(INSTALL) --constraint constraints.txt --editable '.[dev]'
	touch $@

demo/images: | .venv/installed
	$(BIN)/txm2sem phantom $@

demo: .venv/installed | $(DATA)
	$(BIN)/txm2sem train --dataroot $(DATA) --name demo --checkpoints_dir demo/checkpoints --results_dir demo/results \
	  --model srgan --netG sr_resnet_6blocks --ngf 32 --downsample_factor 2 --patch_size 128 \
	  --lambda_img_grad 1e-4 --num_train 300 --niter 2 --niter_decay 2
	$(BIN)/txm2sem test --name demo --checkpoints_dir demo/checkpoints --results_dir demo/results --eval
	$(if $(OWN),,$(MAKE) --no-print-directory demo-phases)
	$(BIN)/txm2sem report demo --checkpoints_dir demo/checkpoints --results_dir demo/results \
	  $(if $(OWN),,--measures demo/measured)

demo-phases: .venv/installed | demo/images
	$(BIN)/txm2sem train --recipe phases --dataroot demo/images --name phases --checkpoints_dir demo/checkpoints \
	  --results_dir demo/results --time_budget 3
	rm -rf demo/measured
	$(BIN)/txm2sem measure demo/images/test/txm_full_stack demo/measured --name phases \
	  --checkpoints_dir demo/checkpoints

demo/scans: | .venv/installed
	$(BIN)/txm2sem phantom $@ --unaligned

ALIGNED := --name aligned --checkpoints_dir demo/checkpoints --results_dir demo/results

demo-align: .venv/installed | demo/scans
	rm -rf demo/aligned
	$(BIN)/txm2sem align demo/scans/txm.ome.tif demo/scans/sem demo/aligned \
	  $(foreach mask,charge lowdensity highdensity,--$(mask) demo/scans/$(mask))
	$(BIN)/txm2sem check demo/aligned --output demo/aligned_check
	$(BIN)/txm2sem train --recipe translate --time_budget 3 --dataroot demo/aligned --ignore_charged $(ALIGNED)
	$(BIN)/txm2sem test $(ALIGNED) --eval
	$(BIN)/txm2sem report aligned --checkpoints_dir demo/checkpoints --results_dir demo/results

demo-untrained: .venv/installed | demo/images
	rm -rf demo/predicted demo/predicted_report.png demo/repaired
	$(BIN)/txm2sem translate demo/images/test/txm demo/predicted
	$(BIN)/txm2sem repair demo/images/test/sem demo/repaired --txm demo/images/test/txm --charge demo/images/test/charge \
	  --dilation 3

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Folders and files of tests that `quick` leaves out; a new one belongs to it until it is named here.
LONG := cli training viewer parity applying measuring reporting checking registration pages model exporting sweeping \
  documents/test_marked_snippets.py data/readers/test_contract.py \
  data/readers/test_zarr.py data/readers/test_absent.py data/test_damaged_files.py data/writers filling \
  metrics/test_continuity.py test_api.py test_convolutions.py test_footprint.py test_receptive_field.py \
  test_checkpoints.py test_phantom.py test_unaligned_phantom.py test_devices.py test_shipped_model.py \
  test_textured_unet.py test_wheel.py test_archives.py

quick: check
	$(BIN)/pytest --quiet --numprocesses 2 --dist worksteal --hypothesis-profile quick -m 'not openvino' $(LONG:%=--ignore tests/%)

# What is compiled is kept, whatever the shell says: processes of tests would compile the package anew.
test quick: export PYTHONDONTWRITEBYTECODE :=

# A process that has computed with OpenVINO may crash when it trains with loader processes later, which fork it.
test: check
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m 'not openvino'
	$(BIN)/pytest -m openvino

bench: .venv/installed
	$(BIN)/python benchmarks/speed.py --json benchmarks/results.json
	$(BIN)/python benchmarks/overheads.py --json benchmarks/results.json
	$(BIN)/python benchmarks/throughput.py --json benchmarks/results.json
	$(BIN)/python benchmarks/volume.py

# The options that are shipped say SHALE, wherever that is here.
models: .venv/installed
	@test -d '$(SHALE)/train' || { echo 'make models: expected SHALE=folder, with train, val and test in it' >&2; exit 1; }
	rm -rf demo/models && mkdir -p demo/models
	ln -s "$$(realpath '$(SHALE)')" demo/models/SHALE
	cd demo/models && ../../$(BIN)/txm2sem train --recipe translate \
	  --netG residual_unet --ngf 32 --norm none --lr 0.001 --dataroot SHALE --name translate --seed 0
	cd demo/models && ../../$(BIN)/txm2sem test --name translate --eval
	cd demo/models && ../../$(BIN)/txm2sem translate SHALE/test/txm predicted --name translate --grey match
	cd demo/models/checkpoints/translate && \
	  cp latest_net_G.pth options.yaml txm_contrast.json ../../../../src/txm2sem/models/translate

dist: .venv/installed
	$(INSTALL) --constraint constraints.txt build
	rm -rf dist
	$(BIN)/python -m build --outdir dist .

clean:
	rm -rf demo
