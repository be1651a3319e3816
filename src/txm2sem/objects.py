"""Objects in storage and on web servers: read, written, listed and removed, with patience where a server falters."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from txm2sem.addresses import Address
from txm2sem.credentials import sign_in
from txm2sem.errors import UserError, extra

if TYPE_CHECKING:
    from obstore.store import GCSStore, HTTPStore, S3Store

Result = TypeVar("Result")

PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Between the tries of a request that fails for the time being [s]."""

SILENT = 2
"""Tries that fail before it is said."""

AT_ONCE = 32
"""Requests under way together, where there are many small ones."""

TIMES = {"connect_timeout": "5s", "read_timeout": "30s", "timeout": "600s"}
"""How long to wait for a connection, for the next bytes, and for all of an answer, of which slow lines need much."""

_PASSING = {408, 409, 425, 429, 500, 502, 503, 504}
"""Statuses that may be others the next time."""

_REMEDIES = {
    "NoSuchBucket": "there is no such bucket: check its name, and AWS_ENDPOINT_URL where it is not one of Amazon's",
    "InvalidAccessKeyId": "the server does not know the access key: check AWS_ACCESS_KEY_ID or AWS_PROFILE",
    "SignatureDoesNotMatch": "the secret key does not fit the access key: check AWS_SECRET_ACCESS_KEY or AWS_PROFILE",
    "ExpiredToken": "the credentials have expired: get new ones, then run the same command again",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set AWS_REGION",
    "RequestTimeTooSkewed": "the clock of this machine is wrong: set it",
}
"""What the user can do, by the codes of S3."""


@dataclass(frozen=True)
class Stamp:
    """What tells an object from one that is written in its place later.

    Attributes:
        size: its bytes.
        tag, version: the server's names of its content.
        written: when, by the server's clock.
    """

    size: int
    tag: str | None
    version: str | None
    written: datetime

    def __str__(self) -> str:
        return f"{self.size} bytes, {(self.tag or self.version or str(self.written)).strip(chr(34))}"


def read(address: Address, part: slice | None = None, most: int | None = None, *, patient: bool = True) -> bytes | None:
    """Return an object, or a part of it; None where there is none.

    Args:
        address: the object.
        part: which bytes: `slice(start, stop)`, `slice(start, None)`, or the last of them, `slice(-n, None)`.
        most: bytes that the object may have.
        patient: a request that fails is tried again.

    Raises:
        UserError: it cannot be read, or is too large.
    """
    obstore = _library(address)
    options: Any = None
    if part is not None:
        after = {"offset": part.start} if part.stop is None else (part.start, part.stop)
        options = {"range": {"suffix": -part.start} if part.start < 0 else after}

    def get() -> bytes:
        found = obstore.get(store_of(address), address.key, options=options)
        if most is not None and found.meta["size"] > most:
            raise UserError(f"{address} has {found.meta['size']} bytes; expected {most} at most")
        return bytes(found.bytes())

    return _unless_absent(address, get, patient=patient)


def stamp(address: Address) -> Stamp | None:
    """Return what an object is; None where there is none.

    Raises:
        UserError: the server does not say it.
    """
    obstore = _library(address)
    return _unless_absent(address, lambda: _stamp_of(obstore.head(store_of(address), address.key)))


def those_there(addresses: Iterable[Address]) -> list[Address]:
    """Return those of many objects that there are, by a request each.

    Raises:
        UserError: the server does not say it.
    """
    from txm2sem.progress import progress_bar

    asked = list(addresses)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = progress_bar(pool.map(stamp, asked), total=len(asked), desc="looking", unit="object")
        return [one for one, found in zip(asked, answers, strict=True) if found is not None]


def listing(folder: Address) -> dict[Address, Stamp]:
    """Return all objects below a place; a request for each thousand.

    Raises:
        UserError: the server does not say it.
    """
    obstore = _library(folder)
    found = _patiently(folder, lambda: obstore.list(store_of(folder), folder.key).collect())
    return {Address(folder.scheme, folder.host, one["path"]): _stamp_of(one) for one in found}


def names_in(folder: Address) -> list[str]:
    """Return the names of what is in a place.

    Raises:
        UserError: the server does not say it.
    """
    if not folder.is_listed:
        raise UserError(f"{folder}: web servers do not say what is in a folder; say which array with --dataset PATH")
    obstore = _library(folder)
    found = _patiently(folder, lambda: obstore.list_with_delimiter(store_of(folder), folder.key))
    keys = [*found["common_prefixes"], *(one["path"] for one in found["objects"])]
    return [key.rstrip("/").rpartition("/")[2] for key in keys]


def write(address: Address, content: bytes, *, instead_of: Stamp | None = None, new: bool = False) -> bool:
    """Write an object: it appears whole.

    Args:
        address: its place.
        content: its bytes.
        instead_of: what must still be there.
        new: nothing must be there.

    Returns:
        Whether it was written: not, where something else is there than what must be.

    Raises:
        UserError: it cannot be written.
    """
    obstore = _library(address)
    taken = (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError)

    mode: Any = "create" if new else "overwrite"
    if instead_of is not None:
        said = {"e_tag": instead_of.tag, "version": instead_of.version}
        mode = {name: value for name, value in said.items() if value is not None}
    try:
        _patiently(
            address,
            lambda: obstore.put(store_of(address), address.key, content, mode=mode, use_multipart=False),
            pass_on=(FileNotFoundError, *taken),
        )
    except FileNotFoundError as error:
        raise _explained(address, error) from error
    except taken:
        # An answer may have been lost to a try that had been heard.
        return read(address) == content
    return True


def remove(addresses: Iterable[Address], *, patient: bool = True) -> None:
    """Remove objects; those that are not there are none.

    Args:
        addresses: their places.
        patient: requests that fail are tried again.

    Raises:
        UserError: one cannot be removed.
    """

    def one(address: Address) -> None:
        obstore = _library(address)
        _unless_absent(address, lambda: obstore.delete(store_of(address), address.key), patient=patient)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, addresses))


class _Patience:
    """How often a request is tried again, and what is said meanwhile.

    Args:
        address: what is asked for.
        pauses: between the tries [s].
    """

    def __init__(self, address: Address, pauses: Iterable[float]) -> None:
        self._address = address
        self._pauses = list(pauses)
        self._failed = 0

    def after(self, error: Exception) -> float:
        """Return how long to wait until the next try [s].

        Raises:
            UserError: it is of no use, or was tried often enough.
        """
        self._failed += 1
        if not _passes(error) or not self._pauses:
            raise _explained(self._address, error, self._failed) from error
        if self._failed == SILENT + 1:
            from txm2sem.progress import say

            left = f"for {sum(self._pauses):.0f} seconds more"
            say(f"{self._address} does not answer ({_words_of(error)}); trying again {left}")
        return self._pauses.pop(0)


class RefusedError(UserError):
    """The server refuses an object: it may not be read, or is not there, and the server does not say which."""


def _patiently(
    address: Address,
    call: Callable[[], Result],
    pass_on: tuple[type[Exception], ...] = (FileNotFoundError,),
    *,
    patient: bool = True,
) -> Result:
    """Return what a request returns, which is tried again where it fails for the time being.

    Args:
        address: what is asked for.
        call: the request.
        pass_on: errors that are an answer.
        patient: without it, there is one try.

    Raises:
        UserError: it fails.
    """
    patience = _Patience(address, PAUSES if patient else ())
    failures: tuple[type[Exception], ...] = (FileNotFoundError, *_errors())
    while True:
        try:
            return call()
        except pass_on:
            raise
        except failures as error:
            time.sleep(patience.after(error))


def _unless_absent(address: Address, call: Callable[[], Result], *, patient: bool = True) -> Result | None:
    try:
        return _patiently(address, call, patient=patient)
    except FileNotFoundError as error:
        _check_bucket(address, error)
        return None


def _check_bucket(address: Address, error: Exception) -> None:
    if "NoSuchBucket" in str(error):
        raise _explained(address, error) from error


def _errors() -> tuple[type[Exception], ...]:
    from obstore.exceptions import BaseError

    return (BaseError, TimeoutError, ConnectionError)


def _passes(error: Exception) -> bool:
    """Say whether an error may be none the next time."""
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    status = _status_of(error)
    return status in _PASSING if status else "HTTP error" in str(error)


def _status_of(error: Exception) -> int:
    found = re.search(r"status code: (\d+)", str(error))
    return int(found[1]) if found else 0


def _words_of(error: Exception) -> str:
    """Return what a server says, without what it repeats of the request: addresses that are signed, names of keys."""
    code = re.search(r"<Code>(\w+)</Code>", str(error))
    status = re.search(r"status code: ([^:\n<]+)", str(error))
    if status or code:
        return ", ".join([*([status[1].strip()] if status else []), *([code[1]] if code else [])])
    first = str(error).partition("\n")[0]
    if " - " in first:
        first = first.rpartition(" - ")[2]
    return re.sub(r"(\w+://)\S+", r"\1...", first)[:200]


def _explained(address: Address, error: Exception, tries: int = 1) -> UserError:
    """Return what the user is told of an error."""
    code = re.search(r"<Code>(\w+)</Code>", str(error))
    refused = _status_of(error) in (401, 403)
    if code and code[1] in _REMEDIES:
        remedy = _REMEDIES[code[1]]
    elif refused and address.scheme == "s3" and "skip_signature" in sign_in(address):
        remedy = (
            "no credentials were found, so that nobody is signed in: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or AWS_PROFILE"
        )
    elif refused:
        remedy = "ask its owner for the permission, or sign in as somebody who has it (docs/storage.md says how)"
    elif re.search("non-partial|Range request", str(error)):
        remedy = "the server does not give parts of files, which this volume needs: copy it here, or serve it otherwise"
    elif "redirect" in str(error):
        remedy = _REMEDIES["PermanentRedirect"]
    elif _passes(error):
        remedy = "see to the connection and the server, then run the same command again: what was done stays"
    else:
        remedy = "check the address, and who signs in (docs/storage.md)"
    often = f", {tries} times" if tries > 1 else ""
    kind = RefusedError if refused else UserError
    return kind(f"{address} cannot be reached ({_words_of(error)}{often}); {remedy}")


def _stamp_of(said: Mapping[str, Any]) -> Stamp:
    return Stamp(said["size"], said.get("e_tag"), said.get("version"), said["last_modified"])


def store_of(address: Address) -> Any:
    """Return the library's store of all objects of a bucket or server.

    Raises:
        UserError: as `sign_in`.
    """
    return _opened(address.scheme, address.host, tuple(sorted(sign_in(address).items())))


def _library(address: Address) -> Any:
    try:
        import obstore
    except ImportError:
        raise UserError(
            f"{address}: to read from and write to object storage and web servers, {extra('cloud')}"
        ) from None
    return obstore


@lru_cache(maxsize=16)
def _opened(scheme: str, host: str, options: tuple[tuple[str, str], ...]) -> S3Store | GCSStore | HTTPStore:
    from obstore.store import GCSStore, HTTPStore, S3Store

    config: dict[str, Any] = dict(options)
    headers = {"authorization": config.pop("authorization")} if "authorization" in config else {}
    endpoint = config.get("endpoint", config.get("base_url", f"{scheme}://"))
    client: Any = {**TIMES, "allow_http": endpoint.startswith("http://"), "default_headers": headers}
    once: Any = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}  # what is tried again is said here
    if scheme == "s3":
        return S3Store(host, config=cast(Any, config), client_options=client, retry_config=once)
    if scheme == "gs":
        return GCSStore(host, config=cast(Any, config), client_options=client, retry_config=once)
    return HTTPStore.from_url(f"{scheme}://{host}", client_options=client, retry_config=once)
