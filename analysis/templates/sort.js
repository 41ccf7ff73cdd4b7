// Click a head to sort by its column, again to turn it round. Missing values stay last either way.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const numeric = head.classList.contains("number");
    const value = (row) => {
      const cell = row.cells[column];
      if (!numeric) return cell.textContent === "–" ? null : cell.textContent;
      const text = cell.dataset.sort;
      return text === "" ? null : text === "inf" ? Infinity : Number(text);
    };
    const order = (a, b) => {
      const x = value(a), y = value(b);
      if (x === null || y === null) return (x === null) - (y === null);
      const sign = numeric ? Math.sign(x === y ? 0 : x - y) : x.localeCompare(y, "en", { numeric: true });
      return up ? sign : -sign;
    };
    body.append(...[...body.rows].sort(order));
  }));
}
