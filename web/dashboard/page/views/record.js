// One record of the archive: who called whom and when, how it ended, and all that was said.

import { get, pathTo } from "../api.js";
import { el, keyed, put, show } from "../dom.js";
import { moment, party, spaced, stopwatch } from "../format.js";
import { sentenceOf } from "../session.js";
import { t, word } from "../texts.js";
import { transcriptIn } from "./transcript.js";

// Show the record of a call in `place`: that of its life that began at `startedAt`, or of its latest.
export async function recordIn(place, sid, startedAt, back, { takesFocus }) {
  const title = el("h2", { tabindex: "-1", text: "…" });
  const facts = el("p.facts");
  const slots = el("dl.slots", { hidden: true, tabindex: "0", "aria-label": t("call.slots") });
  const transcript = transcriptIn();
  const leave = el("button.plain.back", { type: "button", text: t("archive.back"), on: { click: back } });
  const wrong = el("p.empty", { role: "alert", hidden: true });
  const page = el("article", el("header.calltop", leave, el("div.heading", title), facts, el("p.sid", { text: sid })), slots, wrong, transcript.node);
  place.replaceChildren(page);
  try {
    const record = await get(pathTo(["records", sid], { started_at: startedAt }));
    if (!page.isConnected) return;
    put(title, party(record) || t("list.unknown_caller"));
    put(facts, factsOf(record).filter(Boolean).join(" · "));
    showSlots(slots, record.slots);
    transcript.show({ turns: record.turns, ended: record.ended_at ? { at: record.ended_at, status: record.status } : null });
    show(wrong, Boolean(record.partial));
    put(wrong, record.partial ? t("archive.partial") : "");
  } catch (error) {
    if (!page.isConnected) return;
    put(title, sid);
    put(wrong, sentenceOf(error));
    show(wrong, true);
    show(transcript.node, false);
  }
  if (takesFocus) title.focus();
}

function factsOf(record) {
  const isOutbound = (record.direction ?? "").startsWith("outbound");
  const other = isOutbound ? record.from_number : record.to_number;
  const length = record.duration_seconds == null ? "" : stopwatch(record.duration_seconds * 1000);
  return [
    other && t(isOutbound ? "call.placed" : "call.called", { number: other }),
    record.started_at && moment(record.started_at),
    length ? t("call.over", { status: word("status", record.status), for: length }) : word("status", record.status),
    record.reason,
    record.agent,
    record.tenant && t("call.tenant", { tenant: record.tenant }),
    record.worker_version && t("call.version", { version: record.worker_version.slice(0, 12) }),
    spaced(record.phase),
  ];
}

function showSlots(place, slots) {
  const known = Object.entries(slots ?? {}).filter(([, value]) => value != null && value !== "");
  show(place, known.length > 0);
  keyed(place, known, ([name]) => name, ([name]) => el("div", el("dt", { text: spaced(name) }), el("dd")), (row, [, value]) => {
    put(row.children[1], typeof value === "string" ? value : JSON.stringify(value));
  });
}
