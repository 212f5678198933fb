function decision(card) {
  const chosen = card.querySelector("input[type=radio]:checked");
  if (!chosen) return null;
  return chosen.value === "other" ? card.querySelector(".other").value.trim() || null : chosen.dataset.value;
}

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
save.addEventListener("click", () => saveAs("decisions.csv", ["product_id", "column"], "value"));
update();
