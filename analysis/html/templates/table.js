// Tables: sorting by column header, filtering by text or by column, pages, and export as CSV.
// Rows are in the page, or, as there may be thousands, in a script file next to it (landscape.table).
const PAGE = 25, MIN_ROWS_FOR_TOOLS = 9;

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function runLink(id) {
  return make("a", { class: "run-link", href: `#run=${id}` }, id);
}

// rows: [{texts: [...], sorts: {column: number or null}, element}]
function tabled(box, rows) {
  const table = box.querySelector("table"), body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const number = heads.map((head) => head.classList.contains("number"));
  let shown = rows, page = 0;

  const line = (row) => row.element ??= make("tr", {}, ...row.texts.map((text, i) => {
    const cell = make("td", number[i] ? { class: "number" } : {});
    cell.append(!text ? "–" : heads[i].classList.contains("run") ? runLink(text) : text);
    return cell;
  }));

  // All words must occur; for a numeric column, "<20", ">5", "5..20" and "=7" compare.
  const text = make("input", { type: "search", placeholder: "Filter", "aria-label": "Filter the rows" });
  const where = make("select", { "aria-label": "Column" }, make("option", { value: "" }, "in any column"));
  heads.forEach((head, i) => where.append(make("option", { value: i }, `in ${head.textContent}`)));
  const values = make("datalist", { id: `values-${document.querySelectorAll("datalist").length}` });
  text.setAttribute("list", values.id);
  const save = make("button", { type: "button" }, "Save these rows as CSV");
  const said = make("span", { class: "files", role: "status" });
  const tools = make("div", { class: "tools" }, text, where, said, save, values);
  const pages = make("div", { class: "pages" });
  const turn = (name, step) => {
    const button = make("button", { type: "button" }, name);
    button.addEventListener("click", () => { page += step; show(); });
    return button;
  };
  const back = turn("Previous", -1), place = make("span", { class: "files" }), on = turn("Next", 1);
  pages.append(back, place, on);

  function matches() {
    const asked = text.value.trim().toLowerCase(), column = where.value === "" ? null : Number(where.value);
    if (!asked) return () => true;
    if (column !== null && number[column]) {
      const one = /^([<>=])\s*(-?[\d.e+-]+)$/.exec(asked), two = /^(-?[\d.e+-]+)\s*\.\.\s*(-?[\d.e+-]+)$/.exec(asked);
      const value = (row) => row.sorts[column];
      if (two) return (row) => value(row) !== null && value(row) >= Number(two[1]) && value(row) <= Number(two[2]);
      if (one) {
        const bound = Number(one[2]), by = { "<": (x) => x < bound, ">": (x) => x > bound, "=": (x) => x === bound }[one[1]];
        return (row) => value(row) !== null && by(value(row));
      }
    }
    const words = column === null ? asked.split(/\s+/) : [asked];
    return (row) => {
      const held = (column === null ? row.texts.join("\t") : row.texts[column]).toLowerCase();
      return words.every((word) => held.includes(word));
    };
  }

  function filter() {
    shown = rows.filter(matches());
    page = 0;
    show();
  }

  function show() {
    const from = page * PAGE, now = shown.slice(from, from + PAGE);
    body.replaceChildren(...now.map(line));
    said.textContent = shown.length < rows.length ? `${shown.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows` : "";
    place.textContent = `${(from + 1).toLocaleString("en")} to ${(from + now.length).toLocaleString("en")} of ${shown.length.toLocaleString("en")}`;
    pages.hidden = shown.length <= PAGE;
    back.disabled = page === 0;
    on.disabled = from + PAGE >= shown.length;
  }

  function sort(column) {
    const before = heads[column].getAttribute("aria-sort"), best = heads[column].dataset.better === "higher" ? "descending" : "ascending";
    const up = before ? before === "descending" : best === "ascending";  // best first, then reversed
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => number[column] ? row.sorts[column] : row.texts[column] === "–" ? null : row.texts[column] || null;
    const collator = new Intl.Collator("en", { numeric: true });
    const order = (a, b) => {  // missing values come last in both directions
      const x = value(a), y = value(b);
      if (x === null || y === null) return (x === null) - (y === null);
      const sign = number[column] ? Math.sign(x === y ? 0 : x - y) : collator.compare(x, y);
      return up ? sign : -sign;
    };
    rows.sort(order);
    filter();
  }

  function choices() {
    const column = where.value === "" || number[Number(where.value)] ? null : Number(where.value);
    const distinct = column === null ? [] : [...new Set(rows.map((row) => row.texts[column]))];
    values.replaceChildren(...(distinct.length <= 40 ? distinct : []).map((value) => make("option", { value })));
    text.placeholder = where.value !== "" && number[Number(where.value)] ? "<20, >5 or 5..20" : "Filter";
  }

  heads.forEach((head, column) => head.addEventListener("click", () => sort(column)));
  text.addEventListener("input", filter);
  where.addEventListener("change", () => { choices(); filter(); });
  save.addEventListener("click", () => {
    const quoted = (value) => /[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
    const safe = (text) => /^'*[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;  // no formulas, as in analysis/loading/csv_files.py
    const exact = (row, i) => number[i] && row.sorts[i] !== null && row.sorts[i] !== undefined ? String(row.sorts[i]) : row.texts[i] === "–" ? "" : safe(row.texts[i]);
    const lines = [heads.map((head) => head.textContent), ...shown.map((row) => heads.map((_, i) => exact(row, i)))];
    const blob = new Blob([lines.map((cells) => cells.map(quoted).join(",") + "\n").join("")], { type: "text/csv" });
    const link = make("a", { href: URL.createObjectURL(blob), download: "rows.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  if (rows.length >= MIN_ROWS_FOR_TOOLS) {
    box.prepend(tools);
    box.append(pages);
  }
  show();
}

const numeral = (text) => text === "" || text === null || text === undefined ? null : text === "inf" ? Infinity : Number(text);

for (const box of document.querySelectorAll(".tabled:not([data-rows])")) {
  tabled(box, [...box.querySelectorAll("tbody tr")].map((element) => ({
    element,
    texts: [...element.cells].map((cell) => cell.textContent),
    sorts: [...element.cells].map((cell) => numeral(cell.dataset.sort)),
  })));
}

const landscape = {
  table(key, { rows, sorts }) {
    const box = document.querySelector(`.tabled[data-rows="${CSS.escape(key)}"]`);
    tabled(box, rows.map((texts, i) => ({
      texts,
      sorts: texts.map((_, column) => column in sorts ? numeral(sorts[column][i]) : null),
    })));
  },
};
