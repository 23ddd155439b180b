"use strict";
(() => {
  const root = document.documentElement;
  const titles = { en: "A tour of latent variables · unveil", zh: "一次看得见的导览 · unveil" };

  // Both languages are on the page; the style shows the one that the root names. What was being read stays in place.
  function speak(lang) {
    const at = [...document.querySelectorAll("section > *, header")].find(e => e.getBoundingClientRect().bottom > 60);
    const before = at ? at.getBoundingClientRect().top : 0;
    root.lang = lang;
    document.title = titles[lang];
    document.querySelectorAll("[data-lang]").forEach(b => b.setAttribute("aria-pressed", String(b.dataset.lang === lang)));
    if (at && at.getClientRects().length && scrollY > 0) {
      scrollBy({ top: at.getBoundingClientRect().top - before, behavior: "instant" });
    }
    document.querySelectorAll("input[type=range]").forEach(name);
  }
  document.querySelectorAll("[data-lang]").forEach(b => b.addEventListener("click", () => speak(b.dataset.lang)));

  // A slider shows one of the drawings of its figure, and says what it is.
  function name(slider) {
    const told = slider.closest("figure").querySelectorAll(".told")[slider.value];
    const words = told && told.querySelector(`[lang=${root.lang}]`);
    slider.setAttribute("aria-valuetext", words ? words.textContent : slider.value);
  }
  function show(slider) {
    const figure = slider.closest("figure");
    for (const kind of [".frame", ".told"]) {
      figure.querySelectorAll(kind).forEach((each, i) => { each.hidden = i !== Number(slider.value); });
    }
    name(slider);
  }
  document.querySelectorAll("input[type=range]").forEach(slider => {
    slider.addEventListener("input", () => show(slider));
    show(slider); // a browser may keep the place of a slider when a page is opened again
    const button = slider.parentElement.querySelector(".play");
    let timer = 0;
    const say = (en, zh) => { [...button.children].forEach((e, i) => { e.textContent = [en, zh][i]; }); };
    const stop = () => { clearInterval(timer); timer = 0; say("Play", "播放"); };
    const step = () => {
      if (Number(slider.value) >= Number(slider.max)) { stop(); return; }
      slider.value = Number(slider.value) + 1;
      show(slider);
    };
    button.addEventListener("click", () => {
      if (timer) { stop(); return; }
      if (Number(slider.value) >= Number(slider.max)) { slider.value = 0; show(slider); }
      say("Stop", "停止");
      timer = setInterval(step, Math.max(120, 4000 / Number(slider.max)));
    });
    slider.addEventListener("pointerdown", stop);
    slider.addEventListener("keydown", stop);
  });

  function select(node) {
    const range = document.createRange();
    range.selectNodeContents(node);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }
  document.querySelectorAll("[data-copy]").forEach(button => button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    const say = (en, zh) => { [...button.children].forEach((e, i) => { e.textContent = [en, zh][i]; }); };
    try {
      await navigator.clipboard.writeText(source.textContent);
      say("Copied", "已复制");
    } catch {
      select(source); // no permission to copy: the text is selected instead
      say("Selected", "已选中");
    }
    setTimeout(() => say("Copy", "复制"), 2000);
  }));
})();
