"use strict";
const cards = [...document.querySelectorAll(".case")];
const count = document.getElementById("count");
const save = document.getElementById("save");

function decision(card) {
  const chosen = card.querySelector("input[type=radio]:checked");
  return chosen ? chosen.value : null;
}

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

document.addEventListener("change", update);
save.addEventListener("click", () => {
  const lines = ["left,right,match"];
  for (const card of cards) {
    const value = decision(card);
    if (value !== null) lines.push([card.dataset.left, card.dataset.right, value].map(quoted).join(","));
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  link.download = "labels.csv";
  link.click();
  URL.revokeObjectURL(link.href);
});
update();
