"""Register the same pairs by `txm2sem`, by elastix and by SimpleITK, each by its usual recipes: one table.

    pip install -c constraints.txt '.[engines]'
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/registration_engines.py [--quick] [--shale DATA]

The pairs are those of `benchmarks/aligning.py`: phantoms of 512 x 512 that are moved by up to 40 pixels, turned by up
to 10 degrees, enlarged by 0.8 to 1.25, and distorted by a smooth field of up to 5 pixels. With DATA, a data root of
real slices, its SEM slices are moved as there, too; the error is that of the motion, as nobody knows how far they were
off.

All are told that nothing is mirrored, and, but where it says "no masks", which pixels show something. Without masks the
outline of the rock, where that lies within both images, is seen, too. Each has one thread. Errors are those of all
points that lie on both images, in all pairs, also in those that `txm2sem` leaves as they were, because nothing confirms
what it found: the others do not say. A pair has failed where the median of its errors is more than 5 pixels.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import itk
import numpy as np
import SimpleITK as sitk  # noqa: N813
from aligning import FIRST, Image, motion, moved_slice, on_txm, phantoms, slices_of
from moved_pairs import Moved
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from txm2sem.registration import align_pair
from txm2sem.registration.transforms import fitted, mapped

FAILED = 5.0
"""Median error of a pair that has failed, from here [pixels]."""

GRID = 64
"""Distance of the nodes of B-splines [pixels]."""

SAMPLES = 0.1
"""Share of the pixels that SimpleITK compares in each step."""

Points = NDArray[np.float64]
Back = Callable[[Points], Points]
"""Maps points of the TXM to those of the SEM (N, 2), (row, column) [pixels]."""
Register = Callable[[Image, Image], tuple[Back, str]]
"""Registers a SEM to a TXM; the text says what was not done."""


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of all")
    parser.add_argument("--shale", type=Path, metavar="DATA")
    parser.add_argument("--only", default="", metavar="ENGINE", help="the engines whose names begin so")
    given = parser.parse_args(words)
    cv2.setNumThreads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    pairs = [pair for rock in phantoms(2 if given.quick else 10) for pair in rock]
    compare(
        "phantoms",
        [(txm, motion(np.random.default_rng([FIRST, 0, n]), sem, False)) for n, (txm, sem) in enumerate(pairs)],
        given.only,
    )
    if given.shale:
        slices = slices_of(given.shale)[:: 5 if given.quick else 1]
        compare("real slices", [(one.txm, moved_slice(one, 0)) for one in slices], given.only)


def compare(name: str, pairs: list[tuple[Image, Moved]], only: str) -> None:
    print(f"{name}, {len(pairs)} pairs: error, median and 95 %; failed; seconds of one core, median", flush=True)
    for engine, register in ENGINES.items():
        if not engine.startswith(only):
            continue
        errors, failed, seconds, notes = [], 0, [], []
        for txm, true in pairs:
            began = time.process_time()
            back, note = register(txm, true.image)
            seconds.append(time.process_time() - began)
            error = away(back, true)[on_txm(true, txm)]
            errors.append(error)
            failed += bool(np.median(error) > FAILED)
            notes.append(note)
        every = np.concatenate(errors)
        print(
            f"{engine}: {np.median(every):.2f}, {np.percentile(every, 95):.2f}; {failed}; {np.median(seconds):.1f}",
            *(f"({notes.count(note)} {note})" for note in sorted(set(notes) - {""})),
            flush=True,
        )


def away(back: Back, true: Moved) -> NDArray[np.float64]:
    """Return by how much a map is off at points of a pair (N,) [pixels of the TXM]."""
    to_txm = fitted("affine", true.points, true.truth, np.ones(len(true.points)))
    off: NDArray[np.float64] = np.linalg.norm((back(true.truth) - true.points) @ to_txm[:2, :2].T, axis=1)
    return off


def ours(txm: Image, sem: Image) -> tuple[Back, str]:
    found = align_pair(txm, sem, transform="smooth", mirror="no")

    def back(points: Points) -> Points:
        field = found.field.at(points) if found.field is not None else 0
        return mapped(np.linalg.inv(found.to_txm), points + field)

    return back, "" if found.confident else "not confident"


def elastix(*kinds: str, metric: str = "AdvancedMattesMutualInformation", masks: bool = True) -> Register:
    """Return elastix by its default parameters: adaptive stochastic gradient descent on 4 levels."""

    def register(txm: Image, sem: Image) -> tuple[Back, str]:
        parameters = itk.ParameterObject.New()
        for kind in kinds:
            one = parameters.GetDefaultParameterMap("rigid" if kind == "similarity" else kind, 4, float(GRID))
            if kind == "similarity":
                one["Transform"] = ["SimilarityTransform"]
            one["Metric"] = [metric, *one["Metric"][1:]]
            parameters.AddParameterMap(one)
        fixed, moving = (itk.image_from_array(image) for image in (txm, sem))
        known = {}
        if masks:
            for name, image in (("fixed_mask", txm), ("moving_mask", sem)):
                known[name] = itk.image_from_array((image != 0).astype(np.uint8))
        try:
            _, found = itk.elastix_registration_method(
                fixed, moving, parameter_object=parameters, number_of_threads=1, log_to_console=False, **known
            )
        except RuntimeError:
            return lambda points: points, "given up"

        def back(points: Points) -> Points:
            # It leaves a copy in a file.
            with tempfile.TemporaryDirectory() as folder:
                field = np.asarray(itk.transformix_deformation_field(moving, found, output_directory=folder))
            parts = [map_coordinates(field[..., axis], points.T, order=1) for axis in (1, 0)]
            return points + np.stack(parts, axis=1)

        return back, ""

    return register


def simpleitk(*, correlation: bool = False, masks: bool = True) -> Register:
    """Return SimpleITK's registration as its examples have it: a similarity by gradient descent, B-splines by L-BFGS.

    Args:
        correlation: by correlation, in regular steps, on 4 levels; else by mutual information, in steps as long as the
            gradient, on 3.
        masks: whether only what the images show takes part.
    """

    def method(fixed: sitk.Image, moving: sitk.Image, levels: int) -> sitk.ImageRegistrationMethod:
        method = sitk.ImageRegistrationMethod()
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(SAMPLES, seed=1)
        if masks:
            method.SetMetricFixedMask(fixed != 0)
            method.SetMetricMovingMask(moving != 0)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetShrinkFactorsPerLevel([8, 4, 2, 1][-levels:])
        method.SetSmoothingSigmasPerLevel([4, 2, 1, 0][-levels:])
        return method

    def similar(fixed: sitk.Image, moving: sitk.Image) -> sitk.Transform:
        one = method(fixed, moving, 4 if correlation else 3)
        if correlation:
            one.SetMetricAsCorrelation()
            one.SetOptimizerAsRegularStepGradientDescent(4.0, 0.01, 300, 0.7)
        else:
            one.SetMetricAsMattesMutualInformation(50)
            one.SetOptimizerAsGradientDescent(1.0, 200, 1e-6, 10)
        one.SetOptimizerScalesFromPhysicalShift()
        one.SetInitialTransform(
            sitk.CenteredTransformInitializer(
                fixed, moving, sitk.Similarity2DTransform(), sitk.CenteredTransformInitializerFilter.GEOMETRY
            )
        )
        return one.Execute(fixed, moving)

    def bent(fixed: sitk.Image, moving: sitk.Image, before: sitk.Transform) -> sitk.Transform:
        one = method(fixed, moving, 3)
        one.SetMetricAsMattesMutualInformation(50)
        one.SetMovingInitialTransform(before)
        coarsest = [max(side // (4 * GRID), 1) for side in fixed.GetSize()]
        one.SetInitialTransformAsBSpline(sitk.BSplineTransformInitializer(fixed, coarsest), True, [1, 2, 4])
        one.SetOptimizerAsLBFGS2(1e-5, 100)
        # The last one of a composite transform is applied first.
        return sitk.CompositeTransform([before, one.Execute(fixed, moving)])

    def register(txm: Image, sem: Image) -> tuple[Back, str]:
        images = [sitk.GetImageFromArray(image) for image in (txm, sem)]
        try:
            found = similar(*images)
        except RuntimeError:
            return lambda points: points, "given up"
        try:
            return points_of(bent(*images, found)), ""
        except RuntimeError:
            return points_of(found), "without B-spline"

    return register


def points_of(transform: sitk.Transform) -> Back:
    return lambda points: np.array([transform.TransformPoint(point)[::-1] for point in points[:, ::-1].tolist()])


STAGES = ("similarity", "bspline")
ENGINES: dict[str, Register] = {
    "txm2sem, smooth": ours,
    "elastix, rigid + B-spline": elastix("rigid", "bspline"),
    "elastix, similarity + B-spline": elastix(*STAGES),
    "elastix, similarity + B-spline, no masks": elastix(*STAGES, masks=False),
    "elastix, the same, by correlation": elastix(*STAGES, metric="AdvancedNormalizedCorrelation", masks=False),
    "SimpleITK, similarity + B-spline": simpleitk(),
    "SimpleITK, similarity + B-spline, no masks": simpleitk(masks=False),
    "SimpleITK, the same, by correlation": simpleitk(correlation=True, masks=False),
}

if __name__ == "__main__":
    main(sys.argv[1:])
