"""Read and write networks as plain state dicts, in the original code's names and keys, and the state of a run.

Files are loaded with `weights_only`: a pickle that holds anything but tensors and plain values is refused, never
executed.
"""

from __future__ import annotations

import itertools
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from txm2sem.config import GeneratorName, ModelOptions, NormName
from txm2sem.errors import UserError
from txm2sem.files import write_whole
from txm2sem.networks import GENERATORS, build_generator


def save(content: Any, path: Path) -> None:
    """Write tensors and plain values to a file, whole or not at all.

    Raises:
        UserError: the disk is full or the folder not writable; an earlier file is untouched.
    """
    write_whole(path, lambda buffer: torch.save(content, buffer))


def load(path: Path) -> Any:
    """Read what `save`, or the original code, has written, onto the CPU.

    Raises:
        UserError: the file is missing, damaged, or holds something other than weights.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"there is no checkpoint {path}; {_what_is_there(path)}") from None
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is not a file of network weights, or is damaged; it was not executed. "
            f"Expected a state dict saved with torch.save ({_first_sentence(error)})"
        ) from error
    except (RuntimeError, EOFError, OSError, KeyError, ValueError) as error:
        raise UserError(
            f"{path} is damaged: expected a state dict saved with torch.save, found {path.stat().st_size} bytes that "
            f"cannot be read as one ({_first_sentence(error)}); copy or train it again"
        ) from error


def save_network(network: nn.Module, path: Path) -> None:
    """Write a network's state dict, on the CPU and in plain layout, with the original code's keys.

    Raises:
        UserError: the disk is full or the folder not writable; an earlier file is untouched.
    """
    save({key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}, path)


def load_network(network: nn.Module, path: Path, options: ModelOptions) -> None:
    """Load a network's state dict from a file into `network`, in place.

    Args:
        network: built from `options`.
        path: the file.
        options: named in the message when the file was made with others.

    Raises:
        UserError: the file is missing, damaged, not weights, or of another architecture; then the message names the
            first key that differs and, for a generator, the options that fit the file.
    """
    state = load(path)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path} holds no state dict: expected a mapping of names to tensors, found {_kind(state)}")
    difference = _first_difference(network.state_dict(), state)
    if difference:
        raise UserError(f"{path} does not fit the network: {difference}. {_advice(state, options)}")
    network.load_state_dict(dict(state))


def label_of(epoch: str, load_iter: int) -> str:
    """Return the label of the checkpoint that `--epoch` and `--load_iter` ask for."""
    return f"iter_{load_iter}" if load_iter > 0 else epoch


def fitting_options(state: Mapping[str, Tensor]) -> ModelOptions | None:
    """Return the generator options whose network has exactly these keys and shapes, or None.

    Every combination of architecture, normalisation, dropout and factor is built without memory and compared; widths
    and channels are read off the first and last layers. Where a choice leaves no trace in the keys (dropout of a
    U-Net), the default is returned.
    """
    kernels = [value for value in state.values() if value.ndim == 4]
    biases = [value for value in state.values() if value.ndim == 1]
    if not kernels or not biases:
        return None
    choices = itertools.product(get_args(GeneratorName), get_args(NormName), (False, True), (1, 2, 4))
    for name, norm, no_dropout, factor in choices:
        builder = GENERATORS[name]
        candidate = ModelOptions(
            ngf=kernels[0].shape[0],
            input_nc=max(kernels[0].shape[1] // builder.pixels - builder.own_channels, 1),
            output_nc=biases[-1].shape[0],
            netG=name,
            norm=norm,
            no_dropout=no_dropout,
            downsample_factor=factor,
        )
        try:
            with torch.device("meta"):
                expected = build_generator(candidate).state_dict()
        except UserError:
            continue
        if _first_difference(expected, state) is None:
            return candidate
    return None


def _first_difference(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str | None:
    for key, tensor in expected.items():
        if key not in found:
            return f"its key {key} is missing in the file"
        if tensor.shape != found[key].shape:
            return f"{key} has shape {tuple(found[key].shape)} in the file, expected {tuple(tensor.shape)}"
    extra = next((key for key in found if key not in expected), None)
    return f"the file has a key {extra} that the network has not" if extra else None


def _advice(state: Mapping[str, Tensor], options: ModelOptions) -> str:
    fitting = fitting_options(state)
    if fitting is None:
        return "No architecture of this program has these keys; was it made by another program or for another network?"
    changes = []
    for name in ("netG", "ngf", "norm", "downsample_factor", "input_nc", "output_nc"):
        wanted, given = getattr(fitting, name), getattr(options, name)
        if wanted != given:
            changes.append(f"--{name} {wanted} (not {given})")
    if fitting.no_dropout != options.no_dropout:
        changes.append("--no_dropout" if fitting.no_dropout else "dropout (leave out --no_dropout)")
    return f"The file was made with {', '.join(changes)}"


def _what_is_there(path: Path) -> str:
    if not path.parent.is_dir():
        return f"nor is there a folder {path.parent}. Train first, or check --name and --checkpoints_dir"
    network = path.stem.rsplit("_net_", 1)[-1]
    there = sorted(file.name for file in path.parent.glob(f"*_net_{network}.pth"))
    return f"{path.parent} holds {', '.join(there) or 'no network'}. Choose with --epoch or --load_iter"


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        odd = next(key for key, item in value.items() if not isinstance(item, Tensor))
        return f"{odd!r}: {type(value[odd]).__name__}"
    return type(value).__name__


def _first_sentence(error: BaseException) -> str:
    return re.split(r"[.\n]", str(error).strip() or type(error).__name__, maxsplit=1)[0]
