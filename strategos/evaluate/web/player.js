"use strict";
// The replay player: one board, any number of players, everyone's fog. No library, no network.
// Data: {title, result, width, height, tick, players: [{name, team, colour}], code, army, ticks, moves, deaths}.
// `code` of a tile is terrain * 32 + owner + 1; `ticks[t]` lists [tile, code, army] of what changed.

const PLAIN = 1, MOUNTAIN = 2, CITY = 3, GENERAL = 4;
const DISTINCT = 8;
const SPEEDS = [1, 2, 4, 8, 16, 32];
const SNAPSHOT = 64;

class Replay {
  constructor(data) {
    this.data = data;
    this.cells = data.width * data.height;
    this.last = data.ticks.length;
    this.code = Uint16Array.from(data.code);
    this.army = Int32Array.from(data.army);
    this.frame = 0;
    this.snapshots = [];
    this.army_history = [];
    this.land_history = [];
    this.revealed = new Map();     // tile that became a city -> per team, the first frame it was seen as one
    this.walkThrough();
  }
  owner(cell) { return (this.code[cell] & 31) - 1; }
  terrain(cell) { return this.code[cell] >> 5; }
  team(player) { return this.data.players[player].team; }

  // One pass over the game: snapshots to seek from, the scoreboard, what each team has seen of new cities.
  walkThrough() {
    const open = [];               // fallen generals and built-up plains become cities
    for (let cell = 0; cell < this.cells; cell++)
      if (this.terrain(cell) !== CITY && this.terrain(cell) !== MOUNTAIN) open.push(cell);
    const teams = [...new Set(this.data.players.map((player) => player.team))];
    for (let frame = 0; frame <= this.last; frame++) {
      if (frame) this.apply(this.frame = frame);
      if (frame % SNAPSHOT === 0) this.snapshots.push([this.code.slice(), this.army.slice()]);
      const army = this.data.players.map(() => 0), land = this.data.players.map(() => 0);
      for (let cell = 0; cell < this.cells; cell++) {
        const owner = this.owner(cell);
        if (owner >= 0) { army[owner] += this.army[cell]; land[owner]++; }
      }
      this.army_history.push(army);
      this.land_history.push(land);
      for (const cell of open) {
        if (this.terrain(cell) !== CITY) continue;
        if (!this.revealed.has(cell)) this.revealed.set(cell, new Map());
        for (const team of teams) if (!this.revealed.get(cell).has(team) && this.sees(team, cell))
          this.revealed.get(cell).set(team, frame);
      }
    }
    this.seek(0);
  }
  apply(frame) {
    const changes = this.data.ticks[frame - 1];
    for (let i = 0; i < changes.length; i += 3) {
      this.code[changes[i]] = changes[i + 1];
      this.army[changes[i]] = changes[i + 2];
    }
  }
  seek(frame) {
    frame = Math.max(0, Math.min(this.last, frame));
    if (frame < this.frame || frame - this.frame > SNAPSHOT) {
      const nearest = Math.floor(frame / SNAPSHOT);
      this.code.set(this.snapshots[nearest][0]);
      this.army.set(this.snapshots[nearest][1]);
      this.frame = nearest * SNAPSHOT;
    }
    while (this.frame < frame) this.apply(++this.frame);
  }
  // A team sees its own tiles and their eight neighbours.
  sees(team, cell) {
    const {width, height} = this.data, row = Math.floor(cell / width), column = cell % width;
    for (let r = Math.max(0, row - 1); r <= Math.min(height - 1, row + 1); r++)
      for (let c = Math.max(0, column - 1); c <= Math.min(width - 1, column + 1); c++) {
        const owner = this.owner(r * width + c);
        if (owner >= 0 && this.team(owner) === team) return true;
      }
    return false;
  }
  // In fog, mountains and cities are both obstacles; a new city stays hidden until it was seen.
  obstacleInFog(cell, team) {
    const terrain = this.terrain(cell);
    if (terrain === MOUNTAIN) return true;
    if (terrain !== CITY) return false;
    const seen = this.revealed.get(cell);
    return !seen || (seen.has(team) && seen.get(team) <= this.frame);
  }
  dead(player) { return this.data.deaths.some(([frame, who]) => who === player && frame <= this.frame); }
}

function short(army) {
  if (army < 10000) return String(army);
  return army < 1e6 ? Math.floor(army / 1000) + "k" : Math.floor(army / 1e6) + "M";
}

class Painter {
  constructor(canvas, replay) {
    this.canvas = canvas;
    this.replay = replay;
  }
  paint(view) {
    const {replay, canvas} = this, {width, height} = replay.data;
    const ratio = window.devicePixelRatio || 1;
    const size = Math.max(4, Math.floor((canvas.clientWidth || 640) * ratio / width));
    if (canvas.width !== size * width) { canvas.width = size * width; canvas.height = size * height; }
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#0b0e13";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    const team = view < 0 ? null : replay.team(view);
    let visible = 0, obstacles = 0;
    for (let cell = 0; cell < replay.cells; cell++) {
      const x = (cell % width) * size, y = Math.floor(cell / width) * size;
      if (team !== null && !replay.sees(team, cell)) {
        obstacles += this.fog(pen, cell, x, y, size, team);
        continue;
      }
      visible++;
      this.tile(pen, cell, x, y, size);
    }
    this.arrows(pen, size, team);
    canvas.dataset.tick = replay.data.tick + replay.frame;
    canvas.dataset.visible = visible;
    canvas.dataset.obstacles = obstacles;
  }
  fog(pen, cell, x, y, size, team) {
    pen.fillStyle = "#1b212c";
    pen.fillRect(x + 1, y + 1, size - 1, size - 1);
    if (!this.replay.obstacleInFog(cell, team)) return 0;
    this.mountain(pen, x, y, size, "#343d4c");
    return 1;
  }
  tile(pen, cell, x, y, size) {
    const {replay} = this, owner = replay.owner(cell), terrain = replay.terrain(cell), army = replay.army[cell];
    if (terrain === MOUNTAIN) pen.fillStyle = "#4a5261";
    else if (owner >= 0) pen.fillStyle = replay.data.players[owner].colour;
    else pen.fillStyle = terrain === CITY ? "#7d8697" : "#d9dde4";
    pen.fillRect(x + 1, y + 1, size - 1, size - 1);
    if (owner >= DISTINCT) {       // the colours come round again; a white frame tells the second round apart
      pen.strokeStyle = "#fff";
      pen.lineWidth = Math.max(1, size * 0.05);
      pen.strokeRect(x + size * 0.06, y + size * 0.06, size * 0.9, size * 0.9);
    }
    if (terrain === MOUNTAIN) this.mountain(pen, x, y, size, "#8f98a8");
    else if (terrain === CITY) this.city(pen, x, y, size);
    else if (terrain === GENERAL) this.crown(pen, x, y, size);
    if (army && terrain !== MOUNTAIN) {
      const text = short(army);
      pen.font = `650 ${Math.round(size * (text.length > 3 ? 0.3 : 0.38))}px system-ui, sans-serif`;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.lineWidth = size * 0.09;
      pen.lineJoin = "round";
      pen.strokeStyle = "rgba(0,0,0,.62)";
      const onPlain = owner < 0 && terrain === PLAIN;
      if (!onPlain) pen.strokeText(text, x + size / 2, y + size * 0.54);
      pen.fillStyle = onPlain ? "#2a3140" : "#fff";
      pen.fillText(text, x + size / 2, y + size * 0.54);
    }
  }
  shape(pen, x, y, size, points) {
    pen.beginPath();
    points.forEach(([px, py], i) => (i ? pen.lineTo : pen.moveTo).call(pen, x + px * size, y + py * size));
    pen.closePath();
  }
  mountain(pen, x, y, size, ink) {
    pen.fillStyle = ink;
    this.shape(pen, x, y, size, [[0.12, 0.8], [0.42, 0.24], [0.56, 0.5], [0.66, 0.38], [0.9, 0.8]]);
    pen.fill();
  }
  city(pen, x, y, size) {
    pen.fillStyle = "rgba(0,0,0,.32)";
    this.shape(pen, x, y, size, [[0.14, 0.86], [0.14, 0.2], [0.28, 0.2], [0.28, 0.32], [0.43, 0.32], [0.43, 0.2],
      [0.57, 0.2], [0.57, 0.32], [0.72, 0.32], [0.72, 0.2], [0.86, 0.2], [0.86, 0.86]]);
    pen.fill();
    pen.strokeStyle = "rgba(255,255,255,.75)";
    pen.lineWidth = Math.max(1, size * 0.035);
    pen.stroke();
  }
  crown(pen, x, y, size) {
    pen.fillStyle = "#ffd95a";
    this.shape(pen, x, y, size, [[0.14, 0.84], [0.08, 0.26], [0.31, 0.5], [0.5, 0.14], [0.69, 0.5], [0.92, 0.26], [0.86, 0.84]]);
    pen.fill();
    pen.strokeStyle = "rgba(0,0,0,.55)";
    pen.lineWidth = Math.max(1, size * 0.035);
    pen.stroke();
  }
  // The moves that led to this position, from the middle of the source to the edge of the target.
  arrows(pen, size, team) {
    const {replay} = this, {width, moves} = replay.data;
    const list = moves && replay.frame ? moves[replay.frame - 1] : [];
    for (let i = 0; i < list.length; i += 4) {
      const [player, from, to, half] = list.slice(i, i + 4);
      if (team !== null && replay.team(player) !== team) continue;
      const fx = (from % width + 0.5) * size, fy = (Math.floor(from / width) + 0.5) * size;
      const dx = (to % width) - (from % width), dy = Math.floor(to / width) - Math.floor(from / width);
      const tx = fx + dx * size * 0.58, ty = fy + dy * size * 0.58, wing = size * 0.13;
      pen.strokeStyle = pen.fillStyle = "#fff";
      pen.globalAlpha = 0.9;
      pen.lineWidth = Math.max(1.5, size * 0.06);
      pen.setLineDash(half ? [size * 0.08, size * 0.08] : []);
      pen.beginPath();
      pen.moveTo(fx + dx * size * 0.32, fy + dy * size * 0.32);
      pen.lineTo(tx, ty);
      pen.stroke();
      pen.setLineDash([]);
      pen.beginPath();
      pen.moveTo(tx + dx * wing * 1.3, ty + dy * wing * 1.3);
      pen.lineTo(tx - dy * wing, ty + dx * wing);
      pen.lineTo(tx + dy * wing, ty - dx * wing);
      pen.fill();
      pen.globalAlpha = 1;
    }
  }
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "style") made.style.cssText = value;   // allowed where a page's policy forbids style attributes
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function mountReplay(root, data) {
  const replay = new Replay(data);
  const wanted = new URLSearchParams(location.hash.slice(1));
  let view = Math.min(Number(wanted.get("view") || 0), data.players.length) - 1;
  let speed = 8, playing = false, before = 0, owed = 0;

  const field = element("canvas", {class: "field", role: "img"});
  const painter = new Painter(field, replay);
  const clock = element("div", {class: "clock"});
  const body = element("tbody");
  const rows = data.players.map((player, index) => {
    const chip = element("span", {class: "chip", style: `background:${player.colour}`});
    const row = element("tr", {}, element("td", {title: player.name}, chip, player.name), element("td"), element("td"));
    body.append(row);
    return row;
  });
  const views = element("div", {class: "views"}, element("span", {}, "What you see"));
  const viewButtons = ["Everything", ...data.players.map((player) => player.name)].map((name, index) => {
    const button = element("button", {type: "button", title: index ? `the board as ${name} sees it` : "the whole board"});
    if (index) button.append(element("span", {class: "chip", style: `background:${data.players[index - 1].colour}`}));
    button.append(name);
    button.onclick = () => { view = index - 1; show(); };
    views.append(button);
    return button;
  });
  const button = (label, title, act, name = "") => {
    const made = element("button", {type: "button", title, "aria-label": title, class: name}, label);
    made.onclick = act;
    return made;
  };
  const play = button("▶", "play or pause", () => toggle(), "play");
  const choice = element("select", {title: "speed", "aria-label": "speed"});
  for (const value of SPEEDS) choice.append(element("option", {value}, `${value} ticks/s`));
  choice.value = String(speed);
  choice.onchange = () => { speed = Number(choice.value); };
  const graph = element("canvas", {"aria-hidden": "true"});
  const slider = element("input", {type: "range", min: 0, max: replay.last, value: 0, "aria-label": "tick"});
  slider.oninput = () => { playing = false; go(Number(slider.value)); };

  const title = element("h3", {}, data.title);
  const side = element("div", {class: "side"}, element("div", {}, title, clock),
    element("table", {}, element("thead", {}, element("tr", {}, element("th", {}, "player"), element("th", {}, "army"),
      element("th", {}, "land"))), body), views);
  const keys = element("p", {class: "keys"});
  keys.innerHTML = "<kbd>space</kbd> play, <kbd>←</kbd> <kbd>→</kbd> one tick (with <kbd>shift</kbd> ten), " +
    "<kbd>↑</kbd> <kbd>↓</kbd> speed, <kbd>0</kbd> everything, <kbd>1</kbd>… a player's fog";
  side.append(keys);
  const controls = element("div", {class: "controls"},
    element("div", {class: "buttons"}, button("|◀", "to the start", () => go(0)), button("◀", "one tick back", () => go(replay.frame - 1)),
      play, button("▶|", "one tick on", () => go(replay.frame + 1))),
    element("div", {class: "track"}, graph, slider), choice);
  root.replaceChildren(element("div", {class: "board"}, field), side, controls);
  root.tabIndex = 0;

  function show() {
    painter.paint(view);
    const tick = data.tick + replay.frame, army = replay.army_history[replay.frame], land = replay.land_history[replay.frame];
    clock.replaceChildren(element("b", {}, `turn ${Math.floor(tick / 2)}${tick % 2 ? "½" : ""}`),
      ` · tick ${tick} of ${data.tick + replay.last}`, element("br"), replay.frame === replay.last ? data.result : " ");
    rows.forEach((row, player) => {
      row.cells[1].textContent = army[player];
      row.cells[2].textContent = land[player];
      row.className = replay.dead(player) ? "dead" : "";
    });
    viewButtons.forEach((made, index) => made.setAttribute("aria-pressed", String(index - 1 === view)));
    play.textContent = playing ? "❚❚" : "▶";
    slider.value = replay.frame;
    const scores = data.players.map((player, index) => `${player.name} ${army[index]} army on ${land[index]} tiles`);
    field.setAttribute("aria-label", `Board at tick ${tick}: ${scores.join(", ")}`);
  }
  // Each player's share of all armies over the whole game, behind the slider.
  function drawGraph() {
    const ratio = window.devicePixelRatio || 1, wide = graph.width = Math.max(1, graph.clientWidth * ratio);
    const high = graph.height = Math.max(1, graph.clientHeight * ratio), pen = graph.getContext("2d");
    for (let x = 0; x < wide; x++) {
      const army = replay.army_history[Math.round(x / Math.max(1, wide - 1) * replay.last)];
      const total = army.reduce((sum, value) => sum + value, 0) || 1;
      let y = 0;
      army.forEach((value, player) => {
        pen.fillStyle = data.players[player].colour;
        pen.fillRect(x, y, 1, high * value / total + 1);
        y += high * value / total;
      });
    }
    pen.fillStyle = "rgba(16,20,27,.35)";
    pen.fillRect(0, 0, wide, high);
  }
  function go(frame) { replay.seek(frame); show(); }
  function toggle() {
    playing = !playing;
    if (playing && replay.frame === replay.last) replay.seek(0);
    before = performance.now();
    owed = 0;
    show();
    if (playing) requestAnimationFrame(advance);
  }
  function advance(now) {
    if (!playing) return;
    owed += Math.max(0, now - before) / 1000 * speed;
    before = now;
    const whole = Math.floor(owed);
    owed -= whole;
    if (whole) replay.seek(replay.frame + whole);
    if (replay.frame === replay.last) playing = false;
    if (whole || !playing) show();
    if (playing) requestAnimationFrame(advance);
  }
  function changeSpeed(step) {
    speed = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, SPEEDS.indexOf(speed) + step))];
    choice.value = String(speed);
  }
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === choice) return;
    const stride = event.shiftKey ? 10 : 1;
    const number = event.key >= "0" && event.key <= "9" ? Number(event.key) : -1;
    if (event.key === " ") { if (event.target.tagName === "BUTTON") return; toggle(); }
    else if (event.key === "ArrowRight") go(replay.frame + stride);
    else if (event.key === "ArrowLeft") go(replay.frame - stride);
    else if (event.key === "ArrowUp") changeSpeed(1);
    else if (event.key === "ArrowDown") changeSpeed(-1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(replay.last);
    else if (number >= 0 && number <= data.players.length) { view = number - 1; show(); }
    else return;
    event.preventDefault();
  });
  field.addEventListener("click", () => { root.focus({preventScroll: true}); toggle(); });
  new ResizeObserver(() => { drawGraph(); painter.paint(view); }).observe(root);
  go(Number(wanted.get("tick") || data.tick) - data.tick);
  drawGraph();
}

for (const root of document.querySelectorAll(".replay")) {
  mountReplay(root, JSON.parse(document.getElementById(root.dataset.source).textContent));
}
