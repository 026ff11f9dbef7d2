// Takes a photo: with the phone's own camera app where there is one, else in a dialog with a live picture.

const dialog = document.getElementById("camera");
const finder = document.getElementById("finder");
const problem = document.getElementById("camera-problem");
const shoot = document.getElementById("shoot");
let stream = null;

// Whether to use the device's own camera app: on touch screens, and where a page may not use the camera.
export function hasCameraOfItsOwn() {
  return !navigator.mediaDevices?.getUserMedia || matchMedia("(pointer: coarse)").matches;
}

// Shows the dialog; calls `onPhoto` with the photo, a JPEG file.
export async function takePhoto(onPhoto) {
  problem.hidden = true;
  shoot.disabled = true;
  shoot.onclick = async () => {
    const photo = await captured();
    dialog.close();
    onPhoto(photo);
  };
  dialog.showModal();
  try {
    const wanted = { video: { facingMode: "user", width: { ideal: 1920 }, height: { ideal: 1440 } }, audio: false };
    const found = await navigator.mediaDevices.getUserMedia(wanted);
    if (!dialog.open) return stop(found);
    stream = found;
    finder.srcObject = found;
    await finder.play();
    shoot.disabled = false;
    shoot.focus();
  } catch (error) {
    problem.textContent = messageOf(error);
    problem.hidden = false;
  }
}

dialog.addEventListener("close", () => {
  if (stream) stop(stream);
  stream = finder.srcObject = null;
});
document.getElementById("camera-close").onclick = () => dialog.close();

function captured() {
  const canvas = document.createElement("canvas");
  canvas.width = finder.videoWidth;
  canvas.height = finder.videoHeight;
  canvas.getContext("2d").drawImage(finder, 0, 0);
  return new Promise((resolve) => {
    canvas.toBlob((blob) => resolve(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.95);
  });
}

function stop(found) {
  for (const track of found.getTracks()) track.stop();
}

function messageOf(error) {
  if (error.name === "NotAllowedError") return "The browser does not let this page use the camera; allow it in its settings.";
  if (error.name === "NotFoundError") return "No camera was found.";
  if (error.name === "AbortError") return "";
  return `The camera does not start: ${error.message}`;
}
