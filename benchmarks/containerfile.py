"""Do what the Containerfile says without a container: in an empty folder, with a Python that has no packages.

COPY and RUN lines are done in their order, WORKDIR is a folder below the empty one, and RUN finds `python` of a new
virtual environment. Then the ENTRYPOINT writes a phantom and translates an image of it. What this does not show is the
image that FROM names: its Python is the one that this runs with, which must be of the same version.

    python benchmarks/containerfile.py [FOLDER]      a few minutes, and what pip downloads; FOLDER (container) is new
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def instructions(path: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Containerfile and what stands behind each; lines that end with a \\ go on."""
    text = re.sub(r"\\\n", " ", path.read_text(encoding="utf-8"))
    lines = (line.strip() for line in text.splitlines())
    found = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    return [(name, rest) for name, rest in found]


def main(folder: Path) -> None:
    (version,) = re.findall(r"^FROM python:(\d+\.\d+)", (ROOT / "Containerfile").read_text(), re.MULTILINE)
    if version != f"{sys.version_info.major}.{sys.version_info.minor}":
        raise SystemExit(f"the Containerfile has Python {version}; run this with that one")
    folder.mkdir(parents=True)
    root = Path(tempfile.mkdtemp(dir=folder)).resolve()
    venv.create(root / "python", with_pip=True)
    environment = {**os.environ, "PATH": f"{root / 'python' / 'bin'}:/usr/bin:/bin"}
    for name in ("PYTHONPATH", "PIP_CONSTRAINT", "VIRTUAL_ENV"):
        environment.pop(name, None)
    place, entry = root, []
    for name, rest in instructions(ROOT / "Containerfile"):
        print(f"{name} {rest}", flush=True)
        if name == "WORKDIR":
            place = root / rest.lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                copy(ROOT / source, place / target)
        elif name == "RUN":
            subprocess.run(["/bin/sh", "-c", rest], cwd=place, env=environment, check=True)
        elif name == "ENTRYPOINT":
            entry = json.loads(rest)
        elif name != "FROM":
            raise SystemExit(f"{name} is not known here; add it")
    for words in ("--version", "phantom images --size 128 --depth 32", "translate images/test/txm predicted"):
        print(f"$ {shlex.join(entry)} {words}", flush=True)
        subprocess.run([*entry, *words.split()], cwd=place, env=environment, check=True)


def copy(source: Path, target: Path) -> None:
    """Copy a file into a folder, or the content of a folder, as COPY does."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"), dirs_exist_ok=True)
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "container"))
