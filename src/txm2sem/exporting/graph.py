"""A model as a graph that other programs compute: ONNX."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray

from txm2sem import __version__
from txm2sem.errors import UserError, extra
from txm2sem.exporting.sample import ShownImage
from txm2sem.exporting.subject import Exported, Image

OPSET = 18
"""The first version of ONNX that has `&` of whole numbers, which grain needs."""

TOLERANCE = 1e-3
"""By how much the graph may differ from this program [8-bit grey levels, or 1/255 of a probability]."""

ROUNDING = 4
"""Or so many times as much as this program itself differs from double precision: deep and wide networks round."""

INPUT, OUTPUT = "input", "output"


def import_onnx() -> tuple[ModuleType, ModuleType]:
    """Return the modules `onnx` and `onnxruntime`.

    Raises:
        UserError: one of them is not installed.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"to export a model needs packages that cannot be imported ({error}); {extra('export')}"
        ) from None
    return onnx, onnxruntime


def write_graph(subject: Exported, sample: ShownImage, path: Path, *, takes_grey: bool) -> None:
    """Write the model as a file of ONNX, of which another program's answer to the sample is this one's.

    Args:
        subject: the model.
        sample: an image, and what this program makes of it.
        path: the file.
        takes_grey: the graph takes and returns grey values; otherwise black is -1 and white 1.

    Raises:
        UserError: packages are not installed, or the graph computes something else than the model.
    """
    onnx, _ = import_onnx()
    network = subject.network(takes_grey=takes_grey)
    source = torch.from_numpy(_scaled(subject, sample.seen, takes_grey))[None]
    free = {0: "batch", 2: "y", 3: "x"}
    with warnings.catch_warnings():
        # It tells its makers' plans with it, and what it does not make faster.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (source,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: free, OUTPUT: free},
        )
    graph = onnx.load(path)
    graph.producer_name, graph.producer_version = "txm2sem", __version__
    graph.doc_string = _said(subject, takes_grey)
    onnx.save(graph, path)
    _check(subject, sample, path, takes_grey)


def _check(subject: Exported, sample: ShownImage, path: Path, takes_grey: bool) -> None:
    """Compare the graph, computed by another program, with what this one makes of the sample."""
    _, onnxruntime = import_onnx()
    # Grain has another value where the last digit of the image is another: it is the same, or nothing is.
    exact = sample.shown if subject.takes_grey else _in_double_precision(subject, sample)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    found = session.run(None, {INPUT: _scaled(subject, sample.seen, takes_grey)[None]})[0][0]
    if subject.shown[0].grey is not None:
        found = found if takes_grey else subject.shown[0].grey.denormalise(found)
    low, high = subject.shown[0].range if subject.shown[0].grey else (0.0, 1.0)
    off, rounded = (float(np.abs(one - sample.shown).max()) * 255 / (high - low) for one in (found, exact))
    if not off <= max(TOLERANCE, ROUNDING * rounded):
        raise UserError(
            f"the graph of {subject.model.name} differs by up to {off:.3g} of 255 grey levels from what this program "
            "computes; nothing was written, as nobody could rely on it: hand on the run's folder instead"
        )


@torch.inference_mode()
def _in_double_precision(subject: Exported, sample: ShownImage) -> NDArray[np.float64]:
    network = subject.network(takes_grey=True).double()
    exact: NDArray[np.float64] = network(torch.from_numpy(sample.seen)[None].double())[0].numpy()
    return exact


def _scaled(subject: Exported, seen: Image, takes_grey: bool) -> Image:
    """Return channels as a graph takes them."""
    if takes_grey:
        return seen
    pairs = zip(seen, subject.seen, strict=True)
    return np.stack([image if one.grey is None else one.grey.normalise(image) for image, one in pairs])


def _said(subject: Exported, takes_grey: bool) -> str:
    """Return what the graph is, for people."""
    chain = subject.chain
    units = "grey values" if takes_grey else "-1 black, 1 white"
    ranges = [f"{one.name}{'' if one.grey is None else f' ({one.grey} are black and white)'}" for one in subject.seen]
    return (
        f"{subject.model.name}. Input (N, C, H, W), {units}: {'; '.join(ranges)}. Output (N, D, H, W): "
        f"{', '.join(one.name for one in subject.shown)}. H and W: multiples of {chain.multiple} pixels, at least "
        f"{chain.whole(chain.smallest_side)}; {chain.receptive_field} pixels at the border of a tile depend on what is "
        "beyond it."
    )
