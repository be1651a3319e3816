"""However a command ends, the status and one line say so, and what is printed to may be anything."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from txm2sem.cli import commands
from txm2sem.cli.console import Console, console
from txm2sem.cli.main import main
from txm2sem.errors import Interrupted, UserError, interruptible, printable

TXM2SEM = [sys.executable, "-c", "import sys; from txm2sem.cli.main import main; sys.exit(main(sys.argv[1:]))"]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int]], None]:
    """Return a function that gives the program another command `check`."""

    def replace(action: Callable[[], int]) -> None:
        monkeypatch.setattr(commands, "check", lambda words, program: action())

    return replace


def _raise(error: BaseException) -> Callable[[], int]:
    def action() -> int:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UserError("expected this"), 1, "expected this"),
        (OSError(28, "No space left on device", "out/a.tif"), 1, "out/a.tif"),
        (PermissionError(13, "Permission denied", "a", None, "b"), 1, "a -> b"),
        (MemoryError(), 1, "memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), 1, "memory"),
        (RecursionError("maximum recursion depth exceeded"), 1, "nested"),
        (UnicodeEncodeError("utf-8", "\udcfc", 0, 1, "surrogates not allowed"), 1, "UTF-8"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Interrupted(signal.SIGTERM), 143, "interrupted"),
        (Interrupted(signal.SIGHUP), 129, "interrupted"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_error_is_one_line_and_a_status(
    command: Callable[[Callable[[], int]], None],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    said: str,
) -> None:
    command(_raise(error))
    assert main(["check"]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("txm2sem check: ")
    assert said in err
    assert err.count("\n") == 1


def test_what_is_no_fault_of_user_or_machine_is_shown_whole(command: Callable[[Callable[[], int]], None]) -> None:
    command(_raise(KeyError("a fault of the program")))
    with pytest.raises(KeyError):
        main(["check"])


def test_what_to_do_after_an_interruption_is_said_by_the_command_that_knows(
    command: Callable[[Callable[[], int]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    stop = Interrupted(signal.SIGTERM)
    stop.add_note("the same command goes on")
    command(_raise(stop))
    assert main(["check"]) == 143
    assert capsys.readouterr().err == "txm2sem check: interrupted; the same command goes on\n"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_signals_end_a_command_in_order(
    command: Callable[[Callable[[], int]], None], number: signal.Signals, status: int
) -> None:
    tidied = []

    def action() -> int:
        try:
            signal.raise_signal(number)
            return 0
        finally:
            tidied.append(number)

    before = signal.getsignal(number)
    command(action)
    assert main(["check"]) == status
    assert tidied == [number]
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("error", [ImportError("numpy.core.multiarray failed to import"), SystemError("NULL")])
def test_an_interrupt_that_a_library_makes_an_error_of_is_one(
    command: Callable[[Callable[[], int]], None], capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    @interruptible("the same command goes on")
    def action() -> int:
        try:
            signal.raise_signal(signal.SIGTERM)
        except BaseException:
            raise error from None
        return 0

    command(action)
    assert main(["check"]) == 143
    assert capsys.readouterr().err == "txm2sem check: interrupted; the same command goes on\n"


def test_what_cannot_be_saved_at_the_end_is_said(
    command: Callable[[Callable[[], int]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def action() -> int:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            raise UserError("the disk is full")

    command(action)
    assert main(["check"]) == 1
    assert capsys.readouterr().err == "txm2sem check: error: the disk is full\n"


def test_a_signal_that_is_ignored_stays_ignored(command: Callable[[Callable[[], int]], None]) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        command(lambda: len([signal.raise_signal(signal.SIGHUP)]) - 1)  # type: ignore[func-returns-value]
        assert main(["check"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_reader_that_ends_is_a_terminal_that_closes() -> None:
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run([*TXM2SEM, "phantom"], stdout=write, stderr=write, check=False)
    os.close(write)
    assert ended.returncode == 129


def test_who_has_read_enough_of_the_help_hears_no_complaint() -> None:
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run([*TXM2SEM, "--help"], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert ended.stderr == b""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_files_may_be_closed_and_take_no_file_of_the_users(tmp_path: Path, closed: str) -> None:
    words = f"""
import sys
from txm2sem.cli import commands, main as program

def main(words, name):
    print("out")
    print("err", file=sys.stderr)
    with open({str(tmp_path / "a")!r}, "w") as file:
        return 0 if file.fileno() > 2 else 7

commands.check = main
sys.exit(program.main(["check"]))
"""
    ended = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", words], check=False)
    assert ended.returncode == 0


def test_a_console_that_knows_few_characters_spells_out_the_others() -> None:
    raw = io.BytesIO()
    stream = Console(io.TextIOWrapper(raw, encoding="ascii"), plain=True)
    stream.write("3 ± 1 µm \udcfc.tif\n")
    assert raw.getvalue() == b"3 \\xb1 1 \\xb5m \\udcfc.tif\n"


def test_names_cannot_move_the_cursor_or_turn_text_around() -> None:
    assert printable("a\x1b[2J\x9b\u202eb\r\tc\n") == "a\\x1b[2J\\x9b\\u202eb\\r\tc\n"


def test_a_console_that_is_gone_says_so_once_and_takes_everything() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    told = []
    before = signal.signal(signal.SIGHUP, lambda number, frame: told.append(number))
    try:
        stream = Console(Gone(), plain=True)
        for _ in range(3):
            print("on", file=stream)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert told == [signal.SIGHUP]


def test_what_libraries_write_to_a_console_behind_its_command_tells_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Handlers of logs keep the stream that they found, and flush it when Python exits."""
    told = []
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    before = signal.signal(signal.SIGHUP, lambda number, frame: told.append(number))
    try:
        with console():
            kept = sys.stderr
        kept.close()
        print("late", file=kept)
        kept.flush()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert told == []


def test_what_libraries_advise_their_users_is_not_printed() -> None:
    words = """
import logging, sys, warnings
from txm2sem.cli import commands, main as program

def main(words, name):
    warnings.warn("deprecated")
    logging.getLogger("tifffile").error("a tag")
    return 0

commands.check = main
sys.exit(program.main(["check"]))
"""
    ended = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
