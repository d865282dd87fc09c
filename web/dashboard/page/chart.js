// A chart of amounts over time, with incidents as marks, a legend that follows the pointer, and a table of the same.

import { el, keyed, put, set, show } from "./dom.js";
import { clockMinute } from "./format.js";
import { t } from "./texts.js";
import uPlot from "./vendor/uplot.js";

const HEIGHT = 168;
const WHOLE = [1, 2, 5].flatMap((one) => [0, 1, 2, 3, 4, 5].map((power) => one * 10 ** power)).sort((one, other) => one - other);
const MARK_COLORS = { bad: "--bad", warn: "--warn", "": "--edge" };
const DARK = matchMedia("(prefers-color-scheme:dark)");

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const bars = uPlot.paths.bars({ size: [0.72, 26], align: 1 });
const steps = uPlot.paths.stepped({ align: 1 });

// Draw into `place`. `kind` is "line", "step" or "stack"; `series` are [{label, color, dash, isFilled}], `format` tells an
// amount in words, `isWhole` wants no parts on the axis, `sync` names the charts that share their pointer. Return {update({columns,
// drawn, marks, heads, from}), close()}: `from` (s) is where the drawing begins, if not at the first column.
export function chartIn(place, { label, kind, series, format, isShare, isWhole, sync }) {
  const keys = el("ul.keys");
  const time = el("span.at");
  const plot = el("div.plot", { role: "img", "aria-label": label });
  const none = el("p.empty", { text: t("history.nothing"), hidden: true });
  const table = tableOf(label, series, format);
  place.append(el("div.legend", keys, time), plot, none, table.node);
  const values = series.map(() => el("b"));
  const isOne = series.length === 1; // its figure stands above the chart already
  if (!isOne) keys.append(...series.map((one, index) => el("li", swatch(one), el("span", { text: one.label }), values[index])));
  let shown = { columns: [[]], drawn: [[]], marks: [], heads: [], from: null };
  let drawing = null;

  function legend(index = null) {
    const { columns, heads } = shown;
    values.forEach((node, at) => put(node, index == null ? heads[at] : format(columns[at + 1]?.[index])));
    const at = index == null ? "" : clockMinute(columns[0][index] * 1000);
    put(time, at && isOne ? t("history.at", { at, value: format(columns[1][index]) }) : at);
  }

  function build() {
    drawing?.destroy();
    drawing = new uPlot(optionsOf({ kind, series, format, isShare, isWhole, sync, width: plot.clientWidth, marks: () => shown.marks, from: () => shown.from, legend }), shown.drawn, plot);
  }

  const sizes = new ResizeObserver(() => plot.clientWidth && drawing?.setSize({ width: plot.clientWidth, height: HEIGHT }));
  sizes.observe(plot);
  const recolor = () => drawing?.redraw(false, true);
  DARK.addEventListener("change", recolor);

  return {
    update(next) {
      shown = next;
      const isEmpty = !next.columns.slice(1).some((column) => column.some((value) => value != null));
      show(none, isEmpty);
      show(plot, !isEmpty);
      set(plot, "aria-label", next.summary);
      if (!isEmpty) {
        if (drawing) drawing.setData(next.drawn);
        else build();
      }
      legend();
      table.update(next.columns);
    },
    close() {
      sizes.disconnect();
      DARK.removeEventListener("change", recolor);
      drawing?.destroy();
    },
  };
}

function swatch({ color: name, dash }) {
  const mark = el(dash ? "i.swatch.dashed" : "i.swatch", { "aria-hidden": "true" });
  mark.style.setProperty("--of", `var(${name})`);
  return mark;
}

function optionsOf({ kind, series, format, isShare, isWhole, sync, width, marks, from, legend }) {
  const isStack = kind === "stack";
  const font = `11px ${color("--sans")}`;
  const axis = { stroke: () => color("--soft"), font, ticks: { show: false }, gap: 4 };
  return {
    width,
    height: HEIGHT,
    padding: [10, 16, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: sync, setSeries: false }, drag: { x: false, y: false }, y: false, points: { show: !isStack, size: 6 } },
    scales: { x: { time: true, range: (_, first, last) => [from() ?? first, last] }, y: { range: (_, lowest, highest) => [0, isShare ? 1 : topOf(highest)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 30, gap: 10, space: 60, values: (_, ticks) => ticks.map((one) => clockMinute(one * 1000)) },
      { ...axis, grid: { stroke: () => color("--line"), width: 1 }, size: 50, space: 34, incrs: isWhole ? WHOLE : undefined, values: (_, ticks) => ticks.map(format) },
    ],
    series: [
      {},
      ...series.map((one) => ({
        label: one.label,
        stroke: () => color(one.color),
        width: isStack ? 0 : 1.6,
        dash: one.dash,
        fill: isStack ? () => color(one.color) : one.isFilled ? () => color(`${one.color}-tint`) : undefined,
        points: { show: false },
        paths: isStack ? bars : kind === "step" ? steps : undefined,
      })),
    ],
    hooks: {
      drawClear: [(drawing) => drawMarks(drawing, marks())],
      setCursor: [(drawing) => legend(drawing.cursor.idx)],
    },
  };
}

// Amounts that hardly differ from nothing should not look like mountains.
const topOf = (highest) => (highest > 0 ? highest * 1.12 : 1);

function drawMarks(drawing, marks) {
  const { ctx, bbox } = drawing;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top - 8 * ratio, bbox.width, bbox.height + 8 * ratio);
  ctx.clip();
  for (const { from, to, tone } of [...marks].sort((one, other) => one.tone.length - other.tone.length)) {
    const at = Math.round(drawing.valToPos(from, "x", true));
    const name = MARK_COLORS[tone];
    if (to && tone) {
      ctx.fillStyle = color(name);
      ctx.globalAlpha = 0.12;
      ctx.fillRect(at, bbox.top, Math.max(drawing.valToPos(to, "x", true) - at, 1), bbox.height);
    }
    ctx.strokeStyle = ctx.fillStyle = color(name);
    ctx.globalAlpha = tone ? 0.85 : 0.5;
    ctx.lineWidth = ratio;
    ctx.setLineDash(tone ? [] : [2 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(at + 0.5, bbox.top);
    ctx.lineTo(at + 0.5, bbox.top + bbox.height);
    ctx.stroke();
    if (tone) {
      ctx.beginPath();
      ctx.moveTo(at - 4 * ratio, bbox.top - 6 * ratio);
      ctx.lineTo(at + 5 * ratio, bbox.top - 6 * ratio);
      ctx.lineTo(at + 0.5 * ratio, bbox.top);
      ctx.fill();
    }
  }
  ctx.restore();
}

// The same amounts as text: made when somebody opens it.
function tableOf(label, series, format) {
  const body = el("tbody");
  const head = el("tr", el("th", { scope: "col", text: t("history.time") }), series.map((one) => el("th.figure", { scope: "col", text: one.label })));
  const table = el("table.table", el("caption.unseen", { text: label }), el("thead", head), body);
  const frame = el("div.scroll", { tabindex: "0", role: "region", "aria-label": label }, table);
  const node = el("details.astable", { on: { toggle: fill } }, el("summary", { text: t("history.table") }), frame);
  let columns = [[]];

  function fill() {
    if (!node.open) return;
    const rows = columns[0].map((at, index) => ({ at, texts: columns.slice(1).map((column) => format(column[index])) })).reverse();
    keyed(body, rows, (row) => row.at, newRow, fillRow);
  }
  const newRow = ({ at, texts }) => el("tr", el("th", { scope: "row", text: clockMinute(at * 1000) }), texts.map(() => el("td.figure")));
  const fillRow = (row, { texts }) => texts.forEach((text, index) => put(row.children[index + 1], text));
  return {
    node,
    update(next) {
      columns = next;
      fill();
    },
  };
}
