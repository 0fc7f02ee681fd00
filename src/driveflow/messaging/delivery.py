"""Decide which moves a message's status allows; the only place that knows.

| from      | to                                         | because |
|-----------|--------------------------------------------|---------|
| queued    | sending                                    | a worker takes it in hand |
| queued    | failed                                     | nobody to send it to, or not wanted any more |
| sending   | queued                                     | it certainly did not leave; tried again later |
| sending   | sent, failed, unknown                      | what the other side answered, or did not |
| sending   | delivered, undelivered                     | a callback was faster than the answer |
| unknown   | sent, delivered, undelivered, failed       | a callback tells what became of it |
| sent      | delivered, undelivered, failed             | a callback |

`delivered`, `undelivered` and `failed` are final. Callbacks come late, twice and in any order: one that would
lead backwards changes nothing. A message in `sending` whose worker died becomes `unknown` and is never sent
again by itself: SMS and mail have no idempotency key, and a second "your lesson is cancelled" is worse than
asking. Staff may resend it, which makes a new message.

Only a message that certainly did not leave goes back to `queued`: the server was not reached, or refused for
the time being (SMTP 4xx, HTTP 429). It is tried again after each of PAUSES, for about a day in all: a mail
server that is down for a night costs a delay and no message.

Twilio's statuses, from https://www.twilio.com/docs/messaging/api/message-resource#message-status-values:
accepted, scheduled, queued, sending and sent all mean that Twilio has it; read is delivered and more.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

PAUSES: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=8),
    timedelta(hours=8),
)
MAX_TRIES: Final = len(PAUSES) + 1


class MessageStatus(StrEnum):
    """The seed's three, and what a provider's callback can tell."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    UNKNOWN = "unknown"
    FAILED = "failed"


FINAL: Final = frozenset({MessageStatus.DELIVERED, MessageStatus.UNDELIVERED, MessageStatus.FAILED})

_MOVES: Final[Mapping[MessageStatus, frozenset[MessageStatus]]] = MappingProxyType(
    {
        MessageStatus.QUEUED: frozenset({MessageStatus.SENDING, MessageStatus.FAILED}),
        MessageStatus.SENDING: frozenset(
            {MessageStatus.QUEUED, MessageStatus.SENT, MessageStatus.UNKNOWN, *FINAL}
        ),
        MessageStatus.UNKNOWN: frozenset({MessageStatus.SENT, *FINAL}),
        MessageStatus.SENT: FINAL,
        MessageStatus.DELIVERED: frozenset(),
        MessageStatus.UNDELIVERED: frozenset(),
        MessageStatus.FAILED: frozenset(),
    }
)

_OF_TWILIO: Final[Mapping[str, MessageStatus]] = MappingProxyType(
    {
        "accepted": MessageStatus.SENT,
        "scheduled": MessageStatus.SENT,
        "queued": MessageStatus.SENT,
        "sending": MessageStatus.SENT,
        "sent": MessageStatus.SENT,
        "delivered": MessageStatus.DELIVERED,
        "read": MessageStatus.DELIVERED,
        "undelivered": MessageStatus.UNDELIVERED,
        "failed": MessageStatus.FAILED,
        "canceled": MessageStatus.FAILED,
    }
)


def may_move(current: MessageStatus, to: MessageStatus) -> bool:
    """Return whether a message's status may change so; False also when it already is there."""
    return to in _MOVES[current]


def may_resend(current: MessageStatus) -> bool:
    """Return whether staff may send a message again: not while it waits or is in somebody's hands."""
    return current not in {MessageStatus.QUEUED, MessageStatus.SENDING}


def pause_after(tries: int) -> timedelta | None:
    """Return the wait after a try that left the message here, None to give up; `tries` counts it, from 1."""
    return PAUSES[tries - 1] if tries < MAX_TRIES else None


def status_of_twilio(word: str) -> MessageStatus | None:
    """Return what a word of Twilio's means for us, None for one that tells nothing of an outbound message."""
    return _OF_TWILIO.get(word)
