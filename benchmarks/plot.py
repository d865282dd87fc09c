"""Draws a results file as SVG: `python -m benchmarks.plot RESULTS.json PLOT.svg`. Needs matplotlib."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

COLOURS = {"ours": "#0f766e", "floor": "#94a3b8", "others": "#c2410c"}
PEERS = {
    "saq_jobs": "SAQ",
    "taskiq_jobs": "taskiq-redis",
    "docket_jobs": "docket",
    "streaq_jobs": "streaQ",
    "stock_arq": "stock arq",
}
Bar = tuple[str, float, str]


def latencies(figures: dict[str, float]) -> list[Bar]:
    """How long one takes, an empty turn being 1."""
    bars = [("empty turn", 1.0, "ours")]
    if "turn.over_hops" in figures:
        bars.append(("two bare BLPOP hops", 1 / figures["turn.over_hops"], "floor"))
    if "http.over_turn" in figures:
        bars.append(("the turn through the API", figures["http.over_turn"], "ours"))
    if "webhook.over_turn" in figures:
        bars.append(("the turn by webhook", figures["webhook.over_turn"], "ours"))
    for module, title in PEERS.items():
        if (value := figures.get(f"latency.{module}_over_turn")) is not None:
            bars.append((title, value, "others"))
    return sorted(bars, key=lambda bar: -bar[1])


def paces(figures: dict[str, float]) -> list[Bar]:
    """How many are done in a second, empty turns being 1."""
    bars = [("empty turn", 1.0, "ours")]
    for module, title in PEERS.items():
        if (value := figures.get(f"throughput.over_{module}")) is not None:
            bars.append((title, 1 / value, "others"))
    return sorted(bars, key=lambda bar: bar[1])


def draw(results: dict[str, Any], path: Path) -> None:
    """Two charts of ratios: each was measured in turns with an empty turn, so that they can stand side by side."""
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "benchmarks", "font.size": 9})
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    _bars(left, latencies(results["figures"]), "time for one; empty turn = 1 (log)")
    left.set_xscale("log")
    _bars(right, paces(results["figures"]), "done a second, 100 in flight; empty turn = 1")
    figure.savefig(path, metadata={"Date": None})


def _bars(axes: Any, bars: list[Bar], title: str) -> None:
    drawn = axes.barh([name for name, _, _ in bars], [value for _, value, _ in bars])
    for bar, (_, _, kind) in zip(drawn, bars, strict=True):
        bar.set_color(COLOURS[kind])
    axes.bar_label(drawn, [f" {value:.3g}" for _, value, _ in bars])
    axes.set_title(title, fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.15)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
