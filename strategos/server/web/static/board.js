// The board of Generals as one seat knows it, and its drawing: tiles by the painter of the replay player, around
// them fog, memories, letters, the cursor, the queue, zoom and pan. What is typed and clicked is in generals.js.
/* global Painter */

import {LETTERS} from "./dom.js";

export const FOG = 0, PLAIN = 1, MOUNTAIN = 2, CITY = 3, GENERAL = 4, OBSTACLE = 5;
export const STEPS = [[-1, 0], [1, 0], [0, -1], [0, 1]];
const FOGGED = 256;
const MOST_ZOOM = 6;

// What the painter asks: owner, terrain and army of a tile, the colours of the players.
export class Board {
  constructor(board, names, colours) {
    Object.assign(this, {width: board.width, height: board.height, stride: board.stride, padded: board.cells, team: board.team});
    this.cells = board.width * board.height;
    this.code = Uint16Array.from(board.code);
    this.army = Int32Array.from(board.army);
    this.data = {players: names.map((name, seat) => ({name, colour: colours[seat % colours.length]}))};
  }
  change(changes) {
    for (let i = 0; i < changes.length; i += 3) {
      this.code[changes[i]] = changes[i + 1];
      this.army[changes[i]] = changes[i + 2];
    }
  }
  owner(cell) { return (this.code[cell] & 31) - 1; }
  terrain(cell) { return (this.code[cell] & 255) >> 5; }
  fogged(cell) { return this.code[cell] >= FOGGED; }
  row(cell) { return Math.floor(cell / this.width); }
  column(cell) { return cell % this.width; }
  // The tile one step away, -1 beyond the edge.
  beside(cell, direction) {
    const row = this.row(cell) + STEPS[direction][0], column = this.column(cell) + STEPS[direction][1];
    return row < 0 || column < 0 || row >= this.height || column >= this.width ? -1 : row * this.width + column;
  }
  direction(from, to) { return [0, 1, 2, 3].find((way) => this.beside(from, way) === to) ?? -1; }
  // The id of a move on the server's padded board.
  action(cell, direction, half) {
    const place = this.row(cell) * this.stride + this.column(cell);
    return direction === 4 ? 8 * this.padded + place : place * 8 + direction * 2 + (half ? 1 : 0);
  }
  home(seat) {
    let own = -1;
    for (let cell = 0; cell < this.cells; cell++) {
      if (this.owner(cell) !== seat || this.fogged(cell)) continue;
      if (this.terrain(cell) === GENERAL) return cell;
      if (own < 0) own = cell;
    }
    return own;
  }
  describe(cell, seat) {
    const terrain = this.terrain(cell), owner = this.owner(cell), place = `Row ${this.row(cell) + 1}, column ${this.column(cell) + 1}: `;
    const what = ["fog", "land", "mountain", "city", "general", "obstacle"][terrain] ?? "land";
    if (terrain === FOG || terrain === MOUNTAIN || terrain === OBSTACLE) return place + what;
    const whose = owner < 0 ? "neutral" : owner === seat ? "your" : `${this.data.players[owner].name}'s`;
    return `${place}${whose} ${what}, ${this.army[cell]} army${this.fogged(cell) ? ", as last seen" : ""}`;
  }
}

export class BoardView {
  constructor(canvas) {
    this.canvas = canvas;
    this.zoom = 1;
    this.left = this.top = 0;      // of the part that is shown, in tiles
    this.cursor = -1;
    this.half = false;
    this.queue = [];               // [cell, direction, half]
    this.letters = false;
  }
  show(board) {
    if (this.painter === undefined || this.board !== board) this.painter = new Painter(this.canvas, board);
    this.board = board;
  }
  // Tiles are square: the side of one in device pixels.
  measure() {
    const {canvas, board} = this, ratio = window.devicePixelRatio || 1;
    const room = canvas.parentElement.clientWidth || 320, high = Math.max(220, window.innerHeight * 0.78);
    const side = Math.max(4, Math.min(room / board.width, high / board.height, 64));
    const wide = Math.round(side * board.width), tall = Math.round(side * board.height);
    if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(tall * ratio)) {
      canvas.width = Math.round(wide * ratio);
      canvas.height = Math.round(tall * ratio);
      canvas.style.width = `${wide}px`;
      canvas.style.height = `${tall}px`;
    }
    this.size = canvas.width / board.width * this.zoom;
    const most_left = board.width - board.width / this.zoom, most_top = board.height - board.height / this.zoom;
    this.left = Math.max(0, Math.min(most_left, this.left));
    this.top = Math.max(0, Math.min(most_top, this.top));
  }
  // The tile under a pointer, -1 outside.
  cellAt(event) {
    const box = this.canvas.getBoundingClientRect(), ratio = this.canvas.width / box.width;
    const column = Math.floor((event.clientX - box.left) * ratio / this.size + this.left);
    const row = Math.floor((event.clientY - box.top) * ratio / this.size + this.top);
    const {board} = this;
    return column < 0 || row < 0 || column >= board.width || row >= board.height ? -1 : row * board.width + column;
  }
  zoomBy(factor, clientX, clientY) {
    const box = this.canvas.getBoundingClientRect();
    const across = (clientX - box.left) / box.width, down = (clientY - box.top) / box.height, {board} = this;
    const before = this.zoom;
    this.zoom = Math.max(1, Math.min(MOST_ZOOM, this.zoom * factor));
    this.left += across * board.width * (1 / before - 1 / this.zoom);
    this.top += down * board.height * (1 / before - 1 / this.zoom);
    this.paint();
  }
  panBy(dx, dy) {
    const box = this.canvas.getBoundingClientRect();
    this.left -= dx / box.width * this.board.width / this.zoom;
    this.top -= dy / box.height * this.board.height / this.zoom;
    this.paint();
  }
  // Moves the part that is shown so far that the cursor is in it.
  follow(cell) {
    const {board} = this, wide = board.width / this.zoom, tall = board.height / this.zoom;
    this.left = Math.min(Math.max(this.left, board.column(cell) + 2 - wide), Math.max(0, board.column(cell) - 1));
    this.top = Math.min(Math.max(this.top, board.row(cell) + 2 - tall), Math.max(0, board.row(cell) - 1));
  }
  paint() {
    const {board, canvas} = this;
    if (!board) return;
    this.measure();
    const pen = canvas.getContext("2d"), {size} = this;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = "#0b0e13";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.setTransform(1, 0, 0, 1, -this.left * size, -this.top * size);
    let fogged = 0;
    for (let cell = 0; cell < board.cells; cell++) {
      const x = board.column(cell) * size, y = board.row(cell) * size;
      if (board.fogged(cell)) { this.fog(pen, cell, x, y, size); fogged++; continue; }
      this.painter.tile(pen, cell, x, y, size);
      if (this.letters || board.terrain(cell) === GENERAL) this.letter(pen, cell, x, y, size);
    }
    this.arrows(pen, size);
    this.mark(pen, size);
    canvas.dataset.fogged = fogged;
    canvas.dataset.zoom = this.zoom.toFixed(2);
  }
  fog(pen, cell, x, y, size) {
    const {board, painter} = this, terrain = board.terrain(cell), owner = board.owner(cell), army = board.army[cell];
    pen.fillStyle = "#1b212c";
    pen.fillRect(x + 1, y + 1, size - 1, size - 1);
    if (terrain === FOG) return;
    if (owner >= 0) {
      pen.globalAlpha = 0.3;
      pen.fillStyle = board.data.players[owner].colour;
      pen.fillRect(x + 1, y + 1, size - 1, size - 1);
    }
    pen.globalAlpha = 0.55;
    if (terrain === OBSTACLE || terrain === MOUNTAIN) { pen.globalAlpha = 1; painter.mountain(pen, x, y, size, terrain === MOUNTAIN ? "#4a5261" : "#343d4c"); }
    else if (terrain === CITY) painter.city(pen, x, y, size);
    else if (terrain === GENERAL) painter.crown(pen, x, y, size);
    else if (owner < 0) { pen.globalAlpha = 1; pen.fillStyle = "#232a36"; pen.fillRect(x + 1, y + 1, size - 1, size - 1); }
    pen.globalAlpha = 1;
    if (army && (owner >= 0 || terrain === CITY)) {
      pen.font = `${Math.round(size * 0.32)}px system-ui, sans-serif`;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.fillStyle = "#98a2b3";
      pen.fillText(String(army), x + size / 2, y + size * 0.54);
    }
  }
  letter(pen, cell, x, y, size) {
    const owner = this.board.owner(cell);
    if (owner < 0 || size < 16) return;
    pen.font = `700 ${Math.round(size * 0.24)}px system-ui, sans-serif`;
    pen.textAlign = "left";
    pen.textBaseline = "top";
    pen.fillStyle = "rgba(0,0,0,.6)";
    pen.fillRect(x + 1, y + 1, size * 0.27, size * 0.27);
    pen.fillStyle = "#fff";
    pen.fillText(LETTERS[owner], x + size * 0.06, y + size * 0.05);
  }
  arrows(pen, size) {
    const {board} = this;
    this.queue.forEach(([cell, direction, half], place) => {
      const x = (board.column(cell) + 0.5) * size, y = (board.row(cell) + 0.5) * size;
      pen.globalAlpha = Math.max(0.45, 1 - place * 0.04);
      pen.strokeStyle = pen.fillStyle = "#fff";
      if (direction > 3) {
        if (direction === 4) pen.strokeRect(x - size * 0.4, y - size * 0.4, size * 0.8, size * 0.8);
        return;
      }
      const [down, right] = STEPS[direction], wing = size * 0.12;
      const bx = x + right * size * 0.2, by = y + down * size * 0.2, tx = x + right * size * 0.6, ty = y + down * size * 0.6;
      pen.lineJoin = "round";
      for (const [colour, width] of [["#10141b", 0.2], ["#fff", 0.08]]) {
        pen.strokeStyle = pen.fillStyle = colour;
        pen.lineWidth = Math.max(1.5, size * width);
        pen.setLineDash(half && width < 0.1 ? [size * 0.09, size * 0.09] : []);
        pen.beginPath();
        pen.moveTo(bx, by);
        pen.lineTo(tx, ty);
        pen.stroke();
        pen.setLineDash([]);
        pen.beginPath();
        pen.moveTo(tx + right * wing * 1.5, ty + down * wing * 1.5);
        pen.lineTo(tx - down * wing, ty + right * wing);
        pen.lineTo(tx + down * wing, ty - right * wing);
        pen.closePath();
        if (width > 0.1) { pen.lineWidth = Math.max(1.5, size * 0.1); pen.stroke(); }
        pen.fill();
      }
    });
    pen.globalAlpha = 1;
  }
  mark(pen, size) {
    const {board, cursor} = this;
    if (cursor < 0) return;
    const x = board.column(cursor) * size, y = board.row(cursor) * size, line = Math.max(2, size * 0.08);
    pen.lineWidth = line + 2;
    pen.strokeStyle = "rgba(0,0,0,.7)";
    pen.strokeRect(x + line / 2, y + line / 2, size - line, size - line);
    pen.lineWidth = line;
    pen.strokeStyle = "#fff";
    pen.setLineDash(this.half ? [size * 0.14, size * 0.1] : []);
    pen.strokeRect(x + line / 2, y + line / 2, size - line, size - line);
    pen.setLineDash([]);
    if (this.half) {
      pen.font = `700 ${Math.round(size * 0.26)}px system-ui, sans-serif`;
      pen.textAlign = "right";
      pen.textBaseline = "bottom";
      pen.lineWidth = size * 0.08;
      pen.strokeStyle = "rgba(0,0,0,.8)";
      pen.strokeText("50%", x + size * 0.94, y + size * 0.96);
      pen.fillStyle = "#fff";
      pen.fillText("50%", x + size * 0.94, y + size * 0.96);
    }
  }
}
