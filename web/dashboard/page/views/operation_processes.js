// The processes: who runs where, in which state, with how much at hand; a worker can be drained.

import { get, pathTo, post } from "../api.js";
import { ask, tell } from "../dialog.js";
import { el, keyed, put, show } from "../dom.js";
import { span } from "../format.js";
import { live, now, on } from "../live.js";
import { sentenceOf } from "../session.js";
import { t, word } from "../texts.js";
import { fillRow, newRow } from "./operation_rows.js";

const TONES = { running: "good", draining: "warn", silent: "warn", lost: "bad" };

export function processesIn(place, tools) {
  const sum = el("p.note");
  const list = el("ul.rows", { "aria-label": t("ops.processes.title") });
  const none = el("p.empty", { hidden: true, text: t("ops.processes.none") });
  tools.append(sum);
  place.append(list, none);
  let processes = [];
  let isOver = false;

  function take(told) {
    processes = told;
    draw();
  }

  function draw() {
    keyed(list, processes, (process) => process.id, () => newRow([{ name: "drain", text: t("ops.drain.short"), run: drain }]), fill);
    show(list, processes.length > 0);
    show(none, !processes.length);
    const count = (role) => processes.filter((one) => one.role === role && one.state !== "lost").length;
    put(sum, processes.length ? t("ops.processes.sum", { ingresses: count("ingress"), workers: count("worker") }) : "");
  }

  async function read() {
    if (live.overview?.processes) return take(live.overview.processes);
    try {
      const { processes: told } = await get("processes");
      if (!isOver) take(told);
    } catch (error) {
      put(none, sentenceOf(error));
      if (!isOver) draw();
    }
    return undefined;
  }

  const end = on("overview", (overview) => overview.processes && take(overview.processes));
  read();
  return {
    read,
    tick: draw,
    close() {
      isOver = true;
      end();
    },
  };
}

export const nameOf = (process) =>
  [word("role", process.role), process.pid || "", process.host ? t("ops.on", { host: process.host }) : ""].filter(Boolean).join(" ");

function fill(row, process) {
  const isLost = process.state === "lost";
  const facts = [
    process.role === "worker" && !isLost ? t("ops.processes.slots", { running: process.running ?? 0, slots: process.slots ?? 0 }) : "",
    process.sockets == null || isLost ? "" : t("ops.processes.sockets", { count: process.sockets }),
    process.version && t("call.version", { version: process.version.slice(0, 12) }),
    process.agent,
    isLost ? t("ops.processes.lost", { for: span(now() - Date.parse(process.lost_at ?? process.seen_at)) }) : "",
    !isLost && process.started_at ? t("ops.processes.up", { for: span(now() - Date.parse(process.started_at)) }) : "",
  ];
  fillRow(row, {
    item: process,
    tag: word("state", process.state),
    tone: TONES[process.state],
    name: nameOf(process),
    aside: process.id.slice(0, 8),
    whole: process.id,
    facts,
    remark: process.stuck_threads ? t("ops.processes.stuck", { count: process.stuck_threads }) : process.state === "silent" ? t("ops.processes.silent", { for: span(now() - Date.parse(process.seen_at)) }) : "",
    remarkTone: "warn",
    acts: process.role === "worker" && process.state === "running" ? ["drain"] : [],
  });
}

async function drain(process) {
  const done = await ask({
    title: t("ops.drain.title", { name: nameOf(process) }),
    text: t("ops.drain.what", { count: process.running ?? 0 }),
    action: t("ops.drain.do"),
    run: () => post(pathTo(["workers", process.id, "drain"])),
  });
  if (done !== undefined) tell(t("ops.drain.done"));
}
