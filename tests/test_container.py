"""The Containerfile names what is there; `benchmarks/containerfile.py` does what it says, which takes minutes."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINES = re.findall(r"^([A-Z]+) +(.*)$", (ROOT / "Containerfile").read_text(encoding="utf-8"), re.MULTILINE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def said(instruction: str) -> list[str]:
    return [rest for name, rest in LINES if name == instruction]


def test_what_is_copied_is_there_and_all_that_building_needs() -> None:
    copied = {source for line in said("COPY") for source in line.split()[:-1]}
    assert all((ROOT / name).exists() for name in copied)
    licences = {name.partition("/")[0] for name in PROJECT["license-files"]}
    assert {"pyproject.toml", "src", PROJECT["readme"]} | licences <= copied
    sent = {line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")}
    assert sent == copied


def test_its_python_and_its_packages_are_those_of_the_project() -> None:
    (version,) = re.findall(r"^python:(\d+)\.(\d+)-slim$", said("FROM")[0])
    least = re.findall(r"\d+", PROJECT["requires-python"])
    assert list(map(int, version)) >= list(map(int, least))
    torch, own = said("RUN")
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    assert any(line.startswith("torch==") for line in pinned)
    for run in (torch, own):
        assert subprocess.run(["/bin/sh", "-n", "-c", run], check=False).returncode == 0
        assert "--constraint constraints.txt" in run
    assert torch.split()[-1] == "torch"
    (extras,) = re.findall(r"'\.\[(.*)\]'$", own)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    assert json.loads(said("ENTRYPOINT")[0])[0] in PROJECT["scripts"]
