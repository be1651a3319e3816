"""Predict FIB-SEM images from transmission X-ray microscopy (TXM), learned from a few aligned slices.

The calls of `txm2sem.api` are here, too, imported when they are first used: they take libraries that are slow to load.
"""

import os
from importlib import import_module
from importlib.metadata import version
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

# Threads of torch that wait for others would spin, and on a machine that has other work, too, take its processors for
# nothing. It is read when torch is loaded, so it is said here, before that; what the user says stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = version("txm2sem")

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
