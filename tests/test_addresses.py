"""What is an address, what is none, and what no address may show."""

from __future__ import annotations

from pathlib import Path

import pytest

from txm2sem.addresses import Address, check_local, place_of
from txm2sem.errors import UserError
from txm2sem.files import check_output, make_folder


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("s3://bucket/a/scan.zarr", Address("s3", "bucket", "a/scan.zarr")),
        (Path("s3://bucket/a/scan.zarr"), Address("s3", "bucket", "a/scan.zarr")),  # which has one slash
        ("s3://bucket//a/scan.zarr/", Address("s3", "bucket", "a/scan.zarr")),
        ("HTTPS://host:8080/scan.zarr", Address("https", "host:8080", "scan.zarr")),
        ("https://host/my%20scan.zarr", Address("https", "host", "my scan.zarr")),
        ("gs://bucket/scan.zarr", Address("gs", "bucket", "scan.zarr")),
        ("C:/scan.zarr", Path("C:/scan.zarr")),
        ("a/s3.zarr", Path("a/s3.zarr")),
        ("scan:1/a.zarr", Path("scan:1/a.zarr")),
    ],
)
def test_places_are_addresses_or_paths(text: str, found: object) -> None:
    assert place_of(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "https://somebody:their-secret@host/scan.zarr",
        "https://host/scan.zarr?X-Amz-Signature=their-secret",
        "https://host/scan.zarr#their-secret",
        "ftp://somebody:their-secret@host/scan.zarr",
    ],
)
def test_secrets_are_refused_and_not_shown(text: str) -> None:
    for check in (place_of, check_local):
        with pytest.raises(UserError) as caught:
            check(text)
        assert "host/scan.zarr" in str(caught.value)
        assert "their-secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["ftp://host/scan.zarr", "s3://bucket", "s3:///scan.zarr", "s3://bucket/../scan.zarr"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="expected"):
        place_of(text)


def test_an_address_is_named_like_a_path() -> None:
    address = Address("s3", "bucket", "a/scan.zarr")
    assert (address.name, str(address.parent), address.absolute()) == ("scan.zarr", "s3://bucket/a", address)
    assert str(address.with_name("other")) == "s3://bucket/a/other"
    assert (address / "0" / "c/1").below(address) == "0/c/1"
    assert (address / "0").is_in(address.parent)
    assert not Address("s3", "bucket", "a/scan.zarrs/0").is_in(address)


def test_no_folder_is_made_of_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for make in (make_folder, check_output):
        with pytest.raises(UserError, match="is an address"):
            make(Path("s3://bucket/out").absolute())
    assert not list(tmp_path.iterdir())
