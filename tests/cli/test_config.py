"""Options in files: they come back as they were written, count as they should, and are refused with their line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.calls import Program, options_of
from txm2sem.errors import UserError
from txm2sem.options import (
    COMMANDS,
    RECIPES,
    SEVERAL,
    TestCommand,
    TrainCommand,
    TranslateCommand,
    checked,
    fields_of,
    override,
    read_written,
    to_mapping,
    understood,
    written_text,
)
from txm2sem.resolving import config_text, read_config, resolve
from txm2sem.runs import RunPaths, write_options

WORDS = {name: f"--recipe {name}" for name in RECIPES} | {
    "context": "--model feedforward --context_slices 2",
    "against the recipe": "--recipe translate --norm instance --ngf 64",
}


def write(text: str, name: str = "mine.yaml") -> Path:
    Path(name).write_text(text)
    return Path(name)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# -- what is written comes back ---------------------------------------------------------------------------------------

PATHS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9).map(Path)


def _values(hint: Any, metadata: Any) -> st.SearchStrategy[Any]:
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if hint in (int, float):
        kind = st.integers if hint is int else st.floats
        return kind(metadata["at_least"], metadata["at_most"])
    texts = st.sampled_from(["null", "no", "5", "1e-3", "12:30", "a b", "# x", "it's: \\ \"", "ä", "-"])
    return {bool: st.booleans(), SEVERAL: st.lists(PATHS).map(tuple), Path: PATHS, str: texts}.get(
        hint, st.none() | PATHS
    )


@st.composite
def values_of(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Draw a value for some of the options of a command."""
    command, found = COMMANDS[name], {}
    for group, option, _ in fields_of(command):
        if draw(st.booleans()):
            value = draw(_values(getattr(command, group).hints[option.name], option.metadata))
            found[option.name] = "5" if option.metadata.get("is_name") else value
    return found


@pytest.mark.parametrize("name", COMMANDS)
@settings(max_examples=5)
@given(data=st.data())
def test_all_values_of_all_options_come_back(name: str, data: st.DataObject) -> None:
    values = data.draw(values_of(name))
    plain = {option: list(map(str, value)) if isinstance(value, tuple) else value for option, value in values.items()}
    plain = {option: str(value) if isinstance(value, Path) else value for option, value in plain.items()}
    path = write(written_text(COMMANDS[name], plain, "a title"))
    assert understood(COMMANDS[name], read_written(path, "")) == checked(COMMANDS[name], values)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_of_a_command_gives_what_its_words_give(program: Program, name: str) -> None:
    path = write(program(f"config {name}").out)
    assert options_of(COMMANDS[name], ["--config", str(path)]) == options_of(COMMANDS[name], [])
    entries = [line.removeprefix("# ").partition(":")[0] for line in path.read_text().splitlines()]
    assert {option.name for _, option, _ in fields_of(COMMANDS[name])} <= set(entries)


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_a_file_of_a_recipe_gives_what_it_gives(program: Program, words: str) -> None:
    expected = options_of(TrainCommand(), words.split())
    for asked in (f"config {words}", f"config train {words}"):
        assert options_of(TrainCommand(), ["--config", str(write(program(asked).out))]) == expected


def test_the_options_of_any_run_give_that_run() -> None:
    for model in ("feedforward", "srgan", "segmentation"):
        command = options_of(TrainCommand(), f"--model {model} --name run --lr 1e-5".split())
        write_options(Path("options.yaml"), to_mapping(command))
        assert options_of(TrainCommand(), ["--config", "options.yaml"]) == command


# -- what counts ------------------------------------------------------------------------------------------------------


def test_later_files_count_before_earlier_ones_and_words_before_all() -> None:
    write("recipe: translate\nngf: 3\nlr: 1e-3\nniter: 7", "one.yaml")
    write("ngf: 4\nniter: 8", "two.yaml")
    found = options_of(TrainCommand(), ["--config", "one.yaml", "--niter", "9", "--config", "two.yaml"])
    assert (found.recipe.recipe, found.model.netG, found.model.norm) == ("translate", "fine_unet", "batch")
    assert (found.schedule.lr, found.model.ngf, found.schedule.niter) == (1e-3, 4, 9)
    called = resolve(TrainCommand(), {"config": ["one.yaml", "two.yaml"], "niter": 9})
    assert called == found
    assert resolve(TrainCommand(), {"config": "one.yaml"}).model.ngf == 3


def test_a_runs_own_options_count_less_than_a_file() -> None:
    trained = override(TrainCommand(), {"name": "run", "ngf": 7, "num_test": 11, "gamma": 0.5})
    write_options(RunPaths.of("run", Path("checkpoints"), Path("results")).options, to_mapping(trained))
    found = options_of(TestCommand(), ["--config", str(write("name: run\nnum_test: 12"))])
    assert (found.model.ngf, found.data.num_test, found.data.gamma) == (7, 12, 0.5)
    with pytest.raises(UserError, match="--ngf 8 contradicts the checkpoint of run"):
        options_of(TestCommand(), ["--config", str(write("name: run\nngf: 8"))])


def test_what_belongs_to_other_commands_is_passed_over_and_said(program: Program) -> None:
    write("dataroot: there\nniter: 3\nx-ind: 4\nphase: train")
    config = read_config(TestCommand(), "mine.yaml")
    assert (set(config.values), config.places["dataroot"]) == ({"dataroot", "x_ind"}, "mine.yaml, line 1")
    (note,) = config.notes
    assert {"niter", "phase"} <= set(note.replace(",", "").split())
    write("phase: val")
    assert read_config(TestCommand(), "mine.yaml").values == {"phase": "val"}
    write("name: absent\nniter: 3")
    assert "note: mine.yaml" in program("test --config mine.yaml").out


def test_a_file_may_name_the_model_of_a_translation() -> None:
    found = {text: options_of(TranslateCommand(), ["--config", str(write(text))]) for text in ("name: a", "gpu_ids: 1")}
    assert [command.run.name for command in found.values()] == ["a", "translate"]


# -- what is refused --------------------------------------------------------------------------------------------------

REFUSED = {
    "recipe: translate\nnfg: 3": "line 2: txm2sem train has no option --nfg; did you mean --ngf",
    "lr: 1\nngf: 3.5": "line 2: --ngf 3.5: expected a whole number",
    "ngf: [3]": "line 1: --ngf of type list",
    "ngf:": "line 1: --ngf without a value",
    "no_flip: yes": "line 1: --no_flip yes: expected True or False",
    "ngf: 3\nngf: 4": "line 2: ngf comes twice",
    "no_flip: true\nno-flip: true": "line 2: no_flip comes twice",
    "ngf: &a 3\nndf: *a": "line 1: expected options",
    "ngf: 3\nlr: !!float 3": "line 2: expected options",
    "ngf: 3\nlr: {a: 3}": "line 2: expected options",
    "? [a, b]\n: 3": "line 1: expected options",
    "<<: *a": "line 1: expected options",
    "- ngf": "line 1: expected options",
    "ngf: 3\n---\nlr: 4": "line 2: expected options",
    "ngf: [3": "line 1: expected options",
    "\n": "expected options",
    "\x00": "expected options",
    "config: other.yaml": "line 1: txm2sem train has no option --config",
    "model: feedforward\nlambda_L1: 3": "line 2: --lambda_L1 does nothing with --model feedforward",
    f"name: {'x' * 2**20}": "bytes; expected",
}


@pytest.mark.parametrize("text", REFUSED, ids=[text[:20] for text in REFUSED])
def test_a_file_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(UserError) as caught:
        options_of(TrainCommand(), ["--config", str(write(text))])
    assert str(caught.value).startswith("mine.yaml")
    assert REFUSED[text] in str(caught.value)


def test_deep_nesting_and_long_references_take_no_time() -> None:
    bomb = "a: &a [x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(1000))
    for text in ("[" * 10**5, f"ngf: {'[' * 10**5}", f"ngf: {'{a: ' * 10**4}", bomb):
        with pytest.raises(UserError, match="expected options"):
            read_config(TrainCommand(), write(text))


def test_a_file_that_is_not_there_is_named(program: Program) -> None:
    outcome = program("train --config absent.yaml")
    assert (outcome.status, "absent.yaml" in outcome.err) == (1, True)
    assert program("train --config").status == 2


def test_config_says_which_commands_there_are(program: Program) -> None:
    assert "train" in program("config trian").err
    assert [program(f"config {words}").status for words in ("trian", "train here", "--help", "--lr x")] == [2, 2, 0, 2]
    assert program("config --model feedforward --lambda_L1 3").status == 1


def test_a_call_from_python_takes_files() -> None:
    import txm2sem

    rock = txm2sem.phantom(size=48, config=write("size: 64\ndepth: 3\nporosity: 0.1"))
    assert rock.txm.shape == (128, 48, 48)


def test_the_text_of_options_is_refused_as_they_are() -> None:
    with pytest.raises(UserError, match="--lambda_L1 does nothing"):
        config_text(TrainCommand(), {"model": "feedforward", "lambda_L1": 3.0})
