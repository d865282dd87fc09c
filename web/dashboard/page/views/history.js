// The last hours as charts: how long callers waited, how many there were, what went wrong and what was absorbed.

import { get, pathTo } from "../api.js";
import { chartIn } from "../chart.js";
import { el, put, show } from "../dom.js";
import { clockMinute } from "../format.js";
import { go, hashOf } from "../route.js";
import { sentenceOf } from "../session.js";
import { t, word } from "../texts.js";
import { CHARTS, columnsOf, headOf, RANGES, STAGES, stacked } from "./history_model.js";
import { marksOf, toneOf } from "./incident_model.js";

const EVERY_MS = 20_000;
const MOST_MARKS = 500;
const LEAST_POINTS = 10;

export function view(root, route) {
  const hours = el("div.tabs", { role: "group", "aria-label": t("history.range") });
  const stage = el("select", { "aria-label": t("history.stage"), on: { change: (event) => choose({ stage: event.target.value }) } });
  stage.append(...STAGES.map((name) => el("option", { value: name, text: t(`history.stages.${name}`) })));
  for (const range of Object.keys(RANGES)) {
    hours.append(el("button", { type: "button", "data-hours": range, text: t("history.hours", { count: Number(range) }), on: { click: () => choose({ hours: range }) } }));
  }
  const marks = el("p.note.marks");
  const wrong = el("p.finding", { role: "alert", hidden: true });
  const grid = el("div.charts");
  root.append(el("div.bar-of", el("h2.viewtitle", { text: t("view.history") }), hours, marks), wrong, grid);
  const charts = CHARTS.map((definition) => newChart(grid, definition, stage));
  let here = chosenIn(route);
  let seen = null;
  let readAt = 0;
  let isOver = false;

  function choose(change) {
    const { hours: wanted, stage: of } = { ...here, ...change };
    go("history", [], { hours: wanted === "1" ? "" : wanted, stage: of === "reply" ? "" : of }, { replace: true });
  }

  async function read() {
    readAt = performance.now();
    const asked = here.hours;
    try {
      const [history, incidents] = await Promise.all([
        get(pathTo(["history"], { hours: asked, step: RANGES[asked] })),
        get(pathTo(["incidents"], { limit: MOST_MARKS })).catch(() => ({ incidents: [] })),
      ]);
      if (isOver || asked !== here.hours) return;
      seen = { history, incidents: incidents.incidents };
      show(wrong, false);
      draw();
    } catch (error) {
      if (isOver) return;
      put(wrong, sentenceOf(error));
      show(wrong, true);
    }
  }

  function draw() {
    if (!seen) return;
    const { history, incidents } = seen;
    const began = Date.parse(history.from);
    const within = incidents.filter((one) => Date.parse(one.until ?? one.at) >= began);
    const { from, known } = beginningOf(history.points);
    for (const chart of charts) chart.update(history.points, marksOf(within), here.stage, from);
    const bad = within.filter((one) => toneOf(one.kind)).length;
    marks.replaceChildren(
      known == null ? "" : el("span", { text: t("history.known", { at: clockMinute(known) }) }),
      el("span.legend-mark", { text: t("history.disturbance") }),
      el("span.legend-mark.dotted", { text: t("history.deploy") }),
      bad ? el("a", { href: hashOf("incidents"), text: t("history.incidents", { count: bad }) }) : t("history.calm"),
    );
  }

  function changed(next) {
    const before = here;
    here = chosenIn(next);
    for (const button of hours.children) button.setAttribute("aria-pressed", String(button.dataset.hours === here.hours));
    stage.value = here.stage;
    if (!seen || before.hours !== here.hours) read();
    else draw();
  }

  changed(route);
  return {
    changed,
    tick() {
      if (!document.hidden && performance.now() - readAt > EVERY_MS) read();
    },
    leave() {
      isOver = true;
      for (const chart of charts) chart.close();
    },
  };
}

function chosenIn({ query }) {
  return {
    hours: query.hours in RANGES ? query.hours : "1",
    stage: STAGES.includes(query.stage) ? query.stage : "reply",
  };
}

function newChart(grid, definition, stage) {
  const label = t(`history.charts.${definition.name}.title`);
  const big = el("p.headline");
  const about = el("p.note");
  const head = el("div.charthead", el("div", el("h3.title", { text: label }), big), definition.hasStages ? stage : null);
  const figure = el("figure.chart.sheet", { "data-chart": definition.name }, head, about);
  grid.append(figure);
  const series = definition.series.map((one) => ({ ...one, label: t(`history.series.${one.name}`) }));
  const { kind, format, isShare, isWhole } = definition;
  const chart = chartIn(figure, { label, kind, series, format, isShare, isWhole, sync: "history" });
  return {
    close: chart.close,
    update(points, marks, chosen, from) {
      const columns = columnsOf(definition, points, chosen);
      const told = columns.slice(1).map((column) => headText(definition, column));
      const whole = kind === "stack" ? format(columns.slice(1).reduce((sum, column) => sum + (headOf("sum", column) ?? 0), 0)) : told[0];
      put(big, whole);
      put(about, t(`history.charts.${definition.name}.about`));
      const parts = series.map((one, index) => t("history.part", { name: one.label, value: told[index] })).join(", ");
      const summary = t("history.summary", { label, stage: definition.hasStages ? t(`history.stages.${chosen}`) : "", parts });
      chart.update({ columns, drawn: kind === "stack" ? stacked(columns) : columns, marks, heads: told, summary, from });
    },
  };
}

const headText = (definition, column) => definition.format(headOf(definition.head, column));

// Return since when something is `known`, and `from` where (s) it is drawn, if most of a drawing would be empty since
// nobody measured before.
function beginningOf(points) {
  const first = points.findIndex((point) => point.active != null);
  if (first < points.length / 2) return {};
  return { known: points[first].at, from: Date.parse(points[Math.min(first, points.length - LEAST_POINTS)].at) / 1000 };
}
