"""Every route with what it asks for; tests of permissions and of the fence between schools are made from it.

A new route needs an entry here, and one of ROUTES' values per id in its body or query.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from driveflow.core.actor import Permission

SCHOOL = "/api/v1/orgs/{org_id}"


@dataclass(frozen=True)
class Ask:
    """What a route asks for: a permission (the school's form), and a request that it accepts.

    `permission` None: any valid key will do; `public`: not even that. In `body` and `query` a text like
    "{student_id}" stands for the id of that name in the school's cast.
    """

    permission: Permission | None = None
    body: Any = None
    query: dict[str, Any] = field(default_factory=dict)
    public: bool = False


_BOOKING = {
    "student_id": "{student_id}",
    "instructor_id": "{instructor_id}",
    "service_id": "{service_id}",
    "start_at": "{free_start}",
}
_MOVE = {"start_at": "{free_start}", "instructor_id": "{instructor_id}", "version": 1}
_WINDOWS = [{"day_of_week": 0, "start_minute": 480, "end_minute": 1080}]
_POINTS = [{"ts": "2026-08-04T00:00:00Z", "lat": -33.9, "lng": 151.2}]
_RANGE = {"from": "2026-08-03", "to": "2026-08-09"}
_QUOTE = {
    "service_id": "{service_id}",
    "instructor_id": "{instructor_id}",
    "at": "2026-08-05T00:00:00Z",
}

# Further requests of a route, where one body cannot name every id that the route takes.
ALSO: dict[str, list[Ask]] = {
    f"POST {SCHOOL}/calendar-feeds": [
        Ask(Permission.BOOKINGS_READ, {"instructor_id": "{instructor_id}"}),
        Ask(Permission.BOOKINGS_READ, {"student_id": "{student_id}"}),
    ],
    f"POST {SCHOOL}/api-keys": [
        Ask(Permission.API_KEYS_MANAGE, {"name": "Key", "role": role, f"{role}_id": f"{{{role}_id}}"})
        for role in ("student", "guardian")
    ],
}

ROUTES: dict[str, Ask] = {
    "GET /": Ask(public=True),
    "GET /api/docs": Ask(public=True),
    "GET /api/docs/assets": Ask(public=True),
    "GET /api/v1/openapi.json": Ask(public=True),
    "GET /healthz": Ask(public=True),
    "GET /readyz": Ask(public=True),
    "GET /metrics": Ask(public=True),
    # The device token in the report is the right to write; tests/trips shows what a wrong one gets.
    "GET /gps/osmand": Ask(public=True),
    "POST /gps/osmand": Ask(public=True),
    # The signature in the header is the right to tell; tests/payments shows what a wrong one gets.
    "POST /webhooks/stripe": Ask(public=True),
    "POST /webhooks/stripe-connect": Ask(public=True),
    "GET /paid": Ask(public=True),
    "GET /onboarding/done": Ask(public=True),
    "GET /onboarding/again": Ask(public=True),
    "GET /not-paid": Ask(public=True),
    # Twilio's signature, or the secret in a link, is the right; tests/messaging shows what a wrong one gets.
    "POST /webhooks/twilio/{message_id}": Ask(public=True),
    "POST /webhooks/twilio-inbound": Ask(public=True),
    "GET /unsubscribe/{token}": Ask(public=True),
    "POST /unsubscribe/{token}": Ask(public=True),
    # The token in the address is the right to read; tests/calendars shows what a wrong one gets.
    "GET /calendar/{token}.ics": Ask(public=True),
    "GET /api/v1/me": Ask(),
    "GET /api/v1/orgs": Ask(Permission.ORG_READ),
    "POST /api/v1/orgs": Ask(Permission.ORG_CREATE, {"name": "Second School"}),
    f"GET {SCHOOL}": Ask(Permission.ORG_READ),
    f"PATCH {SCHOOL}": Ask(Permission.ORG_UPDATE, {"version": 1, "buffer_minutes": 0}),
    f"GET {SCHOOL}/members": Ask(Permission.MEMBERS_READ),
    f"POST {SCHOOL}/members": Ask(
        Permission.MEMBERS_MANAGE, {"email": "new@school.example", "role": "student"}
    ),
    f"PATCH {SCHOOL}/members/{{member_id}}": Ask(Permission.MEMBERS_MANAGE, {"role": "student"}),
    f"DELETE {SCHOOL}/members/{{member_id}}": Ask(Permission.MEMBERS_MANAGE),
    f"GET {SCHOOL}/api-keys": Ask(Permission.API_KEYS_MANAGE),
    f"POST {SCHOOL}/api-keys": Ask(
        Permission.API_KEYS_MANAGE, {"name": "Key", "role": "instructor", "instructor_id": "{instructor_id}"}
    ),
    f"DELETE {SCHOOL}/api-keys/{{key_id}}": Ask(Permission.API_KEYS_MANAGE),
    f"GET {SCHOOL}/instructors": Ask(Permission.INSTRUCTORS_READ),
    f"POST {SCHOOL}/instructors": Ask(Permission.INSTRUCTORS_MANAGE, {"display_name": "New Instructor"}),
    f"GET {SCHOOL}/instructors/{{instructor_id}}": Ask(Permission.INSTRUCTORS_READ),
    f"PATCH {SCHOOL}/instructors/{{instructor_id}}": Ask(
        Permission.INSTRUCTORS_MANAGE, {"version": 1, "phone": None}
    ),
    f"DELETE {SCHOOL}/instructors/{{instructor_id}}": Ask(Permission.INSTRUCTORS_MANAGE),
    f"GET {SCHOOL}/instructors/{{instructor_id}}/availability": Ask(Permission.AVAILABILITY_READ),
    f"PUT {SCHOOL}/instructors/{{instructor_id}}/availability": Ask(Permission.AVAILABILITY_MANAGE, _WINDOWS),
    f"GET {SCHOOL}/instructors/{{instructor_id}}/exceptions": Ask(Permission.AVAILABILITY_READ),
    f"PUT {SCHOOL}/instructors/{{instructor_id}}/exceptions/{{date}}": Ask(
        Permission.AVAILABILITY_MANAGE, {"is_available": False}
    ),
    f"DELETE {SCHOOL}/instructors/{{instructor_id}}/exceptions/{{date}}": Ask(Permission.AVAILABILITY_MANAGE),
    f"GET {SCHOOL}/students": Ask(Permission.STUDENTS_READ),
    f"POST {SCHOOL}/students": Ask(Permission.STUDENTS_MANAGE, {"full_name": "New Student"}),
    f"GET {SCHOOL}/students/{{student_id}}": Ask(Permission.STUDENTS_READ),
    f"PATCH {SCHOOL}/students/{{student_id}}": Ask(Permission.STUDENTS_MANAGE, {"version": 1, "notes": None}),
    f"DELETE {SCHOOL}/students/{{student_id}}": Ask(Permission.STUDENTS_MANAGE),
    f"GET {SCHOOL}/guardians": Ask(Permission.GUARDIANS_READ),
    f"POST {SCHOOL}/guardians": Ask(Permission.GUARDIANS_MANAGE, {"full_name": "New Guardian"}),
    f"GET {SCHOOL}/guardians/{{guardian_id}}": Ask(Permission.GUARDIANS_READ),
    f"PATCH {SCHOOL}/guardians/{{guardian_id}}": Ask(
        Permission.GUARDIANS_MANAGE, {"version": 1, "phone": None}
    ),
    f"DELETE {SCHOOL}/guardians/{{guardian_id}}": Ask(Permission.GUARDIANS_MANAGE),
    f"GET {SCHOOL}/students/{{student_id}}/guardians": Ask(Permission.GUARDIANS_READ),
    f"POST {SCHOOL}/students/{{student_id}}/guardians": Ask(
        Permission.GUARDIANS_MANAGE, {"guardian_id": "{guardian_id}"}
    ),
    f"PATCH {SCHOOL}/students/{{student_id}}/guardians/{{guardian_id}}": Ask(
        Permission.GUARDIANS_MANAGE, {"can_pay": True}
    ),
    f"DELETE {SCHOOL}/students/{{student_id}}/guardians/{{guardian_id}}": Ask(Permission.GUARDIANS_MANAGE),
    f"GET {SCHOOL}/services": Ask(Permission.CATALOG_READ),
    f"POST {SCHOOL}/services": Ask(
        Permission.CATALOG_MANAGE, {"name": "Another Service", "duration_min": 45}
    ),
    f"GET {SCHOOL}/services/{{service_id}}": Ask(Permission.CATALOG_READ),
    f"PATCH {SCHOOL}/services/{{service_id}}": Ask(
        Permission.CATALOG_MANAGE, {"version": 1, "description": None}
    ),
    f"DELETE {SCHOOL}/services/{{service_id}}": Ask(Permission.CATALOG_MANAGE),
    f"GET {SCHOOL}/rate-cards": Ask(Permission.CATALOG_READ),
    f"POST {SCHOOL}/rate-cards": Ask(Permission.CATALOG_MANAGE, {"name": "Another Card"}),
    f"GET {SCHOOL}/rate-cards/{{rate_card_id}}": Ask(Permission.CATALOG_READ),
    f"PATCH {SCHOOL}/rate-cards/{{rate_card_id}}": Ask(
        Permission.CATALOG_MANAGE, {"version": 1, "valid_to": None}
    ),
    f"DELETE {SCHOOL}/rate-cards/{{rate_card_id}}": Ask(Permission.CATALOG_MANAGE),
    f"PUT {SCHOOL}/rate-cards/{{rate_card_id}}/items/{{service_id}}": Ask(
        Permission.CATALOG_MANAGE, {"price_cents": 1}
    ),
    f"DELETE {SCHOOL}/rate-cards/{{rate_card_id}}/items/{{service_id}}": Ask(Permission.CATALOG_MANAGE),
    f"GET {SCHOOL}/quote": Ask(Permission.QUOTE_READ, query=_QUOTE),
    f"GET {SCHOOL}/slots": Ask(
        Permission.SLOTS_READ,
        query={
            **_RANGE,
            "service_id": "{service_id}",
            "instructor_id": "{instructor_id}",
            "student_id": "{student_id}",
        },
    ),
    f"GET {SCHOOL}/bookings": Ask(
        Permission.BOOKINGS_READ, query={"instructor_id": "{instructor_id}", "student_id": "{student_id}"}
    ),
    f"POST {SCHOOL}/bookings": Ask(Permission.BOOKINGS_CREATE, _BOOKING),
    f"GET {SCHOOL}/bookings/{{booking_id}}": Ask(Permission.BOOKINGS_READ),
    f"PATCH {SCHOOL}/bookings/{{booking_id}}": Ask(
        Permission.BOOKINGS_UPDATE, {"version": 1, "notes": "Bring glasses"}
    ),
    f"POST {SCHOOL}/bookings/{{booking_id}}/confirm": Ask(Permission.BOOKINGS_CONFIRM),
    f"POST {SCHOOL}/bookings/{{booking_id}}/cancel": Ask(Permission.BOOKINGS_CANCEL, {"reason": "Ill"}),
    f"GET {SCHOOL}/bookings/{{booking_id}}/cancellation-quote": Ask(Permission.BOOKINGS_CANCEL),
    f"POST {SCHOOL}/bookings/{{booking_id}}/waive-fee": Ask(Permission.FEES_WAIVE, {"reason": "Goodwill"}),
    f"POST {SCHOOL}/bookings/{{booking_id}}/reschedule": Ask(Permission.BOOKINGS_RESCHEDULE, _MOVE),
    f"POST {SCHOOL}/bookings/{{booking_id}}/no-show": Ask(Permission.LESSONS_RUN),
    f"POST {SCHOOL}/bookings/{{booking_id}}/start": Ask(Permission.LESSONS_RUN),
    f"POST {SCHOOL}/bookings/{{booking_id}}/complete": Ask(Permission.LESSONS_RUN, {"rating": 5}),
    f"GET {SCHOOL}/bookings/{{booking_id}}/events": Ask(Permission.BOOKINGS_READ),
    f"GET {SCHOOL}/lessons": Ask(
        Permission.LESSONS_READ,
        query={
            "instructor_id": "{instructor_id}",
            "student_id": "{student_id}",
            "booking_id": "{booking_id}",
        },
    ),
    f"GET {SCHOOL}/lessons/{{lesson_id}}": Ask(Permission.LESSONS_READ),
    f"PATCH {SCHOOL}/lessons/{{lesson_id}}": Ask(Permission.LESSONS_RATE, {"version": 1, "rating": 4}),
    f"POST {SCHOOL}/lessons/{{lesson_id}}/trips": Ask(Permission.TRIPS_WRITE),
    f"GET {SCHOOL}/lessons/{{lesson_id}}/trips": Ask(Permission.TRIPS_READ),
    f"GET {SCHOOL}/trips/{{trip_id}}": Ask(Permission.TRIPS_READ),
    f"POST {SCHOOL}/trips/{{trip_id}}/stop": Ask(Permission.TRIPS_WRITE),
    f"POST {SCHOOL}/trips/{{trip_id}}/points": Ask(Permission.TRIPS_WRITE, _POINTS),
    f"GET {SCHOOL}/trips/{{trip_id}}/points": Ask(Permission.TRIPS_READ),
    f"POST {SCHOOL}/bookings/{{booking_id}}/payment": Ask(Permission.PAYMENTS_START, {"mode": "checkout"}),
    f"POST {SCHOOL}/bookings/{{booking_id}}/payment/record": Ask(
        Permission.PAYMENTS_MANAGE, {"method": "cash", "reference": "Receipt 1"}
    ),
    f"GET {SCHOOL}/payments": Ask(
        Permission.PAYMENTS_READ, query={"booking_id": "{booking_id}", "student_id": "{student_id}"}
    ),
    f"GET {SCHOOL}/payments/{{payment_id}}": Ask(Permission.PAYMENTS_READ),
    f"GET {SCHOOL}/payments/{{payment_id}}/refunds": Ask(Permission.PAYMENTS_READ),
    f"POST {SCHOOL}/payments/{{payment_id}}/refunds": Ask(
        Permission.PAYMENTS_MANAGE, {"amount_cents": 1, "reason": "Goodwill"}
    ),
    f"POST {SCHOOL}/refunds/{{refund_id}}/retry": Ask(Permission.PAYMENTS_MANAGE),
    f"GET {SCHOOL}/ledger": Ask(
        Permission.LEDGER_READ, query={"booking_id": "{booking_id}", "entity_id": "{payment_id}"}
    ),
    f"GET {SCHOOL}/ledger/balances": Ask(Permission.LEDGER_READ),
    f"GET {SCHOOL}/webhook-events": Ask(Permission.OPS),
    f"POST {SCHOOL}/webhook-events/{{event_id}}/replay": Ask(Permission.OPS),
    f"POST {SCHOOL}/instructors/{{instructor_id}}/onboarding": Ask(Permission.PAYOUT_ACCOUNTS_MANAGE),
    f"GET {SCHOOL}/payouts": Ask(Permission.PAYOUTS_READ, query={"instructor_id": "{instructor_id}"}),
    f"GET {SCHOOL}/payouts/{{payout_id}}": Ask(Permission.PAYOUTS_READ),
    f"POST {SCHOOL}/payouts/{{payout_id}}/mark-paid": Ask(
        Permission.PAYMENTS_MANAGE, {"reference": "Transfer 1"}
    ),
    f"GET {SCHOOL}/messages": Ask(
        Permission.MESSAGES_READ, query={"related_id": "{booking_id}", "recipient_id": "{student_id}"}
    ),
    f"GET {SCHOOL}/messages/{{message_id}}": Ask(Permission.MESSAGES_READ),
    f"POST {SCHOOL}/messages/{{message_id}}/resend": Ask(Permission.MESSAGES_MANAGE),
    f"GET {SCHOOL}/invoices": Ask(
        Permission.PAYMENTS_READ,
        query={
            "payment_id": "{payment_id}",
            "booking_id": "{booking_id}",
            "student_id": "{student_id}",
        },
    ),
    f"GET {SCHOOL}/invoices/{{invoice_id}}": Ask(Permission.PAYMENTS_READ),
    f"GET {SCHOOL}/invoices/{{invoice_id}}.pdf": Ask(Permission.PAYMENTS_READ),
    f"GET {SCHOOL}/payments/{{payment_id}}/invoice": Ask(Permission.PAYMENTS_READ),
    f"GET {SCHOOL}/calendar-feeds": Ask(Permission.BOOKINGS_READ),
    f"POST {SCHOOL}/calendar-feeds": Ask(Permission.BOOKINGS_READ, {}),
    f"DELETE {SCHOOL}/calendar-feeds/{{feed_id}}": Ask(Permission.BOOKINGS_READ),
    f"GET {SCHOOL}/audit-log": Ask(
        Permission.AUDIT_READ,
        query={"entity_type": "Booking", "entity_id": "{booking_id}", "actor_user_id": "{owner_user_id}"},
    ),
}

# Ids that a body or query takes and that no request above names, with the reason.
NOT_TRIED: dict[tuple[str, str], str] = {}

# Path parameters that are no ids: a value that fits.
PLAIN_PARAMETERS = {"date": "2026-08-05"}


def routes_of(app: FastAPI) -> Iterator[str]:
    """Yield every route of an application as `METHOD /path`, hidden ones and mounted folders too."""
    for route in iter_route_contexts(app.routes):
        for method in sorted(getattr(route, "methods", None) or {"GET"}):
            if method != "HEAD":
                yield f"{method} {route.path}"
