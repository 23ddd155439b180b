"use strict";
(() => {
  // Sections fold. What is folded is remembered by the page alone, and a link to a section opens it.
  const plots = [...document.querySelectorAll("[data-figure]")];
  const folds = new Map([...document.querySelectorAll(".fold")].map(fold => [fold, makeFold(fold)]));

  function makeFold(fold) {
    const heading = fold.parentElement.querySelector("h2");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "folding";
    button.setAttribute("aria-controls", fold.id);
    button.setAttribute("aria-label", heading.textContent);
    button.setAttribute("aria-expanded", "true");
    button.addEventListener("click", () => setOpen(fold, fold.hidden));
    heading.append(button);
    return button;
  }

  function setOpen(fold, open) {
    fold.hidden = !open;
    folds.get(fold).setAttribute("aria-expanded", String(open));
    if (open) plots.filter(plot => fold.contains(plot)).forEach(plot => Plotly.Plots.resize(plot));
  }

  document.addEventListener("click", event => {
    const link = event.target.closest('a[href^="#"]');
    const fold = link && document.getElementById("fold-" + link.hash.slice(1));
    if (fold && fold.hidden) setOpen(fold, true);
  });

  // A term of the field is explained where one points at it, or reaches it with the keyboard or a finger.
  const meanings = new Map();
  document.querySelectorAll(".terms dt").forEach(name => {
    const told = { id: name.nextElementSibling.id, name: name.textContent };
    name.dataset.spelled.split("|").forEach(spelled => meanings.set(spelled.toLowerCase(), told));
  });
  const spelled = [...meanings.keys()].sort((a, b) => b.length - a.length).map(word => {
    const pattern = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return /[\u4e00-\u9fff]/.test(word) ? pattern : `(?<![\\w./=-])${pattern}(?![\\w/=-]|\\.\\w)`;
  });
  const term = new RegExp(spelled.join("|"), "giu");
  const TAKEN = ":scope > p, .fold > p, .exhibit > p, .part > p, li, h3, dt, th";
  const LEFT = "a, code, pre, button, .term, .formula, .f, [translate='no'], sub, sup";

  function explain(section) {
    const seen = new Set();
    section.querySelectorAll(TAKEN).forEach(element => {
      if (element.closest("[translate='no'], .headline")) return;
      const texts = [];
      const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) if (!walker.currentNode.parentElement.closest(LEFT)) texts.push(walker.currentNode);
      texts.forEach(text => mark(text, seen));
    });
  }

  function mark(text, seen) {
    const pieces = [];
    let end = 0;
    for (const found of text.data.matchAll(term)) {
      const told = meanings.get(found[0].toLowerCase());
      if (seen.has(told.id)) continue;
      seen.add(told.id);
      pieces.push(text.data.slice(end, found.index), marked(found[0], told));
      end = found.index + found[0].length;
    }
    if (end) text.replaceWith(...pieces, text.data.slice(end));
  }

  function marked(word, told) {
    const span = document.createElement("span");
    span.className = "term";
    span.tabIndex = 0;
    span.setAttribute("role", "button");
    span.setAttribute("aria-describedby", told.id);
    span.textContent = word;
    return span;
  }

  document.querySelectorAll("header, section").forEach(explain);

  const popup = document.getElementById("told");
  let leaving = 0;
  function show(span) {
    clearTimeout(leaving);
    const meaning = document.getElementById(span.getAttribute("aria-describedby"));
    const name = document.createElement("strong");
    name.textContent = meaning.previousElementSibling.textContent;
    const said = document.createElement("p");
    said.append(...[...meaning.childNodes].map(node => node.cloneNode(true)));
    popup.replaceChildren(name, said);
    popup.hidden = false;
    const [box, w, h] = [span.getBoundingClientRect(), popup.offsetWidth, popup.offsetHeight];
    popup.style.left = Math.max(8, Math.min(box.left, innerWidth - w - 8)) + "px";
    popup.style.top = (box.bottom + 6 + h > innerHeight && box.top > h + 6 ? box.top - h - 6 : box.bottom + 6) + "px";
  }
  const hide = () => { clearTimeout(leaving); popup.hidden = true; };
  const leave = () => { clearTimeout(leaving); leaving = setTimeout(hide, 200); };
  document.querySelectorAll(".term").forEach(span => {
    span.addEventListener("mouseenter", () => show(span));
    span.addEventListener("mouseleave", leave);
    span.addEventListener("focus", () => show(span));
    span.addEventListener("blur", hide);
    span.addEventListener("click", () => show(span));
    span.addEventListener("keydown", event => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); show(span); }
    });
  });
  popup.addEventListener("mouseenter", () => clearTimeout(leaving));
  popup.addEventListener("mouseleave", leave);
  addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { passive: true });

  // On paper every section is open and every plot as wide as its place there.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...folds.keys()].filter(fold => fold.hidden);
    folded.forEach(fold => setOpen(fold, true));
    hide();
    document.documentElement.classList.add("on-paper");
    plots.forEach(plot => Plotly.relayout(plot, { width: plot.clientWidth, autosize: false }));
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("on-paper");
    plots.forEach(plot => Plotly.relayout(plot, { width: null, autosize: true }));
    folded.forEach(fold => setOpen(fold, false));
  });
})();
