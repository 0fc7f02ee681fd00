"""The rule of channels: preference, fallback, opt-out, silence."""

import pytest

from driveflow.messaging.channels import (
    Addresses,
    Choice,
    Chosen,
    MessageChannel,
    Standing,
    Unreachable,
    Unwanted,
    choose,
)
from driveflow.people.preferences import PreferredChannel

ALL = frozenset(MessageChannel)
MAIL, SMS, WHATSAPP = MessageChannel.EMAIL, MessageChannel.SMS, MessageChannel.WHATSAPP
ADDRESS, NUMBER = "a@b.example", "+61491570156"


def chosen(
    preference: PreferredChannel,
    *,
    standing: Standing,
    email: str | None = ADDRESS,
    phone: str | None = NUMBER,
) -> Choice:
    return choose(Addresses(email, phone, preference), standing, optional=False)


@pytest.mark.parametrize(
    ("preference", "standing", "channel"),
    [
        (PreferredChannel.EMAIL, Standing(ALL), MAIL),
        (PreferredChannel.SMS, Standing(ALL), SMS),
        (PreferredChannel.WHATSAPP, Standing(ALL, whatsapp_allowed=True), WHATSAPP),
        (PreferredChannel.WHATSAPP, Standing(ALL), MAIL),
        (PreferredChannel.WHATSAPP, Standing(frozenset({SMS}), whatsapp_allowed=True), SMS),
        (PreferredChannel.EMAIL, Standing(frozenset({SMS, WHATSAPP}), whatsapp_allowed=True), SMS),
        (PreferredChannel.SMS, Standing(ALL, stopped=frozenset({SMS})), MAIL),
        (PreferredChannel.WHATSAPP, Standing(ALL, frozenset({WHATSAPP}), whatsapp_allowed=True), MAIL),
    ],
)
def test_the_first_channel_that_works_is_taken(
    preference: PreferredChannel, standing: Standing, channel: MessageChannel
) -> None:
    choice = chosen(preference, standing=standing)
    assert isinstance(choice, Chosen)
    assert choice.channel is channel
    assert choice.address == (ADDRESS if channel is MAIL else NUMBER)


def test_whatsapp_is_never_a_fallback() -> None:
    standing = Standing(frozenset({WHATSAPP}), whatsapp_allowed=True)
    assert isinstance(chosen(PreferredChannel.EMAIL, standing=standing), Unreachable)


def test_what_was_passed_over_is_told() -> None:
    choice = chosen(PreferredChannel.SMS, standing=Standing(ALL, stopped=frozenset({SMS})))
    assert choice == Chosen(MAIL, ADDRESS, ("sms: opted out",))


def test_nobody_to_reach_is_kept_with_every_reason() -> None:
    choice = chosen(PreferredChannel.WHATSAPP, standing=Standing(frozenset({WHATSAPP})), email=None)
    assert choice == Unreachable(
        WHATSAPP,
        NUMBER,
        "no channel (whatsapp: no template, and nothing heard from the person for 24 hours; "
        "email: no address; sms: not configured)",
    )
    assert chosen(PreferredChannel.EMAIL, standing=Standing(ALL), email=None, phone=None) == Unreachable(
        MAIL, "", "no channel (email: no address; sms: no address)"
    )


def test_who_wants_nothing_gets_nothing() -> None:
    assert chosen(PreferredChannel.NONE, standing=Standing(ALL)) == Unwanted("wants no messages")


def test_who_has_unsubscribed_still_hears_of_bookings_and_money_but_not_the_rest_by_any_channel() -> None:
    addresses = Addresses(ADDRESS, NUMBER, PreferredChannel.SMS)
    standing = Standing(ALL, unsubscribed=True)
    assert choose(addresses, standing, optional=True) == Unwanted("has unsubscribed")
    assert choose(addresses, standing, optional=False) == Chosen(SMS, NUMBER)
