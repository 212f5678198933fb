function decision(card) {
  const chosen = card.querySelector("input[type=radio]:checked");
  return chosen ? chosen.value : null;
}

save.addEventListener("click", () => saveAs("labels.csv", ["left", "right"], "match"));
update();
