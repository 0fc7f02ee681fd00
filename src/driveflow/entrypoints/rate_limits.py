"""Request rates per API key and per address, in this process's memory.

GCRA (a leaky bucket that stores one time a caller): a burst up to a minute's rate, then an even flow. The
bookkeeping is a dictionary look-up because every request pays it.
"""

import math
from collections.abc import Callable
from time import monotonic

from driveflow.core.errors import TooManyRequestsError

_WINDOW_S = 60.0
_CALLERS_LIMIT = 50_000


class RateLimits:
    """Two limits: a key that has proved itself is counted by key, everything else by address.

    So keys cannot be guessed at leisure, and one busy school does not use up its neighbours' rate.
    """

    def __init__(
        self, *, key_per_min: int, address_per_min: int, clock: Callable[[], float] = monotonic
    ) -> None:
        self._key_interval_s = _WINDOW_S / key_per_min
        self._address_interval_s = _WINDOW_S / address_per_min
        self._clock = clock
        self._keys: dict[str, float] = {}
        self._addresses: dict[str, float] = {}

    def check(self, authorization: str | None, address: str | None) -> None:
        """Count one request; raise TooManyRequestsError when its key or address is over its rate."""
        if authorization is not None and authorization in self._keys:
            self._count(self._keys, authorization, self._key_interval_s)
        else:
            self._count(self._addresses, str(address), self._address_interval_s)

    def proven(self, authorization: str | None, address: str | None) -> None:
        """Count this header by itself from now on, because it carried a valid key; give its address back."""
        if authorization is not None and authorization not in self._keys:
            _make_room(self._keys, self._clock())
            self._keys[authorization] = self._clock()
            self._addresses.pop(str(address), None)

    def _count(self, callers: dict[str, float], caller: str, interval_s: float) -> None:
        now = self._clock()
        due = max(callers.get(caller, now), now)
        if due - now > _WINDOW_S - interval_s:
            raise TooManyRequestsError(math.ceil(due - now - _WINDOW_S + interval_s))
        _make_room(callers, now)
        callers[caller] = due + interval_s


def _make_room(callers: dict[str, float], now: float) -> None:
    if len(callers) < _CALLERS_LIMIT:
        return
    for caller in [who for who, full_at in callers.items() if full_at <= now]:
        del callers[caller]
