"use strict";
// The page of claims: choose by verdict, kind, section and profile. Without this script the whole table is there.
(() => {
  const COLUMNS = ["verdict", "counted as", "section", "profile"];
  const table = document.querySelector(".claims-table table");
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  const text = (row, name) => {
    const found = row.cells[names.indexOf(name)].textContent.replace(/\s+/g, " ").trim();
    return name === "verdict" ? found.replace(/^\S+ /, "") : found; // without its sign
  };
  const rows = [...table.tBodies[0].rows].map((row) => ({
    row,
    values: Object.fromEntries(COLUMNS.map((name) => [name, text(row, name)])),
    entry: document.getElementById(row.querySelector("a").hash.slice(1)).closest("section"),
  }));

  const form = document.createElement("form");
  form.className = "claims-filter";
  form.setAttribute("aria-label", "Which claims are shown");
  for (const name of COLUMNS) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    select.name = name;
    select.append(new Option("all", ""));
    [...new Set(rows.map(({ values }) => values[name]))].forEach((value) => select.append(new Option(value, value)));
    label.append(`${name[0].toUpperCase()}${name.slice(1)} `, select);
    form.append(label);
  }
  const count = document.createElement("p");
  count.setAttribute("role", "status");
  document.querySelector(".claims-table").before(form, count);

  function apply() {
    const wanted = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
    const shown = new Set();
    for (const { row, values, entry } of rows) {
      row.hidden = Object.entries(wanted).some(([name, value]) => values[name] !== value);
      if (!row.hidden) shown.add(entry);
    }
    const entries = new Set(rows.map(({ entry }) => entry));
    entries.forEach((entry) => { entry.hidden = !shown.has(entry); });
    const parts = new Set([...entries].map((entry) => entry.parentElement));
    parts.forEach((part) => { part.hidden = ![...entries].some((entry) => entry.parentElement === part && !entry.hidden); });
    count.textContent = `${rows.filter(({ row }) => !row.hidden).length} of ${rows.length} rows shown`;
    return wanted;
  }

  const asked = new URLSearchParams(window.location.search);
  for (const name of COLUMNS) {
    const select = form.elements[name];
    if ([...select.options].some(({ value }) => value === asked.get(name))) select.value = asked.get(name);
  }
  form.addEventListener("change", () => {
    const address = new URL(window.location.href);
    address.search = new URLSearchParams(apply()).toString();
    address.hash = "";
    window.history.replaceState(null, "", address);
  });
  apply();
})();
