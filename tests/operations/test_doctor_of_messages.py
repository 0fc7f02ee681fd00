"""`driveflow doctor` on messages: what it says of good and of wrong settings, by real connections."""

from pathlib import Path
from typing import Any

import pytest

from driveflow.core.settings import Settings, SettingsError, load_settings
from driveflow.entrypoints.doctor import Finding
from driveflow.entrypoints.doctor_messages import examine_messages
from driveflow.sandbox.mailbox.server import mailbox_sandbox
from support.bad_mail_server import DROP, bad_mail_server


async def findings(**settings: Any) -> dict[str, Finding]:
    found = await examine_messages(Settings(_env_file=None, **settings))
    return {finding.subject: finding for finding in found}


async def test_all_is_well_with_the_sandbox_behind_a_real_address(tmp_path: Path) -> None:
    async with mailbox_sandbox(tmp_path, public_url="http://127.0.0.1:9") as mailbox:
        told = await findings(public_url="https://driveflow.example", **mailbox.settings())
        assert mailbox.store.mails() == []
        assert mailbox.store.threads() == []
    assert not [finding for finding in told.values() if finding.advice]
    assert told["Twilio"].fact == "account is active"
    assert (told["SMS"].fact, told["WhatsApp"].fact) == ("on", "on")
    assert "answers; mail comes from" in told["mail"].fact


async def test_what_is_not_configured_is_off_and_no_problem() -> None:
    told = await findings()
    assert not [finding for finding in told.values() if finding.advice]
    assert told["mail"].fact.startswith("off")
    assert told["Twilio"].fact.startswith("off")


async def test_wrong_credentials_and_dead_servers_are_named_with_advice(tmp_path: Path) -> None:
    async with (
        mailbox_sandbox(tmp_path, public_url="http://127.0.0.1:9") as mailbox,
        bad_mail_server(banner=DROP) as dead,
    ):
        wrong = {
            **mailbox.settings(),
            "twilio_auth_token": "wrong",
            "smtp_url": f"smtp://127.0.0.1:{dead.port}",
        }
        told = await findings(**wrong)
        half = await findings(**{**mailbox.settings(), "twilio_sms_from": None})
    assert "401" in told["Twilio"].fact
    assert told["Twilio"].advice
    assert told["mail"].advice
    assert "set DRIVEFLOW_PUBLIC_URL" in told["links"].advice
    assert half["SMS"].fact == "off: DRIVEFLOW_TWILIO_SMS_FROM is not set"


@pytest.mark.parametrize(
    ("name", "value"),
    [("smtp_url", "mail.example:25"), ("smtp_url", "smtp://"), ("public_url", "driveflow.example")],
)
def test_a_wrong_setting_stops_the_program_and_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"DRIVEFLOW_{name.upper()} is wrong"):
        load_settings(_env_file=None, **{name: value})


def test_links_begin_with_the_public_address_or_this_machines() -> None:
    assert Settings(_env_file=None, port=8123).public_base == "http://localhost:8123"
    public = Settings(_env_file=None, public_url="https://driveflow.example/")
    assert public.public_base == "https://driveflow.example"
