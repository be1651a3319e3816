"""Measure how well pairs of images are registered: phantoms moved in known ways, false pairs, and real slices.

    python benchmarks/aligning.py [--quick] [--pictures DIR]
    python benchmarks/aligning.py --shale DATA [--quick] [--pictures DIR]
    python benchmarks/aligning.py --volumes [--quick]

- Phantoms: slices of 512 x 512, two from each rock, 30 apart. The SEM is moved by up to 40 pixels, turned by up to 10
  degrees, enlarged by 0.8 to 1.25, and distorted by a smooth field of up to 5 pixels; then mirrored, with contrast
  inverted and a multiple of 90 degrees added, too. The error is that of all points that lie on both images.
- Pairs that do not belong together: another rock, the same rock 30 slices away, an image turned by 90 degrees. The
  number that were called confident must be 0.
- The time and the memory that a pair of 1024 x 1024 and one of 4096 x 4096 take.
- With --volumes, instead: slices found in volumes, tilted by up to 5 degrees; the error along z is the largest on a
  slice, of each plane alone, and of those of a specimen drawn together, as `txm2sem align` does it. The scale is known
  in every other volume. False ones are slices of another rock, and of a part of the rock that is not in the volume, at
  least 15 slices away, in volumes of 128 x 256 x 256. The time and the memory that a slice takes in 512 x 1024 x 1024.
- With DATA, instead, a data root of real slices that are aligned already: whether an affine map explains tiles that
  took no part better than leaving them as they are; and whether known motions on top of that, the second with a field
  of 5 pixels, are found again. A motion counts from where the slice was found without it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from moved_pairs import Moved, moved, wobble

import txm2sem
from txm2sem.options import PhantomOptions, TransformName
from txm2sem.phantoms.faces import Face
from txm2sem.phantoms.render import render_phantom
from txm2sem.registration import PairAlignment, align_pair
from txm2sem.registration.geometry import geometry_of, together
from txm2sem.registration.planes import Plane, Pyramid
from txm2sem.registration.transforms import turned
from txm2sem.registration.volume import find_slice

SIZE, APART = 512, 30

FIRST = 10
"""Seed of the first rock, and of what is drawn: those before were looked at while the method was made."""

SPLITS, KINDS = ("train", "val", "test"), ("txm", "sem")
Image = NDArray[np.float32]


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of all")
    parser.add_argument("--volumes", action="store_true", help="slices in volumes, instead of pairs")
    parser.add_argument("--shale", type=Path, metavar="DATA", help="real slices, instead of phantoms")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="where checkerboards of some pairs are drawn")
    given = parser.parse_args(words)
    if given.volumes:
        volumes(2 if given.quick else 6)
        strangers(20 if given.quick else 100)
        clock_volume()
        return
    if given.shale:
        shale(slices_of(given.shale)[:: 5 if given.quick else 1], given.pictures)
        return
    rocks = phantoms(2 if given.quick else 10)
    pairs = [pair for rock in rocks for pair in rock]
    measure("moved", pairs, 0, given.pictures)
    measure("moved, mirrored, inverted, + 90 degrees", pairs, 1, given.pictures)
    refuse(rocks, 7 if given.quick else 34)
    clock(() if given.quick else (4096,))


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
    # Drawn on a small image, as it is as smooth as the image is large.
    field = cv2.resize(wobble(rng, SIZE, 5.0), sem.shape[::-1], interpolation=cv2.INTER_CUBIC)
    result = moved(sem, turned(angle + 90 * quarter, scale, mirror, middle, aim), field)
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


def clock(large: tuple[int, ...]) -> None:
    """Say how long pairs take, each in a process of its own, which has seen no phantom, and what memory."""
    with tempfile.TemporaryDirectory() as folder:
        for size, transform in ((1024, "similarity"), *((size, "smooth") for size in (1024, *large))):
            rock = txm2sem.phantom(size=size, depth=1, seed=99)
            txm, true = rock.txm[0], motion(np.random.default_rng(99), rock.sem[0], False)
            path = Path(folder) / "pair.npz"
            np.savez(path, txm=txm, sem=true.image)
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                found, (clock, core), most = pool.submit(clocked_pair, path, transform).result()
            error = true.error(found)[on_txm(true, txm)]
            print(
                f"{size} x {size}, {transform}: {clock:.1f} s, {core:.1f} s of a core, {most:.1f} GiB at most; "
                f"confident {found.confident}, error {np.median(error):.2f}, 95 % {np.percentile(error, 95):.2f}",
                flush=True,
            )


def clocked_pair(path: Path, transform: TransformName) -> tuple[PairAlignment, tuple[float, float], float]:
    """Return what was found, seconds of the clock and of a core, and the most memory of this process [GiB]."""
    with np.load(path) as images:
        txm, sem = images["txm"], images["sem"]
    clocks = time.perf_counter(), time.process_time()
    found = align_pair(txm, sem, transform=transform)
    taken = time.perf_counter() - clocks[0], time.process_time() - clocks[1]
    return found, taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@dataclass(frozen=True)
class RealSlice:
    """A real TXM slice, and the SEM slice that lies on it as well as people could."""

    name: str
    txm: Image
    sem: Image


def slices_of(dataroot: Path) -> list[RealSlice]:
    paths = [path for split in SPLITS for path in sorted((dataroot / split / "txm").iterdir())]
    return [
        RealSlice(
            path.stem, *(tifffile.imread(path.parents[1] / kind / path.name).astype(np.float32) for kind in KINDS)
        )
        for path in paths
    ]


def moved_slice(real: RealSlice, number: int) -> Moved:
    """Move a SEM slice, the second time with a field, too."""
    rng = np.random.default_rng([3, number, int(real.name)])
    middle = (np.array(real.sem.shape) - 1) / 2
    matrix = turned(rng.uniform(-5, 5), rng.uniform(0.95, 1.05), False, middle, middle + rng.uniform(-20, 20, 2))
    field = cv2.resize(wobble(rng, SIZE, 5.0), real.sem.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return moved(real.sem, matrix, field if number else None)


def shale(slices: list[RealSlice], pictures: Path | None) -> None:
    print("slice: held out before -> after (gain : its error), fitted the same; moved: error, median (95 %) [pixels]")
    agree = found_again = tried = 0
    for real in slices:
        txm, sem = real.txm, real.sem
        still = align_pair(txm, sem, transform="affine", mirror="no", scale=(0.95, 1.05), search_angle=3.0)
        held = still.held_out
        texts = []
        for number, transform in enumerate(("similarity", "smooth")):
            true = moved_slice(real, number)
            again = align_pair(txm, true.image, transform=transform, mirror="no", scale=(0.9, 1.1))
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
            f"{real.name}  {verdict}: {held.before:.3f} -> {held.after:.3f} ({held.certainty:.1f}), fitted "
            f"{still.fitted.before:.3f} -> {still.fitted.after:.3f}; moved: {', '.join(texts)}",
            flush=True,
        )
        if pictures:
            draw(pictures / f"shale_{real.name}.png", txm, sem, still)
    print(f"moved: {tried}; confident both moved and not: {found_again}, of these within 2 pixels {agree}")


Slices = list[tuple[Face, Image]]


def specimen(seed: int, size: int, depth: int, count: int) -> tuple[Image, Slices]:
    """Return a TXM volume and SEM slices with the places they were cut at."""
    options = PhantomOptions(
        seed=seed,
        size=size,
        depth=depth,
        unaligned=True,
        train_slices=count,
        val_slices=0,
        test_slices=0,
        invert_contrast=seed % 2 == 1,
    )
    rock = render_phantom(options)
    return rock.txm, [(face, np.maximum(face.cut(rock.sem), 1).astype(np.float32)) for face in rock.faces]


def off_plane(face: Face, plane: Plane) -> tuple[float, float, float]:
    """Return by how much a plane is off along z at most [voxels], in tilt, and between normals [degrees]."""
    grid = np.meshgrid(*(np.linspace(0, side - 1, 9) for side in face.shape), indexing="ij")
    truth = face.places(*grid).reshape(3, -1).T
    ours, theirs = (
        normal / np.linalg.norm(normal) * np.sign(normal[0])
        for normal in (np.array([1, -plane.down, -plane.right]), np.cross(*face.pose.directions.T))
    )
    away = np.abs(plane.at(truth[:, 1:]) - truth[:, 0]).max()
    between = float(np.degrees(np.arccos(min(ours @ theirs, 1.0))))
    return float(away), abs(plane.tilt(1.0) - face.pose.tilt), between


def volumes(number: int) -> None:
    alone, drawn, seconds, total, agreed = [], [], [], 0, 0
    for seed in range(number):
        txm, slices = specimen(seed, SIZE, 128, 8)
        volume, results = Pyramid(txm), {}
        for index, (face, sem) in enumerate(slices):
            began = time.process_time()
            found = find_slice(volume, sem, transform="smooth", scale=face.pose.scale if seed % 2 else None)
            seconds.append(time.process_time() - began)
            total += 1
            if found.confident:
                results[index] = found
        shape = slices[0][0].shape
        geometry = geometry_of(results, shape)
        apart = {index: found.apart(shape) for index, found in results.items()}
        planes = {} if geometry is None else together(results, apart, geometry)
        agreed += geometry is not None and not geometry.outliers
        for index, found in results.items():
            face = slices[index][0]
            alone.append(off_plane(face, found.plane))
            drawn.append(off_plane(face, planes.get(index, found.plane)))
        print(f"  volume {seed}: {len(results)} of {len(slices)} found", flush=True)
    print(
        f"slices in volumes: {total}, confident {len(alone)}; one geometry explains all in {agreed} of {number} "
        f"volumes; {np.median(seconds):.1f} s of one core",
        flush=True,
    )
    for name, rows in (("each alone", alone), ("drawn together", drawn)):
        away, tilt, between = np.array(rows).T
        print(
            f"{name}: along z within 1 voxel everywhere {np.sum(away <= 1)}, median of the largest "
            f"{np.median(away):.2f}, 95 % {np.percentile(away, 95):.2f}, largest {away.max():.2f}; tilt within 0.2 "
            f"degrees {np.sum(tilt <= 0.2)}, median {np.median(tilt):.2f}, 95 % {np.percentile(tilt, 95):.2f}; normal "
            f"within 0.2 {np.sum(between <= 0.2)}, median {np.median(between):.2f}, 95 % "
            f"{np.percentile(between, 95):.2f}",
            flush=True,
        )


def strangers(tries: int) -> None:
    """Look for slices of another rock, and of the half of the rock that was cut off, in smaller volumes."""
    false, elsewhere, before, seed = 0, [], [], 100
    while len(elsewhere) < tries:
        txm, slices = specimen(seed, SIZE // 2, 128, 8)
        wrong = [(Pyramid(txm), sem) for _, sem in before]
        wrong += [(Pyramid(txm[64:]), sem) for face, sem in slices if face.places(*corners(face))[0].max() < 64 - 15]
        wrong += [(Pyramid(txm[:64]), sem) for face, sem in slices if face.places(*corners(face))[0].min() > 64 + 15]
        for volume, sem in wrong[: tries - len(elsewhere)]:
            found = find_slice(volume, sem, transform=("similarity", "smooth")[len(elsewhere) % 2])
            false += found.confident
            elsewhere.append(found.held_out.after)
        before, seed = slices, seed + 1
    print(
        f"slices that are not in the volume: {tries}, confident {false}; correlation held out "
        f"{np.mean(elsewhere):.3f}, largest {max(elsewhere):.3f}",
        flush=True,
    )


def corners(face: Face) -> list[NDArray[np.float64]]:
    """Return rows and columns of the corners of a face."""
    return np.meshgrid(*([0.0, side - 1.0] for side in face.shape), indexing="ij")


def clock_volume() -> None:
    """Find slices in a large volume: a rock, and the same turned in ways that are not searched, above each other."""
    txm, slices = specimen(98, 1024, 96, 5)
    other = txm[:, ::-1]
    parts = [np.rot90(part, turns, (1, 2)) for part, turns in ((other, 1), (txm, 1), (txm, 0), (txm, 2), (other, 3))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "txm.npy"
        large = np.lib.format.open_memmap(path, "w+", np.uint16, (512, 1024, 1024))
        for z in range(512):
            large[z] = 64 * parts[z // 96 % 5][z % 96] if z < 480 else 64 * parts[0][z - 480]
        large.flush()
        # In a process of its own, which has seen no phantom.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            pool.submit(clocked, path, slices, 2 * 96).result()


def clocked(path: Path, slices: Slices, first: int) -> None:
    volume = Pyramid(np.load(path, mmap_mode="r"))
    for known in (True, False):
        for face, sem in slices[:2] if known else slices[2:3]:
            clocks = time.perf_counter(), time.process_time()
            found = find_slice(volume, sem, scale=face.pose.scale if known else None)
            clocks = time.perf_counter() - clocks[0], time.process_time() - clocks[1]
            there = replace(face, pose=replace(face.pose, centre=(face.pose.centre[0] + first, *face.pose.centre[1:])))
            away, _, leaning = off_plane(there, found.plane)
            print(
                f"512 x 1024 x 1024, scale {'known' if known else 'searched'}, SEM {sem.shape}: {clocks[0]:.0f} s, "
                f"{clocks[1]:.0f} s of a core, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB at "
                f"most; confident {found.confident}, along z {away:.2f} at most, normal {leaning:.2f} degrees",
                flush=True,
            )


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
