// Dialogs: what will happen, what is needed for it, and the button that does it. An error stays in the dialog.

import { el, put } from "./dom.js";
import { sentenceOf } from "./session.js";
import { t } from "./texts.js";

let count = 0;

// Ask before something happens.
//
// `title` and `text` (what will happen) are sentences, `action` is the word of the button; `isDanger` colours it.
// `fields` are [{name, label, type: "text" | "textarea" | "number" | "checkbox" | "select", value, options: [[value, label]],
// required, hint, min, max, pattern, maxlength}]. With `typed`, the button works once that word has been typed.
// `run(values)` does it, while the dialog shows that it runs; what it raises is shown as a sentence, and the dialog stays.
// Return what `run` returned, or undefined if the person has thought better of it.
export function ask({ title, text = "", action, isDanger = false, fields = [], typed = "", run }) {
  const id = `dialog-${++count}`;
  const all = typed
    ? [
        ...fields,
        {
          name: "typed",
          label: t("dialog.type", { word: typed }),
          required: true,
          pattern: escaped(typed),
          autocomplete: "off",
        },
      ]
    : fields;
  const inputs = all.map((field) => [field, input(field, `${id}-${field.name}`)]);
  const wrong = el("p.wrong", { role: "alert" });
  const submit = el(isDanger ? "button.danger" : "button.primary", { type: "submit", text: action });
  const cancel = el("button.quiet", { type: "button", text: t("dialog.cancel"), autofocus: isDanger && !all.length });
  const form = el(
    "form",
    { method: "dialog", novalidate: false },
    el("h2", { id, text: title }),
    text && el("p.what", { id: `${id}-what`, text }),
    inputs.map(([field, node]) => row(field, node)),
    wrong,
    el("div.buttons", cancel, submit),
  );
  const dialog = el("dialog", { "aria-labelledby": id, "aria-describedby": text ? `${id}-what` : null }, form);
  let isRunning = false;

  return new Promise((resolve) => {
    const before = document.activeElement;
    let result;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (isRunning) return;
      isRunning = true;
      put(wrong, "");
      submit.setAttribute("aria-busy", "true");
      try {
        result =
          (await run(Object.fromEntries(inputs.map(([field, node]) => [field.name, valueOf(field, node)])))) ?? null;
        dialog.close();
      } catch (error) {
        put(wrong, sentenceOf(error));
      } finally {
        isRunning = false;
        submit.removeAttribute("aria-busy");
      }
    });
    cancel.addEventListener("click", () => dialog.close());
    dialog.addEventListener("cancel", (event) => isRunning && event.preventDefault());
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

function input({ name, type = "text", value = "", options = [], label, hint, ...rest }, id) {
  if (type === "select") {
    return el(
      "select",
      { id, name, ...rest },
      options.map(([one, words]) => el("option", { value: one, text: words, selected: one === value })),
    );
  }
  if (type === "checkbox") return el("input", { id, name, type, checked: Boolean(value), ...rest });
  if (type === "textarea") return el("textarea", { id, name, rows: 3, ...rest, text: value });
  return el("input", { id, name, type, value, ...rest });
}

function row({ type, label, hint }, node) {
  const words = el("label", { for: node.id, text: label });
  const help = hint && el("p.hint", { id: `${node.id}-hint`, text: hint });
  if (help) node.setAttribute("aria-describedby", help.id);
  return type === "checkbox" ? el("div.check", node, words, help) : el("div.field", words, node, help);
}

function valueOf({ type }, node) {
  if (type === "checkbox") return node.checked;
  return type === "number" ? Number(node.value) : node.value;
}

const escaped = (word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

// Tell what was done, for a while, and to screen readers.
export function tell(text) {
  let place = document.getElementById("told");
  if (!place) {
    place = el("p", { id: "told", role: "status" });
    document.body.append(place);
  }
  put(place, text);
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => put(place, ""), 6000);
}
