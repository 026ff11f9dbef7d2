// Prints a page: without an argument the one that fastavatar/formats/html/page.py fills, PlayCanvas' viewer for splats;
// with `mesh` the one that mesh_page.py fills, Google's model-viewer. Each holds the viewer's licence and our additions.
import { readFileSync } from 'node:fs';
import { renderViewerHtml } from '@playcanvas/supersplat-viewer';

// The viewer takes an angle of view over the longer side of the page. The data states it over the shorter
// one, so that the head fits pages of every shape.
const fitToPage = () => {
    const slot = document.getElementById('sse-bootstrap');
    const data = JSON.parse(slot.textContent);
    const sides = [window.innerWidth || 1, window.innerHeight || 1];
    const stretch = Math.max(...sides) / Math.min(...sides);
    const widened = (degrees) => (Math.atan(Math.tan((degrees * Math.PI) / 360) * stretch) * 360) / Math.PI;
    const [{ initial }] = data.settings.cameras;
    const [{ keyframes }] = data.settings.animTracks;
    initial.fov = widened(initial.fov);
    keyframes.values.fov = keyframes.values.fov.map(widened);
    slot.textContent = JSON.stringify(data);
};

// The viewer keeps whether its list of keys is open, and has it open at first, over the head. The button that
// opens it stays. A frame without storage gets one that holds nothing else.
const closeControlsPanel = () => {
    try {
        localStorage.controlsPanelOpen ??= false;
    } catch {
        const value = { getItem: (key) => (key === 'controlsPanelOpen' ? 'false' : null), setItem() {}, removeItem() {} };
        Object.defineProperty(window, 'localStorage', { value });
    }
};

const withLicence = (name) => {
    const licence = readFileSync(`node_modules/${name}/LICENSE`, 'utf8');
    return `<!-- The viewer in this page:\n\n${licence.replaceAll('--', '- -')}-->`;
};

const splatPage = () =>
    renderViewerHtml({
        bootstrap: 'fastavatar-data',
        backgroundColor: [1, 1, 1],
        headExtras: `${withLicence('@playcanvas/supersplat-viewer')}
        <script>(${fitToPage})();(${closeControlsPanel})();</script>`,
        inlineCss: true,
        inlineJs: true
    });

const showMesh = () => {
    document.querySelector('model-viewer').src = JSON.parse(document.getElementById('data').textContent).contentUrl;
};

const meshPage = () => {
    const script = readFileSync('node_modules/@google/model-viewer/dist/model-viewer.min.js', 'utf8');
    // Neither may stand in a script of a page: the first ends it, the second begins a comment
    const inline = script.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
    return `<!doctype html>
<html lang="en">
<head>
<title>Mesh Viewer</title>
<meta name="viewport" content="width=device-width, initial-scale=1" />
${withLicence('@google/model-viewer')}
<style>
html, body, model-viewer { width: 100%; height: 100%; margin: 0; background: #fff; --poster-color: #fff; }
</style>
</head>
<body>
<model-viewer camera-controls interaction-prompt="none" camera-orbit="0deg 85deg auto" alt="The head; drag to turn it"><div slot="progress-bar"></div></model-viewer>
<script id="data" type="application/json">"fastavatar-data"</script>
<script type="module">${inline}</script>
<script type="module">(${showMesh})();</script>
</body>
</html>
`;
};

process.stdout.write(process.argv[2] === 'mesh' ? meshPage() : splatPage());
