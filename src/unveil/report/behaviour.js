"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("page-data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const still = matchMedia("(pointer: coarse)").matches; // a finger scrolls the page and must not zoom a plot
  const config = { displayModeBar: false, responsive: true };

  const token = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  // Colours that start with @ are the page's own; nothing but what holds colours is looked at, so no text can be
  // taken for one.
  const colours = new Set(["color", "fillcolor", "colorscale"]);
  function themed(value, isColour = false) {
    if (typeof value === "string") return isColour && value.startsWith("@") ? token(value.slice(1)) : value;
    if (Array.isArray(value)) return value.map(item => themed(item, isColour));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, themed(item, colours.has(key))]));
  }

  function axis(given) {
    const line = token("line");
    const title = given.title && { ...given.title, standoff: 12, font: { size: 13, color: token("soft") } };
    const base = { gridcolor: line, zerolinecolor: token("muted"), linecolor: line, automargin: true, fixedrange: still };
    return { ...base, ...given, title };
  }

  function layout(given) {
    const font = { family: getComputedStyle(document.body).fontFamily, size: 13, color: token("ink") };
    return {
      margin: { l: 54, r: 14, t: 14, b: 42 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      legend: { orientation: "h", x: 0, y: 1.01, yanchor: "bottom", itemsizing: "constant" },
      hoverlabel: { bgcolor: token("card"), bordercolor: token("line"), font },
      dragmode: still ? false : "zoom",
      ...themed(given),
      font,
      xaxis: axis(themed(given.xaxis || {})),
      yaxis: axis(themed(given.yaxis || {})),
    };
  }

  const plots = [...document.querySelectorAll("[data-figure]")];
  const draw = how => plots.forEach(plot => {
    const figure = figures[plot.dataset.figure];
    how(plot, themed(figure.data), layout(figure.layout), config);
  });
  draw(Plotly.newPlot);
  dark.addEventListener("change", () => draw(Plotly.react));

  const card = document.getElementById("hover");
  const [thumbnail, label] = card.children;
  const SHOWN = 96; // pixels of the longer side of a thumbnail

  function showThumbnail({ uri, columns, width, height }, place) {
    const factor = SHOWN / Math.max(width, height);
    const [w, h] = [width * factor, height * factor];
    Object.assign(thumbnail.style, {
      width: w + "px",
      height: h + "px",
      backgroundImage: `url("${uri}")`,
      backgroundSize: `${columns * w}px auto`,
      backgroundPosition: `${-(place % columns) * w}px ${-Math.floor(place / columns) * h}px`,
    });
  }

  function showCard({ sprite, labels }, { points, event }) {
    const place = points[0].customdata;
    if (sprite) showThumbnail(sprite, place);
    label.textContent = labels ? labels[place] : "";
    card.hidden = false;
    const [w, h] = [card.offsetWidth, card.offsetHeight];
    card.style.left = (event.clientX + 16 + w > innerWidth ? event.clientX - 16 - w : event.clientX + 16) + "px";
    card.style.top = Math.min(Math.max(8, event.clientY - h / 2), innerHeight - h - 8) + "px";
  }

  const hide = () => { card.hidden = true; };
  plots.filter(plot => figures[plot.dataset.figure].sprite || figures[plot.dataset.figure].labels).forEach(plot => {
    plot.on("plotly_hover", event => showCard(figures[plot.dataset.figure], event));
    plot.on("plotly_unhover", hide);
  });
  addEventListener("scroll", hide, { passive: true });

  // Every section has its place in the contents, and its name is a link to it.
  function link(section, text) {
    const found = document.createElement("a");
    found.href = "#" + section.id;
    found.textContent = text;
    return found;
  }
  const contents = document.querySelector(".contents");
  document.querySelectorAll("section").forEach(section => {
    const name = section.querySelector("h2");
    contents.append(link(section, name.textContent));
    name.replaceChildren(link(section, name.textContent));
  });

  // A click on a picture enlarges it; another one, or Escape, puts it back.
  const zoom = document.getElementById("zoom");
  const [large, told] = [new Image(), zoom.firstElementChild];
  function enlarge(image) {
    const caption = image.parentElement.querySelector("figcaption, span");
    large.src = image.src;
    large.className = image.closest(".crisp") ? "crisp" : "";
    told.textContent = caption ? caption.textContent : "";
    zoom.replaceChildren(large, told);
    zoom.showModal();
  }
  document.querySelectorAll(".row img, .caption img").forEach(image => {
    image.addEventListener("click", () => enlarge(image));
    image.addEventListener("keydown", event => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); enlarge(image); }
    });
  });
  zoom.addEventListener("click", () => zoom.close());

  function select(node) {
    const range = document.createRange();
    range.selectNodeContents(node);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  document.querySelectorAll("[data-copy]").forEach(button => button.addEventListener("click", async () => {
    const [name, source] = [button.textContent, document.getElementById(button.dataset.copy)];
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = button.dataset.copied;
    } catch {
      select(source); // no permission to copy: the text is selected instead
      button.textContent = button.dataset.selected;
    }
    setTimeout(() => { button.textContent = name; }, 2000);
  }));
})();
