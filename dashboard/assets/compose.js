// Checks a new message while it is written: after a short pause the form is sent to the
// server, and what was found comes back, with a copy of the body that has marks in it. The
// copy lies behind the text area. Without this script the button Check does the same.
"use strict";
{
  const pause = 600; // milliseconds after the last key
  const form = document.getElementById("compose");
  const body = document.getElementById("body");
  const marks = document.getElementById("marks");
  const found = document.getElementById("check");
  const status = document.getElementById("check-status");
  const button = document.getElementById("check-now");
  let timer, running;

  const scroll = () => {
    marks.scrollTop = body.scrollTop;
    marks.scrollLeft = body.scrollLeft;
  };
  const say = (text, look = "result failed") => {
    status.className = look;
    if (status.textContent !== text) status.textContent = text;
  };

  async function check() {
    clearTimeout(timer);
    running?.abort();
    const mine = (running = new AbortController());
    try {
      const data = new URLSearchParams(new FormData(form));
      const answer = await fetch(button.formAction, { method: "POST", body: data, signal: mine.signal });
      const copy = parse(await answer.text());
      const fresh = copy.getElementById("check");
      if (!fresh) {
        say("The check failed: the server answered " + answer.status + ".");
        return;
      }
      if (mine !== running) return;
      const told = copy.getElementById("check-status");
      found.replaceChildren(...fresh.childNodes);
      marks.replaceChildren(...copy.getElementById("marks").childNodes);
      marks.append("\n"); // so that it can be scrolled as far as the text area
      scroll();
      say(told.textContent, told.className);
    } catch (problem) {
      if (problem.name !== "AbortError") say("The check failed: the server does not answer.");
    }
  }

  form.addEventListener("input", (event) => {
    if (event.target === body) marks.replaceChildren();
    running?.abort();
    clearTimeout(timer);
    timer = setTimeout(check, pause);
  });
  body.addEventListener("scroll", scroll);
  button.addEventListener("click", (event) => {
    event.preventDefault();
    check();
  });

  // A place in the list of findings selects its text.
  found.addEventListener("click", (event) => {
    const place = event.target.closest("[data-from]");
    if (!place) return;
    event.preventDefault();
    body.focus();
    body.setSelectionRange(Number(place.dataset.from), Number(place.dataset.to));
    const at = [...marks.querySelectorAll("mark")].findLast((m) => Number(m.dataset.from) <= Number(place.dataset.from));
    if (at) body.scrollTop = at.offsetTop - body.clientHeight / 3;
  });

  form.addEventListener("submit", (event) => {
    if (event.submitter?.hasAttribute("data-send")) event.submitter.setAttribute("aria-busy", "true");
  });
  addEventListener("pageshow", () => {
    form.querySelector("[data-send]").removeAttribute("aria-busy");
    scroll();
    if (body.value && !found.querySelector(".findings, .links")) check();
  });
}
