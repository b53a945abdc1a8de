// Keeps a page up to date while somebody looks at it. Without this script every page and every form works the same.
(() => {
  "use strict";
  const root = document.documentElement;
  const base = root.dataset.base || "";
  const POLL_MS = 10000, SETTLE_MS = 350, LEAST_MS = 1500;
  let skew = Date.parse(root.dataset.now) - Date.now();

  // Ages -------------------------------------------------------------------------------------------------------------
  const pad = (number) => String(number).padStart(2, "0");
  const age = (seconds) => {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${pad(Math.floor((s % 3600) / 60))} min`;
    return `${Math.floor(s / 86400)} d ${pad(Math.floor((s % 86400) / 3600))} h`;
  };
  const tick = () => {
    if (document.hidden) return;
    const now = Date.now() + skew;
    for (const time of document.querySelectorAll("time[data-rel]")) {
      const seconds = (now - Date.parse(time.dateTime)) / 1000;
      const kind = time.dataset.rel;
      const text = kind === "for" ? age(seconds) : seconds < 0 ? `in ${age(-seconds)}` : `${age(seconds)} ago`;
      if (time.textContent !== text) time.textContent = text;
    }
  };

  // Taking over what changed -----------------------------------------------------------------------------------------
  const KEEP = new Set(["open", "value", "checked"]);
  const sameKind = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
  const attributes = (from, to) => {
    for (const { name } of [...from.attributes]) {
      if (!to.hasAttribute(name) && !KEEP.has(name)) from.removeAttribute(name);
    }
    for (const { name, value } of to.attributes) {
      if (!KEEP.has(name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
  };
  const morph = (from, to) => {
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    if (from.hasAttribute("data-keep")) return;
    attributes(from, to);
    const wanted = [...to.childNodes];
    let at = from.firstChild;
    for (const node of wanted) {
      if (at && sameKind(at, node)) {
        const next = at.nextSibling;
        morph(at, node);
        at = next;
      } else {
        from.insertBefore(document.importNode(node, true), at);
      }
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  };

  let busy = false, again = false, last = 0, timer = 0;
  const typing = () => {
    const active = document.activeElement;
    return active && /^(INPUT|SELECT|TEXTAREA)$/.test(active.nodeName) && active.closest("[data-live]");
  };
  const update = async () => {
    timer = 0;
    if (document.hidden || !document.querySelector("[data-live]") || typing()) return;
    if (busy) { again = true; return; }
    busy = true;
    last = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { "X-Remat-Live": "1" }, credentials: "same-origin" });
      if (answer.redirected) { location.reload(); return; }
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      skew = Date.parse(fresh.documentElement.dataset.now) - Date.now();
      for (const here of document.querySelectorAll("[data-live][id]")) {
        const part = fresh.getElementById(here.id);
        if (part && !here.isEqualNode(part)) morph(here, part);
      }
      document.title = fresh.title;
      lost(false);
      tick();
    } catch {
      lost(true);
    } finally {
      busy = false;
      if (again) { again = false; soon(); }
    }
  };
  const soon = () => {
    if (!timer) timer = setTimeout(update, Math.max(SETTLE_MS, LEAST_MS - (Date.now() - last)));
  };
  const lost = (is) => {
    const badge = document.getElementById("offline");
    if (badge) badge.hidden = !is;
  };

  // Hearing of what changed ------------------------------------------------------------------------------------------
  let source = null, polls = 0;
  const poll = (on) => {
    if (on && !polls) polls = setInterval(soon, POLL_MS);
    if (!on && polls) { clearInterval(polls); polls = 0; }
  };
  const listen = () => {
    if (!document.querySelector("[data-live]")) return;
    poll(true);
    if (!window.EventSource) return;
    source = new EventSource(`${base}/api/v1/events`);
    for (const kind of ["run", "event", "reset"]) source.addEventListener(kind, soon);
    source.onerror = () => { if (source && source.readyState === EventSource.CLOSED) { source = null; } };
  };
  const deaf = () => { if (source) source.close(); source = null; poll(false); };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) deaf(); else { listen(); update(); }
  });
  window.addEventListener("pagehide", deaf);

  // Small comforts ---------------------------------------------------------------------------------------------------
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button && button.dataset.sure && !confirm(button.dataset.sure)) event.preventDefault();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      for (const open of document.querySelectorAll("details.act[open]")) {
        open.open = false;
        open.querySelector("summary").focus();
      }
    }
    const free = !event.ctrlKey && !event.metaKey && !event.altKey && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.nodeName);
    if (event.key === "/" && free) {
      const box = document.querySelector("input[type=search]");
      if (box) { event.preventDefault(); box.focus(); box.select(); }
    }
  });
  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll("details.act[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
  });

  root.classList.add("scripted");
  for (const out of document.querySelectorAll("[data-unscripted]")) out.hidden = true;
  for (const frame of document.querySelectorAll(".graph")) {
    const node = frame.querySelector(".focus, .found");
    if (!node) continue;
    const [at, within] = [node.getBoundingClientRect(), frame.getBoundingClientRect()];
    frame.scrollLeft += at.left - within.left - (within.width - at.width) / 2;
    frame.scrollTop += at.top - within.top - (within.height - at.height) / 2;
  }
  tick();
  setInterval(tick, 1000);
  if (!document.hidden) listen();
})();
