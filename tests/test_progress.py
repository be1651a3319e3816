from __future__ import annotations

import pytest
from tqdm import tqdm

from txm2sem.errors import Interrupted
from txm2sem.progress import progress_bar, shown_by


def test_bars_are_shown_by_the_class_that_a_caller_names_and_by_no_other_afterwards() -> None:
    class Own(tqdm):  # type: ignore[type-arg]
        def update(self, n: float | None = 1) -> bool | None:
            raise Interrupted

    with shown_by(Own), pytest.raises(Interrupted), progress_bar(total=3, desc="working") as bar:
        bar.update()
    with progress_bar(total=3, desc="working") as bar:
        bar.update()
    assert not isinstance(bar, Own)
    assert list(progress_bar(range(3), desc="working")) == [0, 1, 2]
