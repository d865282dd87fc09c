"""Draws a results file as SVG: `python -m benchmarks.plot RESULTS.json PLOT.svg`. Needs matplotlib."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

COLOURS = {"ours": "#0f766e", "floor": "#94a3b8", "others": "#c2410c"}
PROCESSES = {"web_us": ("web", "#0f766e"), "worker_us": ("worker", "#5eaaa0"), "redis_us": ("Redis", "#94a3b8")}
COSTS = {"webhook": "webhook turn", "api": "API turn"}
PEERS = {
    "saq_jobs": "SAQ",
    "taskiq_jobs": "taskiq-redis",
    "docket_jobs": "docket",
    "streaq_jobs": "streaQ",
    "stock_arq": "stock arq",
}
Bar = tuple[str, float, str]


def latencies(figures: dict[str, float]) -> list[Bar]:
    """How long one takes, an inner turn being 1."""
    bars = [("inner turn", 1.0, "ours")]
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
    """How many are done in a second, inner turns being 1."""
    bars = [("inner turn", 1.0, "ours")]
    for module, title in PEERS.items():
        if (value := figures.get(f"throughput.over_{module}")) is not None:
            bars.append((title, 1 / value, "others"))
    return sorted(bars, key=lambda bar: bar[1])


def costs(tables: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, float]]:
    """Return the µs of each process by what was done and by which tree."""
    rows = tables.get("processor time of a turn", [])
    return {
        f"{title}, {row['tree']}": {name: row[name] for name in PROCESSES}
        for start, title in COSTS.items()
        for row in rows
        if str(row["what"]).lower().startswith(start)
    }


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw what a turn costs, now and before, and two charts of ratios.

    Each bar of the ratios was measured in turns with an inner turn, so that they can stand side by side.
    """
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "benchmarks", "font.size": 9})
    figure = pyplot.figure(figsize=(10, 6), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(2, 3))
    left, right = figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    _stacks(figure.add_subplot(grid[0, :]), costs(results["tables"]))
    _bars(left, latencies(results["figures"]), "time for one; inner turn = 1 (log)")
    left.set_xscale("log")
    _bars(right, paces(results["figures"]), "done a second, 100 in flight; inner turn = 1")
    figure.savefig(path, metadata={"Date": None})


def _stacks(axes: Any, stacks: dict[str, dict[str, float]]) -> None:
    names, left = list(stacks)[::-1], [0.0] * len(stacks)
    for key, (label, colour) in PROCESSES.items():
        widths = [stacks[name][key] for name in names]
        drawn = axes.barh(names, widths, left=left, label=label, color=colour)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    if names:
        axes.bar_label(drawn, [f" {total:,.0f}" for total in left])
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, ncols=3)
    axes.set_title("processor time of one turn, µs, 30 in flight", fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.1)


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
