"""Memory that a command may take: what the user says, and what the machine or its container has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from txm2sem import memory
from txm2sem.errors import UserError
from txm2sem.memory import memory_limit

CODE = """
import resource, sys
import numpy as np
from txm2sem.memory import keep_freed_memory

def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(16 * 2**20, np.float32)  # 64 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = page_faults()
if not keep_freed_memory():
    sys.exit(77)
page_faults()  # the first time, memory comes from the system; how many pages that takes depends on their size
print(given_back, page_faults())
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8GB", 8e9), ("8 gb", 8e9), ("0.5TB", 5e11), ("500MB", 5e8), ("2GiB", 2**31), ("100kB", 1e5), ("7B", 7)],
)
def test_memory_is_read_with_its_unit(text: str, expected: float) -> None:
    assert memory_limit(text) == expected


@pytest.mark.parametrize("text", ["8", "GB", "-1GB", "0GB", "8 apples", ""])
def test_memory_without_a_size_or_unit_is_an_error(text: str) -> None:
    with pytest.raises(UserError, match="expected a size such as 8GB"):
        memory_limit(text)


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "CONTAINER_LIMITS", (tmp_path / "absent", limit))
    limit.write_text("1000000000\n")
    assert memory_limit("auto") == 2.5e8
    limit.write_text("max\n")
    assert memory_limit("auto") > 2.5e8


def test_memory_that_is_freed_is_used_again() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("the C library is not glibc, which alone can be told to keep memory")
    assert done.returncode == 0, done.stderr
    given_back, kept = map(int, done.stdout.split())
    assert kept < given_back / 5
