"use strict";
// Docutils gives the entries of a bibliography a role that no list may hold and that is no longer used.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".citation-list > .citation").forEach((entry) => entry.setAttribute("role", "listitem"));
});
// A table that is wider than its place says so.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".bd-article table.table").forEach((table) => {
    const place = table.parentElement;
    if (place.scrollWidth <= place.clientWidth + 1) return;
    const note = document.createElement("p");
    note.className = "scrolls";
    note.textContent = "This table scrolls sideways.";
    place.before(note);
  });
});
// Each figure can be seen as large as the window: a button beside the links to its files, which closes again with Escape or a click.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".bd-article .cell_output figure").forEach((figure) => {
    const image = figure.querySelector("img"), button = document.createElement("button"), dialog = document.createElement("dialog");
    button.type = "button";
    button.className = "enlarge";
    button.textContent = "Enlarge";
    dialog.className = "enlarged";
    dialog.setAttribute("aria-label", "Enlarged figure");
    button.addEventListener("click", () => {
      if (!dialog.firstChild) {
        const large = image.cloneNode(), close = document.createElement("button");
        large.removeAttribute("style");
        close.type = "button";
        close.textContent = "Close";
        dialog.append(close, large);
      }
      dialog.showModal();
    });
    dialog.addEventListener("click", () => dialog.close());
    const files = figure.closest(".cell").nextElementSibling;
    (files && files.matches(".figure-files") ? files : figure).prepend(button);
    figure.append(dialog);
  });
});
