"use strict";
const cards = [...document.querySelectorAll(".case")];
const count = document.getElementById("count");
const save = document.getElementById("save");

function decision(card) {
  const chosen = card.querySelector("input[type=radio]:checked");
  if (!chosen) return null;
  return chosen.value === "other" ? card.querySelector(".other").value.trim() || null : chosen.dataset.value;
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
document.addEventListener("input", (event) => {
  if (!event.target.matches(".other")) return;
  event.target.closest(".case").querySelector("input[value=other]").checked = true;
  update();
});
document.addEventListener("click", (event) => {
  const all = event.target.closest(".all");
  if (!all) return;
  for (const card of all.closest("section").querySelectorAll(".case")) {
    if (decision(card) === null) card.querySelector("input[value=accept]").checked = true;
  }
  update();
});
save.addEventListener("click", () => {
  const lines = ["product_id,column,value"];
  for (const card of cards) {
    const value = decision(card);
    if (value !== null) lines.push([card.dataset.id, card.dataset.column, value].map(quoted).join(","));
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  link.download = "decisions.csv";
  link.click();
  URL.revokeObjectURL(link.href);
});
update();
