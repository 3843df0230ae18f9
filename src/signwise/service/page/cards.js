// Draws one card a picture.

import { labelOf, ranked, UNKNOWN } from "./answers.js";

const SHOWN = 5;
const template = document.getElementById("card");

/** A card for the picture, still without an answer. */
export function newCard(file) {
  const card = template.content.firstElementChild.cloneNode(true);
  const picture = card.querySelector(".picture");
  picture.addEventListener("error", () => picture.classList.add("broken"));
  picture.src = URL.createObjectURL(file);
  card.querySelector(".name").textContent = file.name;
  setState(card, "waiting", "…");
  return card;
}

/** Let go of the picture. */
export function dropCard(card) {
  URL.revokeObjectURL(card.querySelector(".picture").src);
  card.remove();
}

/** Show the answer at this threshold; gives the label, or `error`. */
export function drawAnswer(card, row, classes, threshold) {
  card.querySelector(".error").textContent = row.error ?? "";
  if (row.error) {
    setState(card, "error", "could not be read");
    return "error";
  }
  const label = labelOf(row, classes, threshold);
  setState(card, label === UNKNOWN ? "unknown" : "known", label);
  if (!card.querySelector(".bars li")) drawBars(card, row, classes);
  card.querySelector(".known i").style.width = percent(row.known);
  card.querySelector(".known b").style.left = percent(threshold);
  card.querySelector(".known .number").textContent = three(row.known);
  return label;
}

/** Show where the model looked, or take it away. */
export function drawHeat(card, address) {
  card.querySelector(".heat")?.remove();
  if (!address) return;
  const image = new Image();
  image.className = "heat";
  image.alt = "Where the model looked: red speaks for the answer, blue against it";
  image.src = address;
  card.querySelector(".pictures").append(image);
}

/** Forget an answer: another model is asked. */
export function resetCard(card) {
  drawHeat(card, null);
  card.querySelector(".bars").replaceChildren();
  card.querySelector(".error").textContent = "";
  setState(card, "waiting", "…");
}

function setState(card, state, label) {
  card.dataset.state = state;
  card.querySelector(".label").textContent = label;
}

function drawBars(card, row, classes) {
  const bars = ranked(row, classes).slice(0, SHOWN).map((name) => {
    const bar = element("span", "bar");
    bar.append(element("i", ""));
    bar.firstChild.style.width = percent(row.probabilities[name]);
    const title = element("span", "class", name);
    title.title = name;
    const line = element("li", "");
    line.append(title, bar, element("span", "number", three(row.probabilities[name])));
    return line;
  });
  card.querySelector(".bars").replaceChildren(...bars);
}

function element(tag, name, text = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

function percent(share) {
  return `${100 * share}%`;
}

function three(value) {
  return value.toFixed(3);
}
