"""The files that a test leaves for programs, read and checked: what is not as this program writes it is found here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from txm2sem.data.classes import CLASSES
from txm2sem.errors import UserError
from txm2sem.files import interpreting, read_json, read_text
from txm2sem.options import TestCommand, checked
from txm2sem.scoring.continuity import KEYS
from txm2sem.scoring.names import FORMAT, PHASES, REGION_NAMES, ROCK, SIMILARITY, TRUTH
from txm2sem.trust.stored import REPORT_FORMAT as TRUST_FORMAT

AGAIN = "test again, or remove it"

MOST_SAID = 2**20
"""Bytes of a text for people at most."""

LARGEST = 1e30
"""Beyond this, numbers are damage, and what is computed from them may overflow."""

DEEPEST = 12
"""Values lie in so many others at most."""

Check = Callable[[Any, str], None]
"""Raises ValueError where a value, of which the place is told, is another than expected."""


def read_evaluation(path: Path) -> str:
    """Return the text of an `eval_metrics.txt`.

    Raises:
        UserError: the file is missing, or no text.
    """
    return read_text(path, AGAIN, MOST_SAID)


def _expect(holds: bool, where: str, found: object, expected: str) -> None:
    if not holds:
        raise ValueError(f"{where.lstrip('.')} is {str(found)[:100]}; expected {expected}")


def _number(value: Any, where: str) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    _expect(is_number and abs(value) <= LARGEST, where, value, f"a number up to {LARGEST:g}")


def _number_or_none(value: Any, where: str) -> None:
    if value is not None:
        _number(value, where)


def _count(value: Any, where: str) -> None:
    _number(value, where)
    _expect(isinstance(value, int) and value >= 0, where, value, "a whole number, 0 or more")


def _size(value: Any, where: str) -> None:
    _number(value, where)
    _expect(value > 0, where, value, "above 0")


def _text(value: Any, where: str) -> None:
    _expect(isinstance(value, str), where, value, "a text")


def _anything(value: Any, where: str) -> None:
    """Take every value."""


def _plain(value: Any, where: str, depth: int = 0) -> None:
    """Take numbers, texts, and what has them, not too deeply."""
    _expect(depth <= DEEPEST, where[:100], "deeply nested", f"{DEEPEST} levels at most")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _plain(inner, f"{where}.{name}", depth + 1)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _plain(inner, f"{where}.{number}", depth + 1)
    elif value is not None and not isinstance(value, str | bool):
        _number(value, where)


def _options(value: Any, where: str) -> None:
    """Take values of the options of a test, by name, as far as these are known."""
    _by_name(_anything)(value, where)
    try:
        checked(TestCommand(), value)
    except UserError as error:
        raise ValueError(f"{where.lstrip('.')} has {error}") from error


def _is(expected: object) -> Check:
    return lambda value, where: _expect(value == expected, where, value, f"{expected}")


def _all_of(*checks: Check) -> Check:
    def checked(value: Any, where: str) -> None:
        for check in checks:
            check(value, where)

    return checked


def _list_of(check: Check) -> Check:
    def checked(value: Any, where: str) -> None:
        _expect(isinstance(value, list), where, value, "a list")
        for number, inner in enumerate(value):
            check(inner, f"{where}.{number}")

    return checked


def _by_name(check: Check, *names: str) -> Check:
    """Return what wants values by name; by one of `names`, where there are any."""

    def checked(value: Any, where: str) -> None:
        _expect(isinstance(value, Mapping), where, value, "values by name")
        for name, inner in value.items():
            _expect(not names or name in names, where, name, f"one of {', '.join(names)}")
            check(inner, f"{where}.{name}")

    return checked


def _fields(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Return what wants certain values by name, and may have others."""

    def checked(value: Any, where: str) -> None:
        _expect(isinstance(value, Mapping), where, value, "values by name")
        for name, check in required.items():
            _expect(name in value, f"{where}.{name}", "missing", "it")
            check(value[name], f"{where}.{name}")
        for name, check in (optional or {}).items():
            if name in value:
                check(value[name], f"{where}.{name}")

    return checked


def _each(names: Iterable[str], check: Check) -> dict[str, Check]:
    return dict.fromkeys(names, check)


_numbers = _list_of(_number_or_none)
_interval = _fields(_each(("value", "low", "high"), _number_or_none))
_comparison = _fields(_each(("predicted", "true", "error"), _interval))
_measures = _fields(_each(SIMILARITY, _interval), {"perceptual": _interval})
_spectra = ("spectrum_mean_db", "spectrum_largest_db", "resolution_half_px", "resolution_seventh_px")

_column = _fields(_each(("name", "unit"), _text))
_means = _fields(
    {
        "over": _text,
        "count": _count,
        "tables": _list_of(_by_name(_column)),
        "rows": _by_name(_by_name(_fields(_each(("mean", "standard_error"), _number_or_none)))),
    }
)


def _has_columns(means: Any, where: str) -> None:
    keys = {key for table in means["tables"] for key in table}
    for kind, row in means["rows"].items():
        _expect(keys <= set(row), f"{where}.rows.{kind}", sorted(row), f"{sorted(keys)}")


_means_of_kinds = _all_of(_means, _has_columns)


def _has_kinds(means: Any, where: str) -> None:
    _expect(len(means["rows"]) > 0, f"{where}.rows", "empty", "kinds of prediction")


def _or_none(check: Check) -> Check:
    return lambda value, where: None if value is None else check(value, where)


def _of_classes(check: Check) -> Check:
    """Return what wants a value of each class."""
    count = len(CLASSES)
    return _all_of(_list_of(check), lambda value, where: _expect(len(value) == count, where, value, f"{count} values"))


def _has_points(curve: Any, where: str) -> None:
    lengths = {len(values) for values in curve.values()}
    _expect(len(lengths) == 1, where, sorted(lengths), "lists of one length")


_reliability = _fields(
    {
        **_each(("bits_per_pixel", "calibration_error"), _number),
        **_each(("class_calibration_errors", "expected_shares", "true_shares"), _of_classes(_number)),
        "curves": _of_classes(_all_of(_fields(_each(("predicted", "true", "share"), _list_of(_number))), _has_points)),
    }
)

_probabilities = _fields(
    {
        "calibration": _or_none(_fields({"fraction_error": _of_classes(_number)})),
        "tested": _fields({"raw": _reliability}, {"calibrated": _reliability}),
        "training_shares": _or_none(_of_classes(_number)),
    }
)

_drawn = _fields(
    {
        **_each(("pixels", "spread_over_error"), _interval),
        "fraction": _by_name(_interval, *PHASES),
    },
    {"fraction_of_all": _by_name(_fields(_each(("truth", "value", "low", "high"), _number_or_none)), *PHASES)},
)

_means_alone = _fields(
    {
        "format": _is(FORMAT),
        **_each(("split", "epoch"), _text),
        "means": _all_of(_means_of_kinds, _has_kinds),
        "notes": _list_of(_text),
    },
    {
        "options": _options,
        "pixel_size_nm": _or_none(_size),
        "probabilities": _probabilities,
        "better_on_validation": _or_none(
            _fields({"name": _text, **_each(("mean_dice", "mean_dice_of_model"), _number)})
        ),
    },
)

_scores = _fields(
    {
        "format": _is(FORMAT),
        **_each(("images", "slices", "height_px", "width_px"), _count),
        **_each(("split", "epoch"), _text),
        "valid_share": _number,
        "interval": _anything,
        "similarity": _by_name(_all_of(_fields({"all": _measures}), _by_name(_measures, *REGION_NAMES))),
        "rock": _by_name(_fields(_each(PHASES, _fields({**_each(ROCK, _comparison), "s2_error": _interval})))),
        "spectrum": _by_name(_fields(_each(_spectra, _interval))),
        "grid": _by_name(_fields(_each(("2", "4"), _by_name(_number_or_none)))),
        "curves": _fields(
            {
                **_each(("frequencies_per_px", "lags_px"), _list_of(_number)),
                **_each(("power", "frc"), _by_name(_numbers)),
                "s2": _by_name(_by_name(_numbers), *PHASES),
            }
        ),
        "notes": _list_of(_text),
    },
    {
        "means": _means_of_kinds,
        "options": _options,
        "pixel_size_nm": _or_none(_size),
        "displacements_px": _by_name(
            _all_of(_list_of(_number), lambda value, where: _expect(len(value) == 2, where, value, "2 numbers"))
        ),
        "draws": lambda value, where: None if value == {} else _drawn(value, where),
        "txm_noise": _or_none(_fields(_each(("training", "here"), _size))),
        "by_image": _fields({"slice": _list_of(_count), "values": _by_name(_by_name(_numbers))}),
    },
)


def _agrees(content: Any, where: str) -> None:
    """Check that the parts of a scorecard are of the same kinds of prediction, regions and lengths."""
    kinds = list(content["similarity"])
    curves = content["curves"]
    measured = {
        "rock": list(content["rock"]) or kinds,
        "spectrum": list(content["spectrum"]),
        "grid": [kind for kind in content["grid"] if kind != TRUTH],
        "power": [kind for kind in curves["power"] if kind != TRUTH],
        "frc": list(curves["frc"]),
    }
    for name, found in measured.items():
        _expect(bool(kinds) and found == kinds, f"{where}.{name}", found, f"those of similarity, {kinds}")
    regions = [list(found) for found in content["similarity"].values()]
    _expect(all(found == regions[0] for found in regions), f"{where}.regions", regions, "the same of each kind")
    lengths = {"power": "frequencies_per_px", "frc": "frequencies_per_px", "s2": "lags_px"}
    drawn = {name: curves[name] for name in ("power", "frc")}
    for name, group in [*drawn.items(), *(("s2", group) for group in curves["s2"].values())]:
        for kind, values in group.items():
            wanted = len(curves[lengths[name]])
            _expect(len(values) == wanted > 0, f"{where}.curves.{name}.{kind}", f"of length {len(values)}", f"{wanted}")
    if "by_image" in content:
        single, count = content["by_image"], content["images"]
        measures = {
            f"{kind}.{name}": values for kind, found in single["values"].items() for name, values in found.items()
        }
        for name, values in {"slice": single["slice"], **measures}.items():
            _expect(len(values) == count, f"{where}.by_image.{name}", f"of length {len(values)}", f"{count}")
        _expect(set(kinds) <= set(single["values"]), f"{where}.by_image", list(single["values"]), f"{kinds}")


_scorecard = _all_of(_scores, _agrees)


def _scorecard_or_means(content: Any, where: str) -> None:
    (_scorecard if "similarity" in content else _means_alone)(content, where)


_trust = _fields(
    {"format": _is(TRUST_FORMAT)},
    {
        "in_words": _by_name(_list_of(_text)),
        "guard": _fields({"threshold": _number}),
        "novelty": _fields({"flagged": _list_of(_count)}),
    },
)

_continuity = _fields(
    {
        "size": _count,
        "first": _fields(_each(("z", "row", "column"), _count)),
        "volumes": _by_name(
            _fields(
                {
                    **_each(("adjacent_difference", "adjacent_difference_of_txm"), _number_or_none),
                    **_each(("autocorrelation_along_z", "autocorrelation_in_plane"), _numbers),
                }
            ),
            *KEYS.values(),
        ),
    },
    {"options": _options, "voxel_size_nm": _list_of(_or_none(_size))},
)


def _reader(what: str, check: Check) -> Callable[[Path], dict[str, Any]]:
    """Return what reads a document of JSON, and raises a UserError where it is missing or something else."""

    def read(path: Path) -> dict[str, Any]:
        content = read_json(path, AGAIN)
        with interpreting(path, what, AGAIN):
            check(content, "")
        return content

    return read


read_scores = _reader("scores", _scorecard_or_means)
"""Return the scores of a test, as its `scores.json` says: a scorecard, or means alone."""

read_trust = _reader("what is known of predictions", _all_of(_plain, _trust))
"""Return where predictions can be believed, as a `trust.json` says."""

read_continuity = _reader("the continuity of a cube", _continuity)
"""Return the continuity of a cube, as a `continuity_SAVENAME.json` says."""
