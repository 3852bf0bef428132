// A game of Generals at this seat: what is clicked and typed becomes moves, what comes in becomes a board.

import {Board, BoardView, MOUNTAIN} from "./board.js";
import {announce, chip, h, teamsOf} from "./dom.js";
import {Moves} from "./moves.js";

const ARROWS = {ArrowUp: 0, ArrowDown: 1, ArrowLeft: 2, ArrowRight: 3, w: 0, s: 1, a: 2, d: 3};
const DRAG_PX = 8;

export class GeneralsView {
  constructor(place, {welcome, watching, send}) {
    Object.assign(this, {place, welcome, watching, board: null, state: null});
    this.moves = new Moves(send, () => this.board, welcome.pass);
    this.send = send;
    this.canvas = h("canvas", {class: "board", id: "board", tabindex: 0, role: "application", "aria-label": "The board"});
    this.drawn = new BoardView(this.canvas);
    this.scores = h("tbody");
    this.teamHead = h("th", {scope: "col", hidden: true}, "team");
    this.queued = h("span", {class: "dim", id: "queued"});
    this.build(place);
    this.pointers = new Map();
    this.listen();
    this.resized = new ResizeObserver(() => this.drawn.paint());
    this.resized.observe(this.canvas.parentElement);
  }

  build(place) {
    const button = (label, key, title, act, id) => h("button", {type: "button", title: `${title} (key ${key})`, id, onclick: () => { act(); this.canvas.focus({preventScroll: true}); }},
      label, h("kbd", {}, key));
    this.halfButton = button("Half", "Z", "Send half of the army with the next move", () => this.toggleHalf(), "half");
    const buttons = this.watching ? [] : [
      this.halfButton,
      button("Undo", "E", "Take back the last move of the queue", () => this.undo(), "undo"),
      button("Clear", "Q", "Clear the queue", () => this.clear(), "clear"),
      button("Wait", "Space", "Pass once; a game that is played step by step goes on", () => this.wait(), "wait"),
      this.welcome.builds ? button("City", "B", "Build a city at the cursor", () => this.buildCity(), "build") : null,
      h("button", {type: "button", class: "danger", id: "surrender", onclick: () => this.surrender()}, "Surrender"),
    ];
    place.replaceChildren(h("div", {class: "stage"},
      h("div", {class: "field"}, this.canvas),
      this.side = h("aside", {class: "side"},
        h("section", {class: "card", "aria-label": "Players"}, h("table", {class: "scores", id: "scores"},
          h("thead", {}, h("tr", {}, h("th", {scope: "col"}, "player"), this.teamHead, h("th", {scope: "col"}, "army"), h("th", {scope: "col"}, "land"))), this.scores)),
        h("div", {class: "tools", role: "toolbar", "aria-label": "Moves"}, buttons, this.watching ? null : this.queued),
        this.watching ? null : h("details", {class: "help"}, h("summary", {}, "How to play"), h("p", {},
          "Click a tile of yours, then a tile beside it; or walk with the arrow keys or WASD. Shift and an arrow key moves the cursor alone. ",
          "Z, or a second click, sends half. E takes back, Q clears, H goes home, L shows letters. Wheel or two fingers zoom, dragging moves the board. ",
          "Take cities, find the other general, capture it.")))));
  }

  focus() { if (!this.watching) this.canvas.focus({preventScroll: true}); }
  leave() { this.resized.disconnect(); }
  again() { this.moves.restart(); }
  refused(about, heard) {
    this.moves.settle(heard);
    this.draw();
  }
  time(state) { return `turn ${Math.floor(state.tick / 2)}${state.tick % 2 ? "½" : ""}`; }
  get playing() { return !this.watching && this.state?.phase === "running" && this.state.alive[this.state.seat]; }

  update(state) {
    const before = this.state, first = !this.board;
    this.state = state;
    if (state.board) {
      this.board = new Board(state.board, state.names, this.welcome.colours);
      this.drawn.show(this.board);
    } else this.board.change(state.changes);
    if (state.seat !== null && first) this.drawn.cursor = this.board.home(state.seat);
    this.moves.update(state);
    this.showScores(state, before);
    this.draw();
  }

  draw() {
    if (!this.board) return;
    const {canvas, drawn, state} = this;
    drawn.queue = this.moves.list;
    drawn.paint();
    this.queued.textContent = drawn.queue.length ? `${drawn.queue.length} in the queue` : "";
    this.halfButton?.setAttribute("aria-pressed", String(drawn.half));
    canvas.dataset.cursor = drawn.cursor;
    canvas.dataset.queue = drawn.queue.length;
    canvas.dataset.tick = state.tick;
    const seat = state.seat, mine = seat === null ? "" : ` You have ${state.army_total[seat]} army on ${state.land_total[seat]} tiles.`;
    canvas.setAttribute("aria-label", `The board, ${this.time(state)}.${mine}`);
  }

  showScores(state, before) {
    const order = state.names.map((_, seat) => seat).sort((one, other) => state.army_total[other] - state.army_total[one] || one - other);
    const all = this.board.team.slice(0, state.names.length), teams = teamsOf(all) ? all : null;
    this.teamHead.hidden = !teams;
    this.scores.replaceChildren(...order.map((seat) => h("tr", {class: state.alive[seat] ? "" : "dead"},
      h("td", {title: state.names[seat]}, chip(seat, this.welcome.colours), state.names[seat], seat === state.seat ? h("b", {}, " you") : null,
        state.present[seat] || !state.alive[seat] ? null : h("span", {class: "dim"}, " away")),
      teams ? h("td", {}, teams[seat] + 1) : null, h("td", {}, state.army_total[seat]), h("td", {}, state.land_total[seat]))));
    if (before && state.seat !== null && before.alive[state.seat] && !state.alive[state.seat]) this.moves.clear();
    if (before && state.seat !== null && state.tick % 50 === 0 && state.tick !== before.tick)
      announce(`${this.time(state)}: you have ${state.army_total[state.seat]} army on ${state.land_total[state.seat]} tiles.`);
  }

  // A known mountain is never a target; an obstacle in fog may be a city.
  passable(cell) { return cell >= 0 && !(this.board.terrain(cell) === MOUNTAIN); }

  march(direction) {
    const {drawn, board} = this;
    if (drawn.cursor < 0) return this.goHome();
    const target = board.beside(drawn.cursor, direction);
    if (!this.passable(target)) return announce("A wall.");
    if (this.playing) this.moves.add([drawn.cursor, direction, drawn.half ? 1 : 0]);
    drawn.half = false;
    this.point(target);
  }

  point(cell, say = false) {
    this.drawn.cursor = cell;
    if (this.drawn.zoom > 1) this.drawn.follow(cell);
    if (say) announce(this.board.describe(cell, this.state.seat));
    this.draw();
  }

  goHome() {
    const home = this.state.seat === null ? -1 : this.board.home(this.state.seat);
    if (home >= 0) this.point(home, true);
  }

  toggleHalf() {
    this.drawn.half = !this.drawn.half;
    announce(this.drawn.half ? "Half of the army." : "The whole army.");
    this.draw();
  }

  // The cursor goes back to where the move that was taken back began.
  undo() {
    const list = this.moves.list;
    if (!list.length) return;
    this.moves.undo();
    this.point(list[list.length - 1][0], true);
  }

  clear() {
    const list = this.moves.list;
    this.moves.clear();
    if (list.length && list[0][1] < 4) this.point(list[0][0]);
    announce("The queue is empty.");
    this.draw();
  }

  wait() {
    if (this.playing) this.moves.add([this.drawn.cursor, 5, 0]);
    this.draw();
  }
  buildCity() {
    if (this.playing && this.drawn.cursor >= 0) this.moves.add([this.drawn.cursor, 4, 0]);
    this.draw();
  }
  surrender() {
    const button = document.getElementById("surrender");
    if (this.asked) return void (this.send({type: "surrender"}), button.disabled = true);
    this.asked = true;
    button.textContent = "Really?";
    setTimeout(() => { this.asked = false; if (!button.disabled) button.textContent = "Surrender"; }, 4000);
  }

  key(event) {
    if (!this.board || (this.watching && event.target !== this.canvas)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const onButton = event.target.tagName === "BUTTON" || event.target.tagName === "SUMMARY" || event.target.tagName === "A";
    if (Object.hasOwn(ARROWS, key)) {
      if (event.shiftKey || this.watching) {
        const target = this.drawn.cursor < 0 ? 0 : this.board.beside(this.drawn.cursor, ARROWS[key]);
        if (target >= 0) this.point(target, true);
      } else this.march(ARROWS[key]);
    } else if (key === "l") { this.drawn.letters = !this.drawn.letters; this.draw(); }
    else if (key === "+" || key === "-") { const box = this.canvas.getBoundingClientRect(); this.drawn.zoomBy(key === "+" ? 1.25 : 0.8, box.left + box.width / 2, box.top + box.height / 2); }
    else if (this.watching) return;
    else if (key === "z") this.toggleHalf();
    else if (key === "e") this.undo();
    else if (key === "q") this.clear();
    else if (key === "h") this.goHome();
    else if (key === "b" && this.welcome.builds) this.buildCity();
    else if (key === " " && !onButton) this.wait();
    else return;
    event.preventDefault();
  }

  tap(cell) {
    if (cell < 0 || !this.board) return;
    const {drawn, board, state} = this;
    if (this.watching) return this.point(cell, true);
    const direction = drawn.cursor < 0 ? -1 : board.direction(drawn.cursor, cell);
    const armed = drawn.cursor >= 0 && (board.owner(drawn.cursor) === state.seat || this.moves.list.some(([from, way]) => way < 4 && board.beside(from, way) === drawn.cursor));
    if (cell === drawn.cursor) return this.toggleHalf();
    if (direction >= 0 && armed && this.passable(cell)) return this.march(direction);
    drawn.half = false;
    this.point(cell, true);
  }

  listen() {
    const {canvas, pointers} = this;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, {x: event.clientX, y: event.clientY, far: 0});
      if (pointers.size > 1) for (const each of pointers.values()) each.far = DRAG_PX + 1;
    });
    canvas.addEventListener("pointermove", (event) => {
      const held = pointers.get(event.pointerId);
      if (!held || !this.board) return;
      const dx = event.clientX - held.x, dy = event.clientY - held.y;
      if (pointers.size === 2) this.pinch(event, held);
      else if (held.far + Math.abs(dx) + Math.abs(dy) > DRAG_PX) { this.drawn.panBy(dx, dy); held.far = DRAG_PX + 1; }
      else return;                 // a tap may tremble
      held.x = event.clientX;
      held.y = event.clientY;
    });
    const release = (event) => {
      const held = pointers.get(event.pointerId);
      pointers.delete(event.pointerId);
      if (held && event.type === "pointerup" && held.far <= DRAG_PX) this.tap(this.drawn.cellAt(event));
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("wheel", (event) => {
      if (!this.board) return;
      event.preventDefault();
      this.drawn.zoomBy(event.deltaY < 0 ? 1.15 : 1 / 1.15, event.clientX, event.clientY);
    }, {passive: false});
  }

  pinch(event, held) {
    const other = [...this.pointers.entries()].find(([id]) => id !== event.pointerId)[1];
    const before = Math.hypot(held.x - other.x, held.y - other.y), after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
    if (before > 0 && after > 0) this.drawn.zoomBy(after / before, (event.clientX + other.x) / 2, (event.clientY + other.y) / 2);
    this.drawn.panBy((event.clientX - held.x) / 2, (event.clientY - held.y) / 2);
  }
}
