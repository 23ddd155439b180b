"use strict";
(() => {
  const root = document.documentElement;
  const titles = { en: "A tour of latent variables · unveil", zh: "隐变量图解导览 · unveil" };

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
    document.querySelectorAll(".control:has(.play) input").forEach(name);
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
  document.querySelectorAll(".control:has(.play) input").forEach(slider => {
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

  // Two sliders move a normal q over a mixture p; both KLs are sums over a grid.
  const normal = (z, mean, scale) => -0.5 * ((z - mean) / scale) ** 2 - Math.log(scale * Math.sqrt(2 * Math.PI));
  document.querySelectorAll("[data-lab]").forEach(lab => {
    const { weights, means, scales, box: [left, right, bottom, top], x, y } = JSON.parse(lab.dataset.lab);
    const [sliders, path, out] = [lab.querySelectorAll("input"), lab.querySelector(".live"), lab.querySelector("output")];
    const step = 0.02;
    const grid = Array.from({ length: 1601 }, (_, i) => -16 + i * step);
    const logP = grid.map(z => Math.log(weights.reduce((sum, w, c) => sum + w * Math.exp(normal(z, means[c], scales[c])), 0)));
    const at = (v, [low, high], a, b) => a + (v - low) / (high - low) * (b - a);
    const total = term => grid.reduce((sum, z, i) => sum + term(z, i), 0) * step;
    function draw() {
      const [mean, width] = [...sliders].map(s => Number(s.value));
      const logQ = grid.map(z => normal(z, mean, width));
      const [forward, back] = [
        total((z, i) => (Math.exp(logQ[i]) ? Math.exp(logQ[i]) * (logQ[i] - logP[i]) : 0)),
        total((z, i) => (Math.exp(logP[i]) ? Math.exp(logP[i]) * (logP[i] - logQ[i]) : 0)),
      ];
      const places = Array.from({ length: 161 }, (_, i) => x[0] + i * (x[1] - x[0]) / 160);
      path.setAttribute("d", "M" + places.map(z => at(z, x, left, right).toFixed(1) + " "
        + at(Math.exp(normal(z, mean, width)), y, bottom, top).toFixed(1)).join("L"));
      out.textContent = `N(${mean.toFixed(2)}, ${width.toFixed(2)}²): KL(q‖p) = ${forward.toFixed(3)}, KL(p‖q) = ${back.toFixed(3)}`
        .replace(/-/g, "−");
    }
    sliders.forEach(slider => slider.addEventListener("input", draw));
    draw();
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
