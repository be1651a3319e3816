"""The files that the project is made of."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

GENERATED = ("PKG-INFO", "setup.cfg", "src/txm2sem.egg-info/")
"""What an archive of the sources has beside them."""


def sources() -> list[str]:
    """Return the files of the project, relative to its folder: what git tracks, or would, or what an archive lists."""
    if (ROOT / ".git").exists():
        words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = subprocess.run(words, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    else:
        names = (ROOT / "src" / "txm2sem.egg-info" / "SOURCES.txt").read_text(encoding="utf-8").splitlines()
    return sorted(name for name in names if (ROOT / name).is_file() and not name.startswith(GENERATED))
