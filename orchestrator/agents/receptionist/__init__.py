"""The built-in agent `receptionist`: books appointments by rules, without a network and without a model.

It takes a name, a number, a reason and a time in whatever order they come, reads them back and books. All it knows of
a call is in the state's slots and phase, so any process can go on with any of its calls.

    receptionist   the agent: which turns there are, and what each of them means
    hearing        what is done with what was heard    phases  as an answer to each question
    appointment_choice  as a choice of a day and time    learning  what is taken down and corrected
    dialogue       saying, asking, offering    phrases what it says    notes  what it keeps in the slots
    understanding  words to intents and fields    digits  spoken digits    addresses  e-mail, which is no number
    names          what callers are called    spelling  "T H O M A S"    profanity  words of anger
    wishes         when they would like to come
    mentions       what is named, and whether it is wanted    dates, clock_times, words  how it is said
"""

from orchestrator.agents.receptionist.receptionist import Receptionist

__all__ = ["Receptionist"]
