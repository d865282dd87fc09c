// Rows of things that can be acted on: what it is, what is known of it, and its buttons.

import { el, put, set, show } from "../dom.js";
import { may } from "../session.js";

// Return a new row: a tag, a name, facts, a remark, and these buttons [{name, text, run(item), hurts}] for those who may.
export function newRow(buttons = []) {
  const row = el("li.row-of");
  const tools = el("div.tools");
  if (may("admin")) {
    for (const { name, text, run, hurts } of buttons) {
      const button = el(hurts ? "button.quiet.hurts" : "button.quiet", { type: "button", "data-act": name, text, on: { click: () => run(row.item) } });
      tools.append(button);
    }
  }
  row.append(el("div.main", el("p.says", el("span.tag"), el("span.name"), el("span.aside")), el("p.note.facts"), el("p.remark")), tools);
  return row;
}

// Fill a row. `acts` names the buttons that are shown; each says in `aria-label` what it is about.
// `aside` is an id, in short; `whole` is all of it, `href` where it leads.
export function fillRow(row, { item, tag, tone, name, href, aside = "", whole = "", facts, remark = "", remarkTone = "", acts = [] }) {
  row.item = item;
  const [main, tools] = row.children;
  const [says, note, more] = main.children;
  const [tagNode, nameNode, asideNode] = says.children;
  put(tagNode, tag);
  set(tagNode, "class", tone ? `tag ${tone}` : "tag");
  put(nameNode, name);
  if (href && !asideNode.firstElementChild) asideNode.replaceChildren(el("a"));
  const idNode = href ? asideNode.firstElementChild : asideNode;
  put(idNode, aside);
  set(idNode, "title", whole && whole !== aside ? whole : null);
  if (href) set(idNode, "href", href);
  put(note, facts.filter(Boolean).join(" · "));
  show(note, Boolean(note.textContent));
  put(more, remark);
  show(more, Boolean(remark));
  set(more, "class", remarkTone ? `remark ${remarkTone}` : "remark");
  for (const button of tools.children) {
    show(button, acts.includes(button.dataset.act));
    set(button, "aria-label", `${button.textContent}: ${name}`);
  }
  show(tools, acts.length > 0 && tools.children.length > 0);
}

// What a reader sees of a long id.
export const shortened = (sid) => (sid.length > 14 ? `${sid.slice(0, 12)}…` : sid);
