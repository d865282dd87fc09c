// The events that are not delivered, and their sinks: deliver again, drop, try now, resume a sink that was stopped.

import { api, pathTo, post } from "../api.js";
import { ask, tell } from "../dialog.js";
import { el, keyed, put, show } from "../dom.js";
import { moment, span } from "../format.js";
import { live, now } from "../live.js";
import { pagedList } from "../paged_list.js";
import { hashOf } from "../route.js";
import { sayingAll } from "../sentences.js";
import { t } from "../texts.js";
import { fillRow, newRow, shortened } from "./operation_rows.js";

const OFF = 404;

export function eventsIn(place, tools) {
  const says = el("p.note");
  tools.append(says);
  const sinks = el("ul.rows.sinks", { "aria-label": t("ops.sinks.title") });
  const list = pagedList({
    label: t("ops.events.title"),
    path: (query) => pathTo(["events"], query),
    take: (answer) => ({ items: answer.events, next: answer.next_cursor }),
    key: (event) => `${event.call_sid}/${event.position}/${event.sink}`,
    make: () => newRow([
      { name: "replay", text: t("ops.replay.short"), run: (event) => act("replay", event, () => post(pathOf(event, ["replay"]))) },
      { name: "drop", text: t("ops.drop.short"), hurts: true, run: (event) => act("drop_event", event, () => api("DELETE", pathOf(event))) },
    ]),
    fill,
    empty: t("ops.events.none"),
    onError: (error) => (error.status === OFF ? el("p", { text: t("ops.events.off") }) : null),
  });
  place.append(sinks, list.node);

  async function act(name, event, run) {
    const done = await ask({
      title: t(`ops.${name}.title`, { type: event.type }),
      text: t(`ops.${name}.what`, { type: event.type, sink: event.sink, sid: event.call_sid }),
      action: t(`ops.${name}.do`),
      isDanger: name === "drop_event",
      run,
    });
    if (done !== undefined) tell(t(`ops.${name}.done`));
    read();
  }

  async function order(name, sink) {
    const done = await ask({
      title: t(`ops.${name}.title`, { sink }),
      text: t(`ops.${name}.what`, { sink }),
      action: t(`ops.${name}.do`),
      run: () => post(pathTo(["sinks", sink, name])),
    });
    if (done !== undefined) tell(t(`ops.${name}.done`, { count: done?.calls ?? 0 }));
    read();
  }

  async function read() {
    await list.refresh();
    drawSinks();
  }

  function drawSinks() {
    const check = live.overview?.checks?.events;
    const open = sinksOf(list, check?.sinks).filter((sink) => sink.pending || sink.dead || sink.stopped);
    keyed(sinks, open, (sink) => sink.name, () => newRow([
      { name: "retry", text: t("ops.retry.short"), run: (sink) => order("retry", sink.name) },
      { name: "resume", text: t("ops.resume.short"), run: (sink) => order("resume", sink.name) },
    ]), fillSink);
    show(sinks, open.length > 0);
    put(says, sayingAll(check));
    says.classList.toggle("warn", check?.status === "degraded");
  }

  list.restart().then(drawSinks);
  return { read, close: list.close };
}

const pathOf = (event, rest = []) => pathTo(["events", event.call_sid, String(event.position), ...rest], { sink: event.sink });

// Return the sinks with how many events wait for each. They are counted here while all events are listed; else the
// server, which counts all of them every half minute, has said how many there are.
function sinksOf(list, counted = {}) {
  const known = new Map(Object.entries(counted).map(([name, sink]) => [name, { name, ...sink }]));
  if (!list.isWhole() && known.size) return [...known.values()];
  for (const sink of known.values()) Object.assign(sink, { pending: 0, dead: 0, oldest_seconds: 0 });
  for (const event of list.items()) {
    const sink = known.get(event.sink) ?? { name: event.sink, pending: 0, dead: 0, oldest_seconds: 0 };
    sink[event.state] += 1;
    sink.oldest_seconds = Math.max(sink.oldest_seconds, (now() - Date.parse(event.timestamp)) / 1000);
    known.set(event.sink, sink);
  }
  return [...known.values()];
}

function fillSink(row, sink) {
  fillRow(row, {
    item: sink,
    tag: t("ops.sinks.tag"),
    name: sink.name,
    facts: [
      sink.pending ? t("ops.sinks.pending", { count: sink.pending }) : "",
      sink.dead ? t("ops.sinks.dead", { count: sink.dead }) : "",
      sink.pending ? t("ops.sinks.oldest", { for: span(sink.oldest_seconds * 1000) }) : "",
      sink.stopped ? t("ops.sinks.stopped") : "",
    ],
    acts: [sink.pending ? "retry" : "", sink.stopped === false ? "" : "resume"].filter(Boolean),
  });
}

function fill(row, event) {
  const isDead = event.state === "dead";
  fillRow(row, {
    item: event,
    tag: t(`ops.events.states.${event.state}`),
    tone: isDead ? "bad" : "warn",
    name: t("ops.events.name", { type: event.type, sink: event.sink }),
    aside: shortened(event.call_sid),
    whole: event.call_sid,
    facts: [
      moment(event.timestamp),
      t("ops.attempts", { count: event.attempts }),
      event.next_at ? t("ops.events.next", { at: moment(event.next_at) }) : "",
    ],
    href: hashOf("calls", [event.call_sid]),
    remark: event.error ?? "",
    remarkTone: isDead ? "bad" : "warn",
    acts: isDead ? ["replay", "drop"] : ["drop"],
  });
}
