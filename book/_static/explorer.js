"use strict";
// The explorer's page. The scripts beside this one put what it shows into window.explorer, so no server is needed.
(() => {
  const data = window.explorer;
  const root = document.getElementById("similarities");
  const form = root.querySelector("form");
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const control = (name) => root.querySelector(`[name="${name}"]`);
  const folder = document.currentScript.src.replace(/[^/]*$/, "explorer/");
  let drawn = null;
  let shown = null; // what is drawn: layers, values, best matches, words
  let running = Promise.resolve();
  let cursor = [0, 0]; // the cell that Tab leads to: its layers

  // ---------------------------------------------------------------------------------------------- what can be chosen

  const has = (side, group, seed) => group in side && side[group].includes(Number(seed));

  function holds(table, first, firstSeed, second, secondSeed) {
    if (!has(table.rows, first, firstSeed) || !has(table.columns, second, secondSeed)) return false;
    return !table.own || (first === second && firstSeed === secondSeed);
  }

  function offer(name, options, wanted, otherwise) {
    const select = control(name);
    select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
    const values = options.map(([value]) => value);
    select.value = [wanted[name], otherwise, values[0]].find((value) => values.includes(value));
    return select.value;
  }

  const groups = (names) => Object.keys(data.networks).filter((name) => names.has(name))
    .map((name) => [name, data.networks[name].title]);
  const seeds = (found) => [...new Set(found)].sort((a, b) => a - b).map((seed) => [String(seed), String(seed)]);

  // Offer what was measured, from the first network on; what is wanted stays if it is among it.
  function choose(wanted) {
    const { tables } = data;
    const first = offer("first", groups(new Set(tables.flatMap((table) => Object.keys(table.rows)))), wanted);
    const firstSeed = offer("first-seed", seeds(tables.flatMap((table) => table.rows[first] || [])), wanted);
    const pairs = tables.filter((table) => has(table.rows, first, firstSeed)).flatMap((table) =>
      Object.entries(table.columns).flatMap(([group, found]) => found.map((seed) => [group, seed]))
        .filter(([group, seed]) => holds(table, first, firstSeed, group, String(seed))));
    const second = offer("second", groups(new Set(pairs.map(([group]) => group))), wanted, first);
    const others = seeds(pairs.filter(([group]) => group === second).map(([, seed]) => seed));
    const different = others.find(([seed]) => second !== first || seed !== firstSeed);
    const secondSeed = offer("second-seed", others, wanted, different && different[0]);
    const having = tables.filter((table) => holds(table, first, firstSeed, second, secondSeed));
    const measured = new Set(having.flatMap((table) => table.indexes));
    const plain = Object.keys(data.indexes).filter((name) => measured.has(name) && !name.endsWith("_debiased"));
    let index = offer("index", plain.map((name) => [name, data.indexes[name].title]), wanted);
    const box = control("debiased");
    box.disabled = !measured.has(`${index}_debiased`);
    box.checked = !box.disabled && wanted.debiased === "yes";
    if (box.checked) index += "_debiased";
    const images = having.filter((table) => table.indexes.includes(index)).map((table) => [table.key, table.title]);
    const key = offer("images", images, wanted);
    return { first, firstSeed, second, secondSeed, index, table: tables.find((table) => table.key === key) };
  }

  // ------------------------------------------------------------------------------------------------------ the numbers

  function load(name) {
    if (name in data.blocks) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${folder}${name}.js`;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${script.src} cannot be read`));
      document.head.append(script);
    });
  }

  // The similarities of the two networks, a row for each layer of the first.
  function similarities({ first, firstSeed, second, secondSeed, index, table }) {
    const bytes = Uint8Array.from(atob(data.blocks[`${table.key}-${index}-${first}-${second}`]), (c) => c.charCodeAt(0));
    const numbers = table.bytes === 8 ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer);
    const [rows, columns] = [data.networks[first].layers.length, data.networks[second].layers.length];
    const a = table.rows[first].indexOf(Number(firstSeed));
    const b = table.columns[second].indexOf(Number(secondSeed));
    const start = (table.own ? a : a * table.columns[second].length + b) * rows * columns;
    return Array.from({ length: rows }, (_, i) => Array.from(numbers.subarray(start + i * columns, start + (i + 1) * columns)));
  }

  function written(value) {
    if (!Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    return size !== 0 && (size < 1e-3 || size >= 1e4) ? value.toExponential(2) : value.toFixed(size < 10 ? 3 : 1);
  }

  const matchOf = (row) => row.reduce((best, value, j) => (value > row[best] ? j : best), 0);

  // ------------------------------------------------------------------------------------------------------ the drawing

  async function draw() {
    const { layers, values, best, words, bounds } = shown;
    const numbers = values.flat().filter(Number.isFinite);
    const cells = values.flatMap((row, i) =>
      row.map((value, j) => ({ first: layers[0][i], second: layers[1][j], value, words: words(i, j) })));
    const map = part("map");
    const width = Math.min(Math.max(map.clientWidth, 240), 640);
    const parameters = {
      low: Math.min(bounds[0] ?? Infinity, ...numbers),
      high: Math.max(bounds[1] ?? -Infinity, ...numbers),
      crowded: layers[0].length * 38 > width - 90,
    };
    const spec = {
      ...data.spec,
      description: map.getAttribute("aria-label"),
      width,
      height: Math.min(width + 30, width * layers[1].length / layers[0].length + 130),
      params: Object.entries(parameters).map(([name, value]) => ({ name, value })),
      datasets: { cells, best: best.map((j, i) => ({ first: layers[0][i], second: layers[1][j] })) },
    };
    if (drawn) drawn.finalize();
    drawn = await vegaEmbed(map, spec, { actions: false, defaultStyle: false, renderer: "svg", tooltip: false });
    cursor = [Math.min(cursor[0], layers[0].length - 1), Math.min(cursor[1], layers[1].length - 1)];
    marks().forEach((mark, at) => {
      mark.setAttribute("role", "img");
      mark.setAttribute("tabindex", at === place(cursor) ? "0" : "-1");
    });
  }

  const marks = () => [...part("map").querySelectorAll(".map_marks path")];
  const place = ([i, j]) => i * shown.layers[1].length + j;

  function read(mark) {
    const at = marks().indexOf(mark);
    if (at < 0) return null;
    const cell = [Math.floor(at / shown.layers[1].length), at % shown.layers[1].length];
    part("reading").textContent = shown.words(...cell);
    return cell;
  }

  function enter(event) {
    const cell = read(event.target);
    if (!cell) return;
    marks()[place(cursor)].setAttribute("tabindex", "-1");
    cursor = cell;
    event.target.setAttribute("tabindex", "0");
  }

  function move(event) {
    const last = [shown.layers[0].length - 1, shown.layers[1].length - 1];
    const [i, j] = cursor;
    const next = {
      ArrowRight: [i + 1, j], ArrowLeft: [i - 1, j], ArrowUp: [i, j + 1], ArrowDown: [i, j - 1], Home: [0, j], End: [last[0], j],
    }[event.key];
    if (!next) return;
    event.preventDefault();
    if (next.every((layer, side) => layer >= 0 && layer <= last[side])) marks()[place(next)].focus();
  }

  // --------------------------------------------------------------------------------------------------- what stands by

  function fillTable() {
    const { layers, values, best } = shown;
    const table = root.querySelector("table");
    table.replaceChildren();
    table.createCaption().textContent = "Rows: layers of the first network; ● its best match in the second";
    const heading = (row, text, scope) => {
      const cell = document.createElement("th");
      cell.scope = scope;
      cell.textContent = text;
      row.append(cell);
    };
    const head = table.createTHead().insertRow();
    ["layer", ...layers[1]].forEach((layer) => heading(head, layer, "col"));
    const body = table.createTBody();
    values.forEach((row, i) => {
      const line = body.insertRow();
      heading(line, layers[0][i], "row");
      row.forEach((value, j) => {
        const cell = line.insertCell();
        cell.textContent = written(value) + (best[i] === j ? " ●" : "");
        cell.className = best[i] === j ? "best" : "";
      });
    });
  }

  function csv() {
    const lines = [["layer", ...shown.layers[1]], ...shown.values.map((row, i) => [shown.layers[0][i], ...row])];
    return lines.map((line) => `${line.join(",")}\n`).join("");
  }

  function summary(choice) {
    const { first, firstSeed, second, secondSeed, index, table } = choice;
    const { best, layers } = shown;
    const { title, exchanged, saturates } = data.indexes[index];
    const itself = first === second && firstSeed === secondSeed;
    const parts = [`${title}, ${table.title}.`];
    if (itself) {
      parts.push("This is a network and itself.");
    } else if (layers[0].join() === layers[1].join()) {
      const found = best.filter((j, i) => i === j).length;
      parts.push(`Best match of this pair is the same layer for ${found} of ${best.length} layers.`);
    }
    const score = first === second && (table.scores[index] || {})[first];
    if (score) {
      const error = score.error === null ? "" : ` ± ${(100 * score.error).toFixed(1)}`;
      parts.push(`Identification score over all ${score.networks * (score.networks - 1)} ordered pairs of the ` +
        `${score.networks} networks of this kind: ${(100 * score.accuracy).toFixed(1)}${error} % of the layers ` +
        `(by chance ${(100 / score.layers).toFixed(1)} %)${exchanged ? ", the roles exchanged and added" : ""}.`);
    } else if (first !== second) {
      parts.push("No identification score: it is for networks of one kind.");
    }
    const full = saturates ? [...new Set([...table.saturated[first], ...table.saturated[second]])] : [];
    if (full.length) {
      parts.push(`Says nothing at ${full.join(", ")}: as many features as examples.`);
    }
    return parts.join(" ");
  }

  async function show(wanted) {
    const choice = choose(wanted);
    const { first, firstSeed, second, secondSeed, index, table } = choice;
    await load(`${table.key}-${index}-${first}-${second}`);
    const values = similarities(choice);
    const layers = [data.networks[first].layers, data.networks[second].layers];
    const best = values.map(matchOf);
    const words = (i, j) => `${layers[0][i]} and ${layers[1][j]}: ${written(values[i][j])}` +
      (best[i] === j ? `, the best match of ${layers[0][i]}` : "");
    shown = { layers, values, best, words, bounds: data.indexes[index].bounds };

    part("networks").textContent = `First: ${data.networks[first].facts}; seed ${firstSeed}. ` +
      `Second: ${data.networks[second].facts}; seed ${secondSeed}.`;
    part("summary").textContent = summary(choice);
    part("path").textContent = `Best-match path: ${best.map((j, i) => `${layers[0][i]} → ${layers[1][j]}`).join(", ")}.`;
    part("reading").textContent = "";
    part("table").setAttribute("aria-label", `${data.indexes[index].title} of the layers of two networks`);
    fillTable();
    part("map").setAttribute("aria-label", `Heat map of ${data.indexes[index].title}; arrow keys go from cell to cell`);
    const link = part("csv");
    URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    link.download = `${index}-${first}-seed${firstSeed}-${second}-seed${secondSeed}-${table.key}.csv`;
    const where = document.createElement("a");
    where.href = table.data;
    where.textContent = table.file;
    part("source").replaceChildren("From ", where, `, profile ${data.profile}.`);

    const address = new URL(window.location.href);
    address.search = new URLSearchParams(new FormData(form)).toString();
    address.hash = "";
    window.history.replaceState(null, "", address);
    control("link").value = address.href;
    part("copied").textContent = "";
    root.hidden = false;
    await draw();
    root.dataset.ready = address.search;
  }

  // One after the other, so that the last choice is what stays.
  function start(wanted) {
    running = running.then(() => show(wanted)).catch((error) => {
      root.hidden = false;
      part("summary").textContent = error.message;
    });
  }

  async function copy() {
    const link = control("link");
    try {
      await navigator.clipboard.writeText(link.value);
      part("copied").textContent = "The link is copied.";
    } catch {
      link.select();
      part("copied").textContent = "The browser does not let this page copy: the link is selected instead.";
    }
  }

  form.addEventListener("change", () => start(Object.fromEntries(new FormData(form))));
  form.addEventListener("submit", (event) => event.preventDefault());
  control("copy").addEventListener("click", copy);
  part("map").addEventListener("focusin", enter);
  part("map").addEventListener("mouseover", (event) => read(event.target));
  part("map").addEventListener("keydown", move);
  window.addEventListener("resize", () => shown && start(Object.fromEntries(new FormData(form))));
  start(Object.fromEntries(new URLSearchParams(window.location.search)));
})();
