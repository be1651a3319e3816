"""What users install: a wheel that is built from here works in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import tifffile
from data_roots import write_slice

ROOT = Path(__file__).resolve().parents[1]


def run(*words: str | Path, folder: Path) -> str:
    """Run a program in a folder, where it finds nothing of this checkout; return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installed_wheel_translates_an_image(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", source, folder=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    written = {path.relative_to(source / "src").as_posix() for path in (source / "src").rglob("*.*") if path.is_file()}
    assert {name for name in written if ".egg-info/" not in name} <= set(ZipFile(wheel).namelist())

    # torch and the like are lent by the environment of the tests, but not its installation of this checkout.
    venv.create(tmp_path / "env", with_pip=False)
    places = {"base": str(tmp_path / "env")}
    packages, scripts = (Path(sysconfig.get_path(kind, "venv", places)) for kind in ("purelib", "scripts"))
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib"))
    run(*pip, "--python", scripts / "python", "install", "--no-deps", "--no-index", wheel, folder=tmp_path)
    found = run(scripts / "python", "-c", "import txm2sem; print(txm2sem.__file__)", folder=tmp_path)
    assert Path(found.strip()).is_relative_to(packages)

    write_slice(tmp_path / "txm.tif", np.random.default_rng(0).integers(50, 200, (64, 48), np.uint8))
    run(scripts / "txm2sem", "translate", "txm.tif", "sem.tif", folder=tmp_path)
    assert tifffile.imread(tmp_path / "sem.tif").shape == (64, 48)
