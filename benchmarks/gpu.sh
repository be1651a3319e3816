#!/bin/sh
# What only a GPU can show: tests of what it can do otherwise than the CPU, then training and translation in fp32 and
# bf16 beside torch's plain way, with their shares of the card's peak. A few minutes; nothing else should run there.
#
#     sh benchmarks/gpu.sh [FOLDER]      leaves gpu.json, gpu.txt (the table) and tests.xml in FOLDER (default: gpu)
#
# The program and its test tools are installed for $PYTHON (default: .venv/bin/python), with a build of torch for the GPU.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
folder=${1:-gpu}
mkdir -p "$folder"
"$python" -c '
import sys, torch
from txm2sem.devices import device_of, name_of_device
device = device_of("auto")
print(f"torch {torch.__version__}, {name_of_device(device)}")
sys.exit("expected a GPU, found none that torch can use" if device.type == "cpu" else 0)'
status=0
"$python" -m pytest -q -p no:cacheprovider --junitxml "$folder/tests.xml" tests/training/test_gpu.py || status=$?
"$python" benchmarks/speed.py --gpu_ids auto --batch_size 16 --rounds 3 --json "$folder/gpu.json" > "$folder/gpu.txt" || status=$?
cat "$folder/gpu.txt"
exit "$status"
