"""The card of an exported model: what it is, how it was made, how good it is, and how it is used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from txm2sem import __version__
from txm2sem.commands import train_command
from txm2sem.exporting.sample import ShownImage
from txm2sem.exporting.subject import Exported, ExportedChannel
from txm2sem.files import interpreting, read_json, read_text
from txm2sem.metrics import Interval
from txm2sem.runs import MODEL_CARD
from txm2sem.scoring.means import Column
from txm2sem.scoring.names import FORMAT, SIMILARITY_COLUMNS
from txm2sem.scoring.table import interval_text

REMEDY = "test again, or remove it"

Row = Sequence[str]


def model_card(
    subject: Exported, sample: ShownImage, trained: Mapping[str, Any], name: str, notes: Iterable[str]
) -> str:
    """Return the card of a model, as Markdown.

    Args:
        subject: the model.
        sample: the image that it is shown with.
        trained: its options, as they are handed on.
        name: of the file.
        notes: what the user must know.

    Raises:
        UserError: the scores of its test are damaged.
    """
    chain, paths = subject.chain, subject.paths
    own = paths.checkpoints / MODEL_CARD
    kind = {"repair": "repairs charged FIB-SEM images", "segmentation": "tells the phases of a rock"}
    does = kind.get(subject.model.options.model, "predicts the FIB-SEM image of a rock from its TXM")
    parts = [
        f"# {paths.name}: {does}",
        f"A model of the program txm2sem, `--model {subject.model.options.model}` with `--netG "
        f"{subject.model.options.netG}`, checkpoint {subject.model.label}.",
        "## Images",
        _channels("It takes", subject.seen),
        _channels("It returns", subject.shown),
        f"- Rows and columns are multiples of {chain.multiple} pixels, and at least {chain.whole(chain.smallest_side)}."
        f"\n- In a tile, {chain.receptive_field} pixels at each border depend on what is beyond it: cut them off."
        f"\n- The cover shows it with {sample.origin}: what it takes, and what it makes of that.",
        "## How it was made",
        f"```sh\n{train_command(trained)}\n```",
        "## Validation",
        *_scores(subject),
        f"With aligned slices of your own, `txm2sem test --name {name} --dataroot IMAGES --eval` measures the same, "
        "beside predictions without a model.",
        "## Use",
        f"It needs the program txm2sem, version {__version__} or newer, which is on no package index: ask who gave you "
        "this file for a copy of its repository, or for a wheel, and install that: `pip install "
        f"txm2sem-{__version__}-py3-none-any.whl`.",
        f"```sh\n{_use(subject, name)}\n```",
        *(["## Notes", "\n".join(f"- {note}" for note in notes)] if notes else []),
    ]
    if own.exists():
        parts += ["---", read_text(own, "put it back, or move it away")]
    return "\n\n".join(parts) + "\n"


def _channels(title: str, channels: Sequence[ExportedChannel]) -> str:
    greys = ["" if one.grey is None else f": grey values, {one.grey} are black and white" for one in channels]
    lines = [f"- {one.name}{grey}" for one, grey in zip(channels, greys, strict=True)]
    return "\n".join([f"{title} {len(channels)} channel{'' if len(channels) == 1 else 's'}:", "", *lines])


def _use(subject: Exported, name: str) -> str:
    if subject.model.options.model == "repair":
        txm = " --txm txm" if len(subject.seen) == 3 else ""
        return f"txm2sem repair sem repaired --charge charge{txm} --name {name}"
    mode = " --seg_mode sem" if subject.model.source == "sem" else ""
    return (
        f"txm2sem volume scan predicted.ome.zarr --name {name} --voxel_size 32{mode}\n"
        f"txm2sem load {name}   # among your own models"
    )


def _scores(subject: Exported) -> list[str]:
    """Return the scores of the model's test, as parts of the card."""
    path = subject.paths.scores(".json")
    absent = "It was not tested where it was exported."
    if not path.exists():
        return [absent]
    with interpreting(path, "scores", REMEDY):
        content = read_json(path, REMEDY)
        if content["format"] != FORMAT or content["epoch"] != subject.model.label:
            return [absent]
        about = f"Split {content['split']!s:.20}"
        if "similarity" in content:
            about += f", {content['images']:d} images from {content['slices']:d} slices"
            about += "; in brackets 95 % intervals over the slices." if content["interval"] else "."
            tables = [_similarity(content["similarity"])]
        else:
            about += "; mean ± standard error."
            tables = [_means(table, content["means"]["rows"]) for table in content["means"]["tables"]]
        return [about, *tables]


def _similarity(found: Mapping[str, Any]) -> str:
    head = ["", *(heading for heading, _ in SIMILARITY_COLUMNS.values())]
    rows = [
        [kind, *(_interval(regions["all"][name], digits) for name, (_, digits) in SIMILARITY_COLUMNS.items())]
        for kind, regions in found.items()
    ]
    return _table([head, *rows])


def _interval(found: Mapping[str, float | None], digits: int) -> str:
    numbers = (found[name] for name in ("value", "low", "high"))
    return interval_text(Interval(*(math.nan if number is None else float(number) for number in numbers)), digits)


def _means(table: Mapping[str, Any], rows: Mapping[str, Any]) -> str:
    head = ["", *(Column(one["name"], one["unit"].removeprefix("1")).heading for one in table.values())]
    cells = [
        [kind, *(f"{_number(row[key]['mean'])} ± {_number(row[key]['standard_error'], 2)}" for key in table)]
        for kind, row in rows.items()
    ]
    return _table([head, *cells])


def _number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}g}"


def _table(rows: Sequence[Row]) -> str:
    """Return rows, the first of which is the head, as a table of Markdown."""
    head, *others = [" | ".join(str(cell).replace("|", "/")[:100] for cell in row) for row in rows]
    return "\n".join(f"| {row} |" for row in (head, " | ".join(["---"] * len(rows[0])), *others))
