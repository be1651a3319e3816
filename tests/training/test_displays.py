"""What people see of a training: the page in the run's folder, windows on a real visdom server, and a screenshot."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest
import torch
from browser import Page, browse, needs_browser
from data_roots import write_data_root
from PIL import Image

from txm2sem.course import Course, append_losses, append_scores
from txm2sem.errors import Interrupted
from txm2sem.metrics import Summary
from txm2sem.options import MODEL_DEFAULTS, TrainCommand, override
from txm2sem.pages.plots import SHAPES
from txm2sem.palette import MODEL_STYLE, colour_of, rgb
from txm2sem.runs import RunPaths
from txm2sem.training.adversarial import AdversarialModule
from txm2sem.training.displays import VisdomWindows, pictures_of
from txm2sem.training.fit import fit
from txm2sem.training.page import write_page
from txm2sem.training.progress import TimeLeft

SMALL = {
    "model": "srgan",
    "netG": "sr_resnet_6blocks",
    "downsample_factor": 2,
    "ngf": 4,
    "ndf": 4,
    "patch_size": 32,
    "num_train": 6,
    "num_test": 2,
    "niter": 2,
    "niter_decay": 0,
    "num_threads": 0,
    "gpu_ids": "-1",
    "print_freq": 1,
    "update_html_freq": 4,
    "display_freq": 2,
}


def small_run(folder: Path, **options: Any) -> TrainCommand:
    """Return a command that trains in seconds, from `folder/images` into `folder/checkpoints`."""
    if not (folder / "images").exists():
        write_data_root(folder / "images")
    places = {
        "dataroot": folder / "images",
        "checkpoints_dir": folder / "checkpoints",
        "results_dir": folder / "results",
    }
    return override(TrainCommand(), {**MODEL_DEFAULTS["srgan"], **SMALL, "name": "run", **places, **options})


def train(folder: Path, **options: Any) -> tuple[RunPaths, list[str]]:
    """Train, and return the run's paths and the console's lines."""
    lines: list[str] = []
    return fit(small_run(folder, **options), lines.append), lines


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """Return a finished run with a page."""
    return train(tmp_path_factory.mktemp("run"))[0]


def read_page(paths: RunPaths) -> Page:
    return Page(paths.web_page.read_text(encoding="utf-8"))


# -- the page -------------------------------------------------------------------------------------------------------


def test_the_page_shows_images_the_newest_first_and_every_file_it_names_is_there(run: RunPaths) -> None:
    page = read_page(run)
    sources = [str(image["src"]) for image in page.all("img")]
    # Every 4 of 6 patches in all (4 and 8: the second of epoch 2), and at both ends.
    places = ["epoch002_iter000006", "epoch002_iter000002", "epoch001_iter000006", "epoch001_iter000004"]
    assert sources == [f"images/{place}_{name}.png" for place in places for name in ("txm", "prediction", "sem")]
    for image in page.all("img"):
        with Image.open(run.web_page.parent / str(image["src"])) as pixels:
            assert pixels.size == (32, 32)
            assert pixels.mode == "L"
        assert image["alt"]
        assert image["width"] == "256"
    assert {path.name for path in (run.web_page.parent / "images").iterdir()} == {Path(name).name for name in sources}
    assert "Epoch 2, after 2 patches" in page.text


def test_the_page_shows_curves_scores_and_options(run: RunPaths) -> None:
    page = read_page(run)
    labels = [str(drawing["aria-label"]).split(" ")[0] for drawing in page.all("svg")]
    assert labels == ["PSNR", "SSIM", "G_GAN", "G_L1", "D_real", "D_fake"]
    last = float(re.findall(r"PSNR=([\d.]+)", run.metrics_log.read_text())[-1])
    assert f"PSNR latest {last:.4g} dB" in page.text
    assert "training has finished" in page.text
    assert re.search(r"ngf\s*4\b", page.text)


def test_the_page_needs_nothing_from_elsewhere(run: RunPaths) -> None:
    text = re.sub(r"<td>.*?</td>", "", run.web_page.read_text())
    assert not re.search(r"//|@import|url\(", text)
    assert all(not str(link["href"]).startswith(("http", "/")) for link in read_page(run).all("a"))
    write_page(run, running=True)
    running = read_page(run)
    assert all("src" not in script for script in running.all("script"))
    assert "reloads every" in running.text
    write_page(run)
    assert not read_page(run).all("script")


def test_the_page_comes_from_the_folder_alone(run: RunPaths) -> None:
    def without_time(page: str) -> str:
        return re.sub(r"<time.*?</time>", "", page)

    before = run.web_page.read_text()
    run.web_page.unlink()
    write_page(run)
    assert without_time(run.web_page.read_text()) == without_time(before)


def test_a_page_of_a_run_without_anything_is_valid(tmp_path: Path) -> None:
    paths = RunPaths.of("<b>&co", tmp_path / "run", tmp_path)
    write_page(paths)
    page = read_page(paths)
    assert "<b>&co" in page.text
    assert "Nothing yet." in page.text


def test_losses_that_are_not_finite_and_long_logs_are_drawn(tmp_path: Path) -> None:
    paths = RunPaths.of("run", tmp_path, tmp_path)
    paths.checkpoints.mkdir()
    nan = float("nan")
    for i in range(500):
        append_losses(paths, 1 + i // 100, 100 * (i % 100 + 1), {"G_L1": 10.0 + i % 7, "G_bad": nan})
    for epoch, psnr in enumerate((Summary(float("inf"), nan), Summary(12.0, 0.5))):
        append_scores(paths, epoch, {"PSNR": psnr, "SSIM": Summary(0.5, 0.0)})
    with paths.course.open("a") as file:
        file.write('{"epoch": 6, "patch": 100, "los')
    write_page(paths)
    page = read_page(paths)
    assert [str(drawing["aria-label"]).split(" ")[0] for drawing in page.all("svg")] == ["PSNR", "SSIM", "G_L1"]
    (losses,) = [line for line in page.all("polyline") if len(str(line["points"]).split()) > 2]
    assert len(str(losses["points"]).split()) == 100
    assert "mean of about 5 lines" in page.text
    assert not re.search(r"\bnan\b|\binf\b", paths.web_page.read_text())


def test_no_html_leaves_no_page(tmp_path: Path) -> None:
    paths, _ = train(tmp_path, no_html=True, niter=1)
    assert not paths.web_page.parent.exists()


def test_a_resumed_run_keeps_the_earlier_entries(tmp_path: Path) -> None:
    paths, _ = train(tmp_path, niter=1)
    first = [image["src"] for image in read_page(paths).all("img")]
    train(tmp_path, niter=2, continue_train=True)
    page = read_page(paths)
    sources = [image["src"] for image in page.all("img")]
    assert sources[-len(first) :] == first
    assert len(sources) == 2 * len(first)
    # Two scores of epochs 0 to 2, four losses of 6 patches in each of 2 epochs.
    marks = [path for path in page.all("path") if str(path.get("d", "")).endswith(SHAPES[MODEL_STYLE])]
    assert len(marks) == 2 * 3 + 4 * 12


def test_an_interrupted_run_says_that_it_has_stopped(tmp_path: Path) -> None:
    def echo(line: str) -> None:
        if "(epoch: 1, iters: 3)" in line:
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(small_run(tmp_path), echo)
    page = Page((tmp_path / "checkpoints/run/web/index.html").read_text())
    assert "training has stopped" in page.text
    assert not page.all("script")


# -- training is as it would be without -----------------------------------------------------------------------------


def test_displays_change_nothing_in_the_training(tmp_path: Path) -> None:
    with_page, _ = train(tmp_path, name="with", update_html_freq=1, lambda_img_grad=1e-4)
    without, _ = train(tmp_path, name="without", no_html=True, lambda_img_grad=1e-4)
    for network in "GD":
        one, other = (torch.load(paths.network("latest", network), weights_only=True) for paths in (with_page, without))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert with_page.loss_log.read_text() == without.loss_log.read_text()


def test_pictures_leave_modes_statistics_and_random_numbers_alone(tmp_path: Path) -> None:
    module = AdversarialModule(small_run(tmp_path, no_dropout=False)).train()
    module.discriminator.eval()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    random = torch.get_rng_state()
    batch = {"source": torch.rand(2, 1, 32, 32) * 2 - 1, "target": torch.ones(2, 1, 32, 32)}
    torch.set_rng_state(random)
    images = pictures_of(module, batch)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert module.generator.training
    assert not module.discriminator.training
    assert all(image.shape == (32, 32) and image.dtype == np.uint8 for image in images.values())
    assert (images["sem"] == 255).all()
    expected = np.rint((batch["source"][0, 0].numpy() + 1) / 2 * 255)
    assert np.array_equal(images["txm"], expected)


# -- visdom ---------------------------------------------------------------------------------------------------------

needs_visdom = pytest.mark.skipif(find_spec("visdom") is None, reason="visdom is not installed (make visdom)")


class Server:
    """A visdom server of the test's own, on a free port of the loopback."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        # The plain command loads scripts from the internet first.
        words = [sys.executable, "-c", "from visdom.server.run_server import main; main()"]
        words += ["-port", str(self.port), "-env_path", str(folder), "-bind_local"]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.ask("env_state")
                break
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline
                time.sleep(0.1)

    @property
    def options(self) -> dict[str, Any]:
        return {"display_id": 1, "display_server": "http://127.0.0.1", "display_port": self.port}

    def ask(self, what: str, **message: Any) -> Any:
        request = Request(f"http://127.0.0.1:{self.port}/{what}", json.dumps(message).encode())
        with urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def windows(self, environment: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("win_data", eid=environment, win=None)
        return found

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server for all tests here, each of which has an environment of its own; the last one ends it."""
    server = Server(tmp_path_factory.mktemp("visdom"))
    yield server
    server.stop()


@needs_visdom
def test_a_visdom_server_shows_losses_and_a_panel_of_images(tmp_path: Path, server: Server) -> None:
    paths, lines = train(tmp_path, **server.options, display_env="shale")
    assert not [line for line in lines if "visdom" in line]
    windows = server.windows("shale")
    assert set(windows) == {"1", "2"}
    assert windows["1"]["title"] == "run: losses"
    traces = {trace["name"]: trace for trace in windows["1"]["content"]["data"]}
    assert set(traces) == {"G_GAN", "G_L1", "D_real", "D_fake"}
    (written,) = [curve for curve in Course.read(paths.course, 6).losses if curve.name == "G_L1"]
    assert traces["G_L1"]["y"] == written.values.tolist()
    # For people, with three digits behind the point.
    texts = [float(value) for value in re.findall(r"G_L1: ([\d.]+)", paths.loss_log.read_text())]
    assert texts == pytest.approx(written.values.tolist(), abs=0.0005)
    assert traces["G_L1"]["x"] == pytest.approx([(i + 1) / 6 for i in range(12)])
    assert windows["2"]["type"] == "image"
    assert windows["2"]["title"] == "TXM (input), prediction, SEM (truth): epoch 2, 6 patches"
    assert windows["2"]["width"] == 3 * 256
    assert windows["2"]["content"]["src"].startswith("data:image/")


@needs_visdom
def test_without_columns_each_image_has_a_window(tmp_path: Path, server: Server) -> None:
    train(tmp_path, **server.options, display_ncols=0, niter=1)
    windows = server.windows("main")
    assert {number: window["title"].split(":")[0] for number, window in windows.items()} == {
        "1": "run",
        "2": "TXM (input)",
        "3": "prediction",
        "4": "SEM (truth)",
    }


@needs_visdom
def test_a_server_that_dies_costs_one_line_and_not_the_run(tmp_path: Path, server: Server) -> None:
    lines: list[str] = []

    def echo(line: str) -> None:
        lines.append(line)
        if "(epoch: 1, iters: 3)" in line:
            server.stop()

    paths = fit(small_run(tmp_path, **server.options), echo)
    (warning,) = [line for line in lines if "visdom" in line]
    assert "no windows are shown from here on" in warning
    assert str(server.port) in warning
    assert "\n" not in warning
    assert paths.network("latest", "G").exists()


@needs_visdom
def test_without_a_server_one_line_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _, lines = train(tmp_path, display_id=1, display_server="http://127.0.0.1", display_port=9, niter=1)
    (warning,) = [line for line in lines if "visdom" in line]
    assert "http://127.0.0.1:9" in warning
    captured = capfd.readouterr()
    assert "visdom" not in (captured.out + captured.err).lower()
    assert "Traceback" not in captured.out + captured.err


def test_without_visdom_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "visdom", None)
    _, lines = train(tmp_path, display_id=1, niter=1)
    (warning,) = [line for line in lines if "visdom" in line]
    assert "install the extra visdom" in warning


def test_by_default_there_are_no_windows(tmp_path: Path) -> None:
    lines: list[str] = []
    assert VisdomWindows.__name__ not in {type(item).__name__ for item in _displays(small_run(tmp_path), lines)}
    found = _displays(small_run(tmp_path, display_id=1), lines)
    assert VisdomWindows.__name__ in {type(item).__name__ for item in found}


def _displays(command: TrainCommand, lines: list[str]) -> list[Any]:
    from txm2sem.training.displays import displays

    paths = RunPaths.of("run", command.run.checkpoints_dir, command.run.results_dir)
    module = AdversarialModule(command)
    return list(displays(module, paths, lines.append, TimeLeft(module, None, 2)))


# -- a browser ------------------------------------------------------------------------------------------------------


@needs_browser
@pytest.mark.parametrize("width", [500, 1280])
def test_a_browser_shows_the_page(run: RunPaths, tmp_path: Path, width: int) -> None:
    picture = tmp_path / "page.png"
    browse(run.web_page, tmp_path, f"--window-size={width},2600", f"--screenshot={picture}")
    with Image.open(picture) as opened:
        shown = np.asarray(opened.convert("RGB")).astype(int)
    assert shown.shape[1] == width
    background = shown[0, 0]
    drawn = np.abs(shown - background).sum(axis=2) > 30
    # Something stands in every quarter of the height, at the left and at the right of the page.
    for part in np.array_split(drawn[:2000], 4):
        assert 0.005 < part.mean() < 0.9
    model = np.abs(shown - rgb(colour_of(MODEL_STYLE))).sum(axis=2) < 30
    assert model.sum() > 500, "the curves are not drawn"
