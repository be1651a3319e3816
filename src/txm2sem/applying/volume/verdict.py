"""What a translated volume is good for, in words."""

from __future__ import annotations

from txm2sem.applying.volume.measures import VolumeMeasures
from txm2sem.applying.volume.opening import OpenVolume
from txm2sem.model.worth import worth_of
from txm2sem.txm_noise import TxmNoise, measured_parts
from txm2sem.verdicts import Concern, Verdict

SEEN_SEAMS = 1.1
"""Steps across the borders of tiles that are so many times those elsewhere can be seen."""

MUCH_NOVEL = 0.05
"""Share of the voxels in tiles unlike those of training from which on it is spoken of."""

MUCH_CONTRADICTING = 0.05
"""The same of voxels whose prediction contradicts the TXM, of which the true SEM has a hundredth."""


def verdict_on(opened: OpenVolume, measures: VolumeMeasures) -> Verdict:
    """Return what to do with a translated volume, and what to mind.

    Args:
        opened: the volume and its model.
        measures: of the whole volume.
    """
    return Verdict(worth_of(opened.model, opened.command.drawn.draws), [*_noise(opened), *_concerns(measures)])


def _noise(opened: OpenVolume) -> list[Concern]:
    reader = opened.reader
    if opened.model.source != "txm":
        return []
    parts = measured_parts(reader.shape[0], reader.shape[1:])
    images = (reader.read(slice(z, z + 1), y, x)[0] for z, y, x in parts)
    found = TxmNoise.of(opened.model.paths, images, opened.translator.see.grey)
    return [] if found is None else found.concerns


def _concerns(measures: VolumeMeasures) -> list[Concern]:
    concerns = []
    seams = {axis: sums.score for axis, sums in measures.seams.items() if sums.score > SEEN_SEAMS}
    if seams:
        worst = max(seams, key=lambda axis: seams[axis])
        text = (
            f"steps across the borders of tiles along {worst} are {seams[worst]:.2f} times those elsewhere; pass a "
            "larger --halo or --memory"
        )
        concerns.append(Concern("seams", text))
    trust = measures.trust
    if trust.voxels and trust.novel > MUCH_NOVEL * trust.voxels:
        text = (
            f"{trust.novel / trust.voxels:.0%} of the voxels are in tiles unlike those of training; believe nothing "
            "there, see the channel novelty"
        )
        concerns.append(Concern("other rock", text))
    if trust.voxels and trust.contradicting > MUCH_CONTRADICTING * trust.voxels:
        text = (
            f"{trust.contradicting / trust.voxels:.0%} of the voxels contradict the TXM, where 1 % of a true SEM "
            "would; see the channel contradiction"
        )
        concerns.append(Concern("other rock", text))
    return concerns
