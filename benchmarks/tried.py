"""What was tried to make a turn cost less, what it brought, and whether it stayed. Told with budgets that are missed.

The effect of a step was measured when it was made, beside the revision before it; the steps cannot be added up.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One thing that was tried. `kept` says since when it is in, or why it is not."""

    what: str
    brought: str
    kept: str = "yes"


# fmt: off
STEPS = (
    Step("scripts over one connection, many at a time, matched in order, instead of a pooled connection for each",
         "20 % off the median of a turn; 28 % off a worker's processor time, 20 % off an ingress's"),
    Step("a worker keeps the JSON that it wrote last, and makes only that of new turns",
         "a turn after 200 turns costs what one after 10 does; before, 2.4 times as much"),
    Step("the state manager's scripts over the same connection",
         "each operation is as quick as a bare `SET` or `GET` through redis-py, or quicker"),
    Step("the commands of one iteration of the event loop are written together",
         "17 % off a worker, 30 % off Redis, with 20 webhook turns in flight"),
    Step("our own HMAC for signatures; the library judges it in the tests",
         "a fifth of the library's time, which was 505 µs a webhook"),
    Step("the TwiML of an ordinary reply is written without a tree of elements, byte for byte as the library does",
         "a tenth of the library's time, which was 253 µs"),
    Step("a turn's log record is made before and written in one piece", "9 µs instead of 32 µs a record"),
    Step("pub/sub is read from the socket, without redis-py's `PubSub`", "a few µs instead of 113 µs a message"),
    Step("a form is parsed, and its fields are read, in fewer steps", "half of the time, which was 125 µs"),
    Step("one layer answers HTTP requests, instead of ten of Starlette and ours", "web 1,300 → 851 µs in a prototype"),
    Step("the grant travels with the wake-up: a submit gives the lease to a worker that has room",
         "two round trips a turn instead of three; in a prototype 47 % off the latency with one in flight"),
    Step("what a turn keeps is renewed once a script",
         "46 commands a turn in Redis instead of 59; 9 `PEXPIRE` instead of 25"),
    Step("an idle worker sleeps until something is due, and says by one command that it lives",
         "6 commands a second instead of 17; 50 before that"),
    Step("the system is sampled for its history, and searched for incidents, each half minute while nobody looks",
         "an idle Redis is left alone; one idle worker makes 6.4 commands a second"),
    Step("an agent's thread runs a uvloop", "41 µs of waiting instead of 58 µs, 50 µs of processor time instead of 72"),
    Step("several web processes on one port (`WEB_PROCESSES`)",
         "an ingress machine uses all its processors; not in these figures, which are of one web process"),
    Step("garbage is not searched in what was imported", "a dozen collections less at each start"),
    Step("a URL and a Host with a port of five digits go the short way through the check of the signature",
         "50 → 20 µs for the signature, 20 → 13 µs for the fields, where the port has five digits, as here"),
    Step("the addresses that requests come from and name are parsed once, and header names compared as bytes",
         "15 → 5 µs a request, where no other machine is to reach the server, as here"),
    Step("a bound on a wait without `asyncio.timeout`, for the body and the store", "9 → 4 µs each, two a turn"),
    Step("HTTP requests pass none of Starlette's own layers either", "1.1–1.5 µs a turn",
         "no: it needs a class of its own"),
    Step("the key of `API_KEY` is hashed once", "1.2 µs an API turn", "no: a quarter of a percent"),
    Step("attributes of TwiML are escaped by `str.translate`",
         "0.6 → 0.2 µs for one character, but 0.7 → 1.4 µs for 30", "no: it is slower"),
    Step("the six steps above together, on a machine that was busy with other programs",
         "web 1,510 → 1,294 µs a webhook turn, 1,444 → 1,393 µs an API turn", "the first three"),
    Step("a worker neither parses nor writes as a whole the state that it wrote last, from the first turn on",
         "25 + 32 µs a turn after five turns"),
    Step("whether a turn fits into its call is reckoned from lengths while the bound is far", "10 µs a turn"),
    Step("models are copied without `model_copy`, six a turn, and their slots measured without `model_dump_json`",
         "4.5 → 1.8 µs and 2.5 → 0.7 µs each"),
    Step("the message with a result is put together by hand, the same bytes", "4.2 → 1.3 µs"),
    Step("the speech filter's table is made once for each set of tools", "most of 5.9 µs a filter"),
    Step("the five steps above together, sockets left out", "571 → 443 µs of a worker's Python a turn"),
    Step("`submit` hands the turn and the state to the grant, instead of reading them again in its script",
         "30 → 27 commands; 117 → 99 µs at best, within the noise else", "no: its effect could not be shown"),
    Step("results and records are made without validation", "nothing: `model_construct` is Python, too", "no"),
    Step("the agent's first step without a task of its own", "10–15 µs, reckoned",
         "not tried: a time limit in an agent belongs to the task in which it began"),
    Step("one future and a timer instead of `asyncio.wait`", "5 µs, reckoned",
         "not tried: the order of cancellations"),
    Step("lives are renewed only where `PTTL` asks for it; rarely needed parts of scripts left out",
         "1.5–3 µs each, reckoned", "not tried: under 2 %"),
    Step("an idle worker searches for due calls each 0.85 s instead of each 0.65 s", "0.4 commands a second, reckoned",
         "no: it would leave little of the second that counts as an outage"),
)
# fmt: on

IN_PYTHON = (
    "Last, a worker's Python fell by 22 %, and that of web by 14 % where its port has five digits. What is left is "
    "spread over some twenty parts of 2 % to 9 % each, which the breakdown names: parsing, checking, JSON and "
    "dispatching in Python."
)
WEBHOOK = (
    "Our own signature (a fifth of the library's 505 µs), TwiML template (a tenth of 253 µs), log record (9 µs of"
    " 32 µs), pub/sub (a few µs of 113 µs), joined writes (a worker 17 % less, Redis 30 %), and one layer for "
    "HTTP. " + IN_PYTHON
)
API = (
    "It gained by joined writes, pub/sub, the log record and one layer for HTTP; it has neither the signature nor"
    " the TwiML, where webhooks gained most. " + IN_PYTHON
)
HOPS = (
    "The grant travels with the wake-up: two round trips instead of three, and in a prototype 47 % less latency. "
    "A turn still runs two scripts of about 70 µs each, where a hop runs a command of a few µs, and parses and "
    "writes a state."
)
POSTS = (
    "One layer instead of ten answers a request, and the form is parsed in half of the time. The bare POST checks"
    " no signature, makes no turn, stores nothing and writes no document."
)
SAQ = (
    "A full worker claims in batches, scripts for many calls share one write, and a turn makes 46 commands in "
    "Redis instead of 59. It writes its state, its result and its record, where SAQ's job writes an empty result."
)
PACE = (
    "It follows the processor time of a turn, beside which the load generator takes its own. Several web "
    "processes (`WEB_PROCESSES`) use further processors; this is of one."
)
STEADY = (
    "A cheaper turn raises the number of calls that 70 % of the processors carry, and not how long they wait for "
    "each other at that load: turns come at random times, and four programs share two processors."
)
IDLE = (
    "A worker sleeps until something is due, which took 50 commands a second to 17, and then to 6.5; its history "
    "is sampled and incidents are looked for each half minute while nobody looks."
)
THREAD = (
    "The thread runs a uvloop: 41 µs of waiting instead of 58 µs, with cold caches 104 µs instead of 161 µs. A "
    "turn crosses to the thread and back, and both times waits for the scheduler."
)
