"""Where the time of a training step and of a slice of a volume goes, in the plain and in the fast way.

    python benchmarks/breakdown.py [--case NAME ...]

One column each of `benchmarks/speed.py`'s ways, in milliseconds per step, by what torch's operations do.
"""

from __future__ import annotations

import argparse
import sys

from speed import CASES, Case, process, work
from torch.profiler import ProfilerActivity, profile

SLICE = Case(
    "srgan",
    {"netG": "sr_resnet_9blocks", "downsample_factor": 4, "ngf": 32, "patch_size": 1024},
    {},
    training=False,
    wanted=1.0,
)
PROFILED = {
    "step srgan 4x, penalty": CASES["step srgan 4x, penalty"],
    "step pix2pix unet_256": CASES["step pix2pix unet_256"],
    "inference srgan 4x": CASES["inference srgan 4x"],
    "slice of a volume": SLICE,
}
KINDS = {
    "convolutions, forward": ("mkldnn_convolution", "_convolution", "mm", "bmm", "im2col", "addmm"),
    "convolutions, backward": ("convolution_backward",),
    "normalisation": ("batch_norm",),
    "activations": ("prelu", "relu", "threshold", "tanh", "sigmoid", "where", "lerp"),
    "dropout": ("bernoulli", "random_"),
    "padding, shuffles, copies, casts": ("pad", "shuffle", "copy_", "cat", "fill_", "zero_", "col2im", "index"),
    "optimiser": ("adam", "sqrt", "addcdiv", "addcmul"),
}
"""Parts of operations' names by what they are counted as; the first match counts."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=list(PROFILED))
    parser.add_argument("--operations", action="store_true", help="list operations by name, too")
    arguments = parser.parse_args()
    for name in arguments.case or PROFILED:
        case = PROFILED[name]
        steps = case.fast.get("jacobian_interval", 1)
        ways = {}
        for way in ("plain", "fast"):
            with process() as other:
                ways[way] = other.submit(milliseconds, case, way, steps).result()
        print(f"\n{name:<36}{'plain [ms]':>12}{'fast [ms]':>12}")
        for kind in (*KINDS, "everything else"):
            sums = [sum(ms for key, ms in times.items() if kind_of(key) == kind) for times in ways.values()]
            print(f"  {kind:<34}" + "".join(f"{value:>12.0f}" for value in sums))
        if arguments.operations:
            for way, times in ways.items():
                largest = sorted(times.items(), key=lambda item: -item[1])[:20]
                print(f"  {way}: " + ", ".join(f"{key} {ms:.1f}" for key, ms in largest))
    return 0


def milliseconds(case: Case, way: str, steps: int) -> dict[str, float]:
    """Return what operations take of a step, by their names [ms]."""
    run = work(case, way)
    run(steps)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run(2 * steps)
    return {
        event.key.removeprefix("aten::"): event.self_cpu_time_total / 1e3 / (2 * steps)
        for event in profiler.key_averages()
    }


def kind_of(operation: str) -> str:
    return next((kind for kind, parts in KINDS.items() if any(part in operation for part in parts)), "everything else")


if __name__ == "__main__":
    sys.exit(main())
