"""What the calls from Python share: options given by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from txm2sem.errors import UserError
from txm2sem.options import MODEL_DEFAULTS, TranslateCommand, VolumeCommand, fields_of, override
from txm2sem.runs import RunPaths, read_options

Command = TypeVar("Command", VolumeCommand, TranslateCommand)


def command_of(
    base: Command, program: str, name: str, checkpoints_dir: Path | str, options: Mapping[str, Any]
) -> Command:
    """Return the options of a call: those given, then those saved with the model, then the defaults.

    Args:
        base: the defaults.
        program: the command that has the same options, for the error.
        name: of the model's run.
        checkpoints_dir: where that is.
        options: given by name.

    Raises:
        UserError: there is no such option or value, or the saved ones cannot be read.
    """
    known = [option.name for _, option, _ in fields_of(base)]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UserError(f"there is no option {', '.join(unknown)}; expected those of {program}: {', '.join(known)}")
    own = {"name": name, "checkpoints_dir": checkpoints_dir, "suffix": ""}
    asked = override(base, {**options, **own})
    saved = RunPaths.of(name, asked.run.checkpoints_dir, asked.run.checkpoints_dir).options
    trained = read_options(saved) if saved.exists() else {}
    defaults = MODEL_DEFAULTS.get(trained.get("model", options.get("model", "")), {})
    return override(base, {**defaults, **trained, **options, **own})
