"""Objects in storage: what is tried again, what is said of errors, and who signs in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from object_server import ACCESS_KEY, SECRET_KEY, ObjectServer

from txm2sem import objects
from txm2sem.addresses import Address
from txm2sem.errors import UserError

PLACE = Address("s3", "bucket", "folder/name")


def failing(times: int, fault: str, method: str = "") -> Callable[[str, str], str]:
    """Return what lets the first requests fail."""
    left = [times]

    def fails(done: str, path: str) -> str:
        if left[0] and done == (method or done):
            left[0] -= 1
            return fault
        return ""

    return fails


@pytest.mark.parametrize("fault", ["500", "503", "429", "reset", "lost"])
def test_requests_that_fail_for_the_time_being_are_tried_again(storage: ObjectServer, fault: str) -> None:
    for action, expected in (
        (lambda: objects.write(PLACE, b"content"), True),
        (lambda: objects.read(PLACE), b"content"),
        (lambda: list(objects.listing(PLACE.parent)), [PLACE]),
        (lambda: objects.names_in(PLACE.parent), ["name"]),
        (lambda: getattr(objects.stamp(PLACE), "size", None), 7),
        (lambda: objects.remove([PLACE]), None),
    ):
        storage.fault = failing(3, fault)
        assert action() == expected
    assert not storage.names()


def test_what_is_cut_off_is_read_again(storage: ObjectServer) -> None:
    objects.write(PLACE, bytes(range(256)) * 100)
    storage.fault = failing(2, "truncated")
    assert objects.read(PLACE) == bytes(range(256)) * 100
    storage.fault = failing(2, "truncated")
    assert objects.read(PLACE, slice(-256, None)) == bytes(range(256))


def test_a_new_object_whose_answer_was_lost_is_ones_own(storage: ObjectServer) -> None:
    storage.fault = failing(1, "lost", "PUT")
    assert objects.write(PLACE, b"mine", new=True)
    assert not objects.write(PLACE, b"theirs", new=True)
    assert objects.read(PLACE) == b"mine"


def test_only_what_was_seen_is_replaced(storage: ObjectServer) -> None:
    objects.write(PLACE, b"first")
    seen = objects.stamp(PLACE)
    objects.write(PLACE, b"second")
    assert not objects.write(PLACE, b"third", instead_of=seen)
    assert objects.read(PLACE) == b"second"


def test_patience_ends_and_is_told(storage: ObjectServer, capsys: pytest.CaptureFixture[str]) -> None:
    storage.fault = lambda method, path: "503"
    with pytest.raises(UserError, match=r"s3://bucket/folder/name cannot be reached \(503 .*SlowDown, 6 times\)"):
        objects.read(PLACE)
    assert len(storage.log) == 6
    assert capsys.readouterr().err.count("trying again") == 1
    assert 20 < sum((0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)) < 60


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Address("s3", "nowhere", "name"), "NoSuchBucket"),
        (Address("s3", "theirs", "name"), "403 Forbidden, AccessDenied"),
    ],
)
def test_what_is_refused_is_said_at_once(storage: ObjectServer, place: Address, words: str) -> None:
    for action in (lambda: objects.read(place), lambda: objects.write(place, b""), lambda: objects.listing(place)):
        storage.log.clear()
        with pytest.raises(UserError, match=words):
            action()
        assert len(storage.log) == 1


def test_names_may_have_any_characters(storage: ObjectServer) -> None:
    for name in ("a b+c", "ü", "50%41", "a,b=(c)"):
        objects.write(PLACE.with_name(name), name.encode())
        assert objects.read(PLACE.with_name(name)) == name.encode()
        assert PLACE.with_name(name) in objects.listing(PLACE.parent)


def test_a_bucket_elsewhere_says_how_to_name_its_region(storage: ObjectServer) -> None:
    storage.fault = lambda method, path: "301"
    with pytest.raises(UserError, match="set AWS_REGION"):
        objects.read(PLACE)


def test_parts_of_objects(storage: ObjectServer) -> None:
    objects.write(PLACE, b"0123456789")
    assert objects.read(PLACE, slice(2, 5)) == b"234"
    assert objects.read(PLACE, slice(7, None)) == b"789"
    assert objects.read(PLACE, slice(-2, None)) == b"89"
    assert objects.read(PLACE.with_name("other"), slice(-2, None)) is None
    with pytest.raises(UserError, match="expected 9 at most"):
        objects.read(PLACE, most=9)
    storage.ranges, storage.buckets["bucket"].public = False, True
    for place in (PLACE, Address("http", storage.url.removeprefix("http://"), f"bucket/{PLACE.key}")):
        with pytest.raises(UserError, match="does not give parts of files"):
            objects.read(place, slice(2, 5))


def test_many_objects_are_listed(storage: ObjectServer) -> None:
    for number in range(1001):
        storage.buckets["bucket"].objects[f"folder/{number}"] = (b"", datetime.now(UTC))
    assert len(objects.listing(PLACE.parent)) == 1001
    assert len(storage.log) == 2


def test_wrong_credentials_are_named_but_not_shown(storage: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody-knows")
    with pytest.raises(UserError, match="InvalidAccessKeyId") as caught:
        objects.read(PLACE)
    assert "AWS_ACCESS_KEY_ID" in str(caught.value)
    assert not {"nobody-knows", SECRET_KEY} & set(str(caught.value).replace("/", " ").split())


def test_a_profile_signs_in(storage: ObjectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    keys = f"aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    (tmp_path / "credentials").write_text(f"[lab]\n{keys}[default]\naws_access_key_id = x\naws_secret_access_key = y\n")
    (tmp_path / "config").write_text(f"[profile lab]\nendpoint_url = {storage.url}\n[profile sso]\nregion = x\n")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert objects.write(PLACE, b"content")
    monkeypatch.setenv("AWS_PROFILE", "sso")
    with pytest.raises(UserError, match="profile sso"):
        objects.read(PLACE)


def test_nobody_signs_in_where_nothing_says_who(storage: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    objects.write(PLACE, b"content")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setattr("txm2sem.credentials._machine", lambda: "a laptop")
    with pytest.raises(UserError, match="no credentials were found"):
        objects.read(PLACE)
    storage.buckets["bucket"].public = True
    assert objects.read(PLACE) == b"content"


def test_googles_storage_is_read_alike(storage: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its interface is as that of S3; writing wants a token of Google's, which nothing here gives."""
    objects.write(PLACE, b"content")
    storage.buckets["bucket"].public = True
    monkeypatch.setenv("GOOGLE_BASE_URL", storage.url)
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    place = Address("gs", PLACE.host, PLACE.key)
    assert objects.read(place) == b"content"
    assert list(objects.listing(place.parent)) == [place]


def test_a_web_server_is_read_with_the_password_of_netrc(
    storage: ObjectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    objects.write(PLACE, b"content")
    storage.buckets["bucket"].public = True
    place = Address("http", storage.url.removeprefix("http://"), f"bucket/{PLACE.key}")
    assert objects.read(place) == b"content"
    assert objects.read(place.with_name("other")) is None
    assert objects.those_there([place, place.with_name("other")]) == [place]
    with pytest.raises(UserError, match="do not say what is in a folder"):
        objects.names_in(place.parent)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password their-secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    storage.buckets["bucket"].password = "somebody:their-secret"
    assert objects.read(place) == b"content"
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    with pytest.raises(UserError, match="401"):
        objects.read(place)


def test_the_library_that_is_missing_is_named(storage: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UserError, match="install the extra cloud"):
        objects.read(PLACE)
