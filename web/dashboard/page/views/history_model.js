// What the charts of the history show: which amounts of a point, and how they are told.

import { duration, number, percent } from "../format.js";

export const STAGES = ["reply", "submitted", "claimed", "first_token", "finished", "committed", "first_word"];
// Hours that are shown, and the seconds of each point: few enough points that a bar can be seen.
export const RANGES = { 1: 60, 6: 300, 24: 900 };

const count = (value) => (value == null ? "–" : number(Math.round(value * 10) / 10));
const seconds = (value) => duration(value == null ? null : value * 1000);
const part = (value) => (value == null ? "–" : percent(value));

const amount = (name) => (point) => point[name] ?? null;
const outcome = (name) => (point) => point.outcomes?.[name] ?? 0;
const stage = (name) => (point, chosen) => point.stages?.[chosen]?.[name] ?? null;

// `kind` is how it is drawn: lines, bars that stand on each other, or an area. `head` is what of the range is told in
// figures: the newest amount, the sum, or the middle one. The first series gives it.
export const CHARTS = [
  {
    name: "reply", kind: "line", head: "middle", format: duration, hasStages: true,
    series: [
      { name: "p50", color: "--accent", value: stage("p50_ms"), isFilled: true },
      { name: "p95", color: "--blue", value: stage("p95_ms") },
      { name: "p99", color: "--edge", value: stage("p99_ms"), dash: [4, 3] },
    ],
  },
  { name: "active", kind: "line", head: "newest", format: count, isWhole: true, series: [{ name: "active", color: "--accent", value: amount("active"), isFilled: true }] },
  {
    name: "turns", kind: "stack", head: "sum", format: count, isWhole: true,
    series: [
      { name: "replied", color: "--accent", value: outcome("replied") },
      { name: "interrupted", color: "--blue", value: outcome("interrupted") },
      { name: "dropped", color: "--edge", value: outcome("dropped") },
      { name: "timed_out", color: "--warn", value: outcome("timed_out") },
      { name: "failed", color: "--bad", value: outcome("failed") },
    ],
  },
  {
    name: "calls", kind: "line", head: "sum", format: count, isWhole: true,
    series: [
      { name: "started", color: "--accent", value: amount("calls_started") },
      { name: "ended", color: "--edge", value: amount("calls_ended"), dash: [4, 3] },
    ],
  },
  {
    name: "bridged", kind: "stack", head: "sum", format: count, isWhole: true,
    series: [
      { name: "fillers", color: "--blue", value: amount("fillers") },
      { name: "held", color: "--warn", value: amount("held") },
    ],
  },
  {
    name: "absorbed", kind: "stack", head: "sum", format: count, isWhole: true,
    series: [
      { name: "rescues", color: "--warn", value: amount("rescues") },
      { name: "duplicates", color: "--edge", value: amount("duplicates") },
    ],
  },
  {
    name: "trouble", kind: "stack", head: "sum", format: count, isWhole: true,
    series: [
      { name: "errors", color: "--bad", value: amount("errors") },
      { name: "unanswered", color: "--warn", value: amount("unanswered") },
      { name: "dead_letters", color: "--ink", value: amount("dead_letters") },
    ],
  },
  {
    name: "queue", kind: "line", head: "newest", format: count, isWhole: true,
    series: [{ name: "queue", color: "--accent", value: amount("queue_depth"), isFilled: true }],
  },
  {
    name: "oldest", kind: "line", head: "newest", format: seconds,
    series: [{ name: "oldest", color: "--warn", value: amount("oldest_wait_seconds"), isFilled: true }],
  },
  {
    name: "utilization", kind: "line", head: "newest", format: part, isShare: true,
    series: [{ name: "utilization", color: "--accent", value: amount("utilization"), isFilled: true }],
  },
  { name: "workers", kind: "step", head: "newest", format: count, isWhole: true, series: [{ name: "workers", color: "--accent", value: amount("workers"), isFilled: true }] },
];

// Return the columns of a chart: the times (s), and for each series its amounts.
export function columnsOf(definition, points, chosen) {
  const times = points.map((point) => Date.parse(point.at) / 1000);
  return [times, ...definition.series.map((one) => points.map((point) => one.value(point, chosen)))];
}

// Return the columns of series that stand on each other: each is the sum of itself and those after it, so that the
// first is drawn first and the others over it.
export function stacked([times, ...columns]) {
  const sums = columns.map((column) => [...column]);
  for (let index = sums.length - 2; index >= 0; index -= 1) {
    sums[index] = sums[index].map((value, at) => (value ?? 0) + (sums[index + 1][at] ?? 0));
  }
  return [times, ...sums];
}

// Return the figure of a column: the newest known amount, the sum, or the median; null if nothing is known.
export function headOf(how, column) {
  const known = column.filter((value) => value != null);
  if (!known.length) return null;
  if (how === "newest") return known.at(-1);
  if (how === "sum") return known.reduce((sum, value) => sum + value, 0);
  return [...known].sort((one, other) => one - other)[Math.floor((known.length - 1) / 2)];
}

// True if something is known of the column.
export const hasAny = (columns) => columns.slice(1).some((column) => column.some((value) => value));
