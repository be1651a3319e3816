"""The lines of Python in the documents: they are Python, and what they take from the package is there.

Names, arguments and options are looked up, line by line, as far as the package says of what type a thing is. Nothing is
executed here; `tests/test_api.py` runs the longest of them.
"""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import dataclass, field
from importlib import import_module
from itertools import groupby
from types import ModuleType
from typing import Any, get_type_hints

import pytest
from snippets import Snippet, snippets

from txm2sem.errors import UserError
from txm2sem.options import COMMANDS, check_known

OF_COMMAND = re.compile(r"options: further ones of `txm2sem (\w+)`")
"""How docstrings say which further options a call takes."""


@dataclass(frozen=True)
class Made:
    """What a call returns.

    Attributes:
        kind: its type.
    """

    kind: type


@dataclass
class Lines(ast.NodeVisitor):
    """What names stand for, line by line.

    Attributes:
        names: modules, functions and classes of the package, and what its calls return.

    Raises:
        LookupError: the package has no such name, or a call no such argument.
        UserError: a call takes no such option.
    """

    names: dict[str, Any] = field(default_factory=dict)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name.split(".")[0] == "txm2sem":
                module = import_module(alias.name)
                self.names[alias.asname or "txm2sem"] = module if alias.asname else import_module("txm2sem")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if str(node.module).split(".")[0] == "txm2sem":
            for alias in node.names:
                self.names[alias.asname or alias.name] = _member(import_module(str(node.module)), alias.name)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.names[target.id] = self.of(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        function = self.of(node.func)
        if callable(function):
            _check_call(function, node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        self.of(node)

    def of(self, node: ast.expr) -> Any:
        """Return what an expression stands for; None where that is not known."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute) and (owner := self.of(node.value)) is not None:
            return _member(owner, node.attr)
        if isinstance(node, ast.Call) and callable(function := self.of(node.func)):
            return _made(function if inspect.isclass(function) else get_type_hints(function).get("return"))
        return None


def _member(owner: Any, name: str) -> Any:
    """Return what an attribute stands for."""
    if not isinstance(owner, Made):
        try:
            return getattr(owner, name)
        except AttributeError:
            if isinstance(owner, ModuleType) and hasattr(owner, "__path__"):
                return import_module(f"{owner.__name__}.{name}")
            raise LookupError(f"{owner} has no {name}") from None
    kind = owner.kind
    if name in (hints := get_type_hints(kind)):
        return _made(hints[name])
    if isinstance(found := inspect.getattr_static(kind, name, None), property):
        return _made(get_type_hints(found.fget).get("return"))
    if found is not None:
        return getattr(kind, name)
    if not re.search(rf"^ +self\.{name}\b.* = ", inspect.getsource(kind), re.MULTILINE):
        raise LookupError(f"{kind.__name__} has no {name}")
    return None


def _made(kind: Any) -> Made | None:
    """Return a thing of a type, where that is one of the package."""
    return Made(kind) if inspect.isclass(kind) and kind.__module__.startswith("txm2sem") else None


def _check_call(function: Any, node: ast.Call) -> None:
    """Check the arguments of a call."""
    named = [keyword.arg for keyword in node.keywords if keyword.arg is not None]
    if len(named) < len(node.keywords) or any(isinstance(argument, ast.Starred) for argument in node.args):
        return
    is_method = inspect.isfunction(function) and "." in function.__qualname__
    values = [None] * (len(node.args) + is_method)
    try:
        bound = inspect.signature(function).bind(*values, **dict.fromkeys(named))
    except TypeError as error:
        raise LookupError(f"{function.__qualname__}: {error}") from None
    command = OF_COMMAND.search(inspect.getdoc(function) or "")
    if command:
        check_known(COMMANDS[command[1]], [name for name in bound.arguments.get("options", {}) if name != "config"])


def documents() -> list[list[Snippet]]:
    """Return the blocks of each document, which build on each other."""
    return [list(group) for _, group in groupby(snippets("python"), lambda snippet: snippet.document)]


@pytest.mark.parametrize("blocks", documents(), ids=lambda blocks: blocks[0].document)
def test_the_package_has_what_the_documents_name(blocks: list[Snippet]) -> None:
    lines = Lines()
    for block in blocks:
        try:
            lines.visit(ast.parse(block.text))
        except (SyntaxError, LookupError, ImportError, UserError) as error:
            pytest.fail(f"{block}: {error}")


@pytest.mark.parametrize(
    "wrong",
    [
        "txm2sem.lode('mine')",
        "txm2sem.load('mine', eopch=3)",
        "txm2sem.load('mine').predcit(txm)",
        "model = txm2sem.load('mine')\nmodel.predict(txm, z_blnd=True)",
        "model = txm2sem.load()\nprint(model.sampels)",
        "run = txm2sem.train('images', 'mine', recipee='translate')",
        "txm2sem.train('images', 'mine').test(niter=5)",
        "txm2sem.train('images', 'mine').load(epoch='best').predict_with_trst(txm)",
        "rock = txm2sem.phantom(size=64)\nprint(rock.sems)",
        "txm2sem.align(txm)",
        "txm2sem.open_volume('scan.tif').shap",
        "from txm2sem.scoring.card import scorcard",
        "import txm2sem.nothing",
        "txm2sem.load(",
    ],
)
def test_what_is_not_there_is_seen(wrong: str) -> None:
    with pytest.raises((SyntaxError, LookupError, ImportError, UserError)):
        Lines().visit(ast.parse(f"import txm2sem\n{wrong}"))


def test_most_of_a_document_is_known() -> None:
    lines = Lines()
    lines.visit(
        ast.parse("import txm2sem\nmodel = txm2sem.load()\nrun = txm2sem.train('a', 'b')\nrock = txm2sem.phantom()")
    )
    assert [type(thing) for thing in lines.names.values()] == [ModuleType, Made, Made, Made]
