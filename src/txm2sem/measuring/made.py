"""What a volume says of the model that has made it, where `txm2sem volume` has written it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from txm2sem.addresses import Place
from txm2sem.data.classes import CLASSES
from txm2sem.data.readers.ome_zarr import is_zarr, provenance
from txm2sem.files import interpreting, is_there, read_json, typed
from txm2sem.objects import RefusedError
from txm2sem.runs import known_report_of


@dataclass(frozen=True)
class Made:
    """A model's work.

    Attributes:
        model: for people; empty: no model has made it.
        is_guess: what it shows is told from the TXM, which shows less than there is; not from a SEM.
        fraction_errors: by how much the expected fraction of each class is wrong, since its calibration is: standard
            deviations, 0 to 1; 0 where there is no calibration.
        training_shares: of the classes in the training slices; (): not known.
    """

    model: str = ""
    is_guess: bool = False
    fraction_errors: tuple[float, ...] = (0.0,) * len(CLASSES)
    training_shares: tuple[float, ...] = ()


def made_by(volume: Place) -> Made:
    """Return what the report beside a volume says, or where there is none the volume itself, if it is OME-Zarr.

    Raises:
        UserError: the report is damaged.
    """
    report, remedy = known_report_of(volume), "restore the file, or move it away"
    with suppress(RefusedError):
        if is_there(report):
            with interpreting(report, "the report of a volume", remedy):
                return _made(read_json(report, remedy))
        if is_zarr(volume):
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                return _made(provenance(volume))
    return Made()


def _made(content: Mapping[str, Any]) -> Made:
    """Return what a report says.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is none.
    """
    model, options = str(content.get("model", "")), content.get("options", {})
    classes = content["scores"].get("classes", {})
    errors = [classes.get(name, {}).get("fraction_error", 0.0) for name in CLASSES]
    shares = [classes.get(name, {}).get("training_share") for name in CLASSES]
    made = Made(
        model=model,
        is_guess=bool(model) and (options["model"] != "segmentation" or options["seg_mode"] != "sem"),
        fraction_errors=typed(tuple[float, ...], errors),
        training_shares=() if None in shares else typed(tuple[float, ...], shares),
    )
    if not all(0 <= one <= 1 for one in (*made.fraction_errors, *made.training_shares)):
        raise ValueError(f"fraction_error {errors}, training_share {shares}")
    return made
