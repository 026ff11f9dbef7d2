// What is seen while one waits: the photo, the phase, the stages.

const $ = (id) => document.getElementById(id);
const TITLES = { uploading: "Sending the photo", queued: "Waiting in the queue", running: "Making the head" };

// `detail` is the photo's name while uploading, the number of jobs ahead in the queue.
export function showPhase(phase, detail, fraction) {
  $("phase").textContent = TITLES[phase];
  document.body.dataset.phase = phase;
  const ahead = detail === 1 ? "1 photo is ahead of yours." : `${detail} photos are ahead of yours.`;
  $("phase-detail").textContent = { uploading: detail, queued: detail ? ahead : "Yours is next.", running: "" }[phase];
  if (fraction === null) $("progress").removeAttribute("value");
  else $("progress").value = fraction;
}

export function showStages(stages) {
  $("stages").replaceChildren(...stages.map(row));
}

// Not every browser shows every photo that the server reads, such as HEIC.
export function showPhoto(photo) {
  const image = $("thumb");
  URL.revokeObjectURL(image.src);
  image.hidden = true;
  if (!photo) return image.removeAttribute("src");
  image.onload = () => (image.hidden = false);
  image.src = URL.createObjectURL(photo);
}

function row({ name, seconds }) {
  const item = document.createElement("li");
  item.className = seconds === null ? "now" : "";
  const label = Object.assign(document.createElement("span"), { className: "name", textContent: name });
  const time = seconds === null ? "" : `${seconds.toFixed(1)} s`;
  item.append(label, Object.assign(document.createElement("span"), { className: "seconds", textContent: time }));
  return item;
}
