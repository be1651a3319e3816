"""What users install: a wheel and an archive of the sources, built from here, work in an environment of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import tifffile
from data_roots import write_slice
from sources import GENERATED, ROOT, sources

import txm2sem

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def run(*words: str | Path, folder: Path) -> str:
    """Run a program in a folder, where it finds nothing of this checkout; return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an archive of the sources that was built and unpacked."""
    folder = tmp_path_factory.mktemp("sources")
    for name in sources():
        (folder / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "checkout" / name)
    build = f"from setuptools.build_meta import build_sdist; build_sdist({str(folder)!r})"
    run(sys.executable, "-c", build, folder=folder / "checkout")
    (archive,) = folder.glob("*.tar.gz")
    assert archive.name == f"txm2sem-{txm2sem.__version__}.tar.gz"
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel that was built from the archive."""
    folder = tmp_path_factory.mktemp("wheel")
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", unpacked, folder=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_archive_of_the_sources_has_all_of_them(unpacked: Path) -> None:
    found = [path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()]
    assert sorted(name for name in found if not name.startswith(GENERATED)) == sources()


def test_the_wheel_has_the_package_and_its_licences(wheel: Path) -> None:
    written = {name.removeprefix("src/") for name in sources() if name.startswith("src/")}
    texts = {name for name in sources() if name == "LICENSE" or name.startswith("licences/")}
    about = f"txm2sem-{txm2sem.__version__}.dist-info"
    names = set(ZipFile(wheel).namelist())
    assert {name for name in names if not name.startswith(about)} == written
    assert len(texts) > 1
    assert {f"{about}/licenses/{name}" for name in texts} <= names


def test_an_installed_wheel_translates_an_image(wheel: Path, tmp_path: Path) -> None:
    # torch and the like are lent by the environment of the tests, but not its installation of this checkout.
    venv.create(tmp_path / "env", with_pip=False)
    places = {"base": str(tmp_path / "env")}
    packages, scripts = (Path(sysconfig.get_path(kind, "venv", places)) for kind in ("purelib", "scripts"))
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib"))
    run(*PIP, "--python", scripts / "python", "install", "--no-deps", "--no-index", wheel, folder=tmp_path)
    found = run(scripts / "python", "-c", "import txm2sem; print(txm2sem.__file__)", folder=tmp_path)
    assert Path(found.strip()).is_relative_to(packages)
    assert run(scripts / "txm2sem", "--version", folder=tmp_path) == f"txm2sem {txm2sem.__version__}\n"

    write_slice(tmp_path / "txm.tif", np.random.default_rng(0).integers(50, 200, (64, 48), np.uint8))
    run(scripts / "txm2sem", "translate", "txm.tif", "sem.tif", folder=tmp_path)
    assert tifffile.imread(tmp_path / "sem.tif").shape == (64, 48)


def test_one_version_and_one_day_are_said_everywhere() -> None:
    citation, changes = ((ROOT / name).read_text(encoding="utf-8") for name in ("CITATION.cff", "CHANGELOG.md"))
    cited = dict(re.findall(r"^(version|date-released): (.+)$", citation, re.MULTILINE))
    released = re.findall(r"^## (\d\S*) - (\S+)$", changes, re.MULTILINE)
    assert (cited["version"], cited["date-released"]) == released[0]
    assert txm2sem.__version__ == cited["version"]
