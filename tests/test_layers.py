"""The layers of the package: a module imports only from lower ones, and pure modules not from each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "txm2sem"

LAYERS = [
    {"errors", "config", "arrays", "files", "drafts"},
    {"networks", "objectives", "metrics", "phantom", "devices", "tiling"},
    {"data", "runs", "checkpoints", "details", "pages"},
    {"training", "inference"},
    {"evaluation", "report", "checking"},
    {"cli"},
]
PURE = LAYERS[1]


def _imports(path: Path) -> set[str]:
    """Return the top-level modules of the package that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        found |= {name.split(".")[1] for name in names if name.startswith("txm2sem.")}
    return found


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES])
def test_imports_go_downwards(path: Path) -> None:
    room = _room(path)
    level = next(number for number, layer in enumerate(LAYERS) if room in layer)
    allowed = set().union(*LAYERS[: level + 1])
    if room in PURE:
        allowed -= PURE - {room}
    assert _imports(path) <= allowed


def test_only_training_knows_lightning_and_only_the_command_line_prints() -> None:
    for path in FILES:
        tree = ast.parse(path.read_text())
        if _room(path) != "training":
            assert "pytorch_lightning" not in path.read_text(), path
        if _room(path) != "cli":
            calls = {
                node.func.id
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            assert not calls & {"print", "exit"}, path
