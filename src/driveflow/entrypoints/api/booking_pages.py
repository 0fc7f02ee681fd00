"""The answer to a list of bookings, written from its columns."""

import msgspec

from driveflow.bookings.listing import BookingPage
from driveflow.core import clock


def page_as_json(page: BookingPage) -> str:
    """Return a page as JSON, its items like `BookingSummaryOut`.

    Joined from texts: what is not JSON yet are ids, words of ours and times, which need no escaping. An
    object for each row would cost more than reading it.
    """
    text = clock.epoch_min_text
    students, instructors, services = page.students, page.instructors, page.services
    items = ",".join(
        [
            f'{{"id":"{booking_id}","start_at":"{text(start_min)}","end_at":"{text(end_min)}",'
            f'"status":"{status}","student_id":"{student_id}","student_name":{students[student_id]},'
            f'"instructor_id":"{instructor_id}","instructor_name":{instructors[instructor_id]},'
            f'"service_id":"{service_id}","service_name":{services[service_id]},"currency":"{currency}",'
            f'"price_cents":{price_cents},"fee_cents":{fee_cents},"pickup_address":{pickup_address},'
            f'"hold_expires_at":{hold},"series_id":{series},"version":{version}}}'
            for (
                booking_id,
                start_min,
                end_min,
                status,
                student_id,
                instructor_id,
                service_id,
                currency,
                price_cents,
                fee_cents,
                pickup_address,
                hold,
                series,
                version,
            ) in zip(
                page.ids,
                page.starts,
                page.ends,
                page.statuses,
                page.student_ids,
                page.instructor_ids,
                page.service_ids,
                page.currencies,
                page.prices,
                page.fees,
                page.pickup_addresses,
                page.holds,
                page.series,
                page.versions,
                strict=True,
            )
        ]
    )
    return f'{{"items":[{items}],"next_cursor":{msgspec.json.encode(page.next_cursor).decode()}}}'
