"""The appointments of a made-up practice: what is free, and which of it fits a caller's wish.

The receptionist and the tools of the agent `llm` share this package.

    calendar      the free appointments    wish  when a caller would like to come
    office_clock  the office's local time  look_up  the activity that asks the calendar
"""
