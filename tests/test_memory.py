"""Memory that a command may take: what the user says, and what the machine or its container has."""

from __future__ import annotations

from pathlib import Path

import pytest

from txm2sem import memory
from txm2sem.errors import UserError
from txm2sem.memory import memory_limit


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
