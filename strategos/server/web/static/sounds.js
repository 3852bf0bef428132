// A few short tones, made on the spot; silent until somebody turns them on.

import {keep, recall} from "./dom.js";

const TONES = {
  start: [[440, 0], [660, 0.12]], turn: [[620, 0]], capture: [[520, 0], [780, 0.08]], lost: [[240, 0], [160, 0.15]],
  won: [[523, 0], [659, 0.12], [784, 0.24]], card: [[340, 0]],
};
let on = recall("sound", false), context = null;

export function play(name) {
  if (!on) return;
  context ??= new AudioContext();
  for (const [pitch_hz, delay_s] of TONES[name]) {
    const source = context.createOscillator(), volume = context.createGain();
    const begin = context.currentTime + delay_s;
    source.frequency.value = pitch_hz;
    volume.gain.setValueAtTime(0.08, begin);
    volume.gain.exponentialRampToValueAtTime(0.001, begin + 0.16);
    source.connect(volume).connect(context.destination);
    source.start(begin);
    source.stop(begin + 0.17);
  }
}

export function mountSwitch(button) {
  const show = () => {
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "♪ on" : "♪ off";
  };
  button.addEventListener("click", () => {
    keep("sound", on = !on);
    show();
    play("turn");
  });
  show();
}
