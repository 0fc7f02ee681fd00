"""All tables in one import, for Alembic and for checks of the whole schema."""

from driveflow.availability.models import AvailabilityException, InstructorAvailability
from driveflow.bookings.models import Booking
from driveflow.calendars.models import CalendarFeed
from driveflow.catalog.models import RateCard, RateCardItem, Service
from driveflow.core.audit import AuditLog
from driveflow.core.db import Base
from driveflow.core.idempotency import IdempotencyKey
from driveflow.core.outbox import Outbox
from driveflow.core.webhooks import WebhookEvent
from driveflow.invoices.models import Invoice, InvoiceNumber
from driveflow.lessons.models import Lesson
from driveflow.messaging.models import MailOptOut, Message, PhoneContact
from driveflow.orgs.models import ApiKey, Org, User, UserOrg
from driveflow.payments.models import LedgerEntry, Payment, Refund, StripeObject, StripeRequest
from driveflow.payouts.models import Payout, PayoutDebt, PayoutDispute, PayoutLine, PayoutReversal
from driveflow.people.models import Guardian, Instructor, Student, StudentGuardian
from driveflow.trips.models import Trip, TripPoint

CONTROL_PLANE = frozenset(
    {"orgs", "users", "user_orgs", "webhook_events", "stripe_objects", "phone_contacts"}
)
"""Tables without row-level security: they are read before the school is known (schema decision 3)."""

__all__ = [
    "CONTROL_PLANE",
    "ApiKey",
    "AuditLog",
    "AvailabilityException",
    "Base",
    "Booking",
    "CalendarFeed",
    "Guardian",
    "IdempotencyKey",
    "Instructor",
    "InstructorAvailability",
    "Invoice",
    "InvoiceNumber",
    "LedgerEntry",
    "Lesson",
    "MailOptOut",
    "Message",
    "Org",
    "Outbox",
    "Payment",
    "Payout",
    "PayoutDebt",
    "PayoutDispute",
    "PayoutLine",
    "PayoutReversal",
    "PhoneContact",
    "RateCard",
    "RateCardItem",
    "Refund",
    "Service",
    "StripeObject",
    "StripeRequest",
    "Student",
    "StudentGuardian",
    "Trip",
    "TripPoint",
    "User",
    "UserOrg",
    "WebhookEvent",
]
