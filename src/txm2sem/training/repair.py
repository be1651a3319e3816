"""Image repair as a Lightning module: the adversarial module, with predictions composited into the SEM."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.data import composite, to_uint8
from txm2sem.data.repair import SEM_CHANNEL, TXM_CHANNEL, charge_of
from txm2sem.filling import telea
from txm2sem.metrics import psnr, ssim
from txm2sem.training.adversarial import AdversarialModule
from txm2sem.training.translation import means_of, summaries


class RepairModule(AdversarialModule):
    """Fills charged regions of the SEM: pix2pix from (TXM, painted SEM, charge mask) to the clean SEM.

    Losses and scores are those of the composited image: the generator's output inside the mask, the SEM outside. The
    discriminator sees input and composited image concatenated, (N, 4, H, W).
    """

    def finish(self, output: Tensor, source: Tensor) -> Tensor:
        """Return the generator's output (N, 1, H, W) inside the mask and the SEM of `source` (N, 3, H, W) outside."""
        return composite(output, source)

    def score(self, prediction: Tensor, patch: dict[str, Tensor]) -> dict[str, float]:
        """Return PSNR inside the mask, PSNR and SSIM of a repaired patch (1, H, W), each of 8-bit images.

        The PSNR inside comes first, because only there is anything to be learned.
        """
        repaired, sem = to_uint8(prediction[0]), to_uint8(patch["target"][0])
        inside = charge_of(patch["source"])[0].cpu().numpy()
        valid = patch["valid"][0].cpu().numpy() if "valid" in patch else None
        return {
            "PSNR_inside": psnr(repaired, sem, inside if valid is None else inside & valid),
            "PSNR": psnr(repaired, sem, valid),
            "SSIM": ssim(repaired, sem, valid),
        }

    def trivial_scores(
        self, training: Iterable[dict[str, Tensor]], validation: Iterable[dict[str, Tensor]]
    ) -> dict[str, dict[str, float]]:
        """As `TranslationModule.trivial_scores`: Telea inpainting, which learns from nothing."""
        scores = []
        for patch in validation:
            source = patch["source"]
            filled = telea(to_uint8(source[SEM_CHANNEL]), charge_of(source)[0].numpy())
            image = torch.from_numpy(filled.astype(np.float32) / 127.5 - 1)
            scores.append(self.score(image[None], patch))
        return {"Telea inpainting": means_of(summaries(scores))}

    def pictures(self, prediction: Tensor, patch: dict[str, Tensor]) -> dict[str, NDArray[np.uint8]]:
        """Return what to show of one repaired patch (1, H, W), by name: 8-bit images (H, W)."""
        channels = {"txm": TXM_CHANNEL, "painted": SEM_CHANNEL}
        return super().pictures(prediction, patch) | {
            name: to_uint8(patch["source"][channel]) for name, channel in channels.items()
        }
