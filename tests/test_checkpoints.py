"""Weights in files: they come back, and what does not fit is explained."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from txm2sem.checkpoints import NotFiniteError, fitting_options, load, load_generator, load_network, save_network
from txm2sem.errors import UserError
from txm2sem.networks import GENERATORS, build_discriminator, build_generator
from txm2sem.options import ModelOptions
from txm2sem.runs import label_of


@st.composite
def model_options(draw: st.DrawFn) -> ModelOptions:
    """Draw options of any generator."""
    name = draw(st.sampled_from(sorted(GENERATORS)))
    return ModelOptions(
        netG=name,  # type: ignore[arg-type]
        norm=draw(st.sampled_from(["batch", "instance", "none"])),
        no_dropout=draw(st.booleans()),
        ngf=draw(st.integers(1, 3)),
        input_nc=draw(st.integers(1, 3)),
        output_nc=draw(st.integers(1, 3)),
        downsample_factor=draw(st.sampled_from(GENERATORS[name].factors)),
    )


@settings(max_examples=12)
@given(model_options())
def test_the_options_that_fit_a_file_are_found(options: ModelOptions) -> None:
    state = build_generator(options).state_dict()
    found = fitting_options(state)
    assert found is not None
    rebuilt = build_generator(found).state_dict()
    assert {key: value.shape for key, value in rebuilt.items()} == {key: value.shape for key, value in state.items()}


def test_no_options_fit_another_network() -> None:
    assert fitting_options(build_discriminator(ModelOptions(ndf=4), 1).state_dict()) is None
    assert fitting_options({"weight": torch.zeros(3)}) is None


def test_weights_come_back_exactly(tmp_path: Path) -> None:
    options = ModelOptions(netG="resnet_6blocks", ngf=2, norm="batch")
    first, second = build_generator(options), build_generator(options)
    save_network(first, tmp_path / "G.pth")
    load_network(second, tmp_path / "G.pth", options)
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())


@pytest.mark.parametrize(
    ("made_with", "expected"),
    [
        ({"ngf": 5}, "--ngf 5 (not 2)"),
        ({"no_dropout": True}, "--no_dropout"),
        ({"norm": "instance", "input_nc": 3}, "--norm instance (not batch), --input_nc 3 (not 1)"),
        ({"netG": "unet_128"}, "--netG unet_128 (not resnet_6blocks)"),
        ({"netG": "fine_unet", "input_nc": 3}, "--netG fine_unet (not resnet_6blocks), --input_nc 3 (not 1)"),
    ],
)
def test_a_file_of_other_options_names_them_all(tmp_path: Path, made_with: dict[str, Any], expected: str) -> None:
    options = ModelOptions(netG="resnet_6blocks", ngf=2, norm="batch")
    save_network(build_generator(dataclasses.replace(options, **made_with)), tmp_path / "G.pth")
    network = build_generator(options)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(UserError) as caught:
        load_network(network, tmp_path / "G.pth", options)
    assert expected in str(caught.value)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_file_of_another_network_says_so(tmp_path: Path) -> None:
    options = ModelOptions(netG="resnet_6blocks", ngf=2, norm="batch")
    save_network(build_discriminator(options, 1), tmp_path / "G.pth")
    with pytest.raises(UserError, match="No architecture of this program"):
        load_network(build_generator(options), tmp_path / "G.pth", options)


def test_an_iteration_goes_before_an_epoch() -> None:
    assert label_of("latest", 0) == "latest"
    assert label_of("5", 300) == "iter_300"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda value: value > 0, "torch.bool"),
        (lambda value: value.long(), "torch.int64"),
        (lambda value: value.to(torch.complex64), "torch.complex64"),
        (lambda value: value.to_sparse(), "expected dense tensors"),
        (lambda value: value.to("meta"), "expected dense tensors"),
        (lambda value: value * float("nan"), "not finite"),
        (lambda value: value.double() + 1e300, "too large"),
        (lambda value: torch.zeros(1).expand(value.shape), "claims more"),
    ],
)
def test_weights_that_are_none_are_refused(tmp_path: Path, change: Any, found: str) -> None:
    options = ModelOptions(netG="resnet_6blocks", ngf=2, norm="batch")
    state = build_generator(options).state_dict()
    torch.save(state | {"model.1.weight": change(state["model.1.weight"])}, tmp_path / "G.pth")
    with pytest.raises(UserError, match=found):
        load_generator(tmp_path / "G.pth", options)


def test_weights_that_are_not_finite_are_not_saved_over_others(tmp_path: Path) -> None:
    network = build_generator(ModelOptions(netG="resnet_6blocks", ngf=2, norm="batch"))
    save_network(network, tmp_path / "G.pth")
    before = (tmp_path / "G.pth").read_bytes()
    torch.nn.init.constant_(next(network.parameters()), float("inf"))
    with pytest.raises(NotFiniteError):
        save_network(network, tmp_path / "G.pth")
    assert (tmp_path / "G.pth").read_bytes() == before


def test_a_file_that_claims_more_than_it_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "G.pth"
    torch.save({"weight": torch.zeros(1000)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, bytes(10**6) if name.endswith("data/0") else content)
    with pytest.raises(UserError, match="claims more bytes"):
        load(path)


def test_a_flipped_bit_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "G.pth"
    torch.save({"weight": torch.ones(1000)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(torch.ones(100).numpy().tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        load(path)
