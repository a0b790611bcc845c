/**
 * The page's only script: a line over all curves of a leg under the pointer, or moved by the arrow keys, and the values there beside the
 * names. Without it the page says the same. Written for any browser of the last years; nothing of the page's data is put into it.
 */
export const CROSSHAIR = `'use strict';
for (const charts of document.querySelectorAll('.charts')) {
  const told = JSON.parse(charts.querySelector('.told').textContent);
  for (const texts of told.values) for (let i = 1; i < texts.length; i++) if (texts[i] === 0) texts[i] = texts[i - 1];
  const slots = [...charts.querySelectorAll('.legend li:not(.at) b')];
  const time = charts.querySelector('.at b');
  const drawings = [...charts.querySelectorAll('svg')];
  const last = told.times.length - 1;
  let at = -1;
  const show = (index) => {
    at = index;
    charts.classList.toggle('crossed', index >= 0);
    slots.forEach((slot, i) => (slot.textContent = index < 0 ? '' : told.values[i][index]));
    time.textContent = index < 0 ? '' : told.times[index] + ' UTC';
    if (index < 0) return;
    for (const drawing of drawings) {
      const left = Number(drawing.dataset.left);
      const x = left + ((index + 0.5) / (last + 1)) * (Number(drawing.dataset.right) - left);
      drawing.querySelector('.cross').setAttribute('transform', 'translate(' + x + ' 0)');
    }
  };
  for (const drawing of drawings) {
    drawing.addEventListener('pointermove', (event) => {
      const box = drawing.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * drawing.viewBox.baseVal.width;
      const left = Number(drawing.dataset.left);
      const share = (x - left) / (Number(drawing.dataset.right) - left);
      show(share < 0 || share > 1 ? -1 : Math.min(last, Math.floor(share * (last + 1))));
    });
    drawing.addEventListener('pointerleave', () => show(-1));
  }
  charts.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === 'Escape') show(-1);
    if (step === undefined) return;
    event.preventDefault();
    show(at < 0 ? (step > 0 ? 0 : last) : Math.min(last, Math.max(0, at + step * (event.shiftKey ? 10 : 1))));
  });
  charts.addEventListener('blur', () => show(-1));
}
`;
