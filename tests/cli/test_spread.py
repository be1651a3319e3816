"""How far draws spread: found at the end of a training, kept beside the checkpoint, used by all commands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cli.calls import Program
from txm2sem.drafts import Draft
from txm2sem.files import checksum
from txm2sem.model.spread import DrawSpread

SAMPLED = "--model feedforward --netG sampled_unet --ngf 4 --norm none --no_dropout --lambda_crps 1"


def test_it_is_found_once_for_a_checkpoint_and_used_by_all_commands(
    program: Program, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = "--patch_size 32 --num_train 4 --num_test 2 --niter 1 --niter_decay 0"
    outcome = program(f"train --name drawn {SAMPLED} {training} --dataroot", str(images))
    assert outcome.status == 0, outcome.err
    kept = Path("checkpoints/drawn/latest_net_G.draws.json")
    weights = checksum(Path("checkpoints/drawn/latest_net_G.pth"))
    found = DrawSpread.load(kept, weights)
    assert found is not None
    assert found.summary in outcome.out
    assert DrawSpread.load(kept, "others") is None

    # Another emphasis makes other draws, and belongs to these weights alone.
    numbers = '"score_before": 0.1, "score_after": 0.1, "before": 1, "after": 1'
    slices = sorted((images / "test" / "txm").iterdir())
    for name, emphasis, sha256 in (("one", 0.0, weights), ("two", 4.0, weights), ("three", 4.0, "others")):
        kept.write_text(f'{{"checkpoint_sha256": "{sha256}", "emphasis": {emphasis}, {numbers}}}')
        assert program(f"translate {slices[0]} {name}.tif --name drawn").status == 0
    one, two = (Path(f"{name}.tif").read_bytes() for name in ("one", "two"))
    assert one != two
    assert DrawSpread.load(kept, weights) == found, "found anew, as what was kept is of other weights"

    # What is begun with one emphasis is not gone on with another.
    identities: list[Mapping[str, Any]] = []
    look = Draft.look

    def noted(draft: Draft, identity: Mapping[str, Any], **named: Any) -> Any:
        identities.append(identity)
        return look(draft, identity, **named)

    monkeypatch.setattr(Draft, "look", noted)
    for command in (f"translate {images}/train/txm folder", f"volume {images}/train/txm part.ome.zarr --voxel_size 32"):
        assert program(f"{command} --name drawn").status == 0
        assert identities.pop()["emphasis"] == found.emphasis

    # What was found by the spread alone is found anew.
    kept.write_text(f'{{"checkpoint_sha256": "{weights}", "emphasis": 4.0, "before": 1, "after": 1}}')
    assert program(f"translate {slices[0]} three_again.tif --name drawn").status == 0
    assert DrawSpread.load(kept, weights) == found

    kept.write_text('{"emphasis": "much"}')
    refused = program(f"translate {slices[0]} four.tif --name drawn")
    assert refused.status == 1
    assert str(kept) in refused.err
    assert not Path("four.tif").exists()
