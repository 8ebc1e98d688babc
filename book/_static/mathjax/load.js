"use strict";
// MathJax, 2 MB, only where there are formulas: Sphinx would load it on the first page for those of the other pages.
(() => {
  if (!document.querySelector(".math, .tex2jax_process, .mathjax_process, .output_area")) return;
  const script = document.createElement("script");
  script.src = document.currentScript.src.replace(/load\.js.*$/, "tex-svg.js");
  document.head.append(script);
})();
