// The section shown while a job is under way: the photo, the phase, the stages.

const $ = (id) => document.getElementById(id);
const TITLES = { uploading: "Sending the photo", queued: "Waiting in the queue", running: "Making the head" };

// `detail` is the photo's name while uploading, and the number of jobs ahead while queued.
export function showPhase(phase, detail, fraction) {
  $("phase").textContent = TITLES[phase];
  document.body.dataset.phase = phase;
  const ahead = detail === 1 ? "1 photo is ahead of yours." : `${detail} photos are ahead of yours.`;
  $("phase-detail").textContent = { uploading: detail, queued: detail ? ahead : "Yours is next.", running: "" }[phase];
  if (fraction === null) $("progress").removeAttribute("value");
  else $("progress").value = fraction;
}

// Updates the list in place, so that the spinner of the current stage does not restart.
export function showStages(stages) {
  const list = $("stages");
  while (list.children.length > stages.length) list.lastChild.remove();
  stages.forEach(({ name, seconds }, index) => {
    const item = list.children[index] ?? list.appendChild(row());
    const [label, time] = item.children;
    item.className = seconds === null ? "now" : "";
    label.textContent = name;
    time.textContent = seconds === null ? "" : `${seconds.toFixed(1)} s`;
  });
}

// Shows the photo, hidden until it loads: some browsers cannot show HEIC and other kinds.
export function showPhoto(photo) {
  const image = $("thumb");
  URL.revokeObjectURL(image.src);
  image.hidden = true;
  if (!photo) return image.removeAttribute("src");
  image.onload = () => (image.hidden = false);
  image.src = URL.createObjectURL(photo);
}

function row() {
  const item = document.createElement("li");
  for (const part of ["name", "seconds"]) {
    item.append(Object.assign(document.createElement("span"), { className: part }));
  }
  return item;
}
