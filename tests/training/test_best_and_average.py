"""Which weights a run leaves: the latest, the best, their running average; and when it waits no longer for better."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from training.test_modules import Patches, command
from txm2sem.metrics import Summary
from txm2sem.runs import RunPaths
from txm2sem.training.fit import build_trainer, how_finished
from txm2sem.training.models import MODELS
from txm2sem.training.translation import TranslationModule


def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scores: list[float], **options: Any
) -> tuple[TranslationModule, list[dict[str, Tensor]]]:
    """Train for epochs whose validations have these scores; return the module and its weights after each epoch."""
    module = MODELS["feedforward"](command("feedforward", niter=len(scores), num_train=1, **options))
    after: list[dict[str, Tensor]] = []

    def summary(self: TranslationModule) -> dict[str, Summary]:
        if self.position.step == 0:
            return {"PSNR": Summary(99.0, 0.0)}
        return {"PSNR": Summary(scores[self.position.epoch], 0.0)}

    note = module.note_score

    def spy() -> bool:
        after.append({key: value.clone() for key, value in module.results["G"].state_dict().items()})
        return note()

    monkeypatch.setattr(TranslationModule, "validation_summary", summary)
    module.note_score = spy  # type: ignore[method-assign]
    paths = RunPaths.of("run", tmp_path, tmp_path)
    trainer = build_trainer(module, paths, lambda line: None, [torch.device("cpu")])
    loader = DataLoader(Patches(1), batch_size=None)
    trainer.fit(module, loader, loader)
    return module, after


def saved(tmp_path: Path, label: str) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = torch.load(tmp_path / "run" / f"{label}_net_G.pth", weights_only=True)
    return weights


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, other[key]) for key, value in one.items())


def test_the_best_model_is_that_of_the_first_epoch_with_the_best_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, after = run(tmp_path, monkeypatch, [10.0, 12.0, 12.0, float("nan"), 11.0])
    assert same(saved(tmp_path, "best"), after[1])
    assert same(saved(tmp_path, "latest"), after[4])
    assert not same(after[1], after[4])


def test_a_run_stops_after_so_many_epochs_without_a_better_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, after = run(tmp_path, monkeypatch, [10.0, 9.0, 11.0, 10.5, 11.0, 12.0], patience=2)
    assert len(after) == 5
    assert module.finished
    assert "not become better in 2 epochs; a larger --patience" in how_finished(module)


def test_the_average_is_that_of_the_weights_after_each_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = MODELS["feedforward"](command("feedforward", ema=0.2, niter=1, num_train=3))
    average = {name: weight.detach().clone() for name, weight in module.generator.named_parameters()}
    update = module.update_average

    def spy() -> None:
        update()
        kept = min(0.2, (1 + module.position.step) / (10 + module.position.step))
        for name, weight in module.generator.named_parameters():
            average[name] = kept * average[name] + (1 - kept) * weight.detach()

    monkeypatch.setattr(module, "update_average", spy)
    paths = RunPaths.of("run", tmp_path, tmp_path)
    trainer = build_trainer(module, paths, lambda line: None, [torch.device("cpu")])
    trainer.fit(module, DataLoader(Patches(3), batch_size=None), DataLoader(Patches(1), batch_size=None))
    found = saved(tmp_path, "latest")
    for name, weight in average.items():
        torch.testing.assert_close(found[name], weight)
    assert not same({name: weight.detach() for name, weight in module.generator.named_parameters()}, found)
    # Normalisation statistics are those of the generator.
    assert all(torch.equal(value, found[name]) for name, value in module.generator.named_buffers())


def test_what_is_validated_is_the_average(tmp_path: Path) -> None:
    module = MODELS["feedforward"](command("feedforward", ema=0.9))
    source = Patches(1)[0]["source"]
    with torch.no_grad():
        before = module(source)
        next(module.generator.parameters()).add_(1)
        assert torch.equal(module(source), before)
