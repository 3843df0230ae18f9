// node run.mjs MODEL.onnx RECORD.json PNG...: a line of JSON a picture, by classify.mjs.
import fs from "node:fs";
import { PNG } from "pngjs";
import { load } from "./classify.mjs";

const [model, record, ...paths] = process.argv.slice(2);
const classify = await load(fs.readFileSync(model), JSON.parse(fs.readFileSync(record)));
for (const path of paths) {
  const { data, width, height } = PNG.sync.read(fs.readFileSync(path));
  console.log(JSON.stringify({ path, ...(await classify(data, width, height)) }));
}
