"""The page of all commands with all options, from the options that the program itself uses."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import Field
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from txm2sem.cli import main
from txm2sem.cli.parsing import HELP_OF_CONFIG, help_of_config
from txm2sem.options import (
    COMMANDS,
    MODEL_DEFAULTS,
    RECIPES,
    Command,
    ModelCommand,
    Options,
    TrainCommand,
    described,
    fields_of,
    help_of,
)

BEGINNING = """# Commands

`txm2sem COMMAND [OPTIONS]`

Options stand before, between or behind names of files, with hyphens or underscores. `txm2sem COMMAND --help` shows
those that most people need, `--help_all` all of them. `python train.py` is `txm2sem train`, `python test.py` is
`txm2sem test`.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, "reference/commands.md", content=commands_page()))
    return files


def commands_page() -> str:
    """Return the page."""
    rows = [f"| [`{name}`](#{name}) | {_plain(text)} |" for name, text in main.COMMANDS.items()]
    table = "\n".join(["| | |", "|---|---|", *rows])
    sections = ["\n\n".join(_section(name, command)) for name, command in COMMANDS.items()]
    usage, what, _ = help_of_config("txm2sem config").split("\n\n")
    config = ["## config", _block(usage.removeprefix("usage: ")), _marked(what, "config", set())]
    statuses = str(main.__doc__).partition("\n\n")[2]
    return "\n\n".join([BEGINNING, _marked(HELP_OF_CONFIG, "", set()), _plain(statuses), table, *sections, *config])


def _section(name: str, command: Command) -> Iterator[str]:
    """Yield the paragraphs on a command."""
    own = {option.name for _, option, _ in fields_of(command)}
    yield f"## {name}"
    usages = [f"txm2sem {name} {places} [OPTIONS]".replace("  ", " ") for places in command.places.split(", or ")]
    yield _block(*usages)
    yield _marked(str(type(command).__doc__), name, own)
    if command.first:
        yield "What most people need: " + ", ".join(_link(name, option) for option in command.first) + "."
    title = None
    for group, option, value in fields_of(command):
        options = getattr(command, group)
        if title != options.__doc__:
            title = options.__doc__
            yield f"**{_plain(str(title))}**"
        yield _entry(name, command, options, option, value, own)
    if isinstance(command, TrainCommand):
        yield _recipes(name)


def _entry(name: str, command: Command, options: Options, option: Field[Any], value: Any, own: set[str]) -> str:
    """Return an option: its values, what it does, and what holds for it."""
    term = f"`--{option.name} {described(options.hints[option.name])}` {{: #{name}-{option.name} }}"
    facts = "; ".join(_facts(command, option, value))
    what = _marked(help_of(options, option.name), name, own)
    return f"{term}\n:   {what}" + (f"\n\n    {facts[0].upper()}{facts[1:]}." if facts else "")


def _facts(command: Command, option: Field[Any], value: Any) -> Iterator[str]:
    """Yield what holds for an option: default, limits, and with what it does something."""
    if value not in ("", None, ()):
        yield f"default `{value}`"
    if isinstance(command, ModelCommand):
        others = {model: values[option.name] for model, values in MODEL_DEFAULTS.items() if option.name in values}
        for other in dict.fromkeys(value_of for value_of in others.values() if value_of != value):
            yield f"`{other}` for {_codes(model for model in others if others[model] == other)}"
    said = option.metadata
    if "at_least" in said:
        yield f"from {_number(said['at_least'])} to {_number(said['at_most'])}"
    if "models" in said:
        yield f"with `--model` {_codes(said['models'])} only"
    if "modes" in said:
        yield f"with `--dataset_mode` {_codes(said['modes'])} only"
    if "beside" in said:
        yield f"beside `--{said['beside']}` only"


def _recipes(name: str) -> str:
    """Return what each recipe stands for."""
    recipes = [recipe for recipe in RECIPES if RECIPES[recipe]]
    options = dict.fromkeys(option for recipe in recipes for option in RECIPES[recipe])
    table = [["`--recipe`", *(f"`{recipe}`" for recipe in recipes)], ["---"] * (1 + len(recipes))]
    for option in options:
        values = (f"`{RECIPES[recipe][option]}`" if option in RECIPES[recipe] else "" for recipe in recipes)
        table.append([_link(name, option), *values])
    return "**What the recipes set**\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in table)


def _block(*lines: str) -> str:
    return "\n".join(["```", *lines, "```"])


def _link(command: str, option: str) -> str:
    return f"[`--{option}`](#{command}-{option})"


def _marked(text: str, command: str, own: set[str]) -> str:
    """Return a text for people as Markdown; options of the command are links."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip())]
    parts = re.split(r"--([a-z]\w+)", "\n\n".join(paragraphs), flags=re.IGNORECASE)
    return "".join(
        _plain(part) if index % 2 == 0 else _link(command, part) if part in own else f"`--{part}`"
        for index, part in enumerate(parts)
    )


def _plain(text: str) -> str:
    """Return a text as Markdown that shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]#|])", r"\\\1", html.escape(text, quote=False))


def _codes(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"
