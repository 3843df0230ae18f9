// Photographs by the camera: in a dialog or, where the browser gives pages none, by its own app.

const dialog = document.getElementById("camera");
const video = dialog.querySelector("video");
const note = dialog.querySelector(".note");
const capture = document.getElementById("capture");

let number = 0;

/** Let the person take photos; `taken(files)` gets each. */
export function setUpCamera(taken) {
  capture.addEventListener("change", () => {
    taken(capture.files);
    capture.value = "";
  });
  document.getElementById("photo").addEventListener("click", open);
  document.getElementById("done").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", stop);
  document.getElementById("shutter").addEventListener("click", async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    if (!canvas.width) return;
    canvas.getContext("2d").drawImage(video, 0, 0);
    const photo = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
    number += 1;
    note.textContent = number === 1 ? "1 photo taken" : `${number} photos taken`;
    taken([new File([photo], `photo-${number}.jpg`, { type: photo.type })]);
  });
}

async function open() {
  try {
    const wanted = { video: { facingMode: "environment", width: { ideal: 1280 } } };
    // Pages that came over plain HTTP from another machine have no mediaDevices.
    video.srcObject = await navigator.mediaDevices.getUserMedia(wanted);
  } catch {
    capture.click();
    return;
  }
  note.textContent = "";
  number = 0;
  dialog.showModal();
}

function stop() {
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
}
