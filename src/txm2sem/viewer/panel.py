"""A panel of the viewer: what to do, a button that does it in a thread, and one that stops it."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from magicgui.widgets import ComboBox, Container, FileEdit, PushButton, Widget
from napari.qt.threading import create_worker
from napari.utils import progress
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QObject, Signal
from tqdm import tqdm

from txm2sem.errors import Interrupted, UserError
from txm2sem.progress import shown_by

Result = TypeVar("Result")
Job = tuple[Callable[[], Result], Callable[[Result], None]]
"""What is done in a thread, and what shows its result, in that of the viewer."""


class Panel(Container, ABC):
    """A form with two buttons.

    Args:
        viewer: that of napari.
        doing: what the button says.
        widgets: of the form.
    """

    def __init__(self, viewer: Any, doing: str, widgets: Sequence[Widget]) -> None:
        self.viewer = viewer
        self.start = PushButton(text=doing)
        self.stop = PushButton(text="Cancel", enabled=False)
        buttons = Container(widgets=[self.start, self.stop], layout="horizontal", labels=False)
        buttons.margins = (0, 0, 0, 0)
        super().__init__(widgets=[*widgets, buttons])
        self._doing = doing
        self._bar: progress | None = None
        self._told = _Told()
        self._told.progress.connect(self._move)
        self.start.clicked.connect(self.run)

    @abstractmethod
    def job(self) -> Job[Any]:
        """Return what is to be done, by what the form says.

        Raises:
            UserError: the form says nothing that can be done.
        """

    def run(self) -> None:
        """Begin; errors that the user can put right are shown as they are."""
        try:
            work, show = self.job()
        except UserError as error:
            show_error(str(error))
            return
        worker = create_worker(self._work, work, _start_thread=False, _ignore_errors=True)
        self._worker = worker
        worker.returned.connect(show)
        worker.errored.connect(_failed)
        worker.finished.connect(self._finish)
        self.stop.clicked.connect(worker.quit)
        self.start.enabled, self.stop.enabled = False, True
        worker.start()

    def _work(self, work: Callable[[], Result]) -> Result | None:
        """Do it, in its thread; a worker that was asked to end returns nothing to anybody."""
        worker, told = self._worker, self._told

        class ViewerBar(tqdm):  # type: ignore[type-arg]
            """A bar that the viewer shows, and where the work ends when somebody asks for that."""

            monitor_interval = 0

            def __init__(self, items: Iterable[Any] | None, *, disable: bool | None, **options: Any) -> None:
                super().__init__(items, file=io.StringIO(), **options)

            def __iter__(self) -> Any:
                for item in self.iterable:
                    yield item
                    self.update()
                self.close()

            def update(self, n: float | None = 1) -> bool | None:
                if worker.abort_requested:
                    raise Interrupted
                return super().update(n)

            def display(self, msg: str | None = None, pos: int | None = None) -> None:
                told.progress.emit(self.desc.removesuffix(": "), round(100 * self.n / self.total) if self.total else 0)

        try:
            with shown_by(ViewerBar):
                return work()
        except Interrupted:
            return None

    def _move(self, doing: str, percent: int) -> None:
        if self._bar is None or self._bar.doing != doing:
            self._close_bar()
            self._bar = progress(total=100, desc=doing)
            self._bar.doing = doing
        self._bar.update(percent - self._bar.n)
        self.start.text = f"{doing}, {percent} %"

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _finish(self) -> None:
        worker = self._worker
        self._close_bar()
        self.stop.clicked.disconnect(worker.quit)
        self.start.enabled, self.stop.enabled, self.start.text = True, False, self._doing
        if worker.abort_requested:
            show_info(f"{self._doing}: cancelled")


class _Told(QObject):
    """Carries what a thread says to that of the viewer: what it does, and how far that is [%]."""

    progress = Signal(str, int)


def layer_choice(viewer: Any, kind: type[Any], label: str, tooltip: str, *, nullable: bool = False) -> ComboBox:
    """Return a choice of the viewer's layers of a kind, in which the active one is chosen."""

    def layers(_: Any) -> list[Any]:
        return [layer for layer in viewer.layers if isinstance(layer, kind)]

    choice = ComboBox(label=label, choices=layers, nullable=nullable, tooltip=tooltip)
    active = viewer.layers.selection.active
    if isinstance(active, kind) and not nullable:
        choice.value = active
    return choice


def output_choice(label: str, tooltip: str) -> FileEdit:
    """Return a choice of where a result is kept; empty: nowhere."""
    return FileEdit(mode="w", label=label, tooltip=tooltip, nullable=True)


def _failed(error: Exception) -> None:
    """Show an error that the user can put right; raise others, so that the viewer shows where they come from."""
    if not isinstance(error, UserError):
        raise error
    show_error(str(error))
