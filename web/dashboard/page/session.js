// Who looks, and the door. The server keeps the key in a signed cookie that no script can read; this page keeps nothing.

import { api, ApiError, get, whenLocked } from "./api.js";
import { el, put, show } from "./dom.js";
import { ofProblem } from "./sentences.js";
import { t } from "./texts.js";

let session = null;

// True if whoever looks may do what needs this scope.
export const may = (scope) => Boolean(session) && (session.scopes.includes("admin") || session.scopes.includes(scope));

// Return who looks: the key's name, its scopes, and until when; null at the door.
export const who = () => session;

// Ask until the server says who looks. Show the door in `place` while it wants a key.
export async function enter(place, onOpen, onDoor) {
  whenLocked(() => session && location.reload());
  try {
    session = await get("session");
  } catch (error) {
    if (error.status === 401) return showDoor(place, onOpen, onDoor);
    if (error.status && error.status < 500) return refuse(place, error);
    setTimeout(() => enter(place, onOpen, onDoor), 2000);
    return refuse(place, error);
  }
  show(place, false);
  onOpen();
}

// Forget the key, here and in the browser.
export async function leave() {
  session = null;
  await api("DELETE", "session").catch(() => {});
  location.reload();
}

// Say an error as a sentence.
export const sentenceOf = (error) =>
  error instanceof ApiError && error.status
    ? ofProblem(error.problem.type, error.message, error.retryAfter) || t("error.status", { status: error.status })
    : t("error.silent");

function refuse(place, error) {
  const words = el("p", { text: sentenceOf(error) });
  place.replaceChildren(el("section.door", { role: "alert" }, el("h2", { text: t("door.closed") }), words));
  show(place, true);
}

function showDoor(place, onOpen, onDoor) {
  onDoor();
  const key = el("input", {
    id: "key",
    type: "password",
    autocomplete: "current-password",
    spellcheck: "false",
    required: true,
    "aria-describedby": "wrong",
  });
  const wrong = el("p.wrong", { id: "wrong", role: "alert" });
  const button = el("button.primary", { type: "submit", text: t("door.open") });
  const form = el(
    "form.door",
    { "aria-labelledby": "door-title" },
    el("h2", { id: "door-title", text: t("door.title") }),
    el("p", { text: t("door.why") }),
    el("label", { for: "key", text: t("door.key") }),
    el("div.row", key, button),
    wrong,
    el("p.hint", { text: t("door.hint") }),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    put(wrong, "");
    button.disabled = true;
    try {
      session = await api("POST", "session", { key: key.value.trim() });
      show(place, false);
      place.replaceChildren();
      onOpen();
    } catch (error) {
      put(wrong, error.status === 401 ? t("door.wrong") : sentenceOf(error));
      key.value = "";
      key.focus();
    } finally {
      button.disabled = false;
    }
  });
  place.replaceChildren(form);
  show(place, true);
  key.focus();
}
