"""The histogram of the stages is to Prometheus what the client library's own would be."""

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from orchestrator.stage_histogram import StageHistogram

BOUNDS = (0.0005, 0.001, 1, 40)


def test_it_exposes_what_the_client_library_would_expose() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = StageHistogram("stage_seconds", "How long.", BOUNDS)
    ours.register(histogram)
    usual = Histogram("stage_seconds", "How long.", ("stage",), buckets=BOUNDS, registry=theirs)
    for stage, seconds in (("queue", 0.0), ("queue", 0.0005), ("queue", 0.7), ("agent", 1.0), ("agent", 99.5)):
        histogram.observe({stage: seconds})
        usual.labels(stage).observe(seconds)

    def lines(registry: CollectorRegistry) -> list[bytes]:
        return [line for line in generate_latest(registry).splitlines() if b"_created" not in line]

    assert lines(ours) == lines(theirs)
