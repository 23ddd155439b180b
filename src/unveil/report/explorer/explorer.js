"use strict";
// The explorer: a map of z on which a place is dragged and decoded. What decodes is the page itself, a server, or tiles.
(() => {
  const holder = document.getElementById("explorer-data");
  if (!holder) return;
  const data = JSON.parse(holder.textContent);
  const words = JSON.parse(document.getElementById("explorer-words").textContent);
  const { points, shown, order } = data;
  const k = data.size, N = points.count;
  const at = id => document.getElementById(id);
  const root = at("explorer-root"), dark = matchMedia("(prefers-color-scheme: dark)");
  const token = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const clamp = (v, low, high) => Math.min(Math.max(v, low), high);
  const rounded = (v, digits = 1) => Number(v.toFixed(digits) === (-0).toFixed(digits) ? 0 : v)
    .toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");
  const fill = (template, values) => template.replace(/\{(\w+)\}/g, (hole, name) => name in values ? values[name] : hole);
  function element(tag, text = "", attributes = {}) {
    const found = document.createElement(tag);
    if (text !== "") found.textContent = text;
    for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
    return found;
  }

  const names = Array.from({ length: k }, (_, i) => data.whole ? `z_${i}` : fill(words.direction, { number: i + 1 }));
  const axisName = name => name in words ? words[name] : names[name];
  const exampleName = i => points.files ? points.files[i] : fill(words.row, { number: points.row[i].toLocaleString("en") });
  const means = programs.fromHalf(points.mean), spreads = programs.fromHalf(points.stddev);
  const prior = programs.fromHalf(data.prior);
  const mean = i => means.slice(i * k, (i + 1) * k);
  const className = i => data.classes && points.y && points.y[i] >= 0 ? data.classes[points.y[i]] : "";
  const colourOf = i => data.colours && points.y && points.y[i] >= 0 ? data.colours[points.y[i]] : token(points.y ? "muted" : "accent");

  // What is chosen: a place, a label to decode it as, the axes of the map, an example, the ends of a line.
  const state = { c: mean(0), y: 0, map: 0, picked: -1, hovered: -1, ends: [null, null] };
  if (points.condition) state.y = points.condition[0];

  // ---- decoding

  let computed = null;
  function inPage() {
    if (computed === null) computed = programs.all(data.programs);
    return computed;
  }

  async function asked(path, sent, layout) {
    const answer = await fetch(path, { method: "POST", headers: { "X-Unveil-Token": data.server.token }, body: sent });
    if (!answer.ok) throw new Error(await answer.text());
    const raw = new Float32Array(await answer.arrayBuffer()), found = {};
    let first = 0;
    for (const [name, size] of layout) { found[name] = raw.subarray(first, first + size); first += size; }
    return found;
  }

  function sentBytes(values) {
    const found = new Float32Array(values.length + (data.label ? 1 : 0));
    found.set(values);
    if (data.label) found[values.length] = state.y;
    return found.buffer;
  }

  const backend = (() => {
    const own = name => data.label ? `${name}:${state.y}` : name; // a model with labels has a program for each
    if (data.server) return {
      decode: async c => (await asked("decode", sentBytes(c), data.server.decode)).x,
      judge: data.server.judge ? async x => asked("judge", sentBytes(x), data.server.judge) : null,
    };
    if (data.programs) return {
      decode: async c => inPage()[own("decode")](c).x,
      judge: own("judge") in data.programs.each ? async x => inPage()[own("judge")](x) : null,
    };
    return { decode: null, judge: null };
  })();

  function complain(error) {
    const why = root.querySelector(".ex-why");
    why.hidden = false;
    why.textContent = data.server ? fill(words.gone, { command: data.command }) : String(error);
  }

  // One at a time, and always the last that was asked for.
  function latest(work) {
    let busy = false, waiting = null;
    return async function run(...given) {
      if (busy) { waiting = given; return; }
      busy = true;
      try { await work(...given); } catch (error) { complain(error); }
      busy = false;
      if (waiting) { const next = waiting; waiting = null; run(...next); }
    };
  }

  // ---- showing an x

  function paint(canvas, x) {
    const [height, width, channels] = shown.size;
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    canvas.className = shown.crisp ? "crisp" : "";
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    const factor = 255 / Math.max(shown.high - shown.low, 1e-12);
    for (let i = 0; i < width * height; i++) {
      const shade = channel => clamp(Math.round((x[i * channels + channel] - shown.low) * factor), 0, 255);
      const opaque = channels === 4 ? shade(3) / 255 : 1;
      for (let colour = 0; colour < 3; colour++) {
        const value = shade(channels < 3 ? 0 : colour);
        image.data[4 * i + colour] = Math.round(value * opaque + 255 * (1 - opaque));
      }
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }

  function written(column, value) {
    if (column.levels) return column.levels[clamp(Math.round(value), 0, column.levels.length - 1)];
    if ("date" in column) {
      const when = new Date(column.date + Math.round(value) * column.each);
      if (Number.isNaN(when.getTime())) return "–";
      return when.toISOString().slice(0, column.each >= 86_400_000 ? 10 : 19).replace("T", " ");
    }
    const number = "at" in column ? column.at + value * column.each : value;
    const unit = column.unit || "";
    if (typeof column.digits === "number") return rounded(number, Math.min(column.digits, 12)) + unit;
    return String(Number(number.toPrecision(4))).replace("-", "−") + unit;
  }

  function table(head, rows) {
    const found = element("table"), box = element("div", "", { class: "scroll", tabindex: "0" }), top = element("tr");
    head.forEach((name, i) => top.append(element("th", name, i ? { class: "n", scope: "col" } : { scope: "col" })));
    found.append(element("thead"), element("tbody"));
    found.tHead.append(top);
    for (const row of rows) {
      const line = element("tr");
      row.forEach((cell, i) => line.append(element("td", cell, i ? { class: "n" } : {})));
      found.tBodies[0].append(line);
    }
    box.append(found);
    return box;
  }

  function curve(canvas, x) {
    const [width, height] = [600, 220];
    canvas.width = width;
    canvas.height = height;
    canvas.className = "curve";
    const context = canvas.getContext("2d");
    context.strokeStyle = token("accent");
    context.lineWidth = 2;
    context.beginPath();
    x.forEach((value, i) => {
      const v = clamp((value - shown.low) / Math.max(shown.high - shown.low, 1e-12), -0.05, 1.05);
      context.lineTo(4 + i / (x.length - 1) * (width - 8), height - 8 - v * (height - 16));
    });
    context.stroke();
  }

  // Puts an x into a box, which keeps its canvas.
  function show(box, x, told) {
    if (shown.kind === "columns") {
      box.replaceChildren(table([words.columns_head, words.value_head],
        shown.columns.map((column, i) => [column.name, written(column, x[i])])));
      if (shown.columns.some(column => column.levels)) box.append(element("p", words.likeliest, { class: "note" }));
      return;
    }
    const known = box.tagName === "CANVAS" ? box : box.querySelector("canvas");
    const canvas = known || box.appendChild(element("canvas", "", { role: "img" }));
    (shown.kind === "curve" ? curve : paint)(canvas, x);
    canvas.setAttribute("aria-label", told);
  }

  function thumbnail(box, sprite, place, side) {
    const factor = side / Math.max(sprite.width, sprite.height);
    const [w, h] = [sprite.width * factor, sprite.height * factor];
    Object.assign(box.style, {
      width: w + "px", height: h + "px", backgroundImage: `url("${sprite.uri}")`,
      backgroundSize: `${sprite.columns * w}px auto`,
      backgroundPosition: `${-(place % sprite.columns) * w}px ${-Math.floor(place / sprite.columns) * h}px`,
    });
    if (shown.crisp) box.classList.add("crisp");
  }

  // ---- the map

  const canvas = at("ex-map"), base = document.createElement("canvas");
  let view = null, xy = null, size = 0, sheet = null;

  const axes = () => data.axes[state.map];
  function project(c, { centre, V } = axes()) {
    const along = row => { let sum = 0; for (let i = 0; i < k; i++) sum += row[i] * (c[i] - centre[i]); return sum; };
    return [along(V[0]), along(V[1])];
  }

  // z moved within the map, all that the map does not show staying as it is.
  function moved(c, [x, y]) {
    const { V } = axes(), [now_x, now_y] = project(c), found = Float32Array.from(c);
    for (let i = 0; i < k; i++) found[i] += V[0][i] * (x - now_x) + V[1][i] * (y - now_y);
    return found;
  }

  // How far q of an example spreads over the map: the covariance of two directions of independent coordinates.
  function covariance(i) {
    const { V } = axes();
    let [xx, xy_, yy] = [0, 0, 0];
    for (let d = 0; d < k; d++) {
      const v = spreads[i * k + d] ** 2;
      xx += V[0][d] ** 2 * v; xy_ += V[0][d] * V[1][d] * v; yy += V[1][d] ** 2 * v;
    }
    return [xx, xy_, yy];
  }

  function layout() {
    xy = Array.from({ length: N }, (_, i) => project(mean(i)));
    const wide = Array.from({ length: prior.length / k }, (_, i) => project(prior.subarray(i * k, (i + 1) * k)));
    if (k === 1) xy.forEach((place, i) => { place[1] = spreads[i]; });
    const ends = axis => {
      const all = [...xy, ...(k === 1 ? [] : wide)].map(place => place[axis]).sort((a, b) => a - b);
      const [low, high] = [all[Math.floor(all.length * 0.005)], all[Math.ceil(all.length * 0.995) - 1]];
      const room = 0.08 * Math.max(high - low, 1e-3);
      return [low - room, high + room];
    };
    const [[x0, x1], [y0, y1]] = [ends(0), ends(1)];
    view = { x0, x1, y0, y1, wide };
    const { names: both_names, share } = axes(), [a, b] = both_names.map(axisName), both = `${a} → · ${b} ↑`;
    at("ex-axis-names").textContent = share === null || share === undefined ? fill(words.plain, { names: both })
      : fill(words.share, { names: both, share: Math.round(100 * share) });
  }

  const toPixel = ([x, y]) => [(x - view.x0) / (view.x1 - view.x0) * size, (view.y1 - y) / (view.y1 - view.y0) * size];
  const toPlace = (px, py) => [view.x0 + px / size * (view.x1 - view.x0), view.y1 - py / size * (view.y1 - view.y0)];

  const GRID = 72;
  // The density of Gaussians on a grid, [GRID, GRID], row by row from the top.
  function density(each) {
    const found = new Float32Array(GRID * GRID), [dx, dy] = [(view.x1 - view.x0) / GRID, (view.y1 - view.y0) / GRID];
    for (const { place: [x, y], covariance: [a, b, c] } of each) {
      const determinant = Math.max(a * c - b * b, 1e-20), weight = 1 / Math.sqrt(determinant);
      const [rx, ry] = [4 * Math.sqrt(a), 4 * Math.sqrt(c)];
      const [i0, i1] = [Math.max(0, Math.floor((view.y1 - y - ry) / dy)), Math.min(GRID - 1, Math.ceil((view.y1 - y + ry) / dy))];
      const [j0, j1] = [Math.max(0, Math.floor((x - rx - view.x0) / dx)), Math.min(GRID - 1, Math.ceil((x + rx - view.x0) / dx))];
      for (let i = i0; i <= i1; i++) for (let j = j0; j <= j1; j++) {
        const [u, v] = [view.x0 + (j + 0.5) * dx - x, view.y1 - (i + 0.5) * dy - y];
        found[i * GRID + j] += weight * Math.exp(-0.5 * (c * u * u - 2 * b * u * v + a * v * v) / determinant);
      }
    }
    return found;
  }

  // The height above which a share of the whole lies.
  function level(values, share) {
    const sorted = [...values].sort((a, b) => b - a), total = sorted.reduce((a, b) => a + b, 0);
    let sum = 0;
    for (const value of sorted) { sum += value; if (sum >= share * total) return value; }
    return 0;
  }

  // The height on a grid above which a share of places lies.
  function levelOf(values, places, share) {
    const cell = (v, low, high) => clamp(Math.floor((v - low) / (high - low) * GRID), 0, GRID - 1);
    const heights = places.map(([x, y]) => values[cell(-y, -view.y1, -view.y0) * GRID + cell(x, view.x0, view.x1)]);
    heights.sort((a, b) => b - a);
    return heights[Math.min(heights.length - 1, Math.floor(share * heights.length))];
  }

  // Lines of equal height by marching squares; corners are the middles of cells.
  function contour(context, values, height) {
    const step = size / GRID, cross = (a, b) => (height - a) / (b - a);
    context.beginPath();
    for (let i = 0; i + 1 < GRID; i++) for (let j = 0; j + 1 < GRID; j++) {
      const [a, b, c, d] = [values[i * GRID + j], values[i * GRID + j + 1], values[(i + 1) * GRID + j + 1], values[(i + 1) * GRID + j]];
      const [x, y] = [(j + 0.5) * step, (i + 0.5) * step], found = [];
      if ((a > height) !== (b > height)) found.push([x + cross(a, b) * step, y]);
      if ((b > height) !== (c > height)) found.push([x + step, y + cross(b, c) * step]);
      if ((d > height) !== (c > height)) found.push([x + cross(d, c) * step, y + step]);
      if ((a > height) !== (d > height)) found.push([x, y + cross(a, d) * step]);
      for (let n = 0; n + 1 < found.length; n += 2) { context.moveTo(...found[n]); context.lineTo(...found[n + 1]); }
    }
    context.stroke();
  }

  // A grid of opacities in the accent colour, smooth between its cells.
  function shade(context, opacity) {
    const small = document.createElement("canvas");
    small.width = small.height = GRID;
    const inner = small.getContext("2d");
    inner.fillStyle = token("accent");
    inner.fillRect(0, 0, GRID, GRID);
    const image = inner.getImageData(0, 0, GRID, GRID);
    opacity.forEach((value, i) => { image.data[4 * i + 3] = Math.round(255 * value); });
    inner.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, size, size);
  }

  function drawBase() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    size = canvas.clientWidth;
    for (const each of [canvas, base]) { each.width = each.height = Math.max(1, Math.round(size * ratio)); }
    const context = base.getContext("2d");
    context.scale(ratio, ratio);
    context.fillStyle = token("paper");
    context.fillRect(0, 0, size, size);
    if (k > 1) {
      const cell = ((view.x1 - view.x0) / GRID) ** 2, tall = ((view.y1 - view.y0) / GRID) ** 2;
      const cloud = density(Array.from({ length: N }, (_, i) => {
        const [a, b, c] = covariance(i);
        return { place: xy[i], covariance: [a + cell, b, c + tall] };
      }));
      const highest = level(cloud, 0.03) || 1;
      shade(context, cloud.map(value => 0.36 * Math.min(1, value / highest)));
      const spread = axis => {
        const all = view.wide.map(place => place[axis]), middle = all.reduce((a, b) => a + b, 0) / all.length;
        return Math.max(1e-9, all.reduce((sum, v) => sum + (v - middle) ** 2, 0) / all.length) * 2 * all.length ** (-1 / 3);
      };
      const [wide, high] = [spread(0), spread(1)];
      const behind = density(view.wide.map(place => ({ place, covariance: [wide, 0, high] })));
      context.strokeStyle = token("soft");
      context.lineWidth = 1.5;
      context.setLineDash([5, 4]);
      for (const share of [0.5, 0.95]) contour(context, behind, levelOf(behind, view.wide, share));
      context.setLineDash([]);
    }
    const radius = N > 600 ? 2.6 : 3.4;
    for (let i = 0; i < N; i++) {
      const [x, y] = toPixel(xy[i]);
      context.fillStyle = colourOf(i);
      context.globalAlpha = 0.85;
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
    if (sheet && at("ex-pictures").checked) pictures(context);
  }

  // A picture where there is room for one, with an edge in the colour of its class.
  function pictures(context) {
    const { sprite } = points, side = size > 420 ? 30 : 24, room = side + 5, taken = [];
    const factor = side / Math.max(sprite.width, sprite.height), [w, h] = [sprite.width * factor, sprite.height * factor];
    context.imageSmoothingEnabled = !shown.crisp;
    for (let i = 0; i < N; i++) {
      const [x, y] = toPixel(xy[i]), half = side / 2 + 2;
      if (Math.min(x, y) < half || Math.max(x, y) > size - half) continue;
      if (taken.some(([u, v]) => Math.max(Math.abs(u - x), Math.abs(v - y)) < room)) continue;
      taken.push([x, y]);
      context.fillStyle = colourOf(i);
      context.fillRect(x - w / 2 - 1.5, y - h / 2 - 1.5, w + 3, h + 3);
      const [left, top] = [i % sprite.columns * sprite.width, Math.floor(i / sprite.columns) * sprite.height];
      context.drawImage(sheet, left, top, sprite.width, sprite.height, x - w / 2, y - h / 2, w, h);
    }
  }

  function ring(context, place, radius, colour, width = 2) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.arc(...toPixel(place), radius, 0, 2 * Math.PI);
    context.stroke();
  }

  function ellipse(context, i) {
    const [a, b, c] = covariance(i), middle = (a + c) / 2, root_ = Math.sqrt(((a - c) / 2) ** 2 + b * b);
    const angle = 0.5 * Math.atan2(2 * b, a - c), [px, py] = [size / (view.x1 - view.x0), size / (view.y1 - view.y0)];
    context.strokeStyle = token("ink");
    context.lineWidth = 1.5;
    for (const factor of [1, 2]) {
      context.beginPath();
      for (let n = 0; n <= 60; n++) {
        const t = 2 * Math.PI * n / 60;
        const [u, v] = [factor * Math.sqrt(middle + root_) * Math.cos(t), factor * Math.sqrt(Math.max(0, middle - root_)) * Math.sin(t)];
        const [x, y] = toPixel(xy[i]);
        context.lineTo(x + (u * Math.cos(angle) - v * Math.sin(angle)) * px, y - (u * Math.sin(angle) + v * Math.cos(angle)) * py);
      }
      context.stroke();
    }
  }

  function drawMap() {
    const context = canvas.getContext("2d"), ratio = canvas.width / size, ink = token("ink");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(base, 0, 0);
    context.scale(ratio, ratio);
    const [a, b] = state.ends;
    if (a && b) {
      context.strokeStyle = token("accent");
      context.lineWidth = 2;
      context.beginPath();
      context.moveTo(...toPixel(project(a)));
      context.lineTo(...toPixel(project(b)));
      context.stroke();
    }
    if (state.picked >= 0) { if (k > 1) ellipse(context, state.picked); ring(context, xy[state.picked], 7, ink); }
    if (state.hovered >= 0) ring(context, xy[state.hovered], 6, token("accent"));
    const [x, y] = toPixel(whereIs(state.c));
    for (const [width, colour] of [[6, token("paper")], [3, ink]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(x - 11, y); context.lineTo(x + 11, y);
      context.moveTo(x, y - 11); context.lineTo(x, y + 11);
      context.stroke();
    }
  }

  const whereIs = c => k === 1 ? [project(c)[0], (view.y0 + view.y1) / 2] : project(c);

  function nearestOnMap([px, py], reach) {
    let found = -1, best = reach * reach;
    for (let i = 0; i < N; i++) {
      const [x, y] = toPixel(xy[i]), far = (x - px) ** 2 + (y - py) ** 2;
      if (far < best) { best = far; found = i; }
    }
    return found;
  }

  // Examples by their distance in z, the nearest first.
  function nearestInZ(c, count, without = -1) {
    const far = i => { let sum = 0; for (let d = 0; d < k; d++) sum += (means[i * k + d] - c[d]) ** 2; return sum; };
    return Array.from({ length: N }, (_, i) => [far(i), i]).filter(([, i]) => i !== without)
      .sort((a, b) => a[0] - b[0]).slice(0, count).map(([, i]) => i);
  }

  const named = i => [exampleName(i), className(i)].filter(Boolean).join(" · ");

  // ---- moving

  const box = at("ex-x");
  let framed = false;
  function move(c) {
    state.c = c;
    if (framed) return;
    framed = true;
    requestAnimationFrame(() => { framed = false; drawMap(); follow(); decodeNow(state.c); });
  }

  const decodeNow = latest(async c => {
    if (data.tiles) { showTile(); return; }
    if (!backend.decode) return;
    const started = performance.now();
    show(box, await backend.decode(c), words.decoded);
    root.dataset.milliseconds = (performance.now() - started).toFixed(2);
    root.dataset.decoded = String(Number(root.dataset.decoded || 0) + 1);
  });

  function showTile() {
    const { low, high, across } = data.tiles, place = project(state.c, data.axes[0]);
    const [i, j] = [1, 0].map(d => clamp(Math.round((place[d] - low[d]) / (high[d] - low[d]) * (across - 1)), 0, across - 1));
    let tile = box.querySelector(".thumbnail");
    if (!tile) tile = box.appendChild(element("div", "", { class: "thumbnail", role: "img", "aria-label": words.decoded }));
    thumbnail(tile, data.tiles, (across - 1 - i) * across + j, 240);
    root.dataset.decoded = String(Number(root.dataset.decoded || 0) + 1);
  }

  const sliders = [];
  function follow() {
    for (const { input, output, i } of sliders) {
      if (document.activeElement !== input) input.value = state.c[i];
      output.textContent = rounded(state.c[i], 2);
    }
    const [i] = nearestInZ(state.c, 1);
    at("ex-nearest").textContent = i === undefined ? "" : fill(words.nearest, { name: named(i) });
  }

  function say(text) { at("ex-said").textContent = text; }
  const placeSaid = () => fill(words.place, { place: whereIs(state.c).map(v => rounded(v, 2)).join(", ") });

  // ---- an example

  function pick(i) {
    state.picked = i;
    if (points.condition) { state.y = points.condition[i]; at("ex-label").value = state.y; }
    const found = [];
    if (points.sprite) {
      const pair = element("div", "", { class: "ex-pair" });
      const [left, right] = [element("figure"), element("figure")];
      const own = element("div", "", { class: "thumbnail", role: "img", "aria-label": `${words.original}: ${named(i)}` });
      thumbnail(own, points.sprite, i, 120);
      left.append(own, element("figcaption", words.original));
      pair.append(left);
      if (backend.decode) {
        const back = element("canvas", "", { role: "img" });
        right.append(back, element("figcaption", words.reconstruction));
        pair.append(right);
        backend.decode(mean(i)).then(x => show(back, x, words.reconstruction), complain);
      }
      found.push(pair);
    }
    found.push(element("p", named(i)));
    const value = points.log_px[i], said = { ...data.said, value: value === null ? "" : rounded(value, 2), error: points.error };
    const how = value === null ? words.no_score : points.unsure ? words.score_unsure
      : points.error === null ? words.score : words.score_error;
    found.push(element("p", fill(how, said), { class: "ex-score" }));
    if (k > 1) found.push(element("p", words.ellipse, { class: "note" }));
    if (data.binarized) found.push(element("p", words.binarized, { class: "note" }));
    if (points.rows) found.push(...cells(i));
    found.push(element("h3", words.neighbours), neighbours(i));
    at("ex-picked").replaceChildren(...found);
    move(mean(i));
    say(named(i));
  }

  function cells(i) {
    const heads = shown.kind === "columns" ? shown.columns.map(column => column.name) : points.rows[i].map((_, d) => String(d));
    const found = [];
    if (points.odd && points.odd[i].length) {
      const each = points.odd[i].map(([column, percent]) => fill(words.odd_cell, { column: nameOf(column), percent: rounded(percent) }));
      found.push(element("p", fill(words.odd, { cells: each.join(", ") }), { class: "ex-odd" }));
      found.push(element("p", words.odd_note, { class: "note" }));
    }
    found.push(table([words.columns_head, words.value_head], points.rows[i].map((cell, d) => [heads[d] || String(d), cell])));
    return found;
  }
  const nameOf = d => shown.kind === "columns" && shown.columns[d] ? shown.columns[d].name : String(d);

  function neighbours(i) {
    const list = element("div", "", { class: "ex-near" });
    for (const j of nearestInZ(mean(i), 6, i)) {
      const button = element("button", "", { type: "button", "aria-label": named(j), title: named(j) });
      if (points.sprite) {
        const own = element("div", "", { class: "thumbnail" });
        thumbnail(own, points.sprite, j, 44);
        button.append(own);
      } else button.textContent = named(j);
      button.addEventListener("click", () => pick(j));
      list.append(button);
    }
    return list;
  }

  // ---- pointer and keys on the map

  const card = at("ex-card");
  function hover(i, px, py) {
    state.hovered = i;
    card.hidden = i < 0;
    if (i < 0) return;
    const [picture, label] = card.children;
    if (points.sprite) thumbnail(picture, points.sprite, i, 96);
    const lines = [named(i)];
    if (points.rows) {
      points.rows[i].slice(0, 8).forEach((cell, d) => lines.push(`${nameOf(d)}: ${cell}`));
      const odd = points.odd && points.odd[i].length ? points.odd[i].map(([column]) => nameOf(column)).join(", ") : "";
      if (odd) lines.push(fill(words.odd, { cells: odd }));
    }
    label.textContent = lines.join("\n");
    const right = px + 14 + card.offsetWidth > size ? px - 14 - card.offsetWidth : px + 14;
    card.style.left = clamp(right, 0, Math.max(0, size - card.offsetWidth)) + "px";
    card.style.top = clamp(py - card.offsetHeight / 2, 0, Math.max(0, size - card.offsetHeight)) + "px";
  }

  let pressed = null;
  const pixel = event => { const r = canvas.getBoundingClientRect(); return [event.clientX - r.left, event.clientY - r.top]; };
  const moveTo = ([px, py]) => move(moved(state.c, toPlace(clamp(px, 0, size), clamp(py, 0, size))));
  canvas.addEventListener("pointerdown", event => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    pressed = { from: pixel(event), over: nearestOnMap(pixel(event), 9), far: false };
    hover(-1);
    if (pressed.over < 0) moveTo(pixel(event));
  });
  canvas.addEventListener("pointermove", event => {
    const [px, py] = pixel(event);
    if (pressed) {
      pressed.far ||= Math.hypot(px - pressed.from[0], py - pressed.from[1]) > 4;
      if (pressed.far) moveTo([px, py]);
      return;
    }
    const i = nearestOnMap([px, py], 9);
    if (i !== state.hovered) { hover(i, px, py); drawMap(); }
  });
  canvas.addEventListener("pointerup", () => {
    if (pressed && !pressed.far && pressed.over >= 0) pick(pressed.over);
    pressed = null;
  });
  canvas.addEventListener("pointercancel", () => { pressed = null; });
  canvas.addEventListener("pointerleave", () => { if (state.hovered >= 0) { hover(-1); drawMap(); } });
  canvas.addEventListener("keydown", event => {
    const far = (event.shiftKey ? 0.1 : 0.02), [x, y] = whereIs(state.c);
    const [dx, dy] = [far * (view.x1 - view.x0), far * (view.y1 - view.y0)];
    const to = { ArrowLeft: [x - dx, y], ArrowRight: [x + dx, y], ArrowUp: [x, y + dy], ArrowDown: [x, y - dy] }[event.key];
    if (to) { event.preventDefault(); move(moved(state.c, to)); say(placeSaid()); return; }
    if (event.key === "Enter") {
      event.preventDefault();
      const i = nearestOnMap(toPixel(whereIs(state.c)), Infinity);
      if (i >= 0) pick(i);
    }
  });

  // ---- axes, labels, buttons

  data.axes.forEach((each, i) => at("ex-axes").append(new Option(each.names.map(axisName).join(" × "), String(i))));
  at("ex-axes").parentElement.hidden = data.axes.length < 2 || Boolean(data.tiles);
  at("ex-axes").addEventListener("change", event => { state.map = Number(event.target.value); redraw(); });
  if (data.label && data.classes) {
    data.classes.forEach((name, i) => at("ex-label").append(new Option(name, String(i))));
    at("ex-label").value = state.y;
    at("ex-label-choice").hidden = false;
    at("ex-label").addEventListener("change", event => { state.y = Number(event.target.value); move(state.c); });
  }
  if (points.sprite) {
    const loaded = new Image();
    loaded.onload = () => { sheet = loaded; at("ex-pictures-choice").hidden = false; drawBase(); drawMap(); };
    loaded.src = points.sprite.uri;
    at("ex-pictures").checked = true;
    at("ex-pictures").addEventListener("change", () => { drawBase(); drawMap(); });
  }
  let drawn = 0;
  at("ex-random").addEventListener("click", () => {
    drawn = (drawn + 1) % (prior.length / k);
    move(prior.slice(drawn * k, (drawn + 1) * k));
    say(placeSaid());
  });
  at("ex-centre").addEventListener("click", () => {
    const found = new Float32Array(k);
    for (let i = 0; i < N; i++) for (let d = 0; d < k; d++) found[d] += means[i * k + d] / N;
    move(found);
    say(placeSaid());
  });

  function legend() {
    const list = at("ex-legend"), entry = (text, style, name = "") => {
      const found = element("li"), mark = element("i", "", { class: name });
      if (style) mark.style.background = style;
      found.append(mark, text);
      list.append(found);
    };
    list.replaceChildren();
    if (data.classes && points.y) {
      data.classes.slice(0, 40).forEach((name, i) => entry(name, data.colours[i]));
      if (data.classes.length > 40) entry(fill(words.more_classes, { count: data.classes.length - 40 }), token("muted"));
      if (points.y.some(code => code < 0)) entry(words.unlabelled, token("muted"));
    }
    if (k > 1) { entry(words.legend_prior, "", "ring"); entry(words.legend_aggregate, "", "cloud"); }
  }

  // ---- latents one by one

  function addSliders(from, to) {
    order.slice(from, to).forEach(i => {
      const all = [...Array(N).keys()].map(n => means[n * k + i]), wide = [...Array(prior.length / k).keys()].map(n => prior[n * k + i]);
      const reach = Math.max(...[...all, ...wide].map(Math.abs), 1e-3);
      const row = element("label", "", { class: "ex-slide" }), output = element("output");
      const input = element("input", "", { type: "range", min: -reach, max: reach, step: reach / 100, "data-latent": i });
      input.value = state.c[i];
      input.addEventListener("input", () => {
        const c = Float32Array.from(state.c);
        c[i] = Number(input.value);
        move(c);
      });
      row.append(element("span", names[i]), input, output);
      at("ex-sliders").append(row);
      sliders.push({ input, output, i });
    });
  }
  const first = clamp(data.whole ? data.active : 8, 1, 12);
  addSliders(0, first);
  at("ex-sliders-note").textContent = data.whole ? fill(words.sliders_note, { active: data.active, total: k }) : words.directions_note;
  if (order.length > first) {
    const more = at("ex-more");
    more.hidden = false;
    more.textContent = fill(words.more, { count: order.length - first });
    more.addEventListener("click", () => { addSliders(first); more.hidden = true; follow(); });
  }

  // ---- a line

  const FRAMES = 9;
  const between = ([a, b], t) => Float32Array.from(a, (v, i) => (1 - t) * v + t * b[i]);
  async function strip() {
    if (!state.ends[0] || !state.ends[1] || !backend.decode || shown.kind !== "picture") return;
    const list = at("ex-strip");
    while (list.children.length < FRAMES) list.append(element("canvas", "", { role: "img" }));
    for (let n = 0; n < FRAMES; n++) {
      const t = n / (FRAMES - 1);
      show(list.children[n], await backend.decode(between(state.ends, t)), `${words.line_slider}: ${rounded(t, 2)}`);
    }
  }
  const stripNow = latest(strip);
  const setEnd = which => () => {
    state.ends[which] = state.c.slice();
    const other = 1 - which;
    if (!state.ends[other]) state.ends[other] = state.c.slice();
    at("ex-t").value = which;
    drawMap();
    stripNow();
  };
  at("ex-start").addEventListener("click", setEnd(0));
  at("ex-end").addEventListener("click", setEnd(1));
  at("ex-t").addEventListener("input", event => {
    if (!state.ends[0] && N > 1) { state.ends = [mean(0), mean(1)]; stripNow(); }
    if (state.ends[0]) move(between(state.ends, Number(event.target.value)));
  });

  // ---- draw your own

  function drawing() {
    const [height, width] = shown.size, pad = at("ex-pad"), back = at("ex-back");
    at("ex-draw").hidden = false;
    const ink = new Float32Array(width * height), pen = { x: width / 2, y: height / 2, down: false, seen: false };
    const broad = Math.max(0.8, Math.max(width, height) / 22);
    [pad.width, pad.height] = [width, height];
    [back.width, back.height] = [width, height];
    const scale = v => shown.whole ? Math.round(shown.low + v * (shown.high - shown.low)) : shown.low + v * (shown.high - shown.low);

    function refresh() {
      const x = Float32Array.from(ink, scale);
      paint(pad, x);
      if (pen.seen) {
        const context = pad.getContext("2d");
        context.fillStyle = token("accent");
        context.fillRect(Math.floor(pen.x), Math.floor(pen.y), 1, 1);
      }
      judgeNow(x);
    }
    const judgeNow = latest(async x => {
      const found = await backend.judge(x), [elbo] = found.elbo;
      show(back, found.x, words.reconstruction);
      at("ex-bound").textContent = fill(words.bound, {
        elbo: rounded(elbo), distortion: rounded(-found.distortion[0]), rate: rounded(found.rate[0]), draws: data.draws,
        error: rounded(found.error[0]),
      });
      at("ex-rank").textContent = points.elbo ? fill(words.rank, {
        percent: Math.round(100 * points.elbo.filter(v => v < elbo).length / N), count: N,
      }) : "";
      root.dataset.elbo = String(elbo);
      move(Float32Array.from(found.place));
    });

    function dab(x, y) {
      for (let i = 0; i < height; i++) for (let j = 0; j < width; j++) {
        const far = Math.hypot(j + 0.5 - x, i + 0.5 - y), place = i * width + j;
        ink[place] = Math.max(ink[place], clamp(1.5 - far / broad, 0, 1));
      }
    }
    const spot = event => {
      const r = pad.getBoundingClientRect();
      return [(event.clientX - r.left) / r.width * width, (event.clientY - r.top) / r.height * height];
    };
    let last = null;
    function stroke(to) {
      const from = last || to, steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) * 2));
      for (let n = 1; n <= steps; n++) dab(from[0] + (to[0] - from[0]) * n / steps, from[1] + (to[1] - from[1]) * n / steps);
      last = to;
      refresh();
    }
    pad.addEventListener("pointerdown", event => { pad.setPointerCapture(event.pointerId); pen.seen = false; last = null; stroke(spot(event)); });
    pad.addEventListener("pointermove", event => { if (last) stroke(spot(event)); });
    for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => { last = null; });
    pad.addEventListener("keydown", event => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step && event.key !== " ") return;
      event.preventDefault();
      pen.seen = true;
      if (step) { pen.x = clamp(pen.x + step[0], 0, width - 1); pen.y = clamp(pen.y + step[1], 0, height - 1); }
      if (event.key === " ") dab(pen.x + 0.5, pen.y + 0.5);
      refresh();
    });
    at("ex-clear").addEventListener("click", () => { ink.fill(0); pen.seen = false; refresh(); });
    at("ex-copy").addEventListener("click", () => {
      if (state.picked < 0 || !points.sprite) return;
      const image = new Image(), { sprite } = points, i = state.picked;
      image.onload = () => {
        const copy = document.createElement("canvas");
        [copy.width, copy.height] = [width, height];
        const context = copy.getContext("2d", { willReadFrequently: true });
        context.imageSmoothingEnabled = sprite.width !== width;
        context.drawImage(image, i % sprite.columns * sprite.width, Math.floor(i / sprite.columns) * sprite.height, sprite.width, sprite.height, 0, 0, width, height);
        const { data: raw } = context.getImageData(0, 0, width, height);
        for (let n = 0; n < ink.length; n++) ink[n] = raw[4 * n] / 255;
        refresh();
      };
      image.src = sprite.uri;
    });
    paint(pad, Float32Array.from(ink, scale));
    paint(back, Float32Array.from(ink, scale));
  }

  // ---- begin

  if (!backend.decode) document.querySelectorAll(".ex-decoded").forEach(part => { part.hidden = true; });
  if (data.tiles) at("ex-heading").textContent = words.tile;

  if (data.why) {
    const why = root.querySelector(".ex-why"), { template, because, count } = data.why;
    why.hidden = false;
    why.textContent = fill(words[template], { count, why: words[because], command: data.command });
  }
  function redraw() { layout(); drawBase(); drawMap(); follow(); }
  redraw();
  legend();
  if (backend.judge && shown.kind === "picture" && shown.size[2] === 1) drawing();
  setTimeout(() => decodeNow(state.c));
  dark.addEventListener("change", () => { redraw(); legend(); decodeNow(state.c); });
  let known = canvas.clientWidth;
  new ResizeObserver(() => {
    if (canvas.clientWidth && canvas.clientWidth !== known) { known = canvas.clientWidth; drawBase(); drawMap(); }
  }).observe(canvas);
  root.dataset.ready = "yes";
})();
