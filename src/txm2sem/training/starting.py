"""What a training begins with: the weights of a trained model, as far as they fit, and layers that keep them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from txm2sem.archives import unpacked
from txm2sem.checkpoints import fitting_options, load_weights, made_with, tensor_difference
from txm2sem.errors import UserError, listed, nearest
from txm2sem.files import check_name
from txm2sem.networks import GENERATORS, build_discriminator, build_generator, convolutions
from txm2sem.options import ModelOptions, TrainCommand, is_model_file, override, run_name
from txm2sem.runs import SHIPPED_MODELS, SHIPPED_TRANSLATION, RunPaths, read_options

NAMES = {"G": "generator", "D": "discriminator"}

CLASSES = ("class 0", "class 1", "class 2")


@dataclass(frozen=True)
class Start:
    """A trained model to begin with.

    Attributes:
        files: the weights of its networks, by the names that checkpoints carry.
        options: of its training; None: they are not there.
    """

    files: dict[str, Path]
    options: TrainCommand | None

    @classmethod
    def find(cls, name: str, checkpoints_dir: Path) -> Start:
        """Find what `--init_from` names: a file, or a run of the user's, or one that comes along.

        Raises:
            UserError: there is none, or its options cannot be read.
        """
        path = Path(name)
        if path.suffix == ".pth":
            beside = path.with_name(path.name.replace("_net_G", "_net_D"))
            files = {"G": path} | ({"D": beside} if beside != path and beside.exists() else {})
            return cls(files, _options(path.with_name("options.yaml")))
        if is_model_file(name):
            archived = unpacked(path)
            return cls({"G": archived.network("latest", "G")}, _options(archived.options))
        if path.is_file():
            raise UserError(
                f"--init_from {name}: expected the name of a run, or a file of weights (.pth) or of a model (.zip)"
            )
        check_name(name, "--init_from")
        for folder in (checkpoints_dir, SHIPPED_MODELS):
            paths = RunPaths.of(name, folder, folder)
            if paths.checkpoints.is_dir():
                files = {network: paths.network("latest", network) for network in NAMES}
                there = {key: file for key, file in files.items() if key == "G" or file.exists()}
                return cls(there, _options(paths.options))
        runs = sorted({path.parent.name for path in checkpoints_dir.glob("*/*_net_G.pth")})
        raise UserError(
            f"--init_from {name}: there is no such run; {checkpoints_dir} has {listed(runs) or 'none'}, and "
            f"{SHIPPED_TRANSLATION} comes along. Name one, or pass a file of weights (.pth) or of a model (.zip)"
        )


@dataclass
class Taken:
    """Which weights of a network were taken over.

    Attributes:
        weights: all of the network, with those that were taken.
        whole: names of those taken as they are.
        adapted: of those taken for the channels that both have.
        anew: of those that begin anew.
    """

    weights: dict[str, Tensor] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)
    adapted: list[str] = field(default_factory=list)
    anew: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{len(self.whole)} of {len(self.weights)} tensors"]
        if self.adapted:
            parts.append(f"{len(self.adapted)} for the channels that both have ({listed(self.adapted, 4)})")
        if self.anew:
            parts.append(f"{len(self.anew)} begin anew ({listed(self.anew, 4)})")
        return ", ".join(parts)


@dataclass(frozen=True)
class Channels:
    """Which channels a dimension of a tensor has, in a network and in the one whose weights it takes over.

    Attributes:
        dimension: of the tensor.
        step: its entries for each channel.
        own: channels behind them, which the network makes itself.
        new: what the channels are.
        old: what they are in the other network.
        empty: channels that the other has not begin with 0, so that the network begins as the other; otherwise anew.
    """

    dimension: int
    step: int
    own: int
    new: Sequence[str]
    old: Sequence[str]
    empty: bool

    def adapt(self, tensor: Tensor, found: Tensor) -> Tensor | None:
        """Return a tensor with those channels of another one that both have; None where none is, or others differ."""
        dimension, step = self.dimension, self.step
        before = tensor.shape[dimension] - (len(self.new) + self.own) * step
        expected = list(tensor.shape)
        expected[dimension] = before + (len(self.old) + self.own) * step
        shared = [name for name in self.new if name in self.old]
        if list(found.shape) != expected or not shared:
            return None
        result = torch.zeros_like(tensor) if self.empty else tensor.clone()
        behind = self.own * step
        pairs = [(0, 0, before)] + [
            (before + self.new.index(name) * step, before + self.old.index(name) * step, step) for name in shared
        ]
        pairs.append((tensor.shape[dimension] - behind, found.shape[dimension] - behind, behind))
        for to, source, length in pairs:
            result.narrow(dimension, to, length).copy_(found.narrow(dimension, source, length))
        return result


def take_over(network: nn.Module, found: Mapping[str, Tensor], channels: Mapping[str, Channels]) -> Taken:
    """Return the weights of a network, of which those that fit are another's.

    Args:
        network: as it begins without the other.
        found: weights of the other.
        channels: of those tensors that depend on the number of channels of images.
    """
    taken = Taken()
    for name, tensor in network.state_dict().items():
        other = found.get(name)
        if other is not None and tensor_difference(tensor, other) is None:
            taken.weights[name] = other
            taken.whole.append(name)
            continue
        adapted = channels[name].adapt(tensor, other) if other is not None and name in channels else None
        taken.weights[name] = tensor if adapted is None else adapted
        (taken.anew if adapted is None else taken.adapted).append(name)
    return taken


def begin_with(networks: Mapping[str, nn.Module], command: TrainCommand, echo: Callable[[str], None]) -> None:
    """Give networks the weights that `--init_from` names, as far as they fit, and say how far.

    Args:
        networks: by the names that checkpoints carry, as they begin without.
        command: options of the training.
        echo: receives each line for the console.

    Raises:
        UserError: there is no such model, it is this run, which would replace it, or nothing of it fits the generator.
    """
    name = command.model.init_from
    if name == run_name(command):
        raise UserError(f"--init_from {name} is the name of this run, which would replace it; pass another --name")
    start = Start.find(name, command.run.checkpoints_dir)
    for label, network in networks.items():
        if label not in start.files:
            echo(f"the {NAMES[label]} begins anew: {name} has none")
            continue
        state = load_weights(start.files[label])
        taken = take_over(network, state, _channels(label, network, command, start.options or _fitting(state)))
        if label == "G" and not taken.whole + taken.adapted:
            raise UserError(
                f"--init_from {name}: nothing in {start.files[label]} fits the generator. "
                f"{made_with(state, command.model)}"
            )
        network.load_state_dict(taken.weights)
        echo(f"the {NAMES[label]} begins with {start.files[label]}: {taken}")
        if label == "G" and taken.anew:
            echo(f"note: {made_with(state, command.model)}")
    for option in ("txm_range", "sem_range"):
        here = getattr(command.data, option)
        if start.options is not None and getattr(start.options.data, option) not in (here, "auto"):
            there = getattr(start.options.data, option)
            echo(f"grey values: --{option} {here}, as measured here; that of {name} was {there}")


def frozen_modules(options: ModelOptions) -> list[str]:
    """Return the names of the generator's modules whose weights `--freeze` keeps.

    Raises:
        UserError: it has no such layers, or would learn nothing.
    """
    if not options.freeze:
        return []
    layers = convolutions(options)
    every = [name for layer in layers for name in layer]
    asked = [part.strip() for part in options.freeze.split(",")]
    if len(asked) == 1 and asked[0].isdecimal():
        found = [name for layer in layers[: int(asked[0])] for name in layer]
    else:
        parents = {".".join(name.split(".")[:depth]) for name in every for depth in range(1, name.count(".") + 2)}
        for part in asked:
            if part not in parents:
                top = sorted({name.split(".")[0] for name in every})
                raise UserError(
                    f"--freeze {part}: expected a number of convolutions, or names of layers, such as {', '.join(top)}"
                    f"{nearest(part, sorted(parents))}"
                )
        found = [name for name in every if any(name == part or name.startswith(f"{part}.") for part in asked)]
    if not found or len(found) == len(every):
        what = "nothing is kept" if not found else "nothing would be learned"
        raise UserError(
            f"--freeze {options.freeze}: {what}; expected 1 to {len(layers) - 1} convolutions of {options.netG}, or "
            "names of some of its layers"
        )
    return found


def _options(path: Path) -> TrainCommand | None:
    return override(TrainCommand(), read_options(path)) if path.exists() else None


def _fitting(state: Mapping[str, Tensor]) -> TrainCommand:
    """Return the options of weights without saved ones, which are taken for those of a translation."""
    fitting = fitting_options(state)
    known = {} if fitting is None else {name: getattr(fitting, name) for name in ("input_nc", "output_nc")}
    return override(TrainCommand(), {"model": "feedforward", **known})


def _inputs(command: TrainCommand) -> list[str]:
    """Return what the channels of a generator's input are, in their order."""
    if command.model.model == "repair":
        return ["txm", "sem", "charge"]
    segments_sem = command.model.model == "segmentation" and command.data.seg_mode != "txm"
    if segments_sem or command.data.direction == "BtoA":
        return ["sem"]
    above = command.model.input_nc // 2
    return [f"txm {offset:+}" if offset else "txm" for offset in range(-above, command.model.input_nc - above)]


def _outputs(command: TrainCommand) -> list[str]:
    """Return what the channels of a generator's output are, in their order."""
    if command.model.model == "segmentation":
        return list(CLASSES)
    image = "txm" if command.data.direction == "BtoA" else "sem"
    return [image, "scale"][: command.model.output_nc]


def _judged(command: TrainCommand) -> list[str]:
    """Return what the channels of a discriminator's input are, in their order."""
    alone = command.model.model == "srgan" and not command.objective.d_condition
    return _outputs(command) if alone else [*_inputs(command), *_outputs(command)]


def _channels(label: str, network: nn.Module, command: TrainCommand, old: TrainCommand) -> dict[str, Channels]:
    """Return which tensors of a network depend on the channels of images, and on which."""
    options = command.model
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    found: dict[str, Channels] = {}

    def look(larger: nn.Module, own: int, new: Sequence[str], before: Sequence[str], empty: bool) -> None:
        for name, tensor in larger.state_dict().items():
            for dimension, (here, wider) in enumerate(zip(shapes[name], tensor.shape, strict=True)):
                if wider > here:
                    found[name] = Channels(dimension, wider - here, own, new, before, empty)

    with torch.device("meta"):
        if label == "D":
            judged = _judged(command)
            look(build_discriminator(options, len(judged) + 1), 0, judged, _judged(old), True)
            return found
        made = build_generator(dataclasses.replace(options, output_nc=options.output_nc + 1))
        look(made, 0, _outputs(command), _outputs(old), False)
        seen = build_generator(dataclasses.replace(options, input_nc=options.input_nc + 1))
        look(seen, GENERATORS[options.netG].own_channels, _inputs(command), _inputs(old), True)
    return found
