"use strict";
// Docutils gives the entries of a bibliography a role that no list may hold and that is no longer used.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".citation-list > .citation").forEach((entry) => entry.setAttribute("role", "listitem"));
});
