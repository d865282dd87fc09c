"""The form that the receptionist fills in during a call, kept in `state.slots`."""

from datetime import date, datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FieldName = Literal["name", "number", "reason", "appointment"]
FIELDS: tuple[FieldName, ...] = ("name", "number", "reason", "appointment")


class BookingForm(BaseModel):
    """The caller's answers, and how far the call has come. Times are local to the office.

    Slots of other programs survive. A slot that cannot be read is dropped, so that the caller is asked again.
    """

    model_config = ConfigDict(extra="allow")

    name: str | None = None
    number: str | None = None
    reason: str | None = None
    appointment: datetime | None = None

    wants_message: bool = False
    is_booked: bool = False
    number_begun: str = ""  # digits of a number that came in pieces
    offered: list[datetime] = Field(default_factory=list)
    last_field: FieldName | None = None  # what "change that" refers to
    question: str = ""  # what to repeat after "pardon?"
    silences: int = 0  # in a row
    misses: int = 0  # turns in a row that were not understood
    stuck: int = 0  # turns in a row without progress
    avoided: list[date] = Field(default_factory=list)  # days that the caller cannot come on
    before: str = ""  # the phase to return to after the offer of a person
    is_warned: bool = False  # the caller has heard the emergency number

    has_looked_up: bool = False  # the calendar was looked up in this call
    waits: int = 0  # turns since the look-up began
    is_patient: bool | None = None  # None: they were not asked, or have not said
    is_away: bool = False  # connected with a person, or leaving a message
    recordings: list[str] = Field(default_factory=list)  # addresses of the messages that the caller has left
    unrecorded: int = 0  # recordings in a row that were empty
    confirmed: datetime | None = None  # the appointment that a text message has confirmed
    texts: int = 0  # text messages so far

    @classmethod
    def read(cls, slots: dict[str, Any]) -> Self:
        """Return the form that `slots` hold."""
        try:
            return cls.model_validate(slots)
        except ValidationError as error:
            unreadable = {str(detail["loc"][0]) for detail in error.errors()}
            return cls.model_validate({name: slot for name, slot in slots.items() if name not in unreadable})

    def written(self) -> dict[str, Any]:
        """Return the slots that hold this form, as JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def keep(self, field: FieldName, answer: str | datetime) -> None:
        """Fill in an answer."""
        setattr(self, field, answer)
        self.last_field, self.is_booked = field, False

    def forget(self, field: FieldName) -> None:
        """Drop an answer, so that it is asked for again."""
        setattr(self, field, None)
        self.is_booked = False
        if field == "appointment":
            self.offered = []
        elif field == "number":
            self.number_begun = ""

    @property
    def missing(self) -> FieldName | None:
        """The field to ask for next, or None if the form is complete."""
        wanted = FIELDS[:-1] if self.wants_message else FIELDS
        return next((field for field in wanted if getattr(self, field) is None), None)
