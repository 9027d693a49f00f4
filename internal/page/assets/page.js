// Keeps the page up to date: a stream says when something has changed, and then what has
// data-live is taken from a new copy of the page. Everything works without it, by reload.
"use strict";

const parse = (html) => new DOMParser().parseFromString(html, "text/html");

// merge makes the children of old those of fresh. A child with the same id and version
// stays as it is, so that its focus and what is open in it stay too.
function merge(old, fresh) {
  if (old.innerHTML === fresh.innerHTML) return;
  if (fresh.childElementCount === 0) {
    old.textContent = fresh.textContent;
    return;
  }
  const had = new Map([...old.children].filter((c) => c.id).map((c) => [c.id, c]));
  const focused = document.activeElement?.id;
  const kept = new Set();
  let at = old.firstElementChild;
  for (const node of [...fresh.children]) {
    const before = had.get(node.id);
    if (before && before.dataset.version === node.dataset.version) {
      if (before === at) at = at.nextElementSibling;
      else old.insertBefore(before, at);
      kept.add(before);
      continue;
    }
    for (const open of before?.querySelectorAll("details[open][id]") ?? []) {
      node.querySelector("#" + CSS.escape(open.id))?.setAttribute("open", "");
    }
    old.insertBefore(node, at);
    kept.add(node);
  }
  for (const node of [...old.childNodes]) {
    if (!kept.has(node)) node.remove();
  }
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus();
}

function update(copy, what) {
  for (const old of document.querySelectorAll(what)) {
    const fresh = copy.getElementById(old.id);
    if (!fresh) continue;
    old.className = fresh.className;
    merge(old, fresh);
  }
}

// One copy is fetched at a time; what changes meanwhile is seen by the next one.
let fetching = false;
let again = false;
async function refresh() {
  again = true;
  if (fetching) return;
  fetching = true;
  while (again) {
    again = false;
    try {
      const answer = await fetch(location.href);
      if (answer.ok) update(parse(await answer.text()), "[data-live]");
    } catch {
      // the stream tells whether the server is there
    }
  }
  fetching = false;
}

// A page that nobody sees needs no stream: a browser has six connections to a server.
const retryPause = 5000; // milliseconds after an answer that is no stream, such as one of a proxy
let stream;
let retry;
function connect() {
  clearTimeout(retry);
  const path = document.body.dataset.stream;
  if (!path || document.hidden) {
    stream?.close();
    stream = undefined;
    return;
  }
  if (stream) return;
  const link = document.querySelector("[data-link]");
  const say = (live) => {
    link.hidden = false;
    link.classList.toggle("live", live);
    const text = live ? "Live" : "Not connected";
    if (link.textContent !== text) link.textContent = text;
  };
  stream = new EventSource(path);
  stream.addEventListener("changed", refresh);
  stream.addEventListener("open", () => say(true));
  stream.addEventListener("error", (event) => {
    say(false);
    // A browser tries again by itself, except after an answer with another status than 200.
    if (event.target !== stream || stream.readyState !== EventSource.CLOSED) return;
    stream = undefined;
    retry = setTimeout(connect, retryPause);
  });
}
connect();
document.addEventListener("visibilitychange", connect);

// A form with data-act is sent without leaving the page.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-act]")) return;
  event.preventDefault();
  const button = event.submitter;
  const result = document.querySelector("[data-result]");
  const say = (problem) => {
    result.classList.add("failed");
    result.textContent = problem;
  };
  button?.setAttribute("aria-busy", "true");
  try {
    const body = new URLSearchParams(new FormData(form, button));
    const answer = await fetch(form.action, { method: "POST", body });
    const copy = parse(await answer.text());
    if (copy.getElementById(result.id)) update(copy, "[data-result], [data-live]");
    else say("The server answered " + answer.status + ".");
  } catch {
    say("The server does not answer.");
  }
  button?.removeAttribute("aria-busy");
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copy by hand";
  }
});
