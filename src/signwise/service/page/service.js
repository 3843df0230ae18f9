// Asks the service: pictures in groups, two requests at a time, again where it is busy.

const GROUP = 16;
const GROUP_BYTES = 8 * 2 ** 20;
const AT_ONCE = 2;
const PATIENCE = 40;

let key = sessionStorage.getItem("key");

/** A problem whose text is for the person in front of the page. */
export class Trouble extends Error {}

/** The models that are served, the first one answering where none is named. */
export async function listModels() {
  return (await (await ask("v1/models")).json()).models;
}

/** Ask for each item's answer in turn; `answered(item, row)` as they come. */
export async function predict(items, model, answered) {
  const groups = grouped(items);
  const work = async () => {
    for (let group = groups.shift(); group; group = groups.shift()) {
      const rows = await rowsOf(group, model);
      group.forEach((item, number) => answered(item, rows[number]));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** Where the model looked, as the address of an image; null where there is no map. */
export async function heatMap(item, model) {
  const [row] = await rowsOf([item], model, "&explain=1");
  return row.heat_map ?? null;
}

function grouped(items) {
  const { pictures, bytes } = document.body.dataset;
  const most = Math.min(GROUP, Number(pictures));
  const groups = [];
  let size = 0;
  for (const item of items) {
    const last = groups.at(-1);
    // Beside a picture stand some hundred bytes of form.
    const full = size + item.file.size > Math.min(GROUP_BYTES, Number(bytes) / 2);
    if (!last || last.length >= most || full) {
      groups.push([item]);
      size = 0;
    } else {
      last.push(item);
    }
    size += item.file.size;
  }
  return groups;
}

async function rowsOf(group, model, more = "") {
  const form = new FormData();
  group.forEach((item) => form.append("files", item.file, item.file.name));
  const path = `v1/predict?model=${encodeURIComponent(model)}${more}`;
  try {
    const answer = await ask(path, { method: "POST", body: form });
    const found = await answer.json();
    return found.predictions ?? group.map(() => ({ error: found.detail }));
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    return group.map(() => ({ error: error.message }));
  }
}

async function ask(path, options = {}) {
  for (let attempt = 1; ; attempt += 1) {
    let answer;
    try {
      const headers = key ? { Authorization: `Bearer ${key}` } : {};
      answer = await fetch(path, { ...options, headers });
    } catch {
      throw new Trouble("the service can't be reached");
    }
    if (answer.status === 401) {
      key = await askForKey();
      sessionStorage.setItem("key", key);
    } else if (answer.status === 503 && attempt < PATIENCE) {
      const seconds = Number(answer.headers.get("Retry-After")) || 1;
      await new Promise((done) => setTimeout(done, seconds * 1000 * (0.5 + Math.random())));
    } else if (answer.ok || answer.status === 422 || answer.status === 413) {
      return answer;
    } else {
      const { detail } = await answer.json().catch(() => ({}));
      throw new Trouble(detail ?? `the service answered ${answer.status}`);
    }
  }
}

let asking = null;

/** The key that the person types; several requests wait for one dialog. */
function askForKey() {
  asking ??= new Promise((done) => {
    const dialog = document.getElementById("key");
    const input = dialog.querySelector("input");
    dialog.addEventListener("close", () => {
      asking = null;
      done(input.value);
    }, { once: true });
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    input.value = "";
    dialog.showModal();
  });
  return asking;
}
