// Server-sent events, asked for again whenever they end. While nobody sees the page the connection is closed: a browser
// has six for all of its tabs.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const HIDDEN_MS = 20_000;

// Open `path`, and call `handlers[name](data)` for each event. `onBreak()` is called when the connection breaks or is
// refused; if it returns false, that is the end. Return a function that closes it.
export function openStream(path, handlers, onBreak = () => true) {
  let source = null;
  let wait = FIRST_WAIT_MS;
  let timer = 0;
  let isOver = false;

  function open() {
    clearTimeout(timer);
    timer = 0;
    if (isOver || source) return;
    source = new EventSource(path);
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => {
        wait = FIRST_WAIT_MS;
        handle(JSON.parse(event.data));
      });
    }
    source.addEventListener("error", () => later());
  }

  // The browser's own retries are not used: they never end for a server that is away, and end for one that refuses.
  async function later() {
    drop();
    if (isOver || timer) return;
    timer = setTimeout(open, wait * (0.75 + Math.random() / 2));
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    if ((await onBreak()) === false) close();
  }

  function drop() {
    source?.close();
    source = null;
  }

  function close() {
    isOver = true;
    clearTimeout(timer);
    drop();
    document.removeEventListener("visibilitychange", look);
  }

  function look() {
    clearTimeout(timer);
    timer = 0;
    if (!document.hidden) open();
    else timer = setTimeout(() => drop(), HIDDEN_MS);
  }

  document.addEventListener("visibilitychange", look);
  open();
  return close;
}
