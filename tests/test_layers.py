"""The layers of the package: a module imports only from lower ones, verbs not from each other, and never in circles."""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "txm2sem"

LAYERS = [
    {
        *("errors", "options", "arrays", "files", "drafts", "progress", "quantities", "palette", "memory", "workers"),
        *("addresses", "credentials", "objects", "leases", "remote_drafts", "noise", "verdicts"),
    },
    {"networks", "objectives", "metrics", "morphology", "phantoms", "devices", "tiling"},
    {
        "data",
        "runs",
        "kept",
        "archives",
        "origin",
        "resolving",
        "checkpoints",
        "details",
        "commands",
        "course",
        "results",
        "measures",
        "pages",
        "txm_noise",
    },
    {"model", "scoring", "trust", "filling", "documents", "figures", "registration"},
    {
        "training",
        "testing",
        "applying",
        "measuring",
        "repairing",
        "aligning",
        "checking",
        "reporting",
        "exporting",
        "sweeping",
        "imaging",
    },
    {"cli", "__main__", "api", "viewer"},
]
PURE, VERBS = LAYERS[1], LAYERS[4]


@cache
def _nodes(path: Path) -> list[ast.AST]:
    """Return what a file says, outermost first."""
    return list(ast.walk(ast.parse(path.read_text())))


@cache
def _imports(path: Path) -> frozenset[str]:
    """Return the modules of the package that a file imports, wherever in it."""
    found: set[str] = set()
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            # What is imported may be a name in a module, or a module in a package.
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (named & NAMES.keys()) or {node.module}
    return frozenset(found & NAMES.keys())


def _name(path: Path) -> str:
    return ".".join(["txm2sem", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")


def _room(name: str) -> str:
    return name.split(".")[1]


PRIVATE = {
    "checkpoints": "names in the files that torch writes",
    "devices": "what the processor has instructions for",
    "networks/footprint": "tensors without contents, and what is done with them",
}
"""Where names are used that torch may change in any version, and for what; `pyproject.toml` bounds it for them."""

NAMES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"}


@pytest.mark.parametrize("name", NAMES)
def test_imports_go_downwards(name: str) -> None:
    room = _room(name)
    level = next(number for number, layer in enumerate(LAYERS) if room in layer)
    allowed = set().union(*LAYERS[: level + 1])
    if room in PURE | VERBS:
        allowed -= LAYERS[level] - {room}
    assert {_room(imported) for imported in _imports(NAMES[name])} <= allowed


def test_rooms_and_modules_import_in_no_circle() -> None:
    """An `__init__`, which only hands on what the modules of its room have, is taken for the room itself."""
    graph = {name: _imports(path) - {name} for name, path in NAMES.items() if path.name != "__init__.py"}
    assert list(TopologicalSorter(graph).static_order())  # a CycleError names the circle
    rooms: dict[str, set[str]] = {}
    for name, imported in graph.items():
        rooms.setdefault(_room(name), set()).update({_room(other) for other in imported} - {_room(name)})
    assert list(TopologicalSorter(rooms).static_order())


def test_only_training_knows_lightning_and_only_the_command_line_prints() -> None:
    for name, path in NAMES.items():
        if _room(name) != "training":
            assert "pytorch_lightning" not in path.read_text(), path
        if _room(name) != "cli":
            calls = {
                node.func.id for node in _nodes(path) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            assert not calls & {"print", "exit"}, path


def test_private_names_of_torch_are_in_few_places() -> None:
    private = re.compile(r"\btorch(\.\w+)*\._[a-z]|from torch\b.* import _|\bops\.mkldnn\b")
    found = {path.relative_to(PACKAGE).with_suffix("") for path in NAMES.values() if private.search(path.read_text())}
    assert {path.as_posix() for path in found} == set(PRIVATE)


def test_walks_lead_through_files_that_are_there() -> None:
    """Those in CONTRIBUTING.md: as many as it says, and each once."""
    text = (PACKAGE.parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    walks = re.findall(r"^\| an? .* \| (\d+) \| \d+ \| (.*) \|$", text, re.MULTILINE)
    assert len(walks) == 4
    for count, walk in walks:
        files = re.findall(r"`([a-z0-9_]+(?:/[a-z0-9_]+)*(?:\.html)?)`", walk)
        assert len(files) == len(set(files)) == int(count)
        for name in files:
            assert (PACKAGE / (name if "." in name else f"{name}.py")).is_file(), name


def test_public_classes_have_names_of_their_own() -> None:
    found: dict[str, list[str]] = {}
    for name, path in NAMES.items():
        for node in _nodes(path):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(name)
    assert {name: modules for name, modules in found.items() if len(modules) > 1} == {}


def test_names_that_a_package_gives_on_are_not_those_of_its_modules() -> None:
    """Else it would depend on what was imported before which of the two a name is."""
    stubs = list(PACKAGE.rglob("__init__.pyi"))
    assert stubs
    for stub in stubs:
        names = {alias.asname for node in _nodes(stub) if isinstance(node, ast.ImportFrom) for alias in node.names}
        assert None not in names, stub
        assert not names & {path.stem for path in stub.parent.iterdir()}, stub
