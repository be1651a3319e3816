"""Predict FIB-SEM images from transmission X-ray microscopy (TXM), learned from a few aligned slices.

The calls of `txm2sem.api` are here, too, imported when they are first used: they take libraries that are slow to load.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from txm2sem.api import (
        Run,
        TrainedModel,
        Trusted,
        align,
        check,
        compare,
        export,
        load,
        measure,
        open_volume,
        phantom,
        repair,
        scores,
        sweep,
        train,
    )

# Threads of torch that wait for others would spin for milliseconds, and on a machine that has other work, too, take its
# processors for nothing; to wake them each time takes longer where there is none. So they spin for some microseconds,
# which GNU's OpenMP (Linux) can be told, or not at all. It is read when torch is loaded, so it is said before that;
# what the user says stays.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"}

__version__ = "1.0.0"

__all__ = [
    "Run",
    "TrainedModel",
    "Trusted",
    "align",
    "check",
    "compare",
    "export",
    "load",
    "measure",
    "open_volume",
    "phantom",
    "repair",
    "scores",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("txm2sem.api"), name)
    raise AttributeError(f"module 'txm2sem' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
