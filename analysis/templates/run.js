// A run, opened by its link (#run=...): its data come from the script file that holds it. And pictures at full size.
const RUNS = {}, known = new Set();
const sheet = document.getElementById("run"), frame = document.getElementById("picture");

landscape.runs = (some) => Object.assign(RUNS, some);

function load(id, done) {
  const shard = SHARDS.findLastIndex((first) => first <= id);
  if (shard < 0 || known.has(shard)) return done();
  const script = make("script", { src: `data/runs-${shard}.js` });
  script.addEventListener("load", () => { known.add(shard); done(); });
  script.addEventListener("error", done);
  document.head.append(script);
}

function list(pairs) {
  return make("dl", {}, ...pairs.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

const CURVE_NAMES = {{ curve_names | tojson }};

// Learning curves of one protocol: a choice of score, over D updates. A distance is drawn on a log axis.
function learning(curves, distance) {
  const keys = Object.keys(CURVE_NAMES).filter((key) => key in curves);
  if (!keys.length || !curves.step) return [];
  const name = (key) => key === "fid" ? distance : CURVE_NAMES[key];
  const choice = make("select", { "aria-label": "Score" }, ...keys.map((key) => make("option", { value: key }, name(key))));
  const place = make("div");
  const redraw = () => {
    const y = curves[choice.value];
    const line = { label: name(choice.value), colour: "#0072B2", dash: "-", x: curves.step, y };
    const positive = y.every((value) => value === null || value > 0);
    place.replaceChildren(chart({ lines: [line], logy: choice.value === "fid" && positive, xname: "D updates", yname: line.label }).node);
  };
  choice.addEventListener("change", redraw);
  redraw();
  return [make("h3", {}, "Over training ", choice), make("div", { class: "card" }, place)];
}

function spectrum(curves) {
  if (!curves.spectrum) return [];
  const line = { label: "log10 eigenvalue", colour: "#0072B2", dash: "-", x: curves.spectrum.map((_, i) => i + 1), y: curves.spectrum };
  return [make("h3", {}, "Conditioning of the generator"),
    make("p", { class: "note" }, "log10 of the eigenvalues of the mean of JᵀJ, J the generator's Jacobian by its latents, largest first, at the last evaluation that has them. A steep fall: few latent directions move the image."),
    make("div", { class: "card" }, chart({ lines: [line], xname: "eigenvalue", yname: line.label }).node)];
}

function fill(id) {
  const run = RUNS[id], body = sheet.querySelector(".body");
  sheet.querySelector("h2").textContent = run ? `${run.cell}, seed ${run.seed}` : `Run ${id}`;
  if (!run) {
    body.replaceChildren(make("p", {}, "This report has no data of this run: it is of another store, or the folder data/ is missing beside the page."));
    return;
  }
  const state = make("p", {}, make("span", { class: `chip ${run.status}` }, run.status), ` run ${id}`);
  if (run.why) state.append(make("br"), run.why);
  const parts = run.parts.flatMap((part) => {
    const scores = Object.entries(part.scores);
    if (part.best) scores.push(["lowest ever (flatters)", part.best]);
    return [
      make("h3", {}, run.parts.length > 1 ? `Scores under protocol ${part.protocol}` : "Scores"),
      scores.length ? list(scores) : make("p", { class: "note" }, "It has no final score."),
      ...learning(run.curves[part.protocol] ?? {}, part.distance),
      ...spectrum(run.curves[part.protocol] ?? {}),
    ];
  });
  const picture = make("img", { src: run.picture, alt: `Samples at step ${run.picture_step}` });
  const samples = run.picture
    ? [make("h3", {}, "Samples"), make("figure", { class: "grid" }, make("a", { href: run.picture }, picture), make("figcaption", {}, `step ${run.picture_step}`))]
    : [];
  body.replaceChildren(
    state, ...samples, ...parts,
    make("h3", {}, "Configuration"), list(Object.entries(run.facts)),
    ...(run.machines.length ? [make("h3", {}, "Machines"), ...run.machines.map((text) => make("p", {}, text))] : []),
    ...(run.command ? [make("h3", {}, "Trained by"), make("pre", {}, run.command), make("p", { class: "files" }, `Its folder in the store: runs/${id} (config.yaml has all of its configuration).`)] : []),
    ...(run.log ? [make("h3", {}, "End of its log"), make("pre", {}, run.log)] : []),
  );
}

function open() {
  const asked = /^#run=([\w-]+)$/.exec(location.hash);
  if (!asked) return sheet.open && sheet.close();
  load(asked[1], () => {
    fill(asked[1]);
    if (!sheet.open) sheet.showModal();
    sheet.scrollTop = 0;
  });
}

sheet.addEventListener("close", () => {
  if (location.hash.startsWith("#run=")) history.replaceState(null, "", location.pathname + location.search);
});
sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
addEventListener("hashchange", open);
open();

document.addEventListener("click", (event) => {
  const link = event.target.closest(".grid a");
  if (!link || link.classList.contains("run-link")) return;
  event.preventDefault();
  const image = frame.querySelector("img");
  image.src = link.href;
  image.alt = link.querySelector("img").alt;
  frame.showModal();
});
frame.addEventListener("click", () => frame.close());
