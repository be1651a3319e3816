"""The memory that a process keeps."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import resource, sys
import torch
from txm2sem.devices import keep_freed_memory

if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(77)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.zeros(16 * 2**20).add_(1)  # 64 MB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode: str) -> int:
    """Return how often the system had to map a page while 64 MB are taken and freed 20 times."""
    done = subprocess.run([sys.executable, "-c", CODE, mode], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("the C library is not glibc, which alone can be told to keep memory")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_memory_that_is_freed_is_used_again() -> None:
    assert page_faults("keep") < page_faults("give back") / 5
