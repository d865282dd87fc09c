"""A made-up calendar of appointments. It is always the same: a third of the times are taken."""

from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice
from zlib import crc32

from orchestrator.agents.appointments.wish import Wish

DAYS_AHEAD = 14
OFFERS = 3
TIMES = tuple(time(hour, minute) for hour in (9, 10, 11, 14, 15, 16) for minute in (0, 30))
SATURDAY = 5


def free_slots(today: date, avoided: Collection[date] = ()) -> list[datetime]:
    """Return every free appointment on the working days from tomorrow on, in order, but none on `avoided` days."""
    days = (today + timedelta(days=ahead) for ahead in range(1, DAYS_AHEAD + 1))
    return [slot for day in days if day.weekday() < SATURDAY and day not in avoided for slot in _free_on(day)]


def first_offers(today: date, wish: Wish | None = None, avoided: Collection[date] = ()) -> list[datetime]:
    """Return one appointment on each of the next days that fit, at different times of day."""
    by_day: dict[date, list[datetime]] = {}
    for slot in free_slots(today, avoided) if wish is None else fitting(wish, today, avoided):
        by_day.setdefault(slot.date(), []).append(slot)
    return [slots[len(slots) * n // OFFERS] for n, slots in enumerate(islice(by_day.values(), OFFERS))]


def fitting(wish: Wish, today: date, avoided: Collection[date] = ()) -> list[datetime]:
    """Return the free appointments that fit `wish`, in order."""
    return [slot for slot in free_slots(today, avoided) if wish.fits(slot)]


def offers_for(wish: Wish, today: date, avoided: Collection[date] = ()) -> list[datetime]:
    """Return a few appointments that fit: on several days if the wish allows several, otherwise on one."""
    spread = first_offers(today, wish, avoided)
    return spread if len(spread) > 1 else fitting(wish, today, avoided)[:OFFERS]


def nearest(wish: Wish, today: date, avoided: Collection[date] = ()) -> list[datetime]:
    """Return a few free appointments, those nearest to a wish that nothing fits."""
    slots = free_slots(today, avoided)
    wanted = datetime.combine(wish.day or wish.first or slots[0].date(), wish.at or wish.earliest or time(12))
    return sorted(sorted(slots, key=lambda slot: abs(slot - wanted))[:OFFERS])


def after(slots: Iterable[datetime], today: date, avoided: Collection[date] = ()) -> list[datetime]:
    """Return the next few after the last of `slots`, or the first offers again if there are none."""
    last = max(slots, default=datetime.combine(today, time()))
    return [s for s in free_slots(today, avoided) if s > last][:OFFERS] or first_offers(today, avoided=avoided)


def before(slots: Iterable[datetime], today: date, avoided: Collection[date] = ()) -> list[datetime]:
    """Return the few before the first of `slots`; none if it is the first of all."""
    first = min(slots, default=datetime.combine(today, time()))
    return [slot for slot in free_slots(today, avoided) if slot < first][-OFFERS:]


def _free_on(day: date) -> Iterator[datetime]:
    slots = (datetime.combine(day, at) for at in TIMES)
    return (slot for slot in slots if crc32(slot.isoformat().encode()) % 3)
