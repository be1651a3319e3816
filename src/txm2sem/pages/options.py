"""The options of a run, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from txm2sem.options import MODEL_DEFAULTS, TrainCommand, to_mapping
from txm2sem.pages.tables import facts


def option_tables(options: Mapping[str, Any]) -> str:
    """Return the options that differ from the defaults of their model, and all of them to be opened."""
    if not options:
        return "<p>The run's folder has no options.yaml.</p>"
    defaults = {**to_mapping(TrainCommand()), **MODEL_DEFAULTS.get(str(options.get("model")), {})}
    changed = {name: value for name, value in options.items() if name in defaults and value != defaults[name]}
    named = facts("Options that differ from their defaults", changed) if changed else "<p>All have their defaults.</p>"
    return f"{named}\n<details>\n<summary>All options</summary>\n{facts('All options', options)}\n</details>"
