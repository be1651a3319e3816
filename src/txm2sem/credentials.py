"""Who signs in at object storage and at web servers, as their own programs find it; nothing of it is kept or shown."""

from __future__ import annotations

import configparser
import netrc
import os
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from txm2sem.addresses import Address
from txm2sem.errors import UserError


def sign_in(address: Address) -> dict[str, str]:
    """Return how the library is told who signs in, and at which server; `skip_signature`: nobody.

    For web servers it is the header `authorization`, if any.

    Raises:
        UserError: the profile that is named has no keys.
    """
    if address.scheme == "s3":
        return _s3_options()
    return _gs_options() if address.scheme == "gs" else _http_options(address)


def _s3_options() -> dict[str, str]:
    """Return who is signed in where, as Amazon's own programs find it: by the environment, then by a profile.

    Raises:
        UserError: the profile that is named has no keys.
    """
    said = os.environ
    profile = said.get("AWS_PROFILE") or said.get("AWS_DEFAULT_PROFILE") or ""
    known = _profile(profile or "default")
    options = {"disable_bulk_delete": "true"}  # which not all servers know
    endpoint = said.get("AWS_ENDPOINT_URL_S3") or said.get("AWS_ENDPOINT_URL") or known.get("endpoint_url")
    region = said.get("AWS_REGION") or said.get("AWS_DEFAULT_REGION") or known.get("region")
    options |= {"endpoint": endpoint} if endpoint else {}
    options |= {"region": region} if region else {}
    if any(said.get(name) for name in _SIGNED_IN):
        return options | {name: said[name.upper()] for name in _KEYS if said.get(name.upper())}
    keys = {name: known[name] for name in _KEYS if known.get(name)}
    if profile and len(keys) < 2:
        raise UserError(
            f"the profile {profile} (AWS_PROFILE) has no aws_access_key_id and aws_secret_access_key; expected them in "
            "~/.aws/credentials: add them, or hand over what the profile stands for with "
            f'eval "$(aws configure export-credentials --profile {profile} --format env)"'
        )
    if len(keys) >= 2:
        return options | keys
    return options if "Amazon" in _machine() else options | {"skip_signature": "true"}


_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")

_SIGNED_IN = (
    *("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
    *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_SKIP_SIGNATURE"),
)
"""Variables from which the library takes who is signed in, or that nobody is."""


def _profile(name: str) -> Mapping[str, str]:
    """Return what Amazon's files say of a profile."""
    folder = Path.home() / ".aws"
    config = os.environ.get("AWS_CONFIG_FILE") or folder / "config"
    keys = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or folder / "credentials"
    section = name if name == "default" else f"profile {name}"
    return {**_section(Path(config).expanduser(), section), **_section(Path(keys).expanduser(), name)}


@lru_cache(maxsize=16)
def _section(file: Path, name: str) -> Mapping[str, str]:
    parser = configparser.RawConfigParser()
    with suppress(OSError, configparser.Error, UnicodeDecodeError):
        parser.read(file, encoding="utf-8")
    return dict(parser.items(name)) if parser.has_section(name) else {}


def _gs_options() -> dict[str, str]:
    """Return who is signed in at Google: the library finds the files of its own programs; else nobody is."""
    said = (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "GOOGLE_SKIP_SIGNATURE",
    )
    base = os.environ.get("GOOGLE_BASE_URL")
    options = {"base_url": base} if base else {}
    default = Path.home() / ".config" / "gcloud" / "application_default_credentials.json"
    if any(os.environ.get(name) for name in said) or default.exists() or "Google" in _machine():
        return options
    return options | {"skip_signature": "true"}


def _http_options(address: Address) -> dict[str, str]:
    """Return the header that signs in at a web server, where `.netrc` has a password for it."""
    with suppress(OSError, netrc.NetrcParseError):
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(address.host.partition(":")[0])
        if found is not None:
            return {"authorization": f"Basic {b64encode(f'{found[0]}:{found[2]}'.encode()).decode()}"}
    return {}


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return who has made this machine, which tells where its own role may sign in."""
    said = ""
    for name in ("sys_vendor", "product_name"):
        with suppress(OSError):
            said += Path("/sys/devices/virtual/dmi/id", name).read_text(encoding="utf-8", errors="replace")
    return said
