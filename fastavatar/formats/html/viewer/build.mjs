// Prints the page that fastavatar/formats/html/page.py fills: PlayCanvas' viewer, its licence, and our additions.
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

const licence = readFileSync('node_modules/@playcanvas/supersplat-viewer/LICENSE', 'utf8');
process.stdout.write(
    renderViewerHtml({
        bootstrap: 'fastavatar-data',
        backgroundColor: [1, 1, 1],
        headExtras: `<!-- The viewer in this page:\n\n${licence}-->
        <script>(${fitToPage})();(${closeControlsPanel})();</script>`,
        inlineCss: true,
        inlineJs: true
    })
);
