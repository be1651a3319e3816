"""The commands in the documents are ones: options, values and how many names there are, as the program reads them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from snippets import DOCUMENTS, Snippet, commands_in, needs_bash, snippets

from txm2sem.cli.main import COMMANDS as NAMES
from txm2sem.cli.parsing import read_words
from txm2sem.errors import UserError
from txm2sem.options import ALIASES, COMMANDS, Command, ModelCommand, TrainCommand, fields_of, to_mapping
from txm2sem.resolving import resolve

pytestmark = needs_bash

STAND_IN = re.compile(r"[A-Z][A-Z_0-9]*")
"""What a reader puts something else for."""

OF_ALL = ("help", "help_all", "version", "config", *ALIASES)
"""What every command has, or the program itself."""

OF_OTHERS = ("network", "networks", "node_rank")
"""Options of benchmarks and of torchrun that texts speak of."""

TEXTS = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
"""Documents that speak of what is there now."""

SEVERAL_WORDS = ("OPTIONS", "BEFORE", "...")
"""What stands for any number of options."""


@pytest.mark.parametrize("snippet", snippets("sh"), ids=str)
def test_the_program_understands_what_the_documents_say(snippet: Snippet, tmp_path: Path) -> None:
    for words in commands_in(snippet, tmp_path):
        try:
            check(words)
        except UserError as error:
            pytest.fail(f"{snippet}: txm2sem {' '.join(words)}: {error}")


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ("txm2sem trian --name a", "trian"),
        ("txm2sem train --niterr 5", "no option --niterr"),
        ("txm2sem train --niter five", "a whole number"),
        ("txm2sem train --niter 5 \\\n  --patch_size 0", "1 or more"),
        ("txm2sem train --model srgann", "one of feedforward"),
        ("txm2sem train --model srgan --regression_loss L2", "does nothing with --model srgan"),
        ("txm2sem train images", "expected no names"),
        ("txm2sem volume scan --name mine", "expected INPUT OUTPUT"),
        ("txm2sem translate a.tif b.tif c.tif", "expected INPUT OUTPUT"),
        ("txm2sem phantom images --turn 3", "does nothing without --unaligned"),
        ("txm2sem test --niter 5", "belongs to txm2sem train"),
        ("OMP_NUM_THREADS=1 .venv/bin/txm2sem test --nmae a", "no option --nmae"),
        ('SMALL="--ngf 3 --nfg 3"\npython train.py $SMALL', "no option --nfg"),
        ("for n in 1 2; do\n  txm2sem test --name $n --evaluate\ndone", "no option --evaluate"),
        ("torchrun --nnodes 2 -m txm2sem train --num_nods 2", "no option --num_nods"),
        ("exec srun txm2sem train --num_nods 2", "no option --num_nods"),
        ("txm2sem config train --recipe nonsense > mine.yaml", "one of none"),
        ("txm2sem phantom images && txm2sem check images --outputs x", "no option --outputs"),
    ],
)
def test_what_is_wrong_is_seen(lines: str, wrong: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=wrong):
        for words in commands_in(Snippet("a document", 1, "sh", lines), tmp_path):
            check(words)


@pytest.mark.parametrize(
    "lines",
    [
        "txm2sem train --name NAME --model MODEL --niter N --dataroot FOLDER OPTIONS",
        "txm2sem train --seed 0 BEFORE   # and 1",
        "txm2sem compare A B C --output page.html",
        "txm2sem align txm sem images && txm2sem align images aligned",
        "pip install 'txm2sem-1.0.0-py3-none-any.whl[napari]'",
        "podman build --tag txm2sem .",
        "going_on=$([ -e there ] && echo --continue_train)\ntxm2sem train $going_on",
    ],
)
def test_what_stands_for_something_else_is_none_of_it(lines: str, tmp_path: Path) -> None:
    for words in commands_in(Snippet("a document", 1, "sh", lines), tmp_path):
        check(words)


@pytest.mark.parametrize(
    "lines", ["txm2sem train --name <name> --niter 3", "txm2sem 'train", "false && \\\ntxm2sem train"]
)
def test_what_the_shell_does_not_call_is_seen(lines: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        commands_in(Snippet("a document", 1, "sh", lines), tmp_path)


@pytest.mark.parametrize("document", TEXTS, ids=lambda path: path.name)
def test_options_that_a_text_speaks_of_are_there(document: Path) -> None:
    unknown = {name for name in options_in(document.read_text("utf-8")) if not is_known(*name)}
    assert not unknown, document


def test_options_that_are_not_there_are_seen() -> None:
    text = "`--niter 5`, `--nitre`, `--display_*`, `ls --all`\n```sh\nls --x\n```\n`txm2sem volume a --tilt 3`"
    assert [name for name in options_in(text) if not is_known(*name)] == [("", "nitre"), ("volume", "tilt")]


def options_in(text: str) -> list[tuple[str, str]]:
    """Return the options that stand in running text, each with its command where that stands there, too."""
    running = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    found = []
    for code in re.findall(r"`([^`]+)`", running):
        command = re.match(r"txm2sem\s+(\w+)", code)
        if command or code.startswith("--"):
            names = re.findall(r"--([a-zA-Z][\w-]*)", code)
            found += [(command[1] if command else "", name.replace("-", "_")) for name in names]
    return found


def is_known(command: str, name: str) -> bool:
    """Say whether a command, or any where none is said, has an option."""
    own = [to_mapping(COMMANDS[one]) for one in ([command] if command in COMMANDS else COMMANDS)]
    names = {*OF_ALL, *OF_OTHERS}.union(*own)
    return name in names or (name.endswith("_") and any(other.startswith(name) for other in names))  # as in --display_*


def check(words: list[str]) -> None:
    """Check a call of the program as far as one can without the files that it names.

    Raises:
        UserError: an option or a value is none, does nothing, or the number of names is another one.
    """
    name, *rest = words
    if name.startswith("--"):
        return
    makes_file = name == "config"
    if makes_file:
        name = rest.pop(0) if rest and rest[0] in COMMANDS else "train"
    if name not in NAMES:
        raise UserError(f"there is no command {name}")
    command = COMMANDS[name]
    said = read_words(command, _filled(command, rest))
    if not said.help:
        _check_count(said.places, "" if makes_file else command.places)
    # What a trained model has, and what files say, is not known.
    is_whole = isinstance(command, TrainCommand) or not isinstance(command, ModelCommand) or not said.given.get("name")
    if is_whole and not {"config", "continue_train"} & said.given.keys():
        resolve(command, said.given)


def _filled(command: Command, words: list[str]) -> list[str]:
    """Return words with values in place of what stands for one."""
    options = {
        option.name: (getattr(command, group).hints[option.name], value) for group, option, value in fields_of(command)
    }
    filled: list[str] = []
    option = ""
    for word in words:
        hint, default = options.get(option.lstrip("-").replace("-", "_"), (str, ""))
        option = word if word.startswith("--") else ""
        if word in SEVERAL_WORDS and hint in (str, bool) and not default:
            continue
        free = hint in (str, Path, Path | None)
        filled.append(word if free or not STAND_IN.fullmatch(word) else str(default))
    return filled


def _check_count(places: list[str], usage: str) -> None:
    """Check how many names of files, folders or runs there are."""
    for names in (way.split() for way in usage.split(", or ")):
        least = sum(name != "..." and not name.startswith("[") for name in names)
        if least <= len(places) and ("..." in names or len(places) <= len(names)):
            return
    raise UserError(f"expected {usage or 'no names'}; found {places}")
