"use strict";
// Runs the programs that program.py writes: numbered values, each a shape and a Float32Array; no code is made from data.
const programs = (() => {
  const count = shape => shape.reduce((a, b) => a * b, 1);
  const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));

  // float16 → float32, by its sign, exponent and fraction.
  function fromHalf(text) {
    const raw = bytes(text);
    const given = new Uint16Array(raw.buffer, 0, raw.length >> 1);
    const found = new Float32Array(given.length);
    const fractions = 2 ** -24;
    for (let i = 0; i < given.length; i++) {
      const h = given[i], exponent = (h >> 10) & 31, fraction = h & 1023;
      let value;
      if (exponent === 0) value = fraction * fractions;
      else if (exponent === 31) value = fraction ? NaN : Infinity;
      else value = (1 + fraction / 1024) * 2 ** (exponent - 15);
      found[i] = h & 0x8000 ? -value : value;
    }
    return found;
  }

  function fromSingle(text) {
    const raw = bytes(text);
    return new Float32Array(raw.buffer, 0, raw.length >> 2);
  }

  const sigmoid = v => v >= 0 ? 1 / (1 + Math.exp(-v)) : Math.exp(v) / (1 + Math.exp(v));
  const softplus = v => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));
  function erf(v) { // Abramowitz & Stegun 7.1.26, to 1.5e-7
    const t = 1 / (1 + 0.3275911 * Math.abs(v));
    const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return Math.sign(v) * (1 - tail * Math.exp(-v * v));
  }
  function lgamma(v) { // Lanczos, g = 7
    const c = [0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
      12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7];
    if (v < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * v))) - lgamma(1 - v);
    let sum = c[0];
    for (let i = 1; i < 9; i++) sum += c[i] / (v - 1 + i);
    const t = v + 6.5;
    return 0.5 * Math.log(2 * Math.PI) + (v - 0.5) * Math.log(t) - t + Math.log(sum);
  }
  function roundEven(v) {
    const near = Math.round(v);
    return near - v === 0.5 && near % 2 ? near - 1 : near;
  }

  const unary = {
    silu: v => v * sigmoid(v), tanh: Math.tanh, sigmoid, relu: v => v > 0 ? v : 0, exp: Math.exp, expm1: Math.expm1,
    log: Math.log, log1p: Math.log1p, neg: v => -v, sqrt: Math.sqrt, rsqrt: v => 1 / Math.sqrt(v), abs: Math.abs,
    reciprocal: v => 1 / v, floor: Math.floor, ceil: Math.ceil, round: roundEven, trunc: Math.trunc, sign: Math.sign,
    sin: Math.sin, cos: Math.cos, sinh: Math.sinh, cosh: Math.cosh, asinh: Math.asinh, atanh: Math.atanh,
    square: v => v * v, erf, lgamma, not: v => v ? 0 : 1, isnan: v => v !== v ? 1 : 0, softplus,
    log_sigmoid: v => -softplus(-v),
  };
  const binary = {
    add: (a, b) => a + b, sub: (a, b) => a - b, mul: (a, b) => a * b, div: (a, b) => a / b, pow: (a, b) => a ** b,
    max: Math.max, min: Math.min, gt: (a, b) => +(a > b), lt: (a, b) => +(a < b), ge: (a, b) => +(a >= b),
    le: (a, b) => +(a <= b), eq: (a, b) => +(a === b), ne: (a, b) => +(a !== b), and: (a, b) => a && b ? 1 : 0,
    or: (a, b) => a || b ? 1 : 0, fmod: (a, b) => a % b, remainder: (a, b) => a - b * Math.floor(a / b),
    logaddexp: (a, b) => {
      const high = Math.max(a, b);
      return high === -Infinity ? high : high + Math.log1p(Math.exp(-Math.abs(a - b)));
    },
  };

  function strides(shape) {
    const found = new Array(shape.length);
    for (let d = shape.length - 1, size = 1; d >= 0; size *= shape[d--]) found[d] = size;
    return found;
  }

  // For each place of a result the place in a value of fewer or smaller dimensions.
  function spread(value, shape) {
    const own = strides(value.shape), before = shape.length - value.shape.length;
    const steps = shape.map((_, d) => d < before || value.shape[d - before] === 1 ? 0 : own[d - before]);
    return walk(shape, steps, 0);
  }

  function walk(shape, steps, first) {
    const size = count(shape), found = new Int32Array(size), at = new Int32Array(shape.length);
    let place = first;
    for (let i = 0; i < size; i++) {
      found[i] = place;
      for (let d = shape.length - 1; d >= 0; d--) {
        place += steps[d];
        if (++at[d] < shape[d]) break;
        place -= steps[d] * shape[d];
        at[d] = 0;
      }
    }
    return found;
  }

  function taken(data, places) {
    const found = new Float32Array(places.length);
    for (let i = 0; i < places.length; i++) found[i] = data[places[i]];
    return found;
  }

  // Where a step reads from hangs on shapes alone: it is found once and kept with the step.
  function kept(step, make) {
    if (step.places === undefined) step.places = make();
    return step.places;
  }

  function applyBinary(step, f, a, b, shape) {
    const size = count(shape), found = new Float32Array(size), [x, y] = [a.data, b.data];
    if (x.length === size && y.length === size) for (let i = 0; i < size; i++) found[i] = f(x[i], y[i]);
    else if (y.length === 1) for (let i = 0, v = y[0]; i < size; i++) found[i] = f(x[i], v);
    else if (x.length === 1) for (let i = 0, v = x[0]; i < size; i++) found[i] = f(v, y[i]);
    else {
      const [p, q] = kept(step, () => [spread(a, shape), spread(b, shape)]);
      for (let i = 0; i < size; i++) found[i] = f(x[p[i]], y[q[i]]);
    }
    return found;
  }

  // [..., M, K] × [K, N] or [..., K, N], plus a bias that is spread.
  function product(step, a, b, bias, shape) {
    const K = a.shape[a.shape.length - 1], N = b.shape[b.shape.length - 1], M = a.shape[a.shape.length - 2];
    const found = new Float32Array(count(shape)), blocks = found.length / (M * N), shared = b.shape.length === 2;
    for (let block = 0; block < blocks; block++) {
      for (let m = 0; m < M; m++) {
        const row = (block * M + m) * N, left = (block * M + m) * K, right = shared ? 0 : block * K * N;
        const out = found.subarray(row, row + N);
        for (let k = 0; k < K; k++) {
          const v = a.data[left + k];
          if (v === 0) continue;
          const from = right + k * N;
          for (let n = 0; n < N; n++) out[n] += v * b.data[from + n];
        }
      }
    }
    if (bias !== undefined) {
      const places = kept(step, () => spread(bias, shape));
      for (let i = 0; i < found.length; i++) found[i] += bias.data[places[i]];
    }
    return found;
  }

  // x [B, C, H, W] with weights [O, C, h, w].
  function convolution(x, weight, bias, shape, [down, across, top, left]) {
    const [B, C, H, W] = x.shape, [O, , h, w] = weight.shape, [, , P, Q] = shape;
    const found = new Float32Array(count(shape));
    for (let b = 0; b < B; b++) for (let o = 0; o < O; o++) {
      const base = (b * O + o) * P * Q;
      if (bias !== undefined) found.fill(bias.data[o], base, base + P * Q);
      for (let c = 0; c < C; c++) {
        const image = (b * C + c) * H * W, own = (o * C + c) * h * w;
        for (let i = 0; i < h; i++) for (let j = 0; j < w; j++) {
          const v = weight.data[own + i * w + j];
          const first = Math.max(0, Math.ceil((left - j) / across));
          const last = Math.min(Q - 1, Math.floor((W - 1 + left - j) / across));
          for (let p = 0; p < P; p++) {
            const y = p * down + i - top;
            if (y < 0 || y >= H) continue;
            const row = image + y * W + j - left, out = base + p * Q;
            for (let q = first; q <= last; q++) found[out + q] += v * x.data[row + q * across];
          }
        }
      }
    }
    return found;
  }

  // Sums and the like over some dimensions, these moved to the end.
  function reduced(step, a, dims, f) {
    const rest = a.shape.map((_, d) => d).filter(d => !dims.includes(d));
    const own = strides(a.shape), order = [...rest, ...dims];
    const places = kept(step, () => walk(order.map(d => a.shape[d]), order.map(d => own[d]), 0));
    const moved = taken(a.data, places), size = count(dims.map(d => a.shape[d]));
    const found = new Float32Array(moved.length / size);
    for (let i = 0; i < found.length; i++) found[i] = f(moved.subarray(i * size, (i + 1) * size));
    return found;
  }
  const logsumexp = row => {
    const high = row.reduce((a, b) => Math.max(a, b), -Infinity);
    return Number.isFinite(high) ? high + Math.log(row.reduce((sum, v) => sum + Math.exp(v - high), 0)) : high;
  };
  const reduce = {
    sum: row => row.reduce((a, b) => a + b, 0), mean: row => row.reduce((a, b) => a + b, 0) / row.length,
    prod: row => row.reduce((a, b) => a * b, 1), amax: row => row.reduce((a, b) => Math.max(a, b), -Infinity),
    amin: row => row.reduce((a, b) => Math.min(a, b), Infinity), logsumexp,
    argmax: row => row.reduce((best, v, i) => v > row[best] ? i : best, 0),
  };

  // Along one dimension, row by row: f changes a row in place.
  function along(a, dim, f) {
    const found = new Float32Array(a.data), step = strides(a.shape)[dim], n = a.shape[dim], row = new Float32Array(n);
    for (let outer = 0; outer < found.length; outer += step * n) for (let inner = 0; inner < step; inner++) {
      for (let i = 0; i < n; i++) row[i] = found[outer + inner + i * step];
      f(row);
      for (let i = 0; i < n; i++) found[outer + inner + i * step] = row[i];
    }
    return found;
  }
  const rows = {
    log_softmax: row => { const all = logsumexp(row); row.forEach((v, i) => { row[i] = v - all; }); },
    softmax: row => { const all = logsumexp(row); row.forEach((v, i) => { row[i] = Math.exp(v - all); }); },
    cumsum: row => { for (let i = 1; i < row.length; i++) row[i] += row[i - 1]; },
  };

  const others = {
    view: (step, [a]) => a.data,
    mm: (step, [a, b, bias], shape) => product(step, a, b, bias, shape),
    conv: (step, [x, weight, bias], shape, more) => convolution(x, weight, bias, shape, more),
    permute: (step, [a], shape, order) => {
      const own = strides(a.shape);
      return taken(a.data, kept(step, () => walk(shape, order.map(d => own[d]), 0)));
    },
    expand: (step, [a], shape) => taken(a.data, kept(step, () => spread(a, shape))),
    slice: (step, [a], shape, [dim, first, each]) => {
      const own = strides(a.shape);
      const steps = own.map((size, d) => d === dim ? size * each : size);
      return taken(a.data, kept(step, () => walk(shape, steps, first * own[dim])));
    },
    cat: (step, parts, shape, dim) => {
      const found = new Float32Array(count(shape)), after = count(shape.slice(dim + 1)), whole = shape[dim] * after;
      let first = 0;
      for (const part of parts) {
        const size = part.shape[dim] * after;
        for (let i = 0, from = 0; from < part.data.length; i++, from += size) {
          found.set(part.data.subarray(from, from + size), i * whole + first);
        }
        first += size;
      }
      return found;
    },
    clamp: (step, [a], shape, [low, high]) => {
      const [from, to] = [low === null ? -Infinity : low, high === null ? Infinity : high];
      return a.data.map(v => v < from ? from : v > to ? to : v);
    },
    where: (step, [on, a, b], shape) => {
      const [o, p, q] = kept(step, () => [on, a, b].map(each => spread(each, shape)));
      return Float32Array.from(o, (place, i) => on.data[place] ? a.data[p[i]] : b.data[q[i]]);
    },
    gather: (step, [a, index], shape, dim) => {
      const own = strides(a.shape), rest = own.map((size, d) => d === dim ? 0 : size);
      const places = kept(step, () => walk(shape, rest, 0));
      return Float32Array.from(places, (place, i) => a.data[place + index.data[i] * own[dim]]);
    },
    pad: (step, [a], shape, [before, filler]) => {
      const own = strides(shape), found = new Float32Array(count(shape)).fill(filler);
      const first = before.reduce((sum, b, d) => sum + b * own[d], 0);
      const places = kept(step, () => walk(a.shape, own, first));
      for (let i = 0; i < places.length; i++) found[places[i]] = a.data[i];
      return found;
    },
    norm: (step, [a], shape, eps) => along(a, 1, row => {
      const mean = row.reduce((x, y) => x + y, 0) / row.length;
      const spread = Math.sqrt(row.reduce((x, y) => x + (y - mean) ** 2, 0) / row.length + eps);
      row.forEach((v, i) => { row[i] = (v - mean) / spread; });
    }),
  };

  function result(step, name, values, shape, more) {
    if (name in unary) return values[0].data.map(unary[name]);
    if (name in binary) return applyBinary(step, binary[name], values[0], values[1], shape);
    if (name in reduce) return reduced(step, values[0], more, reduce[name]);
    if (name in rows) return along(values[0], more, rows[name]);
    return others[name](step, values, shape, more);
  }

  // A program becomes a function of arrays, one for each input, that gives arrays by name.
  function made(program, half, single) {
    const steps = program.steps.map(([name, given, shape, more]) => ({ name, given, shape, more }));
    const first = program.inputs.length;
    const fixed = steps.map(({ name, given: [isHalf, start, size], shape }) => name !== "const" ? null : {
      shape, data: (isHalf ? half : single).subarray(start, start + size),
    });
    return (...inputs) => {
      const values = inputs.map((data, i) => ({ shape: program.inputs[i], data }));
      steps.forEach((step, i) => {
        values[first + i] = fixed[i] || {
          shape: step.shape,
          data: result(step, step.name, step.given.map(place => values[place]), step.shape, step.more),
        };
      });
      return Object.fromEntries(Object.entries(program.outputs).map(([name, place]) => [name, values[place].data]));
    };
  }

  // All programs of a page, by name, over the constants that they share.
  function all({ half, single, each }) {
    const [h, s] = [fromHalf(half), fromSingle(single)];
    return Object.fromEntries(Object.entries(each).map(([name, program]) => [name, made(program, h, s)]));
  }

  return { all, fromHalf };
})();
