"""The built-in agent `receptionist`: books appointments by rules, without a network and without a model.

It takes a name, a number, a reason and a time in any order, reads them back and books. All that it knows of a call is
in the state's slots and phase, so any process can take the next turn.

What it does with a turn, in the order of a call:

    receptionist        the agent: what each kind of turn means
    routing             what the caller said: global intents first, then the phase's rule
    phase_rules         one rule for each phase: what an answer means to the question that was asked
    appointment_choice  the rule of the phase in which the caller chooses a time
    calendar_look_up    while the calendar is looked up, and what comes of it
    own_turns           what happens while the caller says nothing: results, signals, colleagues who do not answer
    silences            closes a call whose caller says nothing
    text_messages       confirms a booking by text message
    slot_filling        fills in and corrects what callers say of themselves
    booking_form        the form to fill in, kept in the slots
    dialogue            the receptionist's side of one turn: says, asks, offers
    phrases             every sentence that it says

How it reads what the caller said:

    intents             intents and answers, by pattern
    emergencies         danger to life
    names, spelling     what callers are called, and "T H O M A S"
    digits              spoken telephone numbers
    email_addresses     e-mail addresses, whose digits are not a telephone number
    profanity           words of anger
    wishes              when callers would like to come, made of
    mentions            the days, times and offers that they name, wanted or refused, made of
    dates, clock_times, words
"""

from orchestrator.agents.receptionist.receptionist import Receptionist

__all__ = ["Receptionist"]
