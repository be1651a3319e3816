"""Which number format a device computes in, and the memory that a process keeps."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from txm2sem.devices import computes_bf16, usable_precision

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)

CODE = """
import resource, sys
import torch
from txm2sem.devices import keep_freed_memory

def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.zeros(16 * 2**20).add_(1)  # 64 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = page_faults()
if not keep_freed_memory():
    sys.exit(77)
print(given_back, page_faults())
"""


def test_memory_that_is_freed_is_used_again() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("the C library is not glibc, which alone can be told to keep memory")
    assert done.returncode == 0, done.stderr
    given_back, kept = map(int, done.stdout.split())
    assert kept < given_back / 5


@pytest.mark.parametrize(
    ("machine", "instructions", "onednn", "expected"),
    [
        ("x86_64", True, True, True),
        ("x86_64", False, True, False),  # AVX-512 without bf16: oneDNN emulates it
        ("AMD64", False, True, False),
        ("aarch64", False, True, True),
        ("arm64", False, False, False),
    ],
)
def test_a_processor_computes_bf16_where_it_has_instructions_for_it(
    machine: str, instructions: bool, onednn: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace(_is_mkldnn_bf16_supported=lambda: onednn))
    assert computes_bf16(CPU) == expected
    assert usable_precision("bf16", CPU) == ("bf16" if expected else "fp32")
    assert usable_precision("fp32", CPU) == "fp32"


@pytest.mark.parametrize("native", [True, False])
def test_a_gpu_computes_bf16_where_it_need_not_emulate_it(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert computes_bf16(GPU) == native
