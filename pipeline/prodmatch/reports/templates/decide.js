"use strict";
const cards = [...document.querySelectorAll(".case")];
const count = document.getElementById("count");
const save = document.getElementById("save");

function update() {
  let decided = 0;
  for (const card of cards) {
    const value = decision(card);
    card.classList.toggle("decided", value !== null);
    decided += value !== null;
  }
  count.textContent = decided + " of " + cards.length + " decided";
  save.disabled = decided === 0;
}

function quoted(text) {
  return '"' + text.replaceAll('"', '""') + '"';
}

function saveAs(name, keys, value) {
  const lines = [[...keys, value].join(",")];
  for (const card of cards) {
    const decided = decision(card);
    if (decided !== null) lines.push([...keys.map((key) => card.dataset[key]), decided].map(quoted).join(","));
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

document.addEventListener("change", update);
