// What an answer means: its label at a threshold, and its line in a CSV file.

export const UNKNOWN = "unknown";

/** The class of the largest probability, or `unknown`: the rule of `predict`, in float32. */
export function labelOf(row, classes, threshold) {
  if (Math.fround(row.known) < Math.fround(threshold)) return UNKNOWN;
  return ranked(row, classes)[0];
}

/** The classes, the most probable first. */
export function ranked(row, classes) {
  return [...classes].sort((a, b) => row.probabilities[b] - row.probabilities[a]);
}

/** A CSV file with the columns of `predict`, a line an item. */
export function toCsv(items, classes, threshold) {
  const columns = ["path", "label", "confidence", "known", ...classes.map((one) => `p_${one}`), "error"];
  const lines = items.map(({ file, row }) => {
    if (row.error) return [file.name, ...columns.slice(2).map(() => ""), row.error];
    const values = classes.map((one) => row.probabilities[one]);
    return [file.name, labelOf(row, classes, threshold), row.confidence, row.known, ...values, ""];
  });
  return [columns, ...lines].map((line) => `${line.map(field).join(",")}\n`).join("");
}

function field(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
