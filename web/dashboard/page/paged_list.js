// A list that comes in pages, and is read again as a whole while somebody looks: what changed meanwhile is seen, and the
// element that has the focus stays the same.

import { get } from "./api.js";
import { el, keyed, put, show } from "./dom.js";
import { sentenceOf } from "./session.js";
import { t } from "./texts.js";

const PAGE = 50;
const MOST = 1000; // that the API gives at once

// `path({limit, cursor})` is where a page is, `take(answer)` returns its {items, next}. `key`, `make` and `fill` are those
// of `keyed`, `empty` is said of a list without items. `onError(error)` may return an element that explains the error.
export function pagedList({ label, path, take, key, make, fill, empty, onError = () => null }) {
  const list = el("ul.rows", { "aria-label": label });
  const none = el("p.empty", { text: empty, hidden: true });
  const wrong = el("div.empty", { role: "alert", hidden: true });
  const more = el("button.quiet.more", { type: "button", hidden: true, text: t("paged.more"), on: { click: () => readMore() } });
  const node = el("div.paged", list, none, wrong, more);
  let items = [];
  let next = null;
  let reading = 0; // the newest request, whose answer alone counts
  let isOver = false;

  async function read(cursor, limit) {
    const mine = ++reading;
    try {
      const answer = take(await get(path({ limit, cursor })));
      if (isOver || mine !== reading) return;
      items = cursor ? [...items, ...answer.items] : answer.items;
      next = answer.next;
      show(wrong, false);
    } catch (error) {
      if (isOver || mine !== reading) return;
      if (error.status >= 400 && error.status < 500) items = [];
      next = items.length ? next : null;
      wrong.replaceChildren(onError(error) ?? el("p", { text: sentenceOf(error) }));
      show(wrong, true);
    }
    draw();
  }

  function draw() {
    keyed(list, items, key, make, fill);
    show(list, items.length > 0);
    show(none, !items.length && wrong.hidden);
    show(more, Boolean(next) && items.length < MOST);
  }

  async function readMore() {
    const last = list.lastElementChild;
    await read(next, PAGE);
    if (more.hidden || document.activeElement === document.body) last?.nextElementSibling?.querySelector("a,button,summary")?.focus();
  }

  return {
    node,
    items: () => items,
    // True if there is no more than these.
    isWhole: () => !next,
    // Read what is shown again, or from the beginning.
    refresh: () => read("", Math.min(Math.max(items.length, PAGE), MOST)),
    restart: () => read("", PAGE),
    redraw: draw,
    close: () => (isOver = true),
    say: (text) => put(none, text),
  };
}
