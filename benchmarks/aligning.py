"""Measure how well pairs of images are registered: phantoms moved in known ways, false pairs, and real slices.

    python benchmarks/aligning.py [--quick] [--shale DATA] [--pictures DIR]

- Phantoms: slices of 512 x 512, two from each rock, 30 apart. The SEM is moved by up to 40 pixels, turned by up to 10
  degrees, enlarged by 0.8 to 1.25, and distorted by a smooth field of up to 5 pixels; then mirrored, with contrast
  inverted and a multiple of 90 degrees added, too. The error is that of all points that lie on both images.
- Pairs that do not belong together: another rock, the same rock 30 slices away, an image turned by 90 degrees. The
  number that were called confident must be 0.
- The time that a pair of 1024 x 1024 takes.
- With DATA, a data root of real slices that are aligned already: whether an affine map explains tiles that took no part
  better than leaving them as they are; and whether known motions on top of that are found again. A motion counts from
  where the slice was found without it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from moved_pairs import Moved, moved, wobble

import txm2sem
from txm2sem.registration import PairAlignment, align_pair
from txm2sem.registration.transforms import turned

SIZE, APART = 512, 30

FIRST = 10
"""Seed of the first rock, and of what is drawn: those before were looked at while the method was made."""

SPLITS = ("train", "val", "test")
Image = NDArray[np.float32]


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of all")
    parser.add_argument("--shale", type=Path, metavar="DATA")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="where checkerboards of some pairs are drawn")
    given = parser.parse_args(words)
    rocks = phantoms(2 if given.quick else 10)
    pairs = [pair for rock in rocks for pair in rock]
    measure("moved", pairs, 0, given.pictures)
    measure("moved, mirrored, inverted, + 90 degrees", pairs, 1, given.pictures)
    refuse(rocks, 7 if given.quick else 34)
    clock()
    if given.shale:
        slices = [path for split in SPLITS for path in sorted((given.shale / split / "txm").iterdir())]
        shale(slices[:: 5 if given.quick else 1], given.pictures)


def phantoms(number: int) -> list[list[tuple[Image, Image]]]:
    """Return (TXM, SEM) of slices 30 apart, of each rock."""
    found = []
    for seed in range(FIRST, FIRST + number):
        rock = txm2sem.phantom(size=SIZE, depth=APART + 1, seed=seed)
        found.append([(rock.txm[z].copy(), rock.sem[z].copy()) for z in (0, APART)])
    return found


def motion(rng: np.random.Generator, sem: Image, hard: bool) -> Moved:
    """Move a SEM at random."""
    middle = (np.array(sem.shape) - 1) / 2
    angle, scale = rng.uniform(-10, 10), float(np.exp(rng.uniform(*np.log((0.8, 1.25)))))
    aim = middle + rng.uniform(-40, 40, 2)
    quarter, mirror = (int(rng.integers(4)), bool(rng.integers(2))) if hard else (0, False)
    result = moved(sem, turned(angle + 90 * quarter, scale, mirror, middle, aim), wobble(rng, sem.shape[0], 5.0))
    inverted = np.where(result.image > 0, 256 - result.image, 0).astype(np.float32)
    return Moved(inverted, result.points, result.truth) if hard and rng.integers(2) else result


def on_txm(result: Moved, txm: Image) -> NDArray[np.bool_]:
    """Return which points lie where the TXM shows something."""
    row, column = result.truth.round().astype(int).T
    return np.asarray(txm[row, column] != 0)


def measure(name: str, pairs: list[tuple[Image, Image]], kind: int, pictures: Path | None) -> None:
    errors, worst, seconds, confident, held = [], [], [], 0, []
    for number, (txm, sem) in enumerate(pairs):
        true = motion(np.random.default_rng([FIRST, kind, number]), sem, kind == 1)
        began = time.process_time()
        found = align_pair(txm, true.image, transform="smooth", quarter_turns=kind == 1)
        seconds.append(time.process_time() - began)
        held.append(found.held_out.after)
        if found.confident:
            confident += 1
            error = true.error(found)[on_txm(true, txm)]
            errors.append(error)
            worst.append(float(np.percentile(error, 95)))
        if pictures and number < 2:
            draw(pictures / f"phantom_{kind}_{number}.png", txm, true.image, found)
    every = np.concatenate(errors) if errors else np.array([np.nan])
    print(
        f"{name}: {len(pairs)} pairs, confident {confident}, error median {np.median(every):.2f}, "
        f"95 % {np.percentile(every, 95):.2f}; 95 % of each pair: median {np.median(worst):.2f}, within 2 in "
        f"{sum(value <= 2 for value in worst)}, largest {max(worst):.2f}; held out {np.mean(held):.2f}, least "
        f"{min(held):.2f}; {np.median(seconds):.1f} s of one core",
        flush=True,
    )


def refuse(rocks: list[list[tuple[Image, Image]]], tries: int) -> None:
    for kind, name in enumerate(("another rock", f"{APART} slices away", "turned by 90 degrees")):
        confident, held = 0, []
        for number in range(tries):
            rng = np.random.default_rng([FIRST, 2, kind, number])
            one, other = rng.choice(len(rocks), 2, replace=False)
            z = int(rng.integers(2))
            txm = rocks[one][z][0]
            sem = (rocks[other][z][1], rocks[one][1 - z][1], np.rot90(rocks[one][z][1]).copy())[kind]
            found = align_pair(
                txm, motion(rng, sem, False).image, transform=("similarity", "affine", "smooth")[number % 3]
            )
            confident += found.confident
            held.append(found.held_out.after)
        print(
            f"{name}: {tries} pairs, confident {confident}; correlation held out {np.mean(held):.3f}, largest "
            f"{max(held):.3f}",
            flush=True,
        )


def clock() -> None:
    rock = txm2sem.phantom(size=1024, depth=1, seed=99)
    true = motion(np.random.default_rng(99), rock.sem[0], False)
    for transform in ("similarity", "smooth"):
        clocks = time.perf_counter(), time.process_time()
        found = align_pair(rock.txm[0], true.image, transform=transform)
        clocks = time.perf_counter() - clocks[0], time.process_time() - clocks[1]
        error = true.error(found)[on_txm(true, rock.txm[0])]
        print(
            f"1024 x 1024, {transform}: {clocks[0]:.1f} s, {clocks[1]:.1f} s of a core; confident {found.confident}, "
            f"error median {np.median(error):.2f}, 95 % {np.percentile(error, 95):.2f}",
            flush=True,
        )


def shale(paths: list[Path], pictures: Path | None) -> None:
    print("slice: held out before -> after (gain : its error), fitted the same; moved: error, median (95 %) [pixels]")
    agree = found_again = tried = 0
    for path in paths:
        txm, sem = (tifffile.imread(path.parents[1] / kind / path.name).astype(np.float32) for kind in ("txm", "sem"))
        still = align_pair(txm, sem, transform="affine", mirror="no", scale=(0.95, 1.05), search_angle=3.0)
        held = still.held_out
        texts = []
        for number in range(2):
            rng = np.random.default_rng([3, number, int(path.stem)])
            middle = (np.array(sem.shape) - 1) / 2
            matrix = turned(
                rng.uniform(-5, 5), rng.uniform(0.95, 1.05), False, middle, middle + rng.uniform(-20, 20, 2)
            )
            true = moved(sem, matrix)
            again = align_pair(txm, true.image, transform="similarity", mirror="no", scale=(0.9, 1.1))
            tried += 1
            if again.confident and still.confident:
                # The slice need not be aligned as it is: what counts is where it was found without the motion.
                away = np.linalg.norm(again.map(true.points) - still.map(true.truth), axis=1)
                found_again += 1
                agree += bool(np.median(away) <= 2)
                texts.append(f"{np.median(away):.1f} ({np.percentile(away, 95):.1f})")
            else:
                texts.append("confident, without a place to compare" if again.confident else "not confident")
        verdict = "improved" if still.improved else "left, confirmed" if still.confident else "left, not confident"
        print(
            f"{path.stem}  {verdict}: {held.before:.3f} -> {held.after:.3f} ({held.certainty:.1f}), fitted "
            f"{still.fitted.before:.3f} -> {still.fitted.after:.3f}; moved: {', '.join(texts)}",
            flush=True,
        )
        if pictures:
            draw(pictures / f"shale_{path.stem}.png", txm, sem, still)
    print(f"moved: {tried}; confident both moved and not: {found_again}, of these within 2 pixels {agree}")


def draw(path: Path, txm: Image, sem: Image, found: PairAlignment) -> None:
    """Draw TXM and SEM as a checkerboard, before (by the centres) and after."""

    def stretched(image: Image) -> NDArray[np.float32]:
        low, high = np.percentile(image[image > 0], (2, 98))
        return np.clip((image - low) / (high - low), 0, 1).astype(np.float32) * 255

    squares = np.add.outer(np.arange(txm.shape[0]) // 64, np.arange(txm.shape[1]) // 64)
    smooth = cv2.GaussianBlur(stretched(sem), (0, 0), 1.5)
    smooth = 255 - smooth if found.inverted else smooth
    boards = [
        np.where(squares % 2, image[: txm.shape[0], : txm.shape[1]], stretched(txm))
        for image in (smooth, found.resample(smooth))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.hstack(boards).astype(np.uint8))


if __name__ == "__main__":
    main(sys.argv[1:])
