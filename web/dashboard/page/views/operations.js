// What runs and what is left to do: processes, versions, dead letters, events that are not delivered.

import { el } from "../dom.js";
import { may } from "../session.js";
import { t } from "../texts.js";
import { deadLettersIn } from "./operation_dead_letters.js";
import { eventsIn } from "./operation_events.js";
import { processesIn } from "./operation_processes.js";
import { versionsIn } from "./operation_versions.js";

// They stand in two columns where there is room.
const COLUMNS = [["processes", "dead"], ["versions", "events"]];
const PARTS = { processes: processesIn, versions: versionsIn, dead: deadLettersIn, events: eventsIn };
const EVERY_MS = 5000;

export function view(root, route) {
  const parts = [];
  const anchors = el("nav.tabs.anchors", { "aria-label": t("ops.parts") });
  root.append(
    el("div.bar-of", el("h2.viewtitle", { text: t("view.operations") }), anchors, may("admin") ? null : el("p.note", { text: t("ops.look_only") })),
  );
  const columns = COLUMNS.map(() => el("div.column"));
  root.append(el("div.operations", columns));
  for (const [name, column] of COLUMNS.flatMap((names, at) => names.map((one) => [one, columns[at]]))) {
    const tools = el("div.tools");
    const heading = el("h3.title", { id: `part-${name}`, tabindex: "-1", text: t(`ops.${name}.title`) });
    const place = el("section.sheet.part", { "aria-labelledby": `part-${name}` }, el("header.parthead", heading, tools));
    column.append(place);
    parts.push(PARTS[name](place, tools));
    anchors.append(el("button", { type: "button", text: t(`ops.${name}.title`), on: { click: () => pointTo(name) } }));
  }
  let readAt = performance.now();

  function pointTo(name) {
    const heading = document.getElementById(`part-${name}`);
    heading?.scrollIntoView({ block: "start" });
    heading?.focus({ preventScroll: true });
  }

  if (route.rest[0] in PARTS) pointTo(route.rest[0]);
  return {
    changed(next) {
      if (next.rest[0] in PARTS) pointTo(next.rest[0]);
    },
    tick() {
      for (const part of parts) part.tick?.();
      if (document.hidden || performance.now() - readAt < EVERY_MS) return;
      readAt = performance.now();
      for (const part of parts) part.read();
    },
    leave() {
      for (const part of parts) part.close();
    },
  };
}
