"""The pages about runs in a browser: what moves, what fits on a phone, and what is on paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import browse, needs_browser, play
from run_folders import write_cube, write_run, write_trust

from txm2sem.reporting import compare_runs, report_run

pytestmark = needs_browser

PLAY = """
const input = (element, value) => {
  element.value = value;
  element.dispatchEvent(new Event("input", { bubbles: true }));
  element.dispatchEvent(new Event("change", { bubbles: true }));
};
const unlabelled = [...document.querySelectorAll("input, select, button")].filter(
  one => !(one.labels?.length && one.labels[0].textContent.trim()) && !one.getAttribute("aria-label"));
say(`unlabelled: ${unlabelled.length}`);
const card = document.querySelector(".card");
const left = () => getComputedStyle(card.querySelector(".left")).clipPath;
const slider = card.querySelector("[data-wipe]");
const before = left();
input(slider, 20);
say(`wiped: ${before !== left()} ${left()}`);
say(`others: ${document.querySelectorAll(".card")[3].querySelector("[data-wipe]").value}`);
document.querySelector("[data-together]").checked = false;
input(slider, 70);
say(`alone: ${document.querySelectorAll(".card")[3].querySelector("[data-wipe]").value}`);
input(document.querySelector("[data-side=left]"), "txm");
say(`left: ${card.querySelector(".left").dataset.layer}, ${slider.getAttribute("aria-valuetext")}`);
input(document.querySelector("[data-side=over]"), "uncertainty");
const over = card.querySelector(".over");
say(`over: ${over.dataset.layer} ${getComputedStyle(over).visibility}`);
const first = () => document.querySelector("[data-group=worst] h4").textContent;
const shown = first();
input(document.querySelector("[data-order]"), "ssim_all");
say(`order: ${document.querySelectorAll("[data-group=worst] .card").length}`);
const viewer = document.querySelector(".volume");
const pixel = (cut, x, y) => viewer.querySelector(`[data-cut="${cut}"] canvas`).getContext("2d")
  .getImageData(x, y, 1, 1).data[0];
say(`cut: ${pixel("xyz", 9, 1)}`);
input(viewer.querySelector("[data-axis=z]"), 9);
say(`moved: ${pixel("xyz", 9, 1)} at ${viewer.querySelector("[data-cut=xyz] figcaption").textContent}`);
input(viewer.querySelector("[data-axis=x]"), 11);
say(`along z: ${pixel("yzx", 4, 3)}`);
viewer.querySelectorAll("[type=radio]")[1].click();
say(`txm: ${pixel("yzx", 4, 3)}`);
const box = viewer.querySelector("[data-cut=xzy] .cut").getBoundingClientRect();
const point = { clientX: box.left + box.width * 0.99, clientY: box.top + 1, pointerId: 1, bubbles: true };
const cut = viewer.querySelector("[data-cut=xzy] .cut");
cut.setPointerCapture = () => {};
cut.dispatchEvent(new PointerEvent("pointerdown", point));
say(`pointed: ${viewer.querySelector("[data-axis=x]").value} ${viewer.querySelector("[data-axis=z]").value}`);
const apart = document.querySelector(".gallery [data-apart]");
const one = document.querySelector("[data-group=worst] .card");
const gap = () => one.querySelector(".right").getBoundingClientRect().left
  - one.querySelector(".left").getBoundingClientRect().right;
say(`over each other: ${gap() < 0}`);
apart.click();
say(`apart: ${gap() >= 0} ${getComputedStyle(one.querySelector(".left")).clipPath}`);
apart.click();
const rows = () => [...viewer.querySelectorAll(".controls.views")].filter(row => row.offsetHeight)
  .map(row => row.querySelector("b").textContent);
say(`rows: ${rows()}`);
viewer.querySelector("[data-apart]").click();
say(`all rows: ${rows()}`);
viewer.querySelector("[data-apart]").click();
"""

PHONE = """
const phone = document.createElement("iframe");
phone.style.cssText = "width: 360px; height: 2000px; border: 0";
const copy = document.documentElement.cloneNode(true);
copy.querySelector("#play").remove();
phone.srcdoc = copy.outerHTML;
document.body.append(phone);
await new Promise(done => phone.addEventListener("load", done));
const inside = phone.contentDocument.documentElement;
const wide = [...phone.contentDocument.querySelectorAll("body *")].filter(
  one => one.getBoundingClientRect().right > inside.clientWidth + 1 && !one.closest(".wide > *"));
say(`phone: ${inside.scrollWidth - inside.clientWidth} ${[...new Set(wide.map(one => one.tagName))].join(" ")}`);
"""


def values(lines: list[str]) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in lines if ": " in line)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a run that has left everything."""
    paths = write_run(tmp_path_factory.mktemp("run"))
    write_cube(paths)
    write_trust(paths)
    return report_run(paths).path


def test_sliders_wipe_and_scrub(page: Path, tmp_path: Path) -> None:
    lines = play(page, tmp_path, PLAY + PHONE)
    assert not [line for line in lines if line.startswith(("error", "asked"))]
    found = values(lines)
    assert found["unlabelled"] == "0"
    assert found["wiped"].startswith("true")
    assert "80%" in found["wiped"]
    assert (found["others"], found["alone"]) == ("20", "20")
    assert found["left"] == "txm, TXM on the left 70 %, then SEM"
    assert found["over"] == "uncertainty visible"
    assert found["order"] == "4"
    # 2 (8 z + 3 y + x), as JPEG: at z = 6, y = 1, x = 9, then at z = 9, and at x = 11 for y = 4, z = 3.
    assert float(found["cut"]) == pytest.approx(120, abs=6)
    moved, _, caption = found["moved"].partition(" at ")
    assert float(moved) == pytest.approx(168, abs=6)
    assert caption == "prediction xy at z = 12"
    assert float(found["along z"]) == pytest.approx(94, abs=6)
    assert float(found["txm"]) == pytest.approx(47, abs=6)
    assert found["pointed"] == "11 0"
    assert (found["over each other"], found["apart"]) == ("true", "true none")
    assert (found["rows"], found["all rows"]) == ("TXM (input)", "prediction,TXM (input)")
    assert found["phone"] == "0 "


def test_runs_beside_each_other_fit_on_a_phone(tmp_path: Path) -> None:
    runs = [write_run(tmp_path, f"a_name_that_is_rather_long_{number}", noise=10 + number) for number in range(3)]
    page = compare_runs(runs, tmp_path / "compare.html").path
    lines = play(
        page, tmp_path, 'say(`cards: ${document.querySelectorAll("[data-group=worst] .card").length}`);' + PHONE
    )
    assert lines == ["cards: 4", "phone: 0 "]


def test_it_prints(page: Path, tmp_path: Path) -> None:
    paper = tmp_path / "page.pdf"
    browse(page, tmp_path, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    assert paper.read_bytes().startswith(b"%PDF")
