"""The metrics of several processes as one."""

from prometheus_client.parser import text_string_to_metric_families

from orchestrator.metrics import Metrics
from orchestrator.process_metrics.families import Histogram
from web.processes.exposition import additive_samples, summed_exposition
from web.processes.samples import Samples, add


def values(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def counting(*turns: tuple[str, float]) -> Metrics:
    metrics = Metrics(counted=())  # what this process counts would be in each of them
    for channel, seconds in turns:
        metrics.turn_answered(channel=channel, outcome="replied", seconds=seconds)
    return metrics


def test_it_is_what_one_process_that_did_everything_would_expose() -> None:
    one, two = counting(("gather", 0.1), ("relay", 3)), counting(("gather", 0.02), ("api", 1), ("api", 50))
    all_of_it = counting(("gather", 0.1), ("relay", 3), ("gather", 0.02), ("api", 1), ("api", 50))
    summed = values(summed_exposition(one, additive_samples(two)).decode())
    expected = values(all_of_it.exposition().decode())
    assert summed.keys() == expected.keys()
    assert {name: value for name, value in summed.items() if not name[0].endswith("_created")} == {
        name: value for name, value in expected.items() if not name[0].endswith("_created")
    }


def test_alone_it_is_the_same_text() -> None:
    metrics = counting(("gather", 0.1), ("relay", 3))
    assert summed_exposition(metrics, {}) == metrics.exposition()


def test_what_code_anywhere_in_the_processes_counts_is_summed_too() -> None:
    family = Histogram("example_seconds", "Example.", ("kind",), limits=(0.1, 1))
    one, idle = (
        Metrics(counted=[family]),
        Metrics(counted=[Histogram(family.name, "Example.", ("kind",), limits=(0.1, 1))]),
    )
    family.observe(0.5, "a")
    family.observe(3, "b")
    expected = {name: value for name, value in values(one.exposition().decode()).items() if name[0].startswith("ex")}
    assert expected
    twice = values(summed_exposition(one, additive_samples(one)).decode())
    assert {name: twice[name] for name in expected} == {name: 2 * value for name, value in expected.items()}
    elsewhere = values(summed_exposition(idle, additive_samples(one)).decode())
    assert {name: elsewhere[name] for name in expected} == expected


def test_gauges_are_those_of_the_process_that_answers() -> None:
    one, two = Metrics(), Metrics()
    one.active_calls.set(7)
    two.active_calls.set(8)
    found = values(summed_exposition(one, additive_samples(two)).decode())
    assert found["voiceagent_active_calls", frozenset()] == 7


def test_counts_are_since_the_first_of_them_began() -> None:
    total: Samples = {'["a_created",[]]': 2.0, '["a_total",[]]': 1.0}
    add(total, {'["a_created",[]]': 1.0, '["a_total",[]]': 1.0, '["b_total",[]]': 5.0})
    assert total == {'["a_created",[]]': 1.0, '["a_total",[]]': 2.0, '["b_total",[]]': 5.0}
