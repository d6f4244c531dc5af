"""Receiving from several sources at once."""

from collections.abc import Iterator
from typing import Any

from coterie._core import select
from coterie.queue import ShutDown


def merge(*sources: Any) -> Iterator[Any]:
    """Iterate over what comes from several sources, until all are shut down.

    A source is what `select` receives from: a queue, a receiving end. No item is
    lost if the iteration ends early: what was not asked for stays where it is.
    """
    live = list(sources)
    while live:
        try:
            _, item = select(*live)
        except ShutDown as exc:
            live = [source for source in live if source is not exc.case]
        else:
            yield item
