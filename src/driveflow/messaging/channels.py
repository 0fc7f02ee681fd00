"""Decide by which channel a message reaches a person; the only place that knows.

The channel a person prefers comes first, then e-mail, then SMS. WhatsApp is used only for those who chose it:
its owner asks that people agree to it first. The first of them is taken by which the message can really go:

* the person has an address for it: an e-mail address, or for SMS and WhatsApp a phone number;
* the school's installation has it configured (settings of SMTP or Twilio);
* the number has not said STOP to us;
* for WhatsApp there is an approved content template for this message, or the person wrote to us within the
  last 24 hours: free text is allowed only then
  (https://www.twilio.com/docs/whatsapp/key-concepts#the-24-hour-window).

When none is left the message is kept as failed, with what stood in the way of each, so that the school can
see whom it does not reach.

Who prefers `none` gets nothing, and nothing is kept. An e-mail address that has unsubscribed gets no optional
message any more by any channel: that was a wish for silence, not for a text message instead. A STOP concerns
its number's channel only. Optional are reminders and summaries of lessons; all other messages (bookings,
money) tell what was agreed or paid, and keep going (`triggers.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from driveflow.people.preferences import PreferredChannel


class MessageChannel(StrEnum):
    """Ways to reach a person."""

    EMAIL = "email"
    SMS = "sms"
    WHATSAPP = "whatsapp"


PHONE_CHANNELS: Final = frozenset({MessageChannel.SMS, MessageChannel.WHATSAPP})
"""The channels that make a phone ring: they wait during quiet hours and obey STOP."""

_ORDERS: Final[Mapping[PreferredChannel, tuple[MessageChannel, ...]]] = MappingProxyType(
    {
        PreferredChannel.EMAIL: (MessageChannel.EMAIL, MessageChannel.SMS),
        PreferredChannel.SMS: (MessageChannel.SMS, MessageChannel.EMAIL),
        PreferredChannel.WHATSAPP: (MessageChannel.WHATSAPP, MessageChannel.EMAIL, MessageChannel.SMS),
        PreferredChannel.NONE: (),
    }
)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a person can be reached, and what the person wants."""

    email: str | None
    phone: str | None
    preference: PreferredChannel = PreferredChannel.EMAIL

    def of(self, channel: MessageChannel) -> str | None:
        """Return the address for a channel."""
        return self.email if channel is MessageChannel.EMAIL else self.phone


@dataclass(frozen=True, slots=True)
class Standing:
    """What the person's addresses told us before, and what can be sent at all."""

    configured: frozenset[MessageChannel]
    stopped: frozenset[MessageChannel] = field(default_factory=frozenset)
    unsubscribed: bool = False
    whatsapp_allowed: bool = False
    """There is a content template for this message, or the 24 hours are not over."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The message goes this way; `passed_over` says why not an earlier one."""

    channel: MessageChannel
    address: str
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The message can go no way; the channel is the one that was wanted, the address may be empty."""

    channel: MessageChannel
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unwanted:
    """The person wants no such message."""

    reason: str


Choice = Chosen | Unreachable | Unwanted


def choose(addresses: Addresses, standing: Standing, *, optional: bool) -> Choice:
    """Return how a message reaches a person; `optional` is whether it is one of those one can unsubscribe."""
    order = _ORDERS[addresses.preference]
    if not order:
        return Unwanted("wants no messages")
    if optional and standing.unsubscribed:
        return Unwanted("has unsubscribed")
    obstacles: list[str] = []
    for channel in order:
        address = addresses.of(channel)
        obstacle = _obstacle(channel, address, standing)
        if address is not None and obstacle is None:
            return Chosen(channel, address, tuple(obstacles))
        obstacles.append(f"{channel}: {obstacle}")
    wanted = order[0]
    return Unreachable(wanted, addresses.of(wanted) or "", "no channel (" + "; ".join(obstacles) + ")")


def _obstacle(channel: MessageChannel, address: str | None, standing: Standing) -> str | None:
    if not address:
        return "no address"
    if channel not in standing.configured:
        return "not configured"
    if channel in standing.stopped:
        return "opted out"
    if channel is MessageChannel.WHATSAPP and not standing.whatsapp_allowed:
        return "no template, and nothing heard from the person for 24 hours"
    return None
