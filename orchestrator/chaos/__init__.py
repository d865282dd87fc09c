"""Faults at random in a running deployment on this machine, while callers call, for `voiceagent chaos`.

The `Deployment` says which processes there are, and that they are ours; the `Injector` kills, freezes and rolls them
and cuts their connections to Redis, as `plan` says; callers of `orchestrator.load` call meanwhile; the `Judgement` says
what they and the server tell of it.
"""
