"""Which processors do the work."""

from __future__ import annotations

import torch

from txm2sem.config import Precision
from txm2sem.errors import UserError

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


def parse_gpu_ids(text: str) -> list[int]:
    """Return the GPUs that `--gpu_ids` asks for; an empty list is the CPU.

    Args:
        text: `0`, `0,1`, ...; `-1` for the CPU; `auto` for GPU 0 where there is one.

    Raises:
        UserError: the text is not of this form, or a GPU it names is absent.
    """
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if text == "auto":
        return [0] if present else []
    try:
        ids = [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"--gpu_ids {text}: expected numbers such as 0 or 0,1, -1 for the CPU, or auto") from None
    if ids == [-1]:
        return []
    absent = [number for number in ids if not 0 <= number < present]
    if absent:
        raise UserError(
            f"--gpu_ids {text}: this machine has {present} usable GPU(s), so GPU {absent[0]} is not there. "
            "Pass -1 to compute on the CPU, or auto to take a GPU where there is one"
        )
    if len(set(ids)) < len(ids):
        raise UserError(f"--gpu_ids {text}: each GPU can be named once only")
    return ids


def device_of(gpu_ids: str) -> torch.device:
    """Return the one device that tests and predictions run on: the first GPU asked for, or the CPU."""
    ids = parse_gpu_ids(gpu_ids)
    return torch.device("cuda", ids[0]) if ids else torch.device("cpu")


def dtype_of(precision: Precision) -> torch.dtype:
    """Return the number format that `--precision` asks for."""
    return DTYPES[precision]
