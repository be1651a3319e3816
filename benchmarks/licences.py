"""Print which licences the packages have that pyproject.toml names, as each says of itself, as a table.

    python benchmarks/licences.py

Packages must be installed: those that are not are said to be absent. docs/provenance.md has the table.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OURS = ("dev",)
"""Extras that nobody needs who uses the program."""


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name not in OURS}
    print("| for | package | licence |\n|---|---|---|")
    for extra, lines in {"": project["dependencies"], **extras}.items():
        for name in [re.match(r"[\w.-]+", line)[0] for line in lines]:
            print(f"| {f'`{extra}`' if extra else 'everything'} | {name} | {licence(name)} |")


def licence(name: str) -> str:
    """Return the licence of a package, from its metadata, or the first line of its file."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return "not installed"
    said = found.metadata
    classified = [line.rpartition(" :: ")[2] for line in said.get_all("Classifier", []) if line.startswith("License")]
    line = (said.get("License") or "").partition("\n")[0].replace("UNKNOWN", "")
    files = [path for path in found.files or [] if path.name.startswith("LICENSE") and "dist-info" in str(path)]
    text = files[0].read_text(encoding="utf-8").strip().partition("\n")[0] if files else "not said"
    return said.get("License-Expression") or ", ".join(classified) or line or f"{text} (its licence file)"


if __name__ == "__main__":
    main()
