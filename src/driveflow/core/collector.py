"""The garbage collector of Python, kept out of the way of a starting process."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Import and build without the garbage collector, and let it pass over what was made, for good.

    Classes, functions and tables live as long as the process: searching them for garbage again and again is a
    seventh of the start-up, and later a pause in the middle of a request.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
