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
    Step("`submit` hands turn, state and lease to the grant, instead of reading them again in its script",
         "30 → 26 commands; 154 → 145 µs of Redis a turn at best, with the next row"),
    Step("functions of scripts that few runs need (outbox, schedule, limits) are made in those runs alone",
         "some 40 closures a turn, about 3 % of Redis' time"),
    Step("results and records are made without validation", "nothing: `model_construct` is Python, too", "no"),
    Step("the agent's first step without a task of its own", "10–15 µs, reckoned",
         "not tried: a time limit in an agent belongs to the task in which it began"),
    Step("the wait for an agent's end with one future and a timer instead of `asyncio.wait`, cancelled alike",
         "12.8 → 8.0 µs, 4.4 of them the task"),
    Step("lives are renewed only where `PTTL` asks for it; rarely needed parts of scripts left out",
         "1.5–3 µs each, reckoned", "not tried: under 2 %"),
    Step("the search for waiting calls looks at the queue as well, in the same `EXISTS`",
         "0.7 commands a second of an idle worker"),
    Step("a search that would only show that Redis answers is put off until as long after another answer",
         "0.5 commands a second, with the word of a version each 1.2 s instead of 1.5; a silence counts as before"),
    Step("abandoned and expired calls are looked after by one cron job of arq's, whose bookkeeping is some 35 commands",
         "0.6 commands a second"),
    Step("an idle worker claims each 30 s instead of 15, writes arq's health record each 20 s, adds its counts by two "
         "commands, and reads the clock without a script", "0.7 commands a second"),
    Step("the four steps above together", "8.3 → 5.8 commands a second"),
    Step("what ingresses seal with is exchanged by three commands instead of nine",
         "4.2 → 3.8 commands a second of an idle web process"),
    Step("garbage is searched when 20,000 objects are young instead of 700",
         "150–300 µs of a worker's turn with 30 in flight, for searches that found nothing; no pauses of 0.1–0.2 s "
         "with 1,000 calls"),
    Step("how long a call may be silent is reckoned in one pass over its latest turns, the default of `Gather` once",
         "19 → 4 µs a turn"),
    Step("records, sensitive questions and what a reply leaves by are found in plain loops; the stages of a turn are "
         "counted under one lock; what an agent left is measured once; a record gets its fields when it is made",
         "some 1–3 µs each; with silence and the wait for the agent 491 → 398 µs of a worker's Python"),
    Step("records and results made by hand from a template of defaults", "7.3 → 6.3 µs, 3.3 → 3.1 µs", "no: nothing"),
    Step("the state without its turns written in one call and cut in two", "8.3 → 8.3 µs", "no: nothing"),
    Step("a pushed lease is not renewed in its first eighth of a second", "1–2 % of a worker, reckoned",
         "not tried: it takes of the time in which a frozen worker is found"),
    Step("listeners written only where their entry ends soon", "4 µs where turns come within 30 s",
         "no: a stream would be heard for less than two minutes"),
    Step("an agent's thread and the worker wake each other by a pipe, whose write gives the interpreter's lock back",
         "6 → 2 switches of threads a turn; 5–20 µs less with warm caches, 20–45 µs with cold ones"),
    Step("an agent that has ended says so itself, before the callback of its task", "up to 10 µs, within the noise"),
    Step("new calls are let in again up to what was carried, and then a little more at a time, instead of twice as "
         "many in each step",
         "p99 of running calls at twice the load 2.2 → 1.2 × that at what is carried, in a simulation"),
    Step("a body that is here and an answer that is made pass whole between our HTTP protocol and the routes, past "
         "ASGI's messages", "5–8 % of a request in a profile"),
    Step("a form is decoded at once where no separator is escaped in it", "5 decodings a turn → 1"),
    Step("headers are found in the scope itself, not through Starlette's `Headers`", "5–6 look-ups a turn"),
    Step("a submit of a call that goes on passes five coroutines less, and the breaker's guard is no generator",
         "the guard 2.7 → 0.7 µs"),
    Step("the notice of a turn by hand, and messages read by pydantic's parser", "4.9 → 1.4 µs, 4.1 → 0.9 µs"),
    Step("TwiML: text without special characters is neither escaped nor searched for others",
         "20.6 → 11.8 µs a document"),
    Step("the API's answer is written by pydantic, not made a dict first", "14.6 → 4.9 µs"),
    Step("a Host header is judged once, as addresses are", "6.6 → 3.2 µs, where no other machine may reach it"),
    Step("a turn's submitted JSON by hand", "3.6 instead of 3.9 µs", "no: nothing"),
    Step("the state that an API turn brings from a template", "up to 16 µs an API turn, reckoned", "not tried yet"),
    Step("the eight steps above that are in, together",
         "web 574 → 502 µs a webhook turn, 519 → 429 µs an API turn, Redis left out"),
    Step("redis-py's import of PyJWT, and thereby of cryptography, waits until a token is read",
         "50 ms of a worker's import, a tenth"),
    Step("the description of the API is imported and made when somebody asks for it, in a thread",
         "60 models and about 50 ms of web's import"),
    Step("of uvicorn the server alone is imported, without its command line", "14 ms of web's import"),
    Step("the parts of the settings, and models that few processes need, are built when they are first used",
         "20 ms of web's import, 15 ms of a worker's; 1–8 ms when the first of them is used"),
    Step("pydantic does not take apart the signature of `list` as a default", "5 ms of a start, on Python 3.11"),
    Step("dataclasses by a decorator of our own, with one compiled method each",
         "80 ms of a worker's import, 110 ms of web's", "no: the standard library's is everybody's"),
    Step("the 14 actions built when first used", "nothing: what contains them builds them again", "no"),
    Step("routes of operators imported at the first request", "8 ms of web's import, reckoned",
         "not tried: calls would wait for it"),
)
# fmt: on

IN_PYTHON = (
    "Last, garbage is searched more rarely (a fifth of a worker's time), and a worker's Python fell by 22 % and by "
    "19 %. What is left is spread over some twenty parts of 2 % to 9 % each, which the breakdown names: parsing, "
    "checking, JSON and dispatching in Python. What turns do since then (records of their stages, slots, schedules, "
    "events, encryption, history) came on top."
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
    "A full worker claims in batches, scripts for many calls share one write, and a turn makes 42 commands in "
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
    "A worker sleeps until something is due, which took 50 commands a second to 17 and to 6.5; then searches, words of "
    "life and cron jobs were joined, which took 8.3 to 5.8; its history is sampled and incidents are looked for each "
    "half minute while nobody looks."
)
THREAD = (
    "The thread runs a uvloop, and the two wake each other by a pipe: 2 switches of threads a turn instead of 6. With "
    "warm caches 68 µs, with cold ones 170 µs. A turn crosses to the thread and back, and both times waits for the "
    "scheduler."
)
ENCRYPTION = (
    "Each process derives a subkey once and counts its values, so that none asks the system for random bytes, and a "
    "value is encrypted once for each write. What a turn stores and sends passes from Python to OpenSSL and back, one "
    "value at a time."
)
OVERLOAD = (
    "A call that begins is refused before anything is read for it. The gate closes by how long turns wait, and lets "
    "new calls in again up to what was carried, and then a little more at a time."
)
MEMORY = (
    "A state is kept as JSON, so that nothing that was returned can change it; pydantic's writer and reader are most "
    "of it. It is Python alone: half the processor takes twice the time."
)
IMPORTS = (
    "The description of the API, PyJWT with cryptography (which redis-py brings) and models that few processes need "
    "are imported and built when they are first used. There are 200 more modules of ours, and twice as many "
    "dataclasses and models. The programs import without searching for garbage: a tenth less than what is told here."
)
STATES = (
    "The script goes over the shared connection, as each command of a turn does. It writes the state, the index of "
    "calls and their lives, where a bare `SET` writes one key; what a value costs to send is the same."
)
HISTORY = (
    "A worker keeps the JSON that it wrote last, and makes only that of new turns. The state of 200 turns still goes "
    "to Redis and back whole, and is twenty times as long as that of 10."
)
