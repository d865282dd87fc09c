"""The parts of a webhook turn that are told apart, and the functions that do them, outermost first.

A test holds that the functions exist; whoever renames one changes it here.
"""

Parts = dict[str, tuple[str, ...]]

WEB: Parts = {
    "HTTP: request parsed, task started": ("web.http_protocol:BoundedHttpProtocol.data_received",),
    "ASGI: middleware": ("starlette.middleware.errors:ServerErrorMiddleware.__call__",),
    "ASGI: routing, errors, the endpoint's frame": ("web.http_entry:HttpEntry.__call__",),
    "form: body read and parsed": ("web.form:read_form",),
    "signature checked": ("web.twilio.signature:TwilioSignatures.check",),
    "fields of the webhook": ("web.twilio.voice_request:VoiceRequest.of", "web.twilio.voice_request:VoiceRequest.turn"),
    "the route: its answer and its waits": ("web.twilio.turn:turn", "web.twilio.answer:answer"),
    "submit: above the store": (
        "orchestrator.dispatch.dispatcher:submit_by",
        "orchestrator.dispatch.store_dispatcher:StoreDispatcher.submit",
    ),
    "submit: the store": ("orchestrator.turns.redis.store:RedisTurnStore.submit",),
    "wait for the reply": ("orchestrator.dispatch.hub:Pending.wait",),
    "Redis: answers parsed": ("orchestrator.redis.multiplexed:_Pipeline.data_received",),
    "Redis: commands written": ("orchestrator.redis.multiplexed:_Pipeline._write_unsent",),
    "the reply's message": ("orchestrator.redis.subscription:_ChannelConnection.data_received",),
    "TwiML": ("web.twilio.twiml:reply",),
    "answer written": ("uvicorn.protocols.http.httptools_impl:RequestResponseCycle.send",),
    "metrics": (
        "web.deliveries:Deliveries.submitted",
        "web.deliveries:Deliveries.answered",
        "orchestrator.metrics:Metrics.request_answered",
    ),
    "log records": ("logging:Logger.handle",),
}
WORKER: Parts = {
    "wait for work": ("workers.fetcher:QueueFetcher.wait",),
    "claim": ("workers.fetcher:QueueFetcher.fetch",),
    "arq: jobs started and ended": (
        "workers.worker:TurnWorker._iterate",
        "workers.job_slots:JobSlots.start",
        "workers.job_slots:JobSlots.forget_ended",
    ),
    "grant and state parsed": ("orchestrator.turns.redis.claims:ClaimReader.open",),
    "turn planned and run": ("orchestrator.turns.runner:TurnRunner.run",),
    "agent": ("orchestrator.turns.reply_collection:collect_reply", "orchestrator.turns.reply_collection:_collect"),
    "commit": ("orchestrator.turns.redis.store:RedisTurnStore.commit",),
    "Redis: answers parsed": ("orchestrator.redis.multiplexed:_Pipeline.data_received",),
    "Redis: commands written": ("orchestrator.redis.multiplexed:_Pipeline._write_unsent",),
    "messages to the worker": ("orchestrator.redis.subscription:_ChannelConnection.data_received",),
    "log record": ("orchestrator.turns.turn_log:settled", "logging:Logger.handle"),
}
