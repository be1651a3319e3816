"""Which number format a device computes in, and the memory that a process keeps."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from txm2sem.devices import computes_bf16, device_of, devices_of, random_state, same_random_numbers, usable_precision
from txm2sem.errors import UserError

CPU, GPU, APPLE = torch.device("cpu"), torch.device("cuda", 0), torch.device("mps")


WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, ["PASSIVE", "10000"]),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, ["ACTIVE", None]),
        ({"GOMP_SPINCOUNT": "7"}, [None, "7"]),
    ],
)
def test_threads_that_wait_spin_shortly_unless_the_user_says_so(
    said: dict[str, str], expected: list[str | None]
) -> None:
    """What torch's threads do is read when it is loaded: what the program says has to be there by then."""
    code = f"import txm2sem, sys, os; assert 'torch' not in sys.modules; print([os.environ.get(n) for n in {WAITING}])"
    environment = {name: value for name, value in os.environ.items() if name not in WAITING} | said
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert ast.literal_eval(done.stdout) == expected


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


def test_apples_gpu_is_trained_on_in_single_precision() -> None:
    assert usable_precision("bf16", APPLE) == "fp32"


@pytest.mark.parametrize(
    ("gpus", "apple", "words", "expected"),
    [
        (0, False, "auto", [CPU]),
        (2, False, "auto", [GPU]),
        (0, True, "auto", [APPLE]),
        (2, True, "auto", [GPU]),
        (0, True, "mps", [APPLE]),
        (2, True, "-1", [CPU]),
        (2, False, "1,0", [torch.device("cuda", 1), GPU]),
    ],
)
def test_words_name_devices(
    gpus: int, apple: bool, words: str, expected: list[torch.device], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, gpus, apple)
    assert devices_of(words) == expected
    assert device_of(words) == expected[0]


@pytest.mark.parametrize("words", ["mps", "2", "0,0", "0,-1", "gpu", ""])
def test_devices_that_are_not_there_are_refused(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, gpus=2, apple=False)
    with pytest.raises(UserError, match=f"--gpu_ids {words}:"):
        devices_of(words)


def test_repeated_random_numbers_leave_the_following_ones_alone() -> None:
    torch.manual_seed(3)
    state = random_state(CPU)
    drawn = torch.rand(3)
    with same_random_numbers(state, CPU):
        again = torch.rand(2)
    following = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(again, drawn[:2])
    assert torch.equal(torch.cat([drawn, following]), torch.rand(5))


def pretend(monkeypatch: pytest.MonkeyPatch, gpus: int, apple: bool) -> None:
    """Let torch say that the machine has so many NVIDIA GPUs, or Apple's."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: apple)
