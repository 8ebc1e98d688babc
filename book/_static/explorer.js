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

  const MEAN = "mean"; // in place of both seeds: of all pairs of different networks
  const has = (side, group, seed) => group in side && (seed === MEAN || side[group].includes(Number(seed)));

  function holds(table, first, firstSeed, second, secondSeed) {
    if (!has(table.rows, first, firstSeed) || !has(table.columns, second, secondSeed)) return false;
    if ((firstSeed === MEAN) !== (secondSeed === MEAN)) return false;
    if (table.own) return first === second && firstSeed === secondSeed;
    return firstSeed !== MEAN || first !== second || table.rows[first].length > 1;
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
  const mean = [[MEAN, "mean of all"]];
  const different = (options) => options.filter(([, label], i) => options.findIndex(([, other]) => other === label) === i);

  // Offer what was measured, from the first network on; what is wanted stays if it is among it.
  function choose(wanted) {
    const { tables } = data;
    const first = offer("first", groups(new Set(tables.flatMap((table) => Object.keys(table.rows)))), wanted);
    const ones = seeds(tables.flatMap((table) => table.rows[first] || []));
    const firstSeed = offer("first-seed", ones.length > 1 ? [...ones, ...mean] : ones, wanted);
    const pairs = tables.filter((table) => has(table.rows, first, firstSeed)).flatMap((table) =>
      Object.entries(table.columns).flatMap(([group, found]) =>
        (firstSeed === MEAN ? [MEAN] : found).map((seed) => [group, seed]))
        .filter(([group, seed]) => holds(table, first, firstSeed, group, String(seed))));
    const second = offer("second", groups(new Set(pairs.map(([group]) => group))), wanted, first);
    const others = firstSeed === MEAN ? mean
      : seeds(pairs.filter(([group]) => group === second).map(([, seed]) => seed));
    const another = others.find(([seed]) => second !== first || seed !== firstSeed);
    const secondSeed = offer("second-seed", others, wanted, another && another[0]);
    const having = tables.filter((table) => holds(table, first, firstSeed, second, secondSeed));
    const measured = new Set(having.flatMap((table) => table.indexes));
    const plain = Object.keys(data.indexes).filter((name) => measured.has(name) && !name.endsWith("_debiased"));
    let index = offer("index", plain.map((name) => [name, data.indexes[name].title]), wanted);
    const box = control("debiased");
    box.disabled = !measured.has(`${index}_debiased`);
    box.checked = !box.disabled && wanted.debiased === "yes";
    if (box.checked) index += "_debiased";
    const images = having.filter((table) => table.indexes.includes(index)).map((table) => [table.key, table.title]);
    const key = offer("images", different(images), wanted);
    control("minus").value = wanted.minus || "";
    return { first, firstSeed, second, secondSeed, index, table: tables.find((table) => table.key === key) };
  }

  // The view that is subtracted, null where there is none, or none with as many layers.
  function subtracted({ first, second }) {
    const asked = Object.fromEntries(new URLSearchParams(control("minus").value));
    const table = data.tables.find((one) => one.key === asked.images);
    const index = `${asked.index}${asked.debiased === "yes" ? "_debiased" : ""}`;
    const sides = [asked.first, asked["first-seed"], asked.second, asked["second-seed"]];
    if (!table || !table.indexes.includes(index) || !holds(table, ...sides)) return null;
    const count = (name) => data.networks[name].layers.length;
    if (count(asked.first) !== count(first) || count(asked.second) !== count(second)) return null;
    return { first: sides[0], firstSeed: sides[1], second: sides[2], secondSeed: sides[3], index, table };
  }

  // What the form says, without what is empty.
  const asked = () => Object.fromEntries([...new FormData(form)].filter(([, value]) => value));

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
    const places = (side, seed) => side.flatMap((one, at) => (seed === MEAN || one === Number(seed) ? [at] : []));
    const pairs = places(table.rows[first], firstSeed).flatMap((a) =>
      places(table.columns[second], secondSeed).map((b) => [a, b]));
    const itself = ([a, b]) => first === second && table.rows[first][a] === table.columns[second][b];
    const starts = pairs
      .filter((pair) => firstSeed !== MEAN || (table.own ? itself(pair) : !itself(pair)))
      .map(([a, b]) => (table.own ? a : a * table.columns[second].length + b) * rows * columns);
    const average = (place) => starts.reduce((sum, start) => sum + numbers[start + place], 0) / starts.length;
    return Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (__, j) => average(i * columns + j)));
  }

  const loaded = async (choice) => {
    await load(`${choice.table.key}-${choice.index}-${choice.first}-${choice.second}`);
    return similarities(choice);
  };

  function written(value) {
    if (!Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    const small = size !== 0 && (size < 1e-3 || size >= 1e4);
    const text = small ? value.toExponential(2) : value.toFixed(size < 10 ? 3 : 1);
    const raised = (power) => [...power].map((one) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[one] || { "-": "⁻" }[one] || "").join("");
    return text.replace(/^-/, "−").replace(/e(.+)/, (_, power) => ` × 10${raised(power)}`);
  }

  // The place of the greatest value, null where several are as great.
  function matchOf(row) {
    const most = Math.max(...row.filter(Number.isFinite));
    const places = row.flatMap((value, j) => (value >= most - 1e-12 ? [j] : []));
    return places.length === 1 ? places[0] : null;
  }

  // The best matches as the points of lines; where one is not single the line is interrupted.
  function line(best, layers) {
    let stretch = 0;
    return best.flatMap((j, i) => {
      if (j === null || j < 0) { stretch += 1; return []; }
      return [{ first: layers[0][i], second: layers[1][j], stretch }];
    });
  }

  // ------------------------------------------------------------------------------------------------------ the drawing

  // The heat map in Vega-Lite; low, high and crowded are parameters.
  const axis = { labelOverlap: "greedy", labelLimit: 120, domain: false, labelFontSize: 12, titleFontSize: 13 };
  const turned = {
    labelAngle: { expr: "crowded ? -90 : 0" },
    labelAlign: { expr: "crowded ? 'right' : 'center'" },
    labelBaseline: { expr: "crowded ? 'middle' : 'top'" },
  };
  const position = (side, more) =>
    ({ field: side, type: "ordinal", sort: null, title: `layer of the ${side} network`, ...more });
  const x = position("first", { axis: { ...axis, ...turned } });
  const y = position("second", { axis, scale: { reverse: true } });
  const colour = {
    field: "value",
    type: "quantitative",
    scale: { scheme: data.scheme, domainMin: { expr: "low" }, domainMax: { expr: "high" } },
    legend: { orient: "bottom", title: null, gradientLength: 220, labelFontSize: 12 },
  };
  const point = { filled: true, fill: "white", stroke: "black", strokeWidth: 1, size: 45, aria: false };
  const heatMap = {
    autosize: { type: "fit", contains: "padding" },
    background: null,
    config: { mark: { invalid: null }, view: { stroke: null } },
    data: { name: "cells" },
    layer: [
      {
        name: "map",
        mark: "rect",
        encoding: { x, y, color: colour, description: { field: "words", type: "nominal" } },
      },
      {
        name: "path",
        data: { name: "best" },
        mark: { type: "line", stroke: "white", strokeWidth: 1.5, aria: false, point },
        encoding: { x, y, detail: { field: "stretch", type: "nominal" } }, // ties interrupt it
      },
    ],
  };

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
      ...heatMap,
      description: map.getAttribute("aria-label"),
      width,
      height: Math.min(width + 30, width * layers[1].length / layers[0].length + 130),
      params: Object.entries(parameters).map(([name, value]) => ({ name, value })),
      datasets: { cells, best: line(best, layers) },
    };
    if (drawn) drawn.finalize();
    drawn = await vegaEmbed(map, spec, { actions: false, defaultStyle: false, renderer: "svg", tooltip: false });
    // Vega refers to the colour scale by the page's whole address, which another choice changes.
    for (const filled of map.querySelectorAll("[fill^='url(']")) {
      filled.setAttribute("fill", filled.getAttribute("fill").replace(/^url\(.*#/, "url(#"));
    }
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
    table.createCaption().textContent = `Rows: layers of the first network${shown.minus ? "" : "; ● its best match in the second"}`;
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

  const seedOf = (seed) => (seed === MEAN ? "mean of all" : `seed ${seed}`);
  const named = ({ first, firstSeed, second, secondSeed, index, table }) =>
    `${data.indexes[index].title}, ${table.title}, ${data.networks[first].title} (${seedOf(firstSeed)}) with ` +
    `${first === second ? "the same" : data.networks[second].title} (${seedOf(secondSeed)})`;

  function summary(choice) {
    const { first, firstSeed, second, secondSeed, index, table } = choice;
    const { best, layers, minus } = shown;
    const { title, exchanged } = data.indexes[index];
    const itself = first === second && firstSeed === secondSeed && (firstSeed !== MEAN || table.own);
    const parts = [`${title}, ${table.title}.`];
    if (control("minus").value && !minus) parts.push("Nothing is subtracted: the other view has other layers.");
    if (minus) return `${title}, ${table.title}, minus: ${named(minus)}.`;
    if (itself && firstSeed === MEAN) {
      parts.push("This is the mean over networks, each with itself.");
    } else if (itself) {
      parts.push("This is a network and itself.");
    } else if (layers[0].join() === layers[1].join()) {
      const found = best.filter((j, i) => i === j).length;
      const what = firstSeed === MEAN ? "In the mean map" : "In this pair";
      parts.push(`${what} the best match is the same layer for ${found} of ${best.length} layers.`);
    }
    const ties = best.filter((j) => j === null).length;
    if (ties) parts.push(`${ties === 1 ? "One layer has" : `${ties} layers have`} several best matches.`);
    if (index.startsWith("cka") && index.endsWith("_debiased")) {
      const spread = Math.sqrt(2 / (table.examples * (table.examples - 3)));
      parts.push(`By chance, over all orders of the examples, it is 0 ± ${written(spread)}.`);
    } else if (index.startsWith("cka")) {
      parts.push("Its chance level is above 0 and depends on both layers; that of the debiased form is 0.");
    }
    const undetermined = ((table.undetermined[index] || {})[first] || {})[second];
    if (undetermined) {
      parts.push(`Not determined: ${undetermined} of ${layers[0].length * layers[1].length} pairs of layers have ` +
        "more dimensions together than so many examples can tell apart.");
    }
    const score = first === second && (table.scores[index] || {})[first];
    if (score) {
      const error = !score.error ? "" : ` ± ${(100 * score.error).toFixed(1)}`;
      parts.push(`Identification score over all ${score.networks * (score.networks - 1)} ordered pairs of the ` +
        `${score.networks} networks of this kind: ${(100 * score.accuracy).toFixed(1)}${error} % of the layers ` +
        `(by chance ${(100 / score.layers).toFixed(1)} %)${exchanged ? ", the roles exchanged and added" : ""}.`);
    } else if (first !== second) {
      parts.push("No identification score: it is for networks of one kind.");
    }
    return parts.join(" ");
  }

  async function show(wanted) {
    const choice = choose(wanted);
    const { first, firstSeed, second, secondSeed, index, table } = choice;
    const minus = subtracted(choice);
    let values = await loaded(choice);
    if (minus) {
      const others = await loaded(minus);
      values = values.map((row, i) => row.map((value, j) => value - others[i][j]));
    }
    const layers = [data.networks[first].layers, data.networks[second].layers];
    const best = minus ? values.map(() => -1) : values.map(matchOf);
    const words = (i, j) => `${layers[0][i]} and ${layers[1][j]}: ${written(values[i][j])}` +
      (best[i] === j ? `, the best match of ${layers[0][i]}` : "");
    const most = Math.max(1e-3, ...values.flat().filter(Number.isFinite).map(Math.abs));
    shown = { layers, values, best, words, minus, bounds: minus ? [-most, most] : data.indexes[index].bounds };

    part("networks").textContent = `First: ${data.networks[first].facts}; ${seedOf(firstSeed)}. ` +
      `Second: ${data.networks[second].facts}; ${seedOf(secondSeed)}.`;
    part("summary").textContent = summary(choice);
    const matches = best.map((j, i) => `${layers[0][i]} → ${j === null ? "several" : layers[1][j]}`).join(", ");
    part("path").textContent = minus ? "" : `Best-match path: ${matches}.`;
    control("nothing").hidden = !control("minus").value;
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
    address.search = new URLSearchParams(asked()).toString();
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

  form.addEventListener("change", () => start(asked()));
  control("figure").append(...data.figures.map(({ title }, at) => new Option(title, String(at))));
  control("figure").addEventListener("change", (event) => {
    if (event.target.value) start(data.figures[Number(event.target.value)].shows);
  });
  control("subtract").addEventListener("click", () => {
    const { minus, ...view } = asked();
    start({ ...view, minus: new URLSearchParams(view).toString() });
  });
  control("nothing").addEventListener("click", () => start({ ...asked(), minus: "" }));
  form.addEventListener("submit", (event) => event.preventDefault());
  control("copy").addEventListener("click", copy);
  part("map").addEventListener("focusin", enter);
  part("map").addEventListener("mouseover", (event) => read(event.target));
  part("map").addEventListener("keydown", move);
  window.addEventListener("resize", () => shown && start(asked()));
  start(Object.fromEntries(new URLSearchParams(window.location.search)));
})();
