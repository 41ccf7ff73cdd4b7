// The details of a run, opened by its link (#run=...) and loaded from its script file; and pictures at full size.
const RUNS = {}, known = new Set();
const sheet = document.getElementById("run"), frame = document.getElementById("picture");

landscape.runs = (some, lines) => {
  for (const run of Object.values(some)) {
    run.config = run.config.map((number) => lines[number]);
    run.machines = run.machines.map((machine) => machine.map((number) => lines[number]));
  }
  Object.assign(RUNS, some);
};

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

// Learning curves of one protocol over D updates, with a choice of score; distances on a log axis.
function learning(curves, distance) {
  const keys = Object.keys(CURVE_NAMES).filter((key) => key in curves);
  if (!keys.length || !curves.step) return [];
  const name = (key) => key === "fid" ? distance : CURVE_NAMES[key];
  const choice = make("select", { "aria-label": "Score" }, ...keys.map((key) => make("option", { value: key }, name(key))));
  const place = make("div");
  const redraw = () => {
    const y = curves[choice.value];
    const line = { label: name(choice.value), color: "#0072B2", dash: "-", x: curves.step, y };
    const positive = y.every((value) => value === null || value > 0);
    place.replaceChildren(chart({ lines: [line], logy: choice.value === "fid" && positive, xname: "D updates", yname: line.label }).node);
  };
  choice.addEventListener("change", redraw);
  redraw();
  return [make("h3", {}, "Over training ", choice), make("div", { class: "card" }, place)];
}

function spectrum(curves) {
  if (!curves.spectrum) return [];
  const line = { label: "log10 eigenvalue", color: "#0072B2", dash: "-", x: curves.spectrum.map((_, i) => i + 1), y: curves.spectrum };
  return [make("h3", {}, "Conditioning of the generator"),
    make("p", { class: "note" }, "log10 of the eigenvalues of the mean of JᵀJ, where J is the Jacobian of the generator with respect to its latents, largest first, at the last evaluation that has them. A steep fall means that few latent directions change the image."),
    make("div", { class: "card" }, chart({ lines: [line], xname: "eigenvalue", yname: line.label }).node)];
}

// A picture with its caption; a click opens it at full size.
function shown(file, alt, ...about) {
  return make("figure", { class: "grid" }, make("a", { href: file }, make("img", { src: file, alt })), make("figcaption", {}, ...about));
}

function pictures(part, curves) {
  if (!part.pictures.length) return [];
  const apart = (curves.closest_pairs ?? []).filter((value) => value !== null);
  const far = apart.length > 1
    ? [make("p", { class: "note" }, `Distance of the closest pair: ${apart[0]}; of the last of these ${apart.length} pairs: ${apart.at(-1)} (at the last evaluation). 1 is the median distance between nearest real images.`)]
    : [];
  return [make("h3", {}, "Pictures of scores"), make("div", { class: "grids" }, ...part.pictures.map(({ file, about, step }) => shown(file, about, about, ` Step ${step}.`))), ...far];
}

function fill(id) {
  const run = RUNS[id], body = sheet.querySelector(".body");
  sheet.querySelector("h2").textContent = run ? `${run.cell}, seed ${run.seed}` : `Run ${id}`;
  if (!run) {
    body.replaceChildren(make("p", {}, "This report has no data of this run: it belongs to another store, or the folder data/ next to the page is missing."));
    return;
  }
  const state = make("p", {}, make("span", { class: `chip ${run.status}` }, run.status), ` run ${id}`);
  if (run.why) state.append(make("br"), run.why);
  for (const text of run.warnings) state.append(make("br"), `Warning: ${text}.`);
  const parts = run.parts.flatMap((part) => {
    const scores = Object.entries(part.scores);
    if (part.best) scores.push(["best checkpoint (optimistic)", part.best]);
    return [
      make("h3", {}, run.parts.length > 1 ? `Scores under protocol ${part.protocol}` : "Scores"),
      ...(part.caution ? [make("p", { class: "warning" }, part.caution)] : []),
      scores.length ? list(scores) : make("p", { class: "note" }, "No final score."),
      ...learning(run.curves[part.protocol] ?? {}, part.distance),
      ...spectrum(run.curves[part.protocol] ?? {}),
      ...pictures(part, run.curves[part.protocol] ?? {}),
    ];
  });
  const samples = run.picture
    ? [make("h3", {}, "Samples"), shown(run.picture, `Samples at step ${run.picture_step}`, `step ${run.picture_step}`)]
    : [];
  const machines = run.machines.flatMap(([first, ...more]) => [make("p", {}, first), ...more.map((text) => make("p", { class: "files" }, text))]);
  body.replaceChildren(
    state, ...samples, ...parts,
    make("h3", {}, "Configuration"), list(Object.entries(run.facts)),
    ...(run.config.length ? [make("details", {}, make("summary", {}, `All ${run.config.length} keys`), make("pre", {}, run.config.join("\n")))] : []),
    ...(machines.length ? [make("h3", {}, "Machines and versions"), ...machines] : []),
    ...(run.command ? [make("h3", {}, "Command of the sweep"), make("pre", {}, run.command), make("p", { class: "files" }, `${run.planned ? `Planned with ${run.planned}. ` : ""}Folder in the store: runs/${id}.`)] : []),
    ...(run.alone ? [make("h3", {}, "Command for this run alone"), make("pre", {}, run.alone)] : []),
    ...(run.log ? [make("h3", {}, "End of its log"), make("pre", {}, run.log)] : []),
  );
}

function open() {
  const asked = /^#run=([\w.-]+)$/.exec(location.hash);
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
