// The page: takes pictures, asks the service, shows what it answers.

import { toCsv, UNKNOWN } from "./answers.js";
import { setUpCamera } from "./camera.js";
import { drawAnswer, drawHeat, dropCard, newCard, resetCard } from "./cards.js";
import { heatMap, listModels, predict } from "./service.js";

/** Classes that a line names. */
const NAMED = 6;

const find = (id) => document.getElementById(id);
const threshold = find("threshold");

/** One a picture, in the order in which they came: its file, its card, its row once there is one. */
let items = [];
let models = [];
let model = null;
/** Grows with every change of what is asked, so that late answers are left alone. */
let round = 0;

function setModel(name) {
  model = models.find((one) => one.name === name);
  const names = model.classes.slice(0, NAMED);
  const rest = model.classes.length - names.length;
  if (rest) names.push(`${rest} more`);
  const listed = new Intl.ListFormat("en").format(names);
  find("about").textContent = `${model.name} knows ${listed}; all else is unknown.`;
  setThreshold(model.threshold);
}

function setThreshold(value) {
  // As text: the range keeps every digit, so that the model's own answers stay its own.
  threshold.value = String(value);
  draw();
}

function add(files) {
  const added = [...files].map((file) => ({ file, card: newCard(file), row: null }));
  if (!added.length) return;
  find("cards").prepend(...added.map((item) => item.card));
  items.push(...added);
  answer(added);
}

async function answer(asked) {
  const mine = round;
  draw();
  try {
    await predict(asked, model.name, (item, row) => {
      if (mine !== round || !items.includes(item)) return;
      item.row = row;
      draw([item]);
    });
    if (mine === round) explain();
  } catch (error) {
    say(error);
  }
}

let explaining = false;

/** One heat map after the other, for as long as they are wanted. */
async function explain() {
  if (explaining) return;
  explaining = true;
  const wanted = () => find("explain").checked &&
    items.find((item) => item.row && !item.row.error && item.heat === undefined);
  try {
    for (let item = wanted(); item; item = wanted()) {
      const mine = round;
      item.heat = null;
      const found = await heatMap(item, model.name);
      if (mine !== round) continue;
      item.heat = found;
      if (find("explain").checked) drawHeat(item.card, found);
    }
  } catch (error) {
    say(error);
  } finally {
    explaining = false;
  }
}

function draw(changed = items) {
  const limit = Number(threshold.value);
  find("shown").textContent = limit.toFixed(3);
  find("reset").disabled = !model || limit === model.threshold;
  for (const item of changed) {
    if (item.row) item.label = drawAnswer(item.card, item.row, model.classes, limit);
  }
  document.body.classList.toggle("some", items.length > 0);
  find("results").hidden = items.length === 0;
  summarise();
}

function summarise() {
  const counts = new Map();
  for (const { row, label } of items) {
    if (row) counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const take = (label) => {
    const count = counts.get(label) ?? 0;
    counts.delete(label);
    return count;
  };
  const [errors, unknown] = [take("error"), take(UNKNOWN)];
  const waiting = items.filter((item) => !item.row).length;
  const parts = [...counts].sort((a, b) => b[1] - a[1]).slice(0, NAMED)
    .map(([label, count]) => `${count} ${label}`);
  const rest = counts.size - parts.length;
  if (rest > 0) parts.push(`${rest} other classes`);
  if (unknown) parts.push(`${unknown} unknown`);
  if (errors) parts.push(`${errors} could not be read`);
  if (waiting) parts.push(`${waiting} to come`);
  const noun = items.length === 1 ? "picture" : "pictures";
  find("summary").textContent = items.length ? `${items.length} ${noun}: ${parts.join(", ")}` : "";
}

function say(error) {
  find("trouble").textContent = error.message;
  find("trouble").hidden = false;
}

function clear() {
  round += 1;
  items.forEach((item) => dropCard(item.card));
  items = [];
  draw();
  find("choose").focus();
}

function save() {
  const answered = items.filter((item) => item.row);
  const text = toCsv(answered, model.classes, Number(threshold.value));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "predictions.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function setUp() {
  find("choose").addEventListener("change", ({ target }) => {
    add(target.files);
    target.value = "";
  });
  document.addEventListener("paste", ({ clipboardData }) => add(clipboardData.files));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    if (!relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    add(event.dataTransfer.files);
  });
  threshold.addEventListener("input", () => draw());
  find("reset").addEventListener("click", () => setThreshold(model.threshold));
  find("explain").addEventListener("change", ({ target }) => {
    find("legend").hidden = !target.checked;
    items.forEach((item) => drawHeat(item.card, target.checked ? item.heat : null));
    explain();
  });
  find("save").addEventListener("click", save);
  find("clear").addEventListener("click", clear);
  find("model").addEventListener("change", ({ target }) => {
    round += 1;
    items.forEach((item) => {
      Object.assign(item, { row: null, heat: undefined });
      resetCard(item.card);
    });
    setModel(target.value);
    answer(items);
  });
  setUpCamera(add);
}

try {
  models = await listModels();
  find("model").append(...models.map(({ name }) => new Option(name, name)));
  find("models").hidden = models.length < 2;
  setModel(models[0].name);
  setUp();
  document.body.dataset.ready = "yes";
} catch (error) {
  say(error);
}
