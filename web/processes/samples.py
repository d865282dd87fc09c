"""Metrics that add up over processes, as plain values: counters and histograms. Standard library only."""

from collections.abc import Mapping

Samples = dict[str, float]
"""Sample → value. A sample is `["name",[["label","value"],…]]` in JSON."""
CREATED = "_created"
"""The suffix of samples that say since when something is counted."""


def add(total: Samples, more: Mapping[str, float]) -> None:
    """Add `more` to `total`."""
    for sample, value in more.items():
        if sample not in total:
            total[sample] = value
        elif sample.partition(",")[0].endswith(f'{CREATED}"'):
            total[sample] = min(total[sample], value)
        else:
            total[sample] += value
