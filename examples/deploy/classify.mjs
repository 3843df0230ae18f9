// A model.onnx of signwise in JavaScript, with onnxruntime-web, in Node or in a browser.
// The numbers in the comments are the steps of docs/deploy.md.
import * as ort from "onnxruntime-web";

// Step 4: whole blocks of fx by fy pixels to their mean, at the right and lower edge smaller ones.
function reduce({ data, width, height }, fx, fy) {
  const w = Math.ceil(width / fx), h = Math.ceil(height / fy);
  const out = new Uint8Array(w * h * 3);
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const x1 = Math.min(width, (x + 1) * fx), y1 = Math.min(height, (y + 1) * fy);
      const count = (x1 - x * fx) * (y1 - y * fy);
      const share = Math.floor(2 ** 24 / count); // Pillow divides in 24 bits of fixed point
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let v = y * fy; v < y1; v++)
          for (let u = x * fx; u < x1; u++) sum += data[(v * width + u) * 3 + c];
        out[(y * w + x) * 3 + c] = Math.floor(((sum + (count >> 1)) * share) / 2 ** 24);
      }
    }
  return { data: out, width: w, height: h };
}

// Step 5: the triangle filter along one side, in 22 bits of fixed point, as Pillow has it. `length`
// is that of the side before step 4 divided by its factor: no whole number, at times, in float32.
function weights(pixels, length, size) {
  const scale = Math.fround(length) / size, support = Math.max(scale, 1);
  return Array.from({ length: size }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(pixels, Math.trunc(centre + support + 0.5));
    const taps = [];
    for (let at = first; at < end; at++)
      taps.push(Math.max(0, 1 - Math.abs((at - centre + 0.5) * (1 / support))));
    const total = taps.reduce((a, b) => a + b, 0);
    return { first, taps: taps.map((tap) => Math.trunc(0.5 + (tap / total) * (1 << 22))) };
  });
}

function stretch(data, lines, width, filter, horizontal) {
  const size = filter.length;
  const out = new Uint8Array((horizontal ? lines * size : size * width) * 3);
  const [rows, columns] = horizontal ? [lines, size] : [size, width];
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) {
      const { first, taps } = filter[horizontal ? x : y];
      for (let c = 0; c < 3; c++) {
        let sum = 1 << 21;
        for (let k = 0; k < taps.length; k++) {
          const at = horizontal ? y * width + first + k : (first + k) * width + x;
          sum += data[at * 3 + c] * taps[k];
        }
        out[(y * columns + x) * 3 + c] = Math.min(255, Math.max(0, sum >> 22));
      }
    }
  return out;
}

// RGBA pixels, as a canvas or a PNG decoder gives them, to uint8 (size, size, 3).
export function preprocess(rgba, width, height, size, crop = "none") {
  if (crop === "center" && width !== height) { // 3
    const side = Math.min(width, height);
    const left = (width - side) >> 1;
    const top = (height - side) >> 1;
    const cut = new Uint8Array(side * side * 4);
    for (let y = 0; y < side; y++) {
      const from = ((top + y) * width + left) * 4;
      cut.set(rgba.subarray(from, from + side * 4), y * side * 4);
    }
    [rgba, width, height] = [cut, side, side];
  }
  let picture = { data: new Uint8Array(width * height * 3), width, height };
  for (let i = 0; i < width * height; i++) {
    const alpha = rgba[i * 4 + 3];
    for (let c = 0; c < 3; c++) { // 3
      const sum = (rgba[i * 4 + c] * alpha + 128 * (255 - alpha) + 128) * 128;
      picture.data[i * 3 + c] = ((sum >> 8) + sum) >> 15;
    }
  }
  const fx = Math.max(1, Math.trunc(width / size / 2));
  const fy = Math.max(1, Math.trunc(height / size / 2));
  if (fx > 1 || fy > 1) picture = reduce(picture, fx, fy); // 4
  const across = weights(picture.width, width / fx, size); // 5
  const down = weights(picture.height, height / fy, size);
  const tall = picture.height > size && picture.height - size > 2 * (picture.width - size);
  if (tall) {
    const low = stretch(picture.data, picture.height, picture.width, down, false);
    return stretch(low, size, picture.width, across, true);
  }
  const narrow = stretch(picture.data, picture.height, picture.width, across, true);
  return stretch(narrow, picture.height, size, down, false);
}

// The record is in the file's metadata, which ONNX Runtime does not show in JavaScript: copy
// classes, image_size, threshold and crop from `signwise models --json` or from labels and parameters
// that `signwise export --format triton` writes.
export async function load(model, record) {
  const session = await ort.InferenceSession.create(model);
  return async (rgba, width, height) => {
    const size = record.image_size;
    const pixels = preprocess(rgba, width, height, size, record.crop);
    const images = new ort.Tensor("uint8", pixels, [1, size, size, 3]); // 6
    const { probabilities, known } = await session.run({ images });
    const best = probabilities.data.indexOf(Math.max(...probabilities.data));
    const label = known.data[0] >= record.threshold ? record.classes[best] : "unknown"; // 7
    return { label, known: known.data[0], probabilities: Array.from(probabilities.data) };
  };
}
