"""The results of a test, which take the place of earlier ones when they are whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from txm2sem.drafts import Draft, Stage
from txm2sem.runs import RunPaths


class NewResults:
    """The results of a test while it runs. When they are whole, they take the place of the earlier ones.

    Args:
        paths: of the run.
        save_name: of a test on a cube; empty for one of patches or slices.

    Attributes:
        draft: the results while they grow.
        paths: the run, with its results where they grow.
        text: what was found, for people.
        figure: the same to look at.
        options_text: how it was tested, for people.
    """

    def __init__(self, paths: RunPaths, save_name: str = "") -> None:
        self._run = paths
        self._save_name = save_name
        self.draft = Draft(
            paths.continuity(save_name, ".json") if save_name else paths.evaluation, "test", resumable=False
        )
        self.paths = new = replace(paths, results=self.draft.folder / "results")
        self.text = new.continuity(save_name, ".txt") if save_name else new.evaluation
        self.figure = new.volume_figure(save_name) if save_name else new.overview
        self.options_text = new.volume_options_text(save_name) if save_name else new.test_options_text

    def scores(self, suffix: str) -> Path:
        """Return the scorecard: to look at (`.png`), for programs (`.json`, `.csv`)."""
        return self.paths.volume_scores(self._save_name, suffix) if self._save_name else self.paths.scores(suffix)

    @contextmanager
    def begin(self) -> Iterator[Stage]:
        """Make the folder that they grow in, see `Draft.begin`; where nothing was found, no folder of theirs stays."""
        places = (self._run.results, *self._run.results.parents)
        absent = [folder for folder in places if not folder.exists()]
        try:
            with self.draft.begin({}, replaced=True) as stage:
                yield stage
        finally:
            with suppress(OSError):
                for folder in absent:
                    folder.rmdir()

    def finish(self) -> Path | None:
        """Move earlier results into a dated folder beside the run's, which is returned, and these into their place."""
        last = self.paths.results / self.draft.output.name
        beside = {path: self.place(path) for path in sorted(self.paths.results.iterdir()) if path != last}
        earlier = self._run.volume_outputs(self._save_name) if self._save_name else self._run.test_outputs()
        return self.draft.finish(last, beside, earlier=earlier, aside=self._run.results)

    def place(self, path: Path) -> Path:
        """Return where a file of theirs is in the end."""
        return self._run.results / path.relative_to(self.paths.results)
