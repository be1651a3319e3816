"""Read and write networks as plain state dicts, in the original code's names and keys, and the state of a run.

Nothing that is loaded is executed, takes more memory than its file has bytes, or has numbers that are not finite; and
nothing of that kind is saved.
"""

from __future__ import annotations

import itertools
import pickle
import pickletools
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, get_args

import torch
from torch import Tensor, nn

from txm2sem.addresses import Place
from txm2sem.errors import UserError
from txm2sem.files import write_whole
from txm2sem.networks import GENERATORS, build_generator
from txm2sem.options import GeneratorName, GeneratorOptions, NormName
from txm2sem.runs import check_is_checkpoint

PLAIN = frozenset(
    {
        "collections OrderedDict",
        *(f"torch._utils _rebuild_{kind}" for kind in ("tensor", "tensor_v2", "parameter")),
        *(f"torch {kind}Storage" for kind in ("Float", "Double", "Half", "BFloat16", "ComplexFloat", "ComplexDouble")),
        *(f"torch {kind}Storage" for kind in ("Long", "Int", "Short", "Char", "Byte", "Bool")),
    }
)
"""What the pickles of dense tensors and plain values call for. What else `weights_only` allows takes any memory."""

MOST_PICKLE = 2**24
"""Bytes that a pickle may have, which names the tensors and does not hold their numbers."""

LEGACY_PICKLES = 5
"""Pickles that a file begins with that torch wrote before it took to archives, the content being the fourth."""


DAMAGE = (
    *(RuntimeError, EOFError, OSError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError),
    *(AssertionError, struct.error, zipfile.BadZipFile),
)
"""What reading a damaged file ends in."""


class NotFiniteError(UserError):
    """Numbers that should be saved, or learned from, are infinite or none at all (NaN)."""


def save(content: Any, path: Place) -> None:
    """Write tensors and plain values to a file, whole or not at all.

    Raises:
        NotFiniteError: a tensor has numbers that are not finite; an earlier file is untouched.
        UserError: the disk is full or the folder not writable; an earlier file is untouched.
    """
    for name, tensor in _tensors(content):
        if not torch.isfinite(tensor).all():
            raise NotFiniteError(f"{path} is not written: {name} has numbers that are not finite")
    write_whole(path, lambda buffer: torch.save(content, buffer))


def load(path: Path, remedy: str = "copy or train it again") -> Any:
    """Read what `save`, or the original code, has written, onto the CPU.

    Args:
        path: the file.
        remedy: what the user can do where it is damaged.

    Returns:
        Tensors are views of the file: copy those that are kept.

    Raises:
        UserError: the file is missing, damaged, holds something other than dense tensors and plain values, claims more
            than it has, or has numbers that are not finite.
    """
    check_is_checkpoint(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_checked_archive(path))
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is not a file of network weights, or is damaged; it was not executed. "
            f"Expected a state dict saved with torch.save ({_first_sentence(error)})"
        ) from error
    except PermissionError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; permit reading it") from error
    except DAMAGE as error:
        raise UserError(
            f"{path} is damaged: expected a state dict saved with torch.save, found {path.stat().st_size} bytes that "
            f"cannot be read as one ({_first_sentence(error)}); {remedy}"
        ) from error
    for name, tensor in _tensors(content):
        if tensor.nbytes > tensor.untyped_storage().nbytes():
            raise UserError(f"{path}: {name} claims more numbers than the file has; {remedy}")
        if not torch.isfinite(tensor).all():
            raise UserError(
                f"{path}: {name} has numbers that are not finite, so the training has failed before it was saved; take "
                "an earlier checkpoint, or train again with a smaller --lr"
            )
    return content


def save_network(network: nn.Module, path: Path) -> None:
    """Write a network's state dict, on the CPU and in plain layout, with the original code's keys.

    Raises:
        NotFiniteError: a weight is not finite; an earlier file is untouched.
        UserError: the disk is full or the folder not writable; an earlier file is untouched.
    """
    save({key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}, path)


def load_generator(path: Path, options: GeneratorOptions, *, bounded: bool = True) -> nn.Module:
    """Return the generator of a file; it takes memory only where the file has its weights.

    Args:
        path: the file.
        options: of the model.
        bounded: as `build_generator`.

    Raises:
        UserError: as `load_network`.
    """
    state = _read_state(path, _keys_and_shapes(options), options)
    generator = build_generator(options, bounded=bounded)
    generator.load_state_dict(state)
    return generator


def load_network(network: nn.Module, path: Path, options: GeneratorOptions) -> None:
    """Load a network's state dict from a file into `network`, in place.

    Args:
        network: built from `options`.
        path: the file.
        options: named in the message when the file was made with others.

    Raises:
        UserError: the file is missing, damaged, not weights, or of another architecture; then the message names the
            first key that differs and, for a generator, the options that fit the file.
    """
    network.load_state_dict(_read_state(path, network.state_dict(), options))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file by name, of whatever network; see `load`.

    Raises:
        UserError: as `load`; or the file holds something else.
    """
    state = load(path)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path} holds no state dict: expected a mapping of names to tensors, found {_kind(state)}")
    return dict(state)


def difference(expected: Mapping[str, Tensor], found: object) -> str | None:
    """Return where something differs from a state dict in keys, shapes or kinds of numbers; None where it does not.

    Numbers with a point may have another precision, as long as that makes none of them infinite.
    """
    if not isinstance(found, Mapping):
        return f"expected a mapping of names to tensors, found a {type(found).__name__}"
    for key, tensor in expected.items():
        problem = tensor_difference(tensor, found[key]) if key in found else "is missing in the file"
        if problem:
            return f"its key {key} {problem}"
    extra = [key for key in found if key not in expected]
    return f"the file has a key {_shown(extra[0])} that the network has not" if extra else None


def tensor_difference(expected: Tensor, found: object) -> str | None:
    """Return how something differs from a tensor in shape or kind of numbers, as `difference`."""
    if not isinstance(found, Tensor):
        return f"is of type {type(found).__name__} in the file, expected a tensor"
    if expected.shape != found.shape:
        return f"has shape {tuple(found.shape)} in the file, expected {tuple(expected.shape)}"
    if expected.dtype != found.dtype:
        if not (expected.is_floating_point() and found.is_floating_point()):
            return f"has {found.dtype} in the file, expected {expected.dtype}"
        if not torch.isfinite(found.to(expected.dtype)).all():
            return f"has numbers in the file that are too large for {expected.dtype}"
    return None


def fitting_options(state: Mapping[str, Tensor]) -> GeneratorOptions | None:
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
        try:
            candidate = GeneratorOptions(
                ngf=kernels[0].shape[0],
                input_nc=max(kernels[0].shape[1] // builder.pixels - builder.own_channels, 1),
                output_nc=biases[-1].shape[0],
                netG=name,
                norm=norm,
                no_dropout=no_dropout,
                downsample_factor=factor,
            )
            if difference(_keys_and_shapes(candidate), state) is None:
                return candidate
        except UserError:
            continue
    return None


@lru_cache(maxsize=512)
def _keys_and_shapes(options: GeneratorOptions) -> dict[str, Tensor]:
    """Return the state dict of a generator without memory; whether it is bounded changes nothing in it."""
    with torch.device("meta"):
        return build_generator(options).state_dict()


def _read_state(path: Path, expected: Mapping[str, Tensor], options: GeneratorOptions) -> dict[str, Tensor]:
    state = load_weights(path)
    found = difference(expected, state)
    if found:
        raise UserError(f"{path} does not fit the network: {found}. {made_with(state, options)}")
    return state


def _is_checked_archive(path: Path) -> bool:
    """Say whether a file is an archive, as torch writes it now, after looking at all that it claims and calls for.

    Raises:
        UnpicklingError: it calls for something else than tensors and plain values.
        ValueError, BadZipFile, EOFError: it is damaged, or claims more than it has.
    """
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            file.seek(0)
            for _ in range(LEGACY_PICKLES):
                _check_pickle(file)
            return False
        size = file.seek(0, 2)
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            if sum(part.file_size for part in parts) > size or any(part.compress_type for part in parts):
                raise ValueError("it claims more bytes than it has")
            if archive.testzip() is not None:
                raise ValueError("its checksums are wrong")
            for part in parts:
                if part.filename.endswith(".pkl"):
                    if part.file_size > MOST_PICKLE:
                        raise ValueError(f"its pickle has {part.file_size} bytes")
                    with archive.open(part) as pickled:
                        _check_pickle(pickled)
    return True


def _check_pickle(file: IO[bytes]) -> None:
    start = file.tell()
    try:
        for operation, argument, _ in pickletools.genops(file):
            if operation.name in ("STACK_GLOBAL", "INST") or (operation.name == "GLOBAL" and argument not in PLAIN):
                raise pickle.UnpicklingError(f"expected dense tensors and plain values, found {_shown(argument)}")
            if file.tell() - start > MOST_PICKLE:
                raise ValueError(f"its pickle has more than {MOST_PICKLE} bytes")
    except MemoryError:  # for as many bytes as it says that follow
        raise ValueError("it claims more bytes than it has") from None


def _tensors(content: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield all tensors in mappings and lists, with their names."""
    waiting, known = [("", content)], set()
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, Tensor):
            yield name, value
        elif isinstance(value, Mapping | list | tuple) and id(value) not in known:  # what is in many places counts once
            known.add(id(value))
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            waiting += [(f"{name}.{_shown(key)}".lstrip("."), item) for key, item in items]


def _shown(key: object) -> str:
    """Return a key for a message."""
    return str(key)[:100] if isinstance(key, str | int) else f"of type {type(key).__name__}"


def made_with(state: Mapping[str, Tensor], options: GeneratorOptions) -> str:
    """Return a sentence on the options, other than these, with which the weights of a generator were made."""
    fitting = fitting_options(state)
    if fitting is None:
        return (
            "No architecture of this program has such weights; was it made by another program or for another network?"
        )
    changes = []
    for name in ("netG", "ngf", "norm", "downsample_factor", "input_nc", "output_nc"):
        wanted, given = getattr(fitting, name), getattr(options, name)
        if wanted != given:
            changes.append(f"--{name} {wanted} (not {given})")
    if fitting.no_dropout != options.no_dropout:
        changes.append("--no_dropout" if fitting.no_dropout else "dropout (leave out --no_dropout)")
    return f"The file was made with {', '.join(changes)}"


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        odd = next(key for key, item in value.items() if not isinstance(item, Tensor))
        return f"{_shown(odd)!r}: {type(value[odd]).__name__}"
    return type(value).__name__


def _first_sentence(error: BaseException) -> str:
    return re.split(r"[.\n]", str(error).strip() or type(error).__name__, maxsplit=1)[0]
