"""Which processors do the work, in which number format and layout."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TypeVar

import torch
from torch import Tensor, nn

from txm2sem.errors import UserError
from txm2sem.options import Precision

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}

Network = TypeVar("Network", bound=nn.Module)


def devices_of(gpu_ids: str) -> list[torch.device]:
    """Return the devices that `--gpu_ids` asks for, all of one type, at least one; the CPU and Apple's GPU are alone.

    Args:
        gpu_ids: `0`, `0,1`, ...; `mps` for the GPU of an Apple processor; `-1` for the CPU; `auto` for GPU 0 where
            there is one, else Apple's, else the CPU.

    Raises:
        UserError: the text is not of this form, or a GPU it names is absent.
    """
    text, present = gpu_ids, torch.cuda.device_count() if torch.cuda.is_available() else 0
    apple = torch.backends.mps.is_available()
    if text == "auto":
        return [torch.device("cuda", 0) if present else torch.device("mps" if apple else "cpu")]
    if text == "mps":
        if not apple:
            raise UserError(
                "--gpu_ids mps: this machine has no Apple GPU that torch can use, which takes an Apple processor and "
                "macOS 14; pass -1 to compute on the CPU, or auto to take a GPU where there is one"
            )
        return [torch.device("mps")]
    try:
        ids = [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"--gpu_ids {text}: expected numbers such as 0 or 0,1, mps, -1 for the CPU, or auto") from None
    if ids == [-1]:
        return [torch.device("cpu")]
    absent = [number for number in ids if not 0 <= number < present]
    if absent:
        raise UserError(
            f"--gpu_ids {text}: this machine has {present} usable GPU(s), so GPU {absent[0]} is not there. "
            "Pass -1 to compute on the CPU, or auto to take a GPU where there is one"
        )
    if len(set(ids)) < len(ids):
        raise UserError(f"--gpu_ids {text}: each GPU can be named once only")
    return [torch.device("cuda", number) for number in ids]


def device_of(gpu_ids: str) -> torch.device:
    """Return the one device that tests and predictions run on: the first GPU asked for, or the CPU."""
    return devices_of(gpu_ids)[0]


def name_of_device(device: torch.device) -> str:
    """Return what people call a device: which GPU it is, or how many threads of the CPU compute."""
    if device.type == "cuda":
        return f"GPU {device.index} ({torch.cuda.get_device_name(device)})"
    return "Apple GPU" if device.type == "mps" else f"CPU, {torch.get_num_threads()} threads"


def dtype_of(precision: Precision) -> torch.dtype:
    """Return the number format that `--precision` asks for."""
    return DTYPES[precision]


def usable_precision(precision: Precision, device: torch.device) -> Precision:
    """Return the number format to compute in where `precision` is asked for: fp32 where bf16 would be emulated."""
    return "fp32" if precision == "bf16" and not computes_bf16(device) else precision


def computes_bf16(device: torch.device) -> bool:
    """Say whether a device computes in bf16 as it is trained in here, by instructions of its own.

    Without them it is emulated, which is slower than fp32. On Apple's GPUs Lightning does not compute in bf16.

    On x86, oneDNN says that it supports bf16 wherever there is AVX-512, where it emulates it too; so the instructions
    themselves are asked for (processors with AMX have AVX512_BF16 besides). On ARM its answer is the processor's.
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return False
    if platform.machine().lower() in ("x86_64", "amd64"):
        return bool(torch.cpu._is_avx512_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def adds_8_bit_products_exactly() -> bool:
    """Say whether the processor adds products of 8-bit integers in 32 bits.

    On x86 that takes instructions of their own (VNNI). Without them two products are added in 16 bits first, and their
    sum is cut off at the largest number there is, which is wrong without a word where weights have all 8 bits
    (https://oneapi-src.github.io/oneDNN/dev_guide_int8_computations.html).
    """
    return platform.machine().lower() not in ("x86_64", "amd64") or bool(torch.cpu._is_vnni_supported())


def memory_format_of(device: torch.device) -> torch.memory_format:
    """Return how images (N, C, H, W) and the kernels of convolutions lie in a device's memory.

    On an NVIDIA GPU the channels of a pixel lie side by side, which its tensor cores want. On the CPU everything stays
    as it is, one channel after the other, because the other layout is no faster there.
    """
    return torch.channels_last if device.type == "cuda" else torch.preserve_format


def move_network(network: Network, device: torch.device) -> Network:
    """Move a network to a device, in place, in the layout of `memory_format_of`; return it."""
    network.to(device, memory_format=memory_format_of(device))  # type: ignore[call-overload]  # it lacks this argument
    return network


def move_images(images: Tensor, device: torch.device) -> Tensor:
    """Return a batch on a device, in the layout of `memory_format_of` where it is of images (N, C, H, W).

    To a GPU it is copied from pinned memory, and the processor goes on meanwhile.
    """
    on_gpu = device.type == "cuda"
    if on_gpu and images.device.type == "cpu":
        images = images.pin_memory()
    layout = memory_format_of(device) if images.dim() == 4 else torch.preserve_format
    return images.to(device, non_blocking=on_gpu, memory_format=layout)


def random_state(device: torch.device) -> Tensor:
    """Return the state of a device's random generator."""
    return _generator_of(device).get_state()


@contextmanager
def same_random_numbers(state: Tensor, device: torch.device) -> Iterator[None]:
    """Draw what was drawn after a state of a device's random generator, and then go on as if nothing had been drawn."""
    generator = _generator_of(device)
    before = generator.get_state()
    generator.set_state(state)
    try:
        yield
    finally:
        generator.set_state(before)


def _generator_of(device: torch.device) -> torch.Generator:
    if device.type == "cuda":
        return torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]
    return torch.mps._get_default_mps_generator() if device.type == "mps" else torch.default_generator


def peak_memory(device: torch.device) -> float | None:
    """Return the most that this process has held so far in the memory that a device computes in [bytes].

    None where nobody can tell: Apple's GPUs, and the memory of processes under Windows.
    """
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    if device.type == "mps" or find_spec("resource") is None:
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if platform.system() == "Darwin" else 1024 * most)


def wait_for(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
