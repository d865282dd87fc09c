"""Many callers at once, for `voiceagent load`: they call a server, note what they hear, and audit what it kept.

A `LoadRun` has callers make calls by a schedule of arrivals; each notes its turns in the `CallResults`; the `Auditor`
then reads every call's state from the server and compares.
"""
