{% set bounded = "> 0" if score.ratios else "!== null" %}
{% set ends = ("most", "least") if score.higher else ("least", "most") %}
// Interactive line charts: values by pointer, touch or arrow keys.
const NS = document.getElementById("svg").content.firstElementChild.namespaceURI;
const DASHES = { "-": "", "--": "6 3", ":": "2 2", "-.": "6 3 2 3" };
const WIDE = 720, HIGH = 340, EDGE = { left: 52, right: 12, top: 10, bottom: 46 };

function draw(tag, attributes, text) {
  const node = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

const digits = (value) => value === null || value === undefined ? "–" : Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 8 });

// Ticks between low and high: on a log axis some digits of each decade, at least three ticks; else about six round numbers.
function marks(low, high, log, whole = false) {
  const found = [];
  if (log && high > 3 * low) {
    const digits = high > 1000 * low ? [1] : high > 15 * low ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const digit of digits) found.push(Number((digit * 10 ** power).toPrecision(10)));
  } else {
    const rough = (high - low) / 6 || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(power * [1, 2, 5, 10].find((digit) => digit * power >= rough), whole ? 1 : 0);
    for (let mark = Math.ceil(low / step) * step; mark <= high; mark += step) found.push(Number(mark.toPrecision(10)));
  }
  return found.filter((mark) => mark >= low && mark <= high);
}

// lines: [{label, color, dash, x: [], y: [], low?: [], high?: []}]; logx, logy; xname. Returns {node, at(x), xs}.
function chart({ lines, logx = false, logy = false, xname = "", yname = "" }) {
  const usable = (value) => value !== null && value !== undefined && (!logy || value > 0);
  const xs = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  const every = lines.flatMap((line) => line.y.filter(usable));
  let low = Math.min(...every), high = Math.max(...every);
  if (!every.length) [low, high] = [1, 10];
  const margin = logy ? Math.max((high / low) ** 0.06, 1.05) : (high - low) * 0.06 || 0.5;
  [low, high] = logy ? [low / margin, high * margin] : [low - margin, high + margin];
  const scale = (from, to, a, b, log) => (value) => {
    const share = log ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from);
    return a + (b - a) * (Number.isFinite(share) ? share : 0.5);
  };
  const X = scale(xs[0], xs.at(-1), EDGE.left, WIDE - EDGE.right, logx);
  const Y = scale(low, high, HIGH - EDGE.bottom, EDGE.top, logy);
  const svg = draw("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `${yname} over ${xname}` });
  for (const mark of marks(low, high, logy)) {
    svg.append(draw("line", { x1: EDGE.left, x2: WIDE - EDGE.right, y1: Y(mark), y2: Y(mark), class: "rule" }));
    svg.append(draw("text", { x: EDGE.left - 6, y: Y(mark) + 4, "text-anchor": "end" }, digits(mark)));
  }
  for (const mark of marks(xs[0], xs.at(-1), logx, xs.every(Number.isInteger)))
    svg.append(draw("text", { x: X(mark), y: HIGH - EDGE.bottom + 18, "text-anchor": "middle" }, mark >= 10000 ? `${mark / 1000}k` : digits(mark)));
  svg.append(draw("text", { x: (WIDE + EDGE.left) / 2, y: HIGH - 4, "text-anchor": "middle" }, xname));
  const clip = (value) => Math.max(EDGE.top, Math.min(HIGH - EDGE.bottom, Y(value)));
  for (const line of lines) {
    let path = "", pen = false;
    line.y.forEach((value, i) => {
      if (usable(value)) path += `${pen ? "L" : "M"}${X(line.x[i]).toFixed(1)} ${Y(value).toFixed(1)}`;
      pen = usable(value);
    });
    svg.append(draw("path", { d: path, fill: "none", stroke: line.color, "stroke-width": 2, "stroke-dasharray": DASHES[line.dash] ?? "" }));
    if (line.x.length <= 30)
      line.y.forEach((value, i) => usable(value) && svg.append(draw("circle", { cx: X(line.x[i]), cy: Y(value), r: 2.5, fill: line.color })));
  }
  const rule = draw("line", { y1: EDGE.top, y2: HIGH - EDGE.bottom, class: "here" });
  const bands = draw("g", {});
  svg.append(bands, rule);
  const table = make("table", { class: "values" }), head = make("caption");
  const node = make("div", { class: "chart" }, make("div", { class: "plot" }, svg), make("div", { class: "scroll" }, table));

  function at(x) {
    rule.setAttribute("x1", X(x));
    rule.setAttribute("x2", X(x));
    head.textContent = `${xname} = ${digits(x)}`;
    const found = lines.map((line) => {
      // Long curves have points at some k only: take the last one at or before x, and none beyond the end.
      let i = -1;
      line.x.forEach((value, place) => { if (value <= x) i = place; });
      return { line, i: x > line.x.at(-1) ? -1 : i };
    }).filter(({ line, i }) => i >= 0 && line.y[i] !== null);
    found.sort((a, b) => {{ "b.line.y[b.i] - a.line.y[a.i]" if score.higher else "a.line.y[a.i] - b.line.y[b.i]" }});
    bands.replaceChildren();
    table.replaceChildren(head, make("tbody", {}, ...found.map(({ line, i }, place) => {
      const mark = draw("svg", { viewBox: "0 0 24 8", class: "swatch" });
      mark.append(draw("line", { x1: 0, x2: 24, y1: 4, y2: 4, stroke: line.color, "stroke-width": 3, "stroke-dasharray": DASHES[line.dash] ?? "" }));
      const { low: least, high: most } = line;
      if (most && most[i] !== null && least[i] {{ bounded | safe }}) {  // side by side, as bands of several lines overlap
        const aside = X(x) + 7 * (place - (found.length - 1) / 2);
        bands.append(draw("line", { x1: aside, x2: aside, y1: clip(least[i]), y2: clip(most[i]), stroke: line.color, "stroke-width": 5, opacity: 0.4 }));
      }
      const range = most && most[i] !== null ? (least[i] {{ bounded | safe }} ? `[${digits({{ ends[0] }}[i])}, ${digits({{ ends[1] }}[i])}]` : `[{{ "above" if score.higher else "below" }} ${digits(most[i])}]`) : "";
      return make("tr", {}, make("th", { scope: "row" }, mark, line.label), make("td", { class: "number" }, digits(line.y[i])), make("td", {}, range));
    })));
  }

  const nearest = (event) => {
    const matrix = svg.getScreenCTM();
    const seen = (event.clientX - matrix.e) / matrix.a;
    return xs.reduce((best, x) => Math.abs(X(x) - seen) < Math.abs(X(best) - seen) ? x : best);
  };
  svg.addEventListener("pointermove", (event) => {
    at(nearest(event));
    node.dispatchEvent(new CustomEvent("pointed", { detail: nearest(event) }));
  });
  at(xs[Math.floor((xs.length - 1) / 2)]);
  return { node, at, xs };
}

for (const card of document.querySelectorAll(".live")) {
  const curves = JSON.parse(card.querySelector("script").textContent);
  const [what, unit] = ["what", "unit"].map((name) => card.querySelector(`[name=${name}]`));
  const slider = card.querySelector("[name=k]"), output = card.querySelector("output");
  const redraw = () => {
    const lines = curves[unit.value][what.value];
    const place = card.querySelector(".drawn");
    if (!lines.length) {
      place.replaceChildren(make("p", { class: "note" }, "No mean: a diverged run has no score at step 0."));
      return;
    }
    const long = Math.max(...lines.flatMap((line) => line.x)) > 30;
    const made = chart({ lines, logx: long, logy: {{ "true" if score.ratios else "false" }}, xname: "k", yname: {{ score.what | tojson }} });
    const set = (x) => { slider.value = made.xs.indexOf(x); output.textContent = x.toLocaleString("en"); };
    slider.max = made.xs.length - 1;
    slider.oninput = () => { made.at(made.xs[slider.value]); set(made.xs[slider.value]); };
    made.node.addEventListener("pointed", (event) => set(event.detail));
    set(made.xs[Math.floor((made.xs.length - 1) / 2)]);
    place.replaceChildren(made.node);
  };
  what.addEventListener("change", redraw);
  unit.addEventListener("change", redraw);
  card.hidden = false;
  redraw();
}
