"""What has changed among the active calls since somebody looked last."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple, Protocol


class FeedPage(NamedTuple):
    """The calls that may have been `written` since the last reading, the latest first, and those that are `gone`.

    A call that is gone has ended or expired, or there are more calls than are followed and others were written later.
    `active` is how many calls there are in all.
    """

    written: list[str]
    gone: list[str]
    active: int


class CallFeed(Protocol):
    """Follows the active calls for one reader."""

    async def read(self, most: int) -> FeedPage:
        """Return what has changed among the `most` calls that were written last. The first page has all of them.

        Raise `StoreUnavailable`; the next page then has what this one would have had.
        """


class ListedCalls:
    """Follows the calls of a store that does not say which were written: each page has all of them."""

    def __init__(self, list_calls: Callable[[], Awaitable[list[str]]]) -> None:
        self._list_calls = list_calls
        self._known: set[str] = set()

    async def read(self, most: int) -> FeedPage:
        """Return all calls, up to `most`."""
        call_sids = await self._list_calls()
        written = call_sids[::-1][:most]
        gone = self._known.difference(written)
        self._known = set(written)
        return FeedPage(written, sorted(gone), len(call_sids))


class MarkedCalls:
    """Tells what has changed from marks: each call has one, which is another after each write."""

    def __init__(self) -> None:
        self._marks: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._marks)

    @property
    def call_sids(self) -> list[str]:
        """Return the calls that are followed."""
        return list(self._marks)

    def count_with(self, marks: Mapping[str, float], most: int) -> int:
        """Return how many calls are followed once these are, too, at most `most`."""
        return min(len(self._marks.keys() | marks.keys()), most)

    def whole(self, marks: Mapping[str, float]) -> tuple[list[str], list[str]]:
        """Take the marks of all calls, the latest first. Return which were written, and which are gone."""
        written = [call_sid for call_sid, mark in marks.items() if self._marks.get(call_sid) != mark]
        gone = [call_sid for call_sid in self._marks if call_sid not in marks]
        self._marks = dict(marks)
        return written, gone

    def some(self, marks: Mapping[str, float], most: int) -> tuple[list[str], list[str]]:
        """Take the marks of calls that may have been written. Return which were, and which exceed `most`."""
        written = [call_sid for call_sid, mark in marks.items() if self._marks.get(call_sid) != mark]
        followed = set(self._marks)
        self._marks |= marks
        excess = sorted(self._marks, key=self._marks.__getitem__)[: max(len(self._marks) - most, 0)]
        gone = [call_sid for call_sid in self.drop(excess) if call_sid in followed]
        return without(written, excess), gone

    def drop(self, call_sids: list[str]) -> list[str]:
        """Follow these calls no more. Return those that were followed."""
        return [call_sid for call_sid in call_sids if self._marks.pop(call_sid, None) is not None]


def without(call_sids: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return `call_sids` without `others`."""
    left_out = set(others)
    return [call_sid for call_sid in call_sids if call_sid not in left_out]


class JoinedFeeds:
    """Follows the calls of two stores as one."""

    def __init__(self, *feeds: CallFeed) -> None:
        self._feeds = feeds

    async def read(self, most: int) -> FeedPage:
        """Return what has changed in either store. A call that has moved to the other one is not gone."""
        pages = [await feed.read(most) for feed in self._feeds]
        written = [call_sid for page in pages for call_sid in page.written]
        gone = without((call_sid for page in pages for call_sid in page.gone), written)
        return FeedPage(written, gone, sum(page.active for page in pages))
